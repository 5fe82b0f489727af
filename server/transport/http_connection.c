/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/http_connection.h"

#include <assert.h>
#include <string.h>

#define OUT_LIMIT ((size_t)64 << 20)

static const struct {
	unsigned status;
	const char *text;
} texts[] = {
	{ 200, "OK" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 421, "Misdirected Request" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 503, "Service Unavailable" },
	{ 505, "HTTP Version Not Supported" },
};

const char *
http_status_text(unsigned status)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Unknown";
}

void
http_connection_init(struct http_connection *c,
		     const struct http_parser_limits *limits,
		     const struct http_handler *handler, void *context)
{
	memset(c, 0, sizeof(*c));
	http_parser_init(&c->parser, limits);
	c->handler = handler;
	c->context = context;
	buf_init(&c->rest, HTTP_REST_LIMIT);
	buf_init(&c->out, OUT_LIMIT);
}

void
http_connection_free(struct http_connection *c)
{
	http_parser_free(&c->parser);
	buf_free(&c->rest);
	buf_free(&c->out);
}

/* What was asked so badly that nothing after it can be understood. */
static void
refuse(struct http_connection *c)
{
	struct http_answer answer = {
		.status = c->parser.status,
		.type = "text/plain",
		.body = bytes_of(c->parser.reason),
	};

	c->closing = true;
	c->handling = true;
	http_respond(c, &answer);
	c->handler->refused(c->context, answer.status);
}

/* RFC 9110, 10.1.1: said once, before the body. */
static void
say_continue(struct http_connection *c)
{
	struct http_request *r = &c->parser.request;

	if (!r->expects_continue || !c->parser.in_body)
		return;
	r->expects_continue = false;
	buf_text(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

static bool
may_go_on(const struct http_connection *c)
{
	return !c->handling && !c->closing && c->out.size < HTTP_OUT_HIGH;
}

/* Parses until a request has to be waited for. */
static struct bytes
consume(struct http_connection *c, struct bytes in)
{
	c->feeding = true;
	while (in.size > 0 && may_go_on(c)) {
		switch (http_parser_feed(&c->parser, &in)) {
		case HTTP_MORE:
			say_continue(c);
			break;
		case HTTP_COMPLETE:
			c->handling = true;
			c->handler->request(c->context, &c->parser.request);
			break;
		case HTTP_REFUSED:
			refuse(c);
			break;
		}
	}
	c->feeding = false;
	return in;
}

bool
http_connection_feed(struct http_connection *c, struct bytes in)
{
	if (c->closing)
		return true;
	if (c->rest.size == 0)
		in = consume(c, in);
	buf_bytes(&c->rest, in);
	return !c->rest.failed && c->rest.size < HTTP_REST_LIMIT / 2;
}

void
http_connection_resume(struct http_connection *c)
{
	struct bytes left;

	if (c->feeding || c->rest.size == 0 || !may_go_on(c))
		return;
	left = consume(c, buf_view(&c->rest));
	buf_drop(&c->rest, c->rest.size - left.size);
	if (c->rest.size == 0)
		buf_free(&c->rest);
}

/* Fetch standard, 3.3.3: a page of that origin may read this, and what a
 * client of MCP needs of the head. */
static void
write_origin(struct buf *out, struct bytes origin)
{
	buf_text(out, "Access-Control-Allow-Origin: ");
	buf_bytes(out, origin);
	buf_text(out, "\r\nVary: Origin\r\nAccess-Control-Expose-Headers: "
		      "Mcp-Session-Id, WWW-Authenticate, Retry-After\r\n");
}

static void
write_head(struct http_connection *c, const struct http_answer *a)
{
	struct buf *out = &c->out;

	c->status = a->status;
	buf_format(out, "HTTP/1.1 %u %s\r\n", a->status,
		   http_status_text(a->status));
	if (c->date) {
		buf_text(out, "Date: ");
		buf_text(out, c->date);
		buf_text(out, "\r\n");
	}
	if (a->type) {
		buf_text(out, "Content-Type: ");
		buf_text(out, a->type);
		buf_text(out, "\r\n");
	}
	if (a->fields)
		buf_text(out, a->fields);
	if (c->origin.data)
		write_origin(out, c->origin);
	if (!c->parser.request.keep_alive || c->parser.status)
		c->closing = true;
	if (c->closing)
		buf_text(out, "Connection: close\r\n");
	else if (c->parser.request.is_http_1_0)
		buf_text(out, "Connection: keep-alive\r\n");
}

static void
finish(struct http_connection *c)
{
	c->origin = bytes_make(NULL, 0);
	c->handling = c->streaming = false;
	if (c->out.failed)
		c->closing = true;
	if (!c->parser.status)
		http_parser_next(&c->parser);
}

static bool
has_body(const struct http_connection *c, unsigned status)
{
	return status != 204 && status != 304 &&
	       c->parser.request.method != METHOD_HEAD;
}

void
http_respond(struct http_connection *c, const struct http_answer *a)
{
	assert(c->handling && !c->streaming);
	write_head(c, a);
	if (a->status != 204)
		buf_format(&c->out, "Content-Length: %zu\r\n", a->body.size);
	buf_text(&c->out, "\r\n");
	if (has_body(c, a->status))
		buf_bytes(&c->out, a->body);
	finish(c);
}

/* Without a size and without chunks (HTTP/1.0), the end of the connection is
 * the end of the body. */
void
http_stream_begin(struct http_connection *c, const struct http_answer *a)
{
	assert(c->handling && !c->streaming);
	c->streaming = true;
	if (!a->has_size && c->parser.request.is_http_1_0)
		c->closing = true;
	write_head(c, a);
	if (a->has_size)
		buf_format(&c->out, "Content-Length: %llu\r\n\r\n",
			   (unsigned long long)a->size);
	else if (c->parser.request.is_http_1_0)
		buf_text(&c->out, "\r\n");
	else
		buf_text(&c->out, "Transfer-Encoding: chunked\r\n\r\n");
	c->chunked = !a->has_size && !c->parser.request.is_http_1_0;
}

void
http_stream_write(struct http_connection *c, struct bytes piece)
{
	assert(c->streaming);
	if (piece.size == 0)
		return;
	if (c->chunked)
		buf_format(&c->out, "%zx\r\n", piece.size);
	buf_bytes(&c->out, piece);
	if (c->chunked)
		buf_text(&c->out, "\r\n");
}

void
http_stream_end(struct http_connection *c)
{
	assert(c->streaming);
	if (c->chunked)
		buf_text(&c->out, "0\r\n\r\n");
	finish(c);
}
