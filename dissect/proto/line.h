/* SPDX-License-Identifier: Apache-2.0 */
/* What protocols of text lines share: a line, its words, a block of lines that
 * a dot ends, and replies that begin with a number. */
#pragma once

#include "dissect/sink.h"

/* The line at the front of `in` without its end (CRLF, or LF alone); `*size`
 * with it.  MAYBE: its end is not here; NO: not within `limit` bytes. */
enum verdict line_take(struct bytes in, size_t limit, struct bytes *line,
		       size_t *size);

/* `in` up to the end of its first line, if that is here. */
struct bytes line_first(struct bytes in);

/* The next word of a line, which moves behind it; empty at its end. */
struct bytes line_word(struct bytes *line);

/* Whether a line has no control characters but tabs. */
bool line_is_text(struct bytes line);

/* Whether one of the words behind the number of a reply says `name`, in letters
 * of either case: names of hosts, which have dots, say nothing. */
bool line_says(struct bytes line, const char *name);

/* The letters, digits, "-" and "_" of a mechanism of SASL at the front (RFC
 * 4422 §3.1), whatever sets what proves who the client is apart from it. */
struct bytes line_mechanism(struct bytes in);

/* Whether `in` may become `word` and a blank or an end of line; letters of
 * either case. */
bool line_may_begin(struct bytes in, const char *word);

/* The method of the open message: a word in capitals, cut. */
void line_method(struct bytes word, struct sink *sink);

/* A header of a text of C. */
void line_header(const char *name, struct bytes value, struct sink *sink);

/* Lines up to one that is a dot, which stands doubled before others (RFC 5321
 * §4.5.2, RFC 1939 §3).  Zero where it begins. */
enum line_place { LINE_START, LINE_INSIDE, LINE_CR };

/* Takes what is here of a block into the body; `*ended` says whether its end
 * was taken, too. */
struct step line_block(enum line_place *place, struct bytes in, bool *ended,
		       struct sink *sink);

/*
 * A reply of one or several lines, each "250-text" and the last "250 text"
 * (RFC 5321 §4.2.1, RFC 959 §4.2).  Zero: none is begun.
 */
struct line_reply {
	uint16_t code;
	uint32_t lines;
};

/* The number at the front of a line of a reply; 0: it is none. */
uint16_t line_reply_code(struct bytes line);

/* The line at the front of `in`.  MAYBE: it is not whole, and may become the
 * greeting of a server that is ready (220); NO: nor that. */
enum verdict line_greeting(struct bytes in, size_t limit, struct bytes *line);

/*
 * Adds a line to a reply, for which a message is open: status, its text, what
 * is an error, and several lines as body.  YES: it was the last; MAYBE: others
 * follow; NO: it is no line of this reply (which cannot be when `any` text may
 * stand between the first and the last).
 */
enum verdict line_reply_add(struct line_reply *reply, struct bytes line,
			    bool any, struct sink *sink);
