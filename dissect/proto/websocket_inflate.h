/* SPDX-License-Identifier: Apache-2.0 */
/* Messages compressed by permessage-deflate (RFC 7692 §7.2.2), of one side. */
#pragma once

#include "dissect/sink.h"

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
 * The next bytes of the message, and its end: body of the sink's message.
 * False when they are damaged or swell beyond all measure; what follows cannot
 * be understood then until something begins that forgets.
 */
bool websocket_inflate_data(struct websocket_inflate *x, struct bytes in,
			    struct sink *sink);
bool websocket_inflate_end(struct websocket_inflate *x, struct sink *sink);

/* Bytes that the message has yielded so far. */
uint64_t websocket_inflate_size(const struct websocket_inflate *x);
