/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client's side of HTTP/1.1: bytes in, requests out, one at a time;
 * answers in, bytes out.  No sockets and no clock: whoever owns the socket
 * feeds what it read and writes what stands in `out`.
 *
 * Requests that come before the answer to the one before them (pipelining)
 * wait in `rest`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "server/transport/http_parser.h"

#define HTTP_REST_LIMIT ((size_t)256 << 10) /* bytes of requests that wait */
/* With more unread answers than this, no further request is looked at. */
#define HTTP_OUT_HIGH ((size_t)1 << 20)

struct http_connection;

struct http_handler {
	/* One request, valid until it is answered. */
	void (*request)(void *context, const struct http_request *r);
	/* A bad one: answered already, the connection is to be closed. */
	void (*refused)(void *context, unsigned status);
};

struct http_connection {
	struct http_parser parser;
	const struct http_handler *handler;
	void *context;
	struct buf rest;
	struct buf out;
	struct bytes origin; /* whose pages may read the answer; data NULL:
			      * nobody's but ours */
	const char *date;    /* for the Date field; borrowed, kept current */
	bool handling;       /* a request is being answered */
	bool streaming;      /* … in pieces */
	bool chunked;        /* … that are chunks (RFC 9112, 7.1) */
	bool feeding;        /* inside http_connection_feed */
	bool closing;        /* close once `out` is written; read nothing */
	unsigned status;     /* of the last answer */
};

struct http_answer {
	unsigned status;
	const char *type;    /* Content-Type; NULL: none */
	const char *fields;  /* further lines, each with its CRLF; or NULL */
	struct bytes body;
	uint64_t size;       /* of a body that follows by http_stream_write;
			      * used when `has_size` */
	bool has_size;
};

/* A connection without bytes yet; `handler` and `context` are borrowed for its
 * life. */
void http_connection_init(struct http_connection *c,
			  const struct http_parser_limits *limits,
			  const struct http_handler *handler, void *context);

/* Frees what it buffers; calls no handler. */
void http_connection_free(struct http_connection *c);

/* Bytes that were read.  False: more than may wait; read no further until the
 * request in hand is answered. */
bool http_connection_feed(struct http_connection *c, struct bytes in);
/* `out` has been written, or an answer has been given: goes on with what
 * waits. */
void http_connection_resume(struct http_connection *c);

/* A whole answer to the request in hand. */
void http_respond(struct http_connection *c, const struct http_answer *a);

/* An answer in pieces: its head, any number of pieces, its end. */
void http_stream_begin(struct http_connection *c, const struct http_answer *a);
void http_stream_write(struct http_connection *c, struct bytes piece);
void http_stream_end(struct http_connection *c);

/* "Not Found" for 404; never NULL. */
const char *http_status_text(unsigned status);
