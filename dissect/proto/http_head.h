/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an HTTP/1.x message: start line and header section (RFC 9112). */
#pragma once

#include "dissect/proto/http_line.h"

struct http_start {
	struct bytes method, target;  /* of a request */
	struct bytes reason;          /* of a response */
	struct bytes version;         /* "1.1" */
	int32_t status;               /* -1: a request */
	size_t size;                  /* of the line, its end included */
};

/*
 * The first line of `in` that is not empty (RFC 9112 §2.2).  YES: whole, and
 * `*start` borrows from it; MAYBE: so far it may become one; NO: it is
 * something else.
 */
enum verdict http_start_line(struct bytes in, bool request,
			     struct http_start *start);

/* The field, and what it says of how the body comes. */
void http_content_type(struct bytes value, struct sink *sink);

/* The coding that a Content-Encoding names; UNKNOWN also for several. */
enum encoding http_encoding(struct bytes value);

/* What of the header section decides about the body (RFC 9112 §6). */
struct http_framing {
	uint64_t length;
	bool has_length;
	bool bad_length;    /* not a number, or several that differ */
	bool has_transfer;
	bool chunked;       /* chunked is the final transfer coding */
	bool has_host;
	bool has_encoding;
	enum encoding encoding;
	struct bytes upgrade;    /* of the slice given: Upgrade, */
	struct bytes extensions; /* Sec-WebSocket-Extensions, */
	struct bytes subprotocol; /* Sec-WebSocket-Protocol */
};

/* Gives lines to the sink, and what they say to `framing` (NULL: trailers). */
void http_lines_take(const struct http_lines *lines,
		     struct http_framing *framing, struct sink *sink);

/*
 * Gives whole header lines to the sink, in wire order, with their case.  A line
 * that is no header field is given with an empty name.  `framing` may be NULL
 * (trailers).
 */
void http_fields(struct bytes lines, struct http_framing *framing,
		 struct sink *sink);

/*
 * The size of the head (or trailer section) at the front of `in`, up to and
 * with its empty line; 0 when that is not there yet.  `*scanned` is kept
 * between calls with growing slices.
 */
size_t http_section_size(struct bytes in, uint32_t *scanned);
