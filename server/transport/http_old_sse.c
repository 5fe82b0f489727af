/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP with SSE as in revision 2024-11-05: one stream that everything is said
 * on, and a second endpoint that takes what the client says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "server/transport/http_internal.h"

void
old_sse_get(struct client *c, const struct http_request *r)
{
	struct http_server *s = c->server;
	struct session *session;
	struct buf text;

	if (!http_request_accepts(r, "text/event-stream")) {
		client_fail(c, 406, "Accept must allow text/event-stream");
		return;
	}
	session = session_new(&s->sessions, s->now_ns);
	if (!session) {
		client_fail(c, 503, "too many sessions are in use");
		return;
	}
	s->metrics.sessions++;
	session->is_old = true;
	memcpy(session->owner, c->owner, sizeof(c->owner));
	session->default_db = http_request_parameter(r, "db");
	c->waiting = WAITING_STREAM;
	session_listen(session, c, &c->stream);
	buf_init(&text, 256);
	buf_format(&text, "event: endpoint\ndata: /messages?sessionId=%s\n\n",
		   session->id);
	client_write(c, buf_view(&text));
	buf_free(&text);
}

static struct session *
find_session(struct client *c, const struct http_request *r)
{
	char *id = http_request_parameter(r, "sessionId");
	struct session *session = NULL;

	if (id)
		session = session_find(&c->server->sessions, bytes_of(id),
				       c->server->now_ns);
	free(id);
	if (session && session->is_old && client_owns(c, session))
		return session;
	client_fail(c, id ? 404 : 400,
		    "sessionId names no session: GET /sse begins one");
	return NULL;
}

void
old_messages_post(struct client *c, const struct http_request *r)
{
	struct session *session;
	struct mcp_caller caller;
	struct mcp_incoming m;

	if (!http_request_has_type(r, "application/json")) {
		client_fail(c, 415, "Content-Type must be application/json");
		return;
	}
	session = find_session(c, r);
	if (!session)
		return;
	mcp_incoming_parse(&m, buf_view(&r->body),
			   mcp_server_limits(c->server->mcp)->message_bytes);
	snprintf(c->what, sizeof(c->what), "%s", m.method ? m.method : "");
	snprintf(c->name, sizeof(c->name), "%s", m.name ? m.name : "");
	caller = client_caller(c, session->default_db);
	if (!m.value) {
		client_refuse(c, 400, NULL, &m.error);
	} else {
		mcp_connection_set_caller(session->mcp, &caller);
		client_answer(c, &(struct http_answer){
					 .status = 202,
					 .type = "text/plain",
					 .body = bytes_of("Accepted"),
				 });
		session_receive(session, &m, NULL);
	}
	mcp_incoming_free(&m);
}
