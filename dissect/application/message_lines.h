/* SPDX-License-Identifier: Apache-2.0 */
/* What a body is made of, a line of JSON each (call_half.messages). */
#pragma once

#include "dissect/event.h"
#include "dissect/proto/json_writer.h"

struct message_lines {
	const struct call_half *half;
	struct buf *out;
	struct json_writer writer;
	uint32_t time; /* index into half->times */
};

/* Lines about the body of `half`, appended to `out`. */
void message_lines_init(struct message_lines *m, const struct call_half *half,
			struct buf *out);

/*
 * Opens a line about what begins at `offset` of the body as on the wire (not
 * below the one before): {"time":… where that is known.  False when there is no
 * room for one that takes at most `room` bytes: message_lines_left is the last
 * thing to say.
 */
bool message_lines_begin(struct message_lines *m, size_t offset, size_t room);
/* So many more are not shown: {"left_out":…} */
void message_lines_left(struct message_lines *m, size_t count);
/* Closes it: } */
void message_lines_end(struct message_lines *m);
