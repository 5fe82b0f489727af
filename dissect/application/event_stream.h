/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text/event-stream (WHATWG HTML, "Server-sent events", §9.2.6): see
 * dissect/proto/event_stream.md.
 */
#pragma once

#include "base/buf.h"
#include "dissect/event.h"

struct event_stream {
	struct bytes in;  /* what is left */
	size_t at;        /* of it in the body */
	struct buf *data; /* of the event: its lines, joined */
};

struct stream_event {
	size_t at; /* where it begins in the body */
	struct bytes type, id, retry;
	struct bytes data; /* valid until the next */
	uint64_t size;     /* of data, also where that is cut by its buffer */
};

/* Reads the events of `body`; `data` is scratch, and its limit that of the data
 * of an event. */
struct event_stream event_stream_of(struct bytes body, struct buf *data);

/* The next event, of which the end may be missing at the end of the body; lines
 * of comment alone are none. */
bool event_stream_next(struct event_stream *s, struct stream_event *event);

/*
 * Appends a line of JSON for each event of a body whose bytes are `body`, as
 * far as `out` has room: {"time":…,"event":…,"id":…,"data":"…"}
 */
void event_stream_messages(const struct call_half *half, struct bytes body,
			   struct buf *out);
