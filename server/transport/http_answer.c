/* SPDX-License-Identifier: Apache-2.0 */
/* Answering the request in hand, and accounting for it. */
#include <string.h>

#include "server/transport/http_internal.h"

#define KEEP_ALIVE_NS (15 * CLOCK_NS_PER_S)

static const char *
method_text(enum http_method method)
{
	static const char *const texts[] = {
		[METHOD_OTHER] = "other",     [METHOD_GET] = "GET",
		[METHOD_HEAD] = "HEAD",	      [METHOD_POST] = "POST",
		[METHOD_DELETE] = "DELETE",   [METHOD_OPTIONS] = "OPTIONS",
	};

	return texts[method];
}

void
client_account(struct client *c)
{
	struct http_server *s = c->server;
	int64_t took_ns = clock_monotonic_ns() - c->began_ns;
	struct access_line line = {
		.peer = c->peer,
		.method = method_text(c->http.parser.request.method),
		.path = http_request_path(&c->http.parser.request),
		.what = bytes_of(c->what),
		.name = bytes_of(c->name),
		.role = c->is_known ? role_name(c->role) : NULL,
		.status = c->http.status,
		.bytes = c->body_bytes,
		.took_ns = took_ns,
	};

	if (c->is_logged)
		return;
	c->is_logged = true;
	metrics_request(&s->metrics, c->endpoint, c->http.status, took_ns);
	access_log_add(&s->log, &line, clock_wall_ns());
}

/* The request is answered; the connection waits for the next one. */
static void
finish(struct client *c)
{
	c->waiting = WAITING_NOTHING;
	c->sse = false;
	c->stream = NULL;
	c->job = NULL;
	c->abandon = NULL;
	c->drained = NULL;
	c->since_ns = c->server->now_ns = clock_monotonic_ns();
	c->first_ns = c->http.rest.size > 0 ? c->since_ns : 0;
	client_touch(c);
}

void
client_answer(struct client *c, const struct http_answer *answer)
{
	c->http.status = answer->status;
	c->body_bytes = answer->body.size;
	client_account(c);
	http_respond(&c->http, answer);
	finish(c);
}

void
client_stream(struct client *c, const struct http_answer *answer)
{
	http_stream_begin(&c->http, answer);
	client_touch(c);
}

void
client_write(struct client *c, struct bytes piece)
{
	http_stream_write(&c->http, piece);
	c->body_bytes += piece.size;
	c->moved_ns = c->busy ? c->moved_ns : c->server->now_ns;
	if (c->http.out.failed)
		c->http.closing = true;
	client_touch(c);
}

void
client_end(struct client *c)
{
	client_account(c);
	http_stream_end(&c->http);
	finish(c);
}

static bool
is_mcp(enum http_endpoint endpoint)
{
	return endpoint == ENDPOINT_MCP || endpoint == ENDPOINT_OLD_MESSAGES;
}

/* RFC 6750, 3: what is wrong is said of a token that was shown only. */
static void
challenge(const struct client *c, unsigned status, struct buf *out)
{
	const char *error = status == 403 ? "insufficient_scope" :
			    c->reason     ? "invalid_token" :
					    NULL;
	enum role role = status == 403 ? auth_role_needed(c) : ROLE_VIEWER;

	if (c->server->oauth)
		oauth_challenge(c->server->oauth, error, c->reason, role,
				out);
	else
		buf_format(out, "WWW-Authenticate: Bearer realm=\"aftertap\""
				"%s\r\n",
			   status == 403 ? ", error=\"insufficient_scope\"" :
					   "");
}

void
client_fields(const struct client *c, unsigned status, struct buf *out)
{
	/* A strange Host or Origin is not a matter of tokens. */
	if (status == 401 ||
	    (status == 403 && (c->endpoint != ENDPOINT_NONE || c->reason)))
		challenge(c, status, out);
	else if (status == 429 || status == 503)
		buf_text(out, "Retry-After: 1\r\n");
}

/* A failure, with the fields it needs. */
static void
answer_failure(struct client *c, unsigned status, struct bytes body)
{
	struct buf fields;

	buf_init(&fields, SIZE_MAX);
	client_fields(c, status, &fields);
	client_answer(c, &(struct http_answer){
				 .status = status,
				 .type = "application/json",
				 .fields = fields.size ? buf_cstr(&fields) :
							 NULL,
				 .body = body,
			 });
	buf_free(&fields);
}

void
client_refuse(struct client *c, unsigned status, const struct mcp_incoming *m,
	      struct rpc_error *e)
{
	struct mcp_incoming nothing = { 0 };
	struct buf text;

	buf_init(&text, SIZE_MAX);
	mcp_incoming_refuse(m ? m : &nothing, e, &text);
	answer_failure(c, status, buf_view(&text));
	buf_free(&text);
}

void
client_fail(struct client *c, unsigned status, const char *text)
{
	struct rpc_error e = { 0 };
	struct buf body;

	if (is_mcp(c->endpoint)) {
		rpc_fail(&e, RPC_INVALID_REQUEST, "%s", text);
		client_refuse(c, status, NULL, &e);
		return;
	}
	buf_init(&body, SIZE_MAX);
	buf_text(&body, "{\"error\":");
	rpc_write_string(&body, bytes_of(text));
	buf_text(&body, "}\n");
	answer_failure(c, status, buf_view(&body));
	buf_free(&body);
}

/* No intermediary may hold events back (2026-07-28, basic/transports). */
void
client_open_sse(struct client *c, const char *fields)
{
	struct buf all;

	buf_init(&all, 1024);
	buf_text(&all, "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n");
	if (fields)
		buf_text(&all, fields);
	c->sse = true;
	client_stream(c, &(struct http_answer){
				 .status = 200,
				 .type = "text/event-stream",
				 .fields = buf_cstr(&all),
			 });
	buf_free(&all);
}

void
client_keep_alive(struct client *c)
{
	if (!c->sse || c->busy ||
	    c->server->now_ns - c->moved_ns < KEEP_ALIVE_NS)
		return;
	client_write(c, bytes_of(": keep-alive\n\n"));
}
