/* SPDX-License-Identifier: Apache-2.0 */
/* Messages compressed by permessage-deflate (RFC 7692 §7.2.2), of one side. */
#pragma once

#include "dissect/sink.h"

/* Where payload goes: the body of the sink's message, or the stream inside; and
 * what of the slice given to feed carried it. */
struct websocket_output {
	struct sink *sink;
	bool inside;
	size_t offset, end;
};

/* The next bytes of it, copied before this returns. */
void websocket_give(const struct websocket_output *out, struct bytes plain);

/* What one costs, its window with it. */
#define WEBSOCKET_INFLATE_MEMORY (44u << 10)

struct websocket_inflate;

/* Owned by the caller; NULL when there is no memory for it. */
struct websocket_inflate *websocket_inflate_new(void);

/* NULL is allowed. */
void websocket_inflate_free(struct websocket_inflate *x);

/* A message begins; with `forget` what was said before is not referred to. */
void websocket_inflate_begin(struct websocket_inflate *x, bool forget);

/*
 * The next bytes of the message, and its end; what they yield is given to `out`.
 * False when they are damaged or swell beyond all measure; what follows cannot
 * be understood then until something begins that forgets.
 */
bool websocket_inflate_data(struct websocket_inflate *x, struct bytes in,
			    const struct websocket_output *output);
bool websocket_inflate_end(struct websocket_inflate *x,
			   const struct websocket_output *out);

/* Bytes that the message has yielded so far. */
uint64_t websocket_inflate_size(const struct websocket_inflate *x);
