/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/http_parser.h"

#include <string.h>

#define KEEP_BODY ((size_t)64 << 10) /* a larger buffer is given back */

static int
refuse(struct http_parser *p, unsigned status, const char *reason)
{
	p->status = status;
	p->reason = reason;
	return -1;
}

static int
take(struct http_parser *p, struct http_span *s, const char *at, size_t size)
{
	struct buf *head = &p->request.head;

	if (s->size == 0)
		s->at = (uint32_t)head->size;
	buf_append(head, at, size);
	if (head->failed)
		return refuse(p, 431, "the request's head is too long");
	s->size += (uint32_t)size;
	return 0;
}

static int
on_begin(llhttp_t *state)
{
	struct http_parser *p = state->data;

	p->in_message = true;
	return 0;
}

static int
on_url(llhttp_t *state, const char *at, size_t size)
{
	struct http_parser *p = state->data;

	return take(p, &p->request.target, at, size);
}

static int
on_name(llhttp_t *state, const char *at, size_t size)
{
	struct http_parser *p = state->data;

	if (p->in_body)
		return 0; /* a trailer: nothing of it is of use */
	if (p->request.field_count == HTTP_MAX_FIELDS)
		return refuse(p, 431, "the request has too many fields");
	return take(p, &p->request.fields[p->request.field_count].name, at,
		    size);
}

static int
on_value(llhttp_t *state, const char *at, size_t size)
{
	struct http_parser *p = state->data;

	if (p->in_body)
		return 0;
	return take(p, &p->request.fields[p->request.field_count].value, at,
		    size);
}

static int
on_value_end(llhttp_t *state)
{
	struct http_parser *p = state->data;

	p->request.field_count += !p->in_body;
	return 0;
}

static enum http_method
method_of(const llhttp_t *state)
{
	switch ((int)state->method) {
	case HTTP_GET:
		return METHOD_GET;
	case HTTP_HEAD:
		return METHOD_HEAD;
	case HTTP_POST:
		return METHOD_POST;
	case HTTP_DELETE:
		return METHOD_DELETE;
	case HTTP_OPTIONS:
		return METHOD_OPTIONS;
	default:
		return METHOD_OTHER;
	}
}

/* RFC 9112, 3.2: one Host, which 1.1 cannot do without. */
static int
check_head(struct http_parser *p)
{
	const struct http_request *r = &p->request;
	size_t hosts = http_request_count(r, "host");

	if (p->state.http_major != 1)
		return refuse(p, 505, "speak HTTP/1.1 to this server");
	if (hosts > 1 || (hosts == 0 && !r->is_http_1_0))
		return refuse(p, 400, "the request needs one Host field");
	if (p->state.upgrade || p->state.method == HTTP_CONNECT)
		return refuse(p, 501, "this server upgrades to nothing");
	if (p->state.content_length > p->limits.body_bytes)
		return refuse(p, 413, "the request's body is too long");
	return 0;
}

static int
on_head(llhttp_t *state)
{
	struct http_parser *p = state->data;
	struct http_request *r = &p->request;

	r->method = method_of(state);
	r->is_http_1_0 = state->http_minor == 0;
	r->keep_alive = llhttp_should_keep_alive(state) != 0;
	r->expects_continue = bytes_equal_nocase(
		http_request_field(r, "expect"), bytes_of("100-continue"));
	p->in_body = true;
	return check_head(p);
}

static int
on_body(llhttp_t *state, const char *at, size_t size)
{
	struct http_parser *p = state->data;

	p->request.expects_continue = false;
	buf_append(&p->request.body, at, size);
	if (p->request.body.failed)
		return refuse(p, 413, "the request's body is too long");
	return 0;
}

static int
on_complete(llhttp_t *state)
{
	(void)state;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_message_begin = on_begin,
	.on_url = on_url,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_end,
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

void
http_parser_init(struct http_parser *p,
		 const struct http_parser_limits *limits)
{
	memset(p, 0, sizeof(*p));
	p->limits = *limits;
	llhttp_init(&p->state, HTTP_REQUEST, &settings);
	p->state.data = p;
	buf_init(&p->request.head, limits->head_bytes);
	buf_init(&p->request.body, limits->body_bytes);
}

void
http_parser_free(struct http_parser *p)
{
	buf_free(&p->request.head);
	buf_free(&p->request.body);
}

/* Lines that llhttp skips between requests, and chunk extensions, count as
 * part of no head: they are bounded by the time a request may take. */
enum http_progress
http_parser_feed(struct http_parser *p, struct bytes *in)
{
	enum llhttp_errno rc;
	const char *stopped;

	if (p->status)
		return HTTP_REFUSED;
	if (in->size == 0)
		return HTTP_MORE;
	rc = llhttp_execute(&p->state, (const char *)in->data, in->size);
	if (rc == HPE_OK) {
		*in = bytes_from(*in, in->size);
		return HTTP_MORE;
	}
	stopped = llhttp_get_error_pos(&p->state);
	if (rc == HPE_PAUSED) {
		*in = bytes_from(*in, (size_t)(stopped -
					       (const char *)in->data));
		return HTTP_COMPLETE;
	}
	if (!p->status)
		refuse(p, 400, "this is not HTTP/1.1");
	return HTTP_REFUSED;
}

void
http_parser_next(struct http_parser *p)
{
	struct http_request *r = &p->request;

	buf_reset(&r->head);
	if (r->body.capacity > KEEP_BODY)
		buf_free(&r->body);
	else
		buf_reset(&r->body);
	r->target = (struct http_span){ 0 };
	memset(r->fields, 0, r->field_count * sizeof(r->fields[0]));
	r->field_count = 0;
	r->expects_continue = false;
	p->in_message = p->in_body = false;
	llhttp_resume(&p->state);
}
