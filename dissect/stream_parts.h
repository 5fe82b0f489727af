/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a stream, shared by stream.c and sink.c only. */
#pragma once

#include "dissect/lane.h"
#include "dissect/pair.h"
#include "dissect/stream.h"

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
	struct lane lanes[2];
	struct pair pair;
	struct sink sink;
	uint32_t messages;  /* since the dissector was chosen */
	bool upgrade;       /* the message that just ended changes protocol */
	bool settled;       /* at least one message was found, ever */
	bool reversed;      /* sides are the other way round than given */
};
