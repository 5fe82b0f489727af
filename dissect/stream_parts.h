/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a stream, shared by its own files only. */
#pragma once

#include "dissect/lane.h"
#include "dissect/pair.h"
#include "dissect/stream.h"

struct inner; /* dissect/stream_inner.c */

/* What a dissector talks to: the side being fed. */
struct sink {
	struct stream *stream;
	enum side side;
};

struct stream {
	struct stream_context *context;
	struct stream_identity identity;
	const struct dissector *dissector; /* NULL: not known (any more) */
	enum protocol protocol;            /* the last one known */
	void *conn;
	uint64_t kept;                     /* bytes that the state has beside */
	struct lane lanes[2];
	struct pair pair;
	struct sink sink;
	struct inner *inner; /* what the dissector found inside; or NULL */
	uint32_t messages;  /* since the dissector was chosen */
	bool upgrade;       /* the message that just ended changes protocol */
	bool settled;       /* at least one message was found, ever */
	bool reversed;      /* sides are the other way round than given */
};

/* The stream inside, NULL allowed: a side has ended; all has ended. */
void inner_finish(struct inner *inner, enum side side, bool clean);
void inner_free(struct inner *inner, enum call_reason reason);
/* The stream itself, NULL when there is none. */
const struct stream *inner_stream(const struct inner *inner);
