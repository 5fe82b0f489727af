/* SPDX-License-Identifier: Apache-2.0 */
/* What the bodies of a call were found to say. */
#pragma once

#include "base/buf.h"

/* Bodies as they were before they were encoded; empty: none, or not looked
 * at. */
struct bodies {
	struct bytes request, response;
	bool events;        /* the response is text/event-stream */
	struct bytes query; /* of the URL of a GET; else empty */
};

#define READING_OPERATION 200
#define READING_ERROR     600
#define READING_SUMMARY   900

struct reading {
	struct buf operation; /* the call's method: "tools/call query_sql" */
	struct buf error;     /* why it failed, in one sentence */
	struct buf summary;   /* one log line */
	bool failed;
};

/* Appends what fits. */
static inline void
reading_put(struct buf *out, struct bytes in)
{
	buf_bytes(out, bytes_first(in, out->limit - out->size));
}

static inline void
reading_text(struct buf *out, const char *text)
{
	reading_put(out, bytes_of(text));
}
