/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as the body of a message, or in a buffer, written piece by piece.  Whoever keeps
 * `comma` from one piece to the next may go on later.
 */
#pragma once

#include "base/buf.h"
#include "dissect/sink.h"

#define JSON_WRITER_HELD 1024

struct json_writer {
	struct sink *sink; /* NULL: `out` */
	struct buf *out;
	bool comma;  /* a value was written: another is set apart by one */
	uint16_t size;
	uint8_t held[JSON_WRITER_HELD];
};

/* Writes to the open message of `sink`. */
void json_writer_init(struct json_writer *w, struct sink *sink, bool comma);
/* Appends to `out`, until that is full. */
void json_writer_to(struct json_writer *w, struct buf *out);
/* Nothing more will be kept of what is written. */
bool json_writer_is_full(const struct json_writer *w);
/* Gives what is held to the sink; the writer is usable afterwards. */
void json_writer_flush(struct json_writer *w);

/* The name of the member whose value follows; what is not UTF-8 in it is
 * shown as \xNN. */
void json_writer_name(struct json_writer *w, struct bytes name);
/* '{' or '[', and what closes it. */
void json_writer_open(struct json_writer *w, char bracket);
void json_writer_close(struct json_writer *w, char bracket);

/* Text that is UTF-8, else {"base64": "…"}. */
void json_writer_string(struct json_writer *w, struct bytes in);
/* Bytes as text of base64. */
void json_writer_base64(struct json_writer *w, struct bytes in);
void json_writer_number(struct json_writer *w, int64_t value);
/* With all its digits; what is not finite as a text ("inf"). */
void json_writer_double(struct json_writer *w, double value);
/* true, false, null, or a number as it is. */
void json_writer_word(struct json_writer *w, const char *word);
