/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header lines as nearly all are (RFC 9112 §5): a token, a colon, text, CRLF.
 * Most lines of a connection were on it, or on another, a moment ago, behind a
 * line of the same name.  Those are remembered, and recognised by comparing:
 * what they consist of and mean is known then.  Folds, control characters and
 * whatever else is unusual are left to llhttp (http_head.c), which says the
 * same of plain lines.
 */
#pragma once

#include "dissect/sink.h"

/* Headers that mean something to the framing, or fill a field. */
enum http_meaning {
	HTTP_NOTHING,
	HTTP_HOST,
	HTTP_UPGRADE,
	HTTP_USER_AGENT,
	HTTP_CONTENT_TYPE,
	HTTP_CONTENT_LENGTH,
	HTTP_CONTENT_ENCODING,
	HTTP_TRANSFER_ENCODING,
	HTTP_WEBSOCKET_PROTOCOL,
	HTTP_WEBSOCKET_EXTENSIONS,
};

/* What the header of that name (a token) means. */
enum http_meaning http_meaning(struct bytes name);

#define HTTP_KNOWN_LINES 256 /* an index is a byte */
#define HTTP_KNOWN_SIZE 160  /* longer lines are not remembered */
#define HTTP_SEEN_LINES 1024 /* a power of 2 */

struct http_known_line {
	uint8_t size; /* with CRLF; 0: none */
	uint8_t name_size;
	uint8_t value_at, value_size;
	uint8_t meaning; /* enum http_meaning */
	uint8_t text[HTTP_KNOWN_SIZE];
};

/* What all connections of a parser remember; zero at first.  A line is
 * remembered when it comes for the second time: most that do not, never do. */
struct http_known {
	struct http_known_line lines[HTTP_KNOWN_LINES];
	/* Index of the line that came last behind the line of this index, or
	 * behind one that is not remembered, of a name with this hash. */
	uint8_t behind[HTTP_KNOWN_LINES];
	uint16_t seen[HTTP_SEEN_LINES]; /* hashes of lines */
};

#define HTTP_LINES 64

/* Plain lines at the front of a section; they borrow from what was given. */
struct http_lines {
	struct header_pair headers[HTTP_LINES]; /* values without blanks around */
	uint8_t meanings[HTTP_LINES];      /* enum http_meaning */
	uint64_t meaningful; /* bit per line that has one */
	unsigned count;
	size_t size; /* bytes of them, and of the empty line if there is one */
	bool ended;  /* the empty line follows them, the section is whole */
};

/*
 * Reads plain lines until the section ends, a line is not whole or not plain,
 * or there are HTTP_LINES.  A line is whole when the byte behind it is there
 * too, which tells a fold.
 */
void http_lines_read(struct http_known *known, struct bytes in,
		     struct http_lines *out);
