/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP/1.x request as it was received (RFC 9112), and questions to it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

#define HTTP_MAX_FIELDS 64

enum http_method {
	METHOD_OTHER,
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_DELETE,
	METHOD_OPTIONS,
};

/* A piece of `head`. */
struct http_span {
	uint32_t at, size;
};

struct http_request {
	enum http_method method;
	bool is_http_1_0;
	bool keep_alive;       /* the client wants the connection to go on */
	bool expects_continue; /* … and waits for it before it sends the body */
	struct buf head;       /* the target, then names and values */
	struct http_span target;
	struct {
		struct http_span name, value;
	} fields[HTTP_MAX_FIELDS];
	size_t field_count;
	struct buf body;
};

/* The target up to its "?", and what follows it. */
struct bytes http_request_path(const struct http_request *r);
struct bytes http_request_query(const struct http_request *r);

/* The value of the first field of that name, trimmed; data NULL: absent. */
struct bytes http_request_field(const struct http_request *r,
				const char *name);
/* How many fields have that name. */
size_t http_request_count(const struct http_request *r, const char *name);

/*
 * The value of a query parameter, decoded, as a new string; NULL when it is
 * absent or holds a NUL or a malformed escape.
 */
char *http_request_parameter(const struct http_request *r, const char *name);

/* Takes the next "name=value" off `query`, decoded into two new strings.
 * 1, 0 at the end, -1 when it is malformed. */
int http_query_next(struct bytes *query, char **name, char **value);

/* Does the Accept field allow `type` ("text/event-stream")?  An absent field
 * and wildcards allow everything (RFC 9110, 12.5.1). */
bool http_request_accepts(const struct http_request *r, const char *type);
/* … and does it name the type itself? */
bool http_request_prefers(const struct http_request *r, const char *type);

/* Is the body declared to be of `type`, parameters aside? */
bool http_request_has_type(const struct http_request *r, const char *type);
