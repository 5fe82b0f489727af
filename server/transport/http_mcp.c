/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The endpoint /mcp: the stateless requests of 2026-07-28 and the sessions of
 * the revisions before it, told apart by what the message says, not by its
 * headers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "server/transport/http_internal.h"
#include "server/transport/mcp_headers.h"

#define JSON "application/json"
#define EVENTS "text/event-stream"

/* 2026-07-28, basic/transports: the statuses of errors that the transport has
 * to show; what a method says is 200. */
static unsigned
status_of(const struct mcp_outgoing *message, bool modern)
{
	switch (message->error_code) {
	case MCP_FORBIDDEN:
		return 403;
	case MCP_BUSY:
		return 503;
	case RPC_METHOD_NOT_FOUND:
		return modern ? 404 : 200;
	case MCP_MISSING_CAPABILITY:
	case MCP_UNSUPPORTED_VERSION:
	case MCP_HEADER_MISMATCH:
		return 400;
	default:
		return message->refused && modern ? 400 : 200;
	}
}

static void
answer_json(struct client *c, const struct mcp_outgoing *message, bool modern,
	    const char *fields)
{
	unsigned status = status_of(message, modern);
	struct buf more;

	buf_init(&more, SIZE_MAX);
	if (status == 403)
		client_fields(c, status, &more);
	client_answer(c, &(struct http_answer){
				 .status = status,
				 .type = JSON,
				 .fields = more.size ? buf_cstr(&more) : fields,
				 .body = message->text,
			 });
	buf_free(&more);
}

static void
accepted(struct client *c)
{
	client_answer(c, &(struct http_answer){ .status = 202 });
}

/* Requests of 2026-07-28. */

void
mcp_modern_open(struct client *c)
{
	client_open_sse(c, NULL);
}

void
mcp_modern_send(void *context, const struct mcp_outgoing *message)
{
	struct client *c = context;
	struct buf text;

	if (message->origin && c->waiting == WAITING_CALL &&
	    message->is_response)
		api_send(c, message);
	if (!message->origin || c->waiting != WAITING_MODERN)
		return;
	if (message->is_response && !c->sse) {
		answer_json(c, message, true, NULL);
		return;
	}
	if (!c->sse)
		mcp_modern_open(c);
	buf_init(&text, SIZE_MAX);
	sse_event(&text, NULL, NULL, message->text);
	client_write(c, buf_view(&text));
	buf_free(&text);
	if (message->is_response)
		client_end(c);
}

void
mcp_own_connection(struct client *c, const char *db, bool whole)
{
	struct mcp_caller caller = client_caller(c, db);

	caller.whole_answers = whole;
	if (!c->mcp) {
		c->mcp = mcp_connection_new(c->server->mcp, &c->server->modern,
					    c);
		c->mcp_alive = true;
	}
	mcp_connection_set_caller(c->mcp, &caller);
}

static int
check_arguments(struct client *c, const struct http_request *r,
		const struct mcp_incoming *m, struct rpc_error *e)
{
	if (!m->method || !m->name || strcmp(m->method, "tools/call") != 0)
		return 0;
	return mcp_headers_check_arguments(
		r, m, mcp_server_schema(c->server->mcp, m->name), e);
}

static void
modern_post(struct client *c, const struct http_request *r,
	    struct mcp_incoming *m)
{
	struct rpc_error e = { 0 };
	char *db;

	if (mcp_headers_check(r, m, &e) < 0 ||
	    check_arguments(c, r, m, &e) < 0) {
		client_refuse(c, 400, m, &e);
		return;
	}
	db = http_request_parameter(r, "db");
	mcp_own_connection(c, db, false);
	free(db);
	if (!m->is_request) {
		mcp_connection_take(c->mcp, m, NULL);
		accepted(c);
		return;
	}
	c->waiting = WAITING_MODERN;
	mcp_connection_take(c->mcp, m, c);
}

/* Sessions: what their streams say. */

static void
peer_open(void *peer)
{
	struct client *c = peer;

	if (!c->sse)
		client_open_sse(c, NULL);
}

static void
peer_write(void *peer, struct bytes text)
{
	client_write(peer, text);
}

static void
peer_answer(void *peer, const struct mcp_outgoing *message)
{
	struct client *c = peer;
	char fields[SESSION_ID_SIZE + 32] = "";

	if (strcmp(c->what, "initialize") == 0 &&
	    mcp_connection_is_initialized(c->stream->session->mcp))
		snprintf(fields, sizeof(fields), "Mcp-Session-Id: %s\r\n",
			 c->stream->session->id);
	answer_json(c, message, false, fields);
}

static void
peer_end(void *peer)
{
	struct client *c = peer;

	if (c->sse)
		client_end(c);
	else
		client_fail(c, 404, "the session has ended");
}

static void
session_run(void *context, struct mcp_request *request)
{
	struct http_server *s = context;

	s->work.run(s->work.context, request);
}

static void
session_wake(void *context)
{
	struct http_server *s = context;

	s->work.wake(s->work.context);
}

const struct session_host mcp_session_host = {
	.open = peer_open,
	.write = peer_write,
	.answer = peer_answer,
	.end = peer_end,
	.run = session_run,
	.wake = session_wake,
};

/* An error that carries the id of the message, if there is one. */
static void
refuse(struct client *c, unsigned status, const struct mcp_incoming *m,
       int code, const char *text)
{
	struct rpc_error e = { 0 };

	rpc_fail(&e, code, "%s", text);
	client_refuse(c, status, m, &e);
}

/* The session that the request names, or NULL after an answer.  A session of
 * another token does not exist for this one. */
static struct session *
find_session(struct client *c, const struct http_request *r,
	     const struct mcp_incoming *m)
{
	struct bytes id = http_request_field(r, "Mcp-Session-Id");
	struct session *session;

	if (!id.data) {
		refuse(c, 400, m, RPC_INVALID_REQUEST,
		       "the header Mcp-Session-Id is missing: send initialize "
		       "first");
		return NULL;
	}
	session = session_find(&c->server->sessions, id, c->server->now_ns);
	if (session && !session->is_old && client_owns(c, session))
		return session;
	refuse(c, 404, m, MCP_SESSION_UNKNOWN,
	       "no such session: send initialize for a new one");
	return NULL;
}

void
mcp_session_message(struct client *c, struct session *session,
		    struct mcp_incoming *m)
{
	struct mcp_caller caller = client_caller(c, session->default_db);

	mcp_connection_set_caller(session->mcp, &caller);
	if (!m->is_request) {
		session_receive(session, m, NULL);
		accepted(c);
		return;
	}
	c->stream = stream_new(session, c);
	if (!c->stream) {
		refuse(c, 429, m, MCP_BUSY,
		       "too many requests of this session are unanswered");
		return;
	}
	c->waiting = WAITING_STREAM;
	session_receive(session, m, c->stream);
}

/* A message that needs no session yet: initialize, which begins one. */
static void
begin_session(struct client *c, const struct http_request *r,
	      struct mcp_incoming *m)
{
	struct session *session;

	if (http_request_field(r, "Mcp-Session-Id").data) {
		refuse(c, 400, m, RPC_INVALID_REQUEST,
		       "initialize belongs to no session");
		return;
	}
	session = session_new(&c->server->sessions, c->server->now_ns);
	if (!session) {
		refuse(c, 503, m, MCP_BUSY, "too many sessions are in use");
		return;
	}
	c->server->metrics.sessions++;
	memcpy(session->owner, c->owner, sizeof(c->owner));
	session->default_db = http_request_parameter(r, "db");
	mcp_session_message(c, session, m);
	if (!mcp_connection_is_initialized(session->mcp))
		session_end(session);
}

static bool
check_revision(struct client *c, const struct http_request *r,
	       const struct mcp_incoming *m)
{
	switch (mcp_headers_era(r)) {
	case HEADER_UNKNOWN:
		refuse(c, 400, m, RPC_INVALID_REQUEST,
		       "MCP-Protocol-Version names no revision that this "
		       "server speaks");
		return false;
	case HEADER_MODERN:
		refuse(c, 400, m, RPC_INVALID_PARAMS,
		       "a request of revision 2026-07-28 needs "
		       "params._meta[\"" META_VERSION "\"]");
		return false;
	case HEADER_ABSENT:
	case HEADER_LEGACY:
	default:
		return true;
	}
}

static void
legacy_post(struct client *c, const struct http_request *r,
	    struct mcp_incoming *m)
{
	struct session *session;

	if (m->is_request && !m->is_batch && m->method &&
	    strcmp(m->method, "initialize") == 0) {
		begin_session(c, r, m);
		return;
	}
	if (!check_revision(c, r, m))
		return;
	session = find_session(c, r, m);
	if (session)
		mcp_session_message(c, session, m);
}

static bool
check_media(struct client *c, const struct http_request *r)
{
	if (!http_request_has_type(r, JSON)) {
		client_fail(c, 415, "Content-Type must be application/json");
		return false;
	}
	if (!http_request_accepts(r, JSON) ||
	    !http_request_accepts(r, EVENTS)) {
		client_fail(c, 406, "Accept must allow application/json and "
				    "text/event-stream");
		return false;
	}
	return true;
}

static void
copy_word(char *to, const char *from)
{
	snprintf(to, CLIENT_WORD, "%s", from ? from : "");
}

void
mcp_post(struct client *c, const struct http_request *r)
{
	struct mcp_incoming m;

	if (!check_media(c, r))
		return;
	c->may_stream = true;
	mcp_incoming_parse(&m, buf_view(&r->body),
			   mcp_server_limits(c->server->mcp)->message_bytes);
	copy_word(c->what, m.method);
	copy_word(c->name, m.name);
	if (!m.value)
		client_refuse(c, 400, NULL, &m.error);
	else if (m.is_batch && m.is_modern)
		client_fail(c, 400, "revision 2026-07-28 has no batches");
	else if (m.is_modern ||
		 (!m.is_request && mcp_headers_era(r) == HEADER_MODERN))
		modern_post(c, r, &m);
	else
		legacy_post(c, r, &m);
	mcp_incoming_free(&m);
}

/* Reading what belongs to no request, or on where a stream broke off. */

static void
attach(struct client *c, struct session *session, const struct sse_id *after)
{
	struct stream *stream = NULL;
	enum stream_attach result;

	c->waiting = WAITING_STREAM;
	result = after ? session_resume(session, c, *after, &stream) :
			 session_listen(session, c, &stream);
	switch (result) {
	case STREAM_ATTACHED:
		c->stream = stream;
		break;
	case STREAM_ENDED:
		break;
	case STREAM_TAKEN:
		c->waiting = WAITING_NOTHING;
		client_fail(c, 409, "somebody reads this stream already");
		break;
	case STREAM_LOST:
		c->waiting = WAITING_NOTHING;
		client_fail(c, 400, "what followed that event is not kept any "
				    "more");
		break;
	}
}

void
mcp_get(struct client *c, const struct http_request *r)
{
	struct bytes last = http_request_field(r, "Last-Event-ID");
	struct session *session;
	struct sse_id after;

	if (mcp_headers_era(r) == HEADER_MODERN) {
		client_fail(c, 405, "revision 2026-07-28 uses POST only");
		return;
	}
	if (!http_request_accepts(r, EVENTS)) {
		client_fail(c, 406, "Accept must allow text/event-stream");
		return;
	}
	if (!check_revision(c, r, NULL))
		return;
	session = find_session(c, r, NULL);
	if (!session)
		return;
	if (last.data && !sse_parse_id(last, &after))
		client_fail(c, 400, "Last-Event-ID is none of ours");
	else
		attach(c, session, last.data ? &after : NULL);
}

void
mcp_delete(struct client *c, const struct http_request *r)
{
	struct session *session;

	if (mcp_headers_era(r) == HEADER_MODERN) {
		client_fail(c, 405, "revision 2026-07-28 uses POST only");
		return;
	}
	session = find_session(c, r, NULL);
	if (!session)
		return;
	session_end(session);
	client_answer(c, &(struct http_answer){ .status = 200 });
}
