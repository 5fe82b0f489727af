/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/map.h"

#define RETRY_MS 1000     /* what a client is asked to wait before it resumes */
#define EVENT_TEXT ((size_t)24 << 20)

static void host_send(void *context, const struct mcp_outgoing *message);
static void host_run(void *context, struct mcp_request *request);
static void host_let_go(void *context, void *origin);
static void host_wake(void *context);
static void host_released(void *context);

void
session_table_init(struct session_table *t, struct mcp_server *server,
		   const struct session_limits *limits,
		   const struct session_host *host, void *context)
{
	*t = (struct session_table){
		.server = server,
		.host = host,
		.context = context,
		.limits = *limits,
		.mcp = {
			.send = host_send,
			.run = host_run,
			.let_go = host_let_go,
			.wake = host_wake,
			.released = host_released,
			.request_bytes = host->request_bytes,
		},
	};
	TAILQ_INIT(&t->used);
	t->by_key = map_new(SESSION_ID_SIZE / 2, sizeof(struct session *),
			    limits->sessions);
}

void
session_table_free(struct session_table *t)
{
	while (!TAILQ_EMPTY(&t->used))
		session_end(TAILQ_FIRST(&t->used));
	map_free(t->by_key);
}

bool
session_is_busy(const struct session *s)
{
	return s->stream_count > 0 || s->listening.peer ||
	       mcp_connection_in_flight(s->mcp) > 0;
}

/* The one that nobody has used for longest makes room, unless it is busy. */
static bool
make_room(struct session_table *t)
{
	struct session *s;

	if (t->count < t->limits.sessions)
		return true;
	TAILQ_FOREACH(s, &t->used, used) {
		if (!session_is_busy(s)) {
			session_end(s);
			return true;
		}
	}
	return false;
}

static void
choose_id(struct session *s)
{
	hash_random(s->key, sizeof(s->key));
	for (size_t i = 0; i < sizeof(s->key); i++)
		snprintf(s->id + 2 * i, 3, "%02x", s->key[i]);
}

struct session *
session_new(struct session_table *t, int64_t now_ns)
{
	struct session *s;
	struct session **place;

	if (!make_room(t))
		return NULL;
	s = alloc_zero(1, sizeof(*s));
	s->table = t;
	s->used_ns = now_ns;
	s->next_stream = 1;
	s->listening.session = s;
	event_store_init(&s->events, &t->limits.events);
	LIST_INIT(&s->streams);
	choose_id(s);
	place = map_put(t->by_key, s->key, NULL);
	*place = s;
	s->mcp = mcp_connection_new(t->server, &t->mcp, s);
	TAILQ_INSERT_TAIL(&t->used, s, used);
	t->count++;
	return s;
}

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
parse_id(struct bytes id, uint8_t key[SESSION_ID_SIZE / 2])
{
	if (id.size != SESSION_ID_SIZE)
		return false;
	for (size_t i = 0; i < SESSION_ID_SIZE; i += 2) {
		int high = hex_value(id.data[i]);
		int low = hex_value(id.data[i + 1]);

		if (high < 0 || low < 0)
			return false;
		key[i / 2] = (uint8_t)(high << 4 | low);
	}
	return true;
}

struct session *
session_find(struct session_table *t, struct bytes id, int64_t now_ns)
{
	uint8_t key[SESSION_ID_SIZE / 2];
	struct session **place;

	if (!parse_id(id, key))
		return NULL;
	place = map_get(t->by_key, key);
	if (!place)
		return NULL;
	(*place)->used_ns = now_ns;
	TAILQ_REMOVE(&t->used, *place, used);
	TAILQ_INSERT_TAIL(&t->used, *place, used);
	return *place;
}

static void
end_peer(struct stream *st)
{
	void *peer = st->peer;

	st->peer = NULL;
	if (peer)
		st->session->table->host->end(peer);
}

static void
stream_free(struct stream *st)
{
	LIST_REMOVE(st, link);
	st->session->stream_count--;
	st->session->table->streams--;
	free(st);
}

static void
forget_events(struct session *s)
{
	s->table->event_bytes -= s->events.bytes;
	event_store_clear(&s->events);
}

/* Those that nobody has used for longest lose their events, and a quarter more
 * than has to be, so that it is seldom looked for them. */
static void
keep_within_bytes(struct session_table *t)
{
	size_t most = t->limits.event_bytes;
	struct session *s;

	if (most == 0 || t->event_bytes <= most)
		return;
	TAILQ_FOREACH(s, &t->used, used) {
		if (t->event_bytes <= most - most / 4)
			break;
		if (TAILQ_NEXT(s, used))
			forget_events(s);
	}
}

static void
keep_event(struct session *s, struct sse_id id, struct bytes message)
{
	struct session_table *t = s->table;

	t->event_bytes -= s->events.bytes;
	event_store_add(&s->events, id, message);
	t->event_bytes += s->events.bytes;
	keep_within_bytes(t);
}

void
session_end(struct session *s)
{
	struct session_table *t = s->table;
	struct mcp_connection *mcp = s->mcp;

	map_remove(t->by_key, s->key);
	TAILQ_REMOVE(&t->used, s, used);
	t->count--;
	end_peer(&s->listening);
	while (!LIST_EMPTY(&s->streams)) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): LIST_REMOVE */
		end_peer(LIST_FIRST(&s->streams));
		stream_free(LIST_FIRST(&s->streams));
	}
	forget_events(s);
	s->mcp = NULL;
	mcp_connection_close(mcp);
}

static void
host_released(void *context)
{
	struct session *s = context;

	free(s->default_db);
	free(s);
}

void
session_expire(struct session_table *t, int64_t now_ns)
{
	struct session *s, *next;

	for (s = TAILQ_FIRST(&t->used); s; s = next) {
		next = TAILQ_NEXT(s, used);
		if (now_ns - s->used_ns < t->limits.idle_ns)
			return;
		if (!session_is_busy(s))
			session_end(s);
	}
}

struct stream *
stream_new(struct session *s, void *peer)
{
	struct stream *st;

	if (s->stream_count >= s->table->limits.streams)
		return NULL;
	st = alloc_zero(1, sizeof(*st));
	st->session = s;
	st->peer = peer;
	st->id = s->next_stream++;
	LIST_INSERT_HEAD(&s->streams, st, link);
	s->stream_count++;
	s->table->streams++;
	return st;
}

void
session_receive(struct session *s, struct mcp_incoming *m,
		struct stream *stream)
{
	mcp_connection_take(s->mcp, m, stream);
}

/* Older clients take the event without data for a broken message. */
static void
prime(struct stream *st)
{
	struct session *s = st->session;
	struct sse_id id = { st->id, st->newest };
	struct buf text;

	if (mcp_connection_version(s->mcp) < MCP_2025_11_25)
		return;
	buf_init(&text, 256);
	sse_prime(&text, &id, RETRY_MS);
	s->table->host->write(st->peer, buf_view(&text));
	buf_free(&text);
}

void
stream_open(struct stream *st)
{
	if (st->open || !st->peer)
		return;
	st->open = true;
	st->session->table->host->open(st->peer);
	if (!st->session->is_old)
		prime(st);
}

static void
write_event(struct stream *st, const struct sse_id *id, struct bytes message)
{
	struct session *s = st->session;
	struct buf text;

	if (!st->peer)
		return;
	buf_init(&text, EVENT_TEXT);
	sse_event(&text, s->is_old ? "message" : NULL, id, message);
	s->table->host->write(st->peer, buf_view(&text));
	buf_free(&text);
}

/* A message on a stream that speaks SSE. */
static void
say(struct stream *st, struct bytes message)
{
	struct sse_id id = { st->id, ++st->newest };

	if (st->session->is_old) {
		write_event(st, NULL, message);
		return;
	}
	keep_event(st->session, id, message);
	write_event(st, &id, message);
}

/* The answer of a stream that never spoke SSE; lost when nobody waits. */
static void
answer_plain(struct stream *st, const struct mcp_outgoing *message)
{
	void *peer = st->peer;

	st->peer = NULL;
	if (peer)
		st->session->table->host->answer(peer, message);
	stream_free(st);
}

static void
send_on(struct stream *st, const struct mcp_outgoing *message)
{
	if (message->is_response && !st->open) {
		answer_plain(st, message);
		return;
	}
	stream_open(st);
	if (!st->open)
		return;
	say(st, message->text);
	if (message->is_response) {
		end_peer(st);
		stream_free(st);
	}
}

static void
host_send(void *context, const struct mcp_outgoing *message)
{
	struct session *s = context;
	struct stream *st = message->origin;

	if (s->is_old || !st)
		st = &s->listening;
	if (st != &s->listening)
		send_on(st, message);
	else if (st->open)
		say(st, message->text);
}

static void
host_run(void *context, struct mcp_request *request)
{
	const struct session *s = context;

	s->table->host->run(s->table->context, request);
}

/* The client is told when to come back, and the connection ends; the stream
 * does not (2025-11-25, basic/transports, "may close the connection"). */
static void
host_let_go(void *context, void *origin)
{
	const struct session *s = context;
	struct stream *st = origin;

	if (s->is_old || mcp_connection_version(s->mcp) < MCP_2025_11_25)
		return;
	stream_open(st);
	if (st->open)
		end_peer(st);
}

static void
host_wake(void *context)
{
	const struct session *s = context;

	s->table->host->wake(s->table->context);
}

void
stream_detach(struct stream *st)
{
	st->peer = NULL;
	if (st->session->is_old)
		session_end(st->session);
}

enum stream_attach
session_listen(struct session *s, void *peer, struct stream **stream)
{
	struct stream *st = &s->listening;

	if (st->peer)
		return STREAM_TAKEN;
	st->peer = peer;
	*stream = st;
	if (st->open) {
		s->table->host->open(peer);
		if (!s->is_old)
			prime(st);
	} else {
		stream_open(st);
	}
	return STREAM_ATTACHED;
}

static struct stream *
find_stream(struct session *s, uint32_t id)
{
	struct stream *st;

	if (id == 0)
		return s->listening.open ? &s->listening : NULL;
	LIST_FOREACH(st, &s->streams, link)
		if (st->id == id)
			return st->open ? st : NULL;
	return NULL;
}

static void
replay(struct session *s, void *peer, struct sse_id after)
{
	struct stream reader = { .session = s, .peer = peer };
	const struct event *event;

	while ((event = event_store_next(&s->events, after))) {
		write_event(&reader, &event->id,
			    bytes_make(event->data, event->size));
		after = event->id;
	}
}

enum stream_attach
session_resume(struct session *s, void *peer, struct sse_id after,
	       struct stream **stream)
{
	struct stream *st = find_stream(s, after.stream);
	uint32_t newest = st ? st->newest :
			       event_store_newest(&s->events, after.stream);

	if (st && st->peer)
		return STREAM_TAKEN;
	if ((!st && newest == 0) ||
	    event_store_check(&s->events, after, newest) == EVENT_LOST)
		return STREAM_LOST;
	s->table->host->open(peer);
	replay(s, peer, after);
	*stream = st;
	if (!st) {
		s->table->host->end(peer);
		return STREAM_ENDED;
	}
	st->peer = peer;
	return STREAM_ATTACHED;
}
