/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests out of a byte stream, one after the other, however it is cut
 * (llhttp, strict).  No sockets: the caller feeds bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <llhttp.h>

#include "base/bytes.h"
#include "server/transport/http_request.h"

struct http_parser_limits {
	size_t head_bytes; /* target and fields of a request */
	size_t body_bytes;
};

struct http_parser {
	llhttp_t state;
	struct http_parser_limits limits;
	struct http_request request;
	bool in_message;    /* some of a request has come, not all */
	bool in_body;       /* its head is complete */
	unsigned status;    /* why it was refused */
	const char *reason; /* a sentence for the client */
};

enum http_progress {
	HTTP_MORE,     /* all was used; the request needs more */
	HTTP_COMPLETE, /* `request` is one; http_parser_next before feeding */
	HTTP_REFUSED,  /* `status` and `reason` say why; feed nothing more */
};

/* Ready for the first request; `limits` are copied. */
void http_parser_init(struct http_parser *p,
		      const struct http_parser_limits *limits);

/* Frees the request in hand. */
void http_parser_free(struct http_parser *p);

/* Takes bytes off the front of `in`. */
enum http_progress http_parser_feed(struct http_parser *p, struct bytes *in);

/* The request has been dealt with. */
void http_parser_next(struct http_parser *p);
