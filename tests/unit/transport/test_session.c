/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions and their streams, without sockets: peers are buffers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/transport/session.h"
#include "tests/support/fake_tools.h"

#define IDLE_NS (100 * CLOCK_NS_PER_S)
#define TODO 16

struct peer {
	struct buf text; /* events as they came; answers after "answer:" */
	bool open, ended;
};

struct stage {
	struct mcp_content content;
	struct mcp_server *server;
	struct session_table table;
	struct mcp_request *todo[TODO];
	size_t todo_count;
};

static void
peer_open(void *peer)
{
	((struct peer *)peer)->open = true;
}

static void
peer_write(void *peer, struct bytes text)
{
	struct peer *p = peer;

	assert_true(p->open && !p->ended);
	buf_bytes(&p->text, text);
}

static void
peer_answer(void *peer, const struct mcp_outgoing *message)
{
	struct peer *p = peer;

	assert_false(p->open);
	buf_text(&p->text, "answer:");
	buf_bytes(&p->text, message->text);
	p->ended = true;
}

static void
peer_end(void *peer)
{
	((struct peer *)peer)->ended = true;
}

static void
run(void *context, struct mcp_request *request)
{
	struct stage *s = context;

	assert_true(s->todo_count < TODO);
	s->todo[s->todo_count++] = request;
}

static void
wake(void *context)
{
	(void)context;
}

static const struct session_host host = {
	.open = peer_open,
	.write = peer_write,
	.answer = peer_answer,
	.end = peer_end,
	.run = run,
	.wake = wake,
	.request_bytes = 1,
};

static int
open_stage(void **state)
{
	static const struct tool_config config = { .home = "/nonexistent",
						   .lifeline = -1 };
	static const struct session_limits limits = {
		.sessions = 3,
		.streams = 2,
		.idle_ns = IDLE_NS,
		.events = { .events = 4, .bytes = 4096 },
		.event_bytes = 500,
	};
	struct stage *s = alloc_zero(1, sizeof(*s));
	struct error e;

	fake_content_load(&s->content);
	s->server = mcp_server_new(&s->content, &config, NULL, &e);
	assert_non_null(s->server);
	session_table_init(&s->table, s->server, &limits, &host, s);
	*state = s;
	return 0;
}

static void
work(struct stage *s)
{
	for (size_t i = 0; i < s->todo_count; i++) {
		mcp_request_run(s->todo[i]);
		mcp_server_poll(s->server);
		mcp_request_done(s->todo[i]);
	}
	s->todo_count = 0;
}

static int
close_stage(void **state)
{
	struct stage *s = *state;

	session_table_free(&s->table);
	work(s);
	mcp_server_free(s->server);
	fake_content_free(&s->content);
	free(s);
	return 0;
}

static void
open_peer(struct peer *p)
{
	*p = (struct peer){ 0 };
	buf_init(&p->text, (size_t)1 << 20);
}

static void
close_peer(struct peer *p)
{
	buf_free(&p->text);
}

static bool
heard(struct peer *p, const char *word)
{
	return strstr(buf_cstr(&p->text), word) != NULL;
}

static void
say(struct session *s, struct stream *stream, const char *text)
{
	struct mcp_incoming m;

	mcp_incoming_parse(&m, bytes_of(text), 4096);
	session_receive(s, &m, stream);
	mcp_incoming_free(&m);
}

static struct session *
begin(struct stage *stage, const char *revision, int64_t now_ns)
{
	struct session *s = session_new(&stage->table, now_ns);
	struct peer p;
	char *text = alloc_format(
		"{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\","
		"\"params\":{\"protocolVersion\":\"%s\"}}", revision);

	assert_non_null(s);
	open_peer(&p);
	say(s, stream_new(s, &p), text);
	assert_true(heard(&p, "answer:{"));
	close_peer(&p);
	free(text);
	return s;
}

#define STEPS                                                               \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{" \
	"\"name\":\"steps\",\"arguments\":{\"count\":2},\"_meta\":{"         \
	"\"progressToken\":\"t\"}}}"
#define ECHO                                                                \
	"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{" \
	"\"name\":\"echo\",\"arguments\":{\"text\":\"hi\"}}}"

static void
ids_are_random_and_found(void **state)
{
	struct stage *stage = *state;
	struct session *a = begin(stage, "2025-11-25", 1);
	struct session *b = begin(stage, "2025-11-25", 1);

	assert_int_equal(strlen(a->id), SESSION_ID_SIZE);
	assert_string_not_equal(a->id, b->id);
	assert_ptr_equal(session_find(&stage->table, bytes_of(b->id), 2), b);
	assert_null(session_find(&stage->table, bytes_of("x"), 2));
	session_end(b);
	assert_null(session_find(&stage->table,
				 bytes_of("00000000000000000000000000000000"),
				 2));
}

static void
a_quick_answer_is_no_stream(void **state)
{
	struct stage *stage = *state;
	struct session *s = begin(stage, "2025-11-25", 1);
	struct peer p;

	open_peer(&p);
	say(s, stream_new(s, &p), ECHO);
	work(stage);
	assert_true(heard(&p, "answer:{\"jsonrpc\":\"2.0\",\"id\":2,"));
	assert_int_equal(s->stream_count, 0);
	assert_int_equal(s->events.count, 0);
	close_peer(&p);
}

static void
progress_makes_it_one(void **state)
{
	struct stage *stage = *state;
	struct session *s = begin(stage, "2025-11-25", 1);
	struct peer p;

	open_peer(&p);
	say(s, stream_new(s, &p), STEPS);
	work(stage);
	assert_true(heard(&p, "id: 2-0\nretry: 1000\ndata: \n\n"));
	assert_true(heard(&p, "id: 2-1\ndata: {\"jsonrpc\":\"2.0\",\"method\":"
			      "\"notifications/progress\""));
	assert_true(heard(&p, "\"id\":1,\"result\""));
	assert_true(p.ended);
	close_peer(&p);
}

static void
older_clients_get_no_empty_event(void **state)
{
	struct stage *stage = *state;
	struct session *s = begin(stage, "2025-06-18", 1);
	struct peer p;

	open_peer(&p);
	say(s, stream_new(s, &p), STEPS);
	work(stage);
	assert_false(heard(&p, "data: \n"));
	assert_true(heard(&p, "id: 2-1\ndata: {"));
	close_peer(&p);
}

/* What was missed, and nothing of another stream. */
static void
a_broken_stream_is_read_on(void **state)
{
	struct stage *stage = *state;
	struct session *s = begin(stage, "2025-11-25", 1);
	struct stream *stream, *found = NULL;
	struct peer first, second;

	open_peer(&first);
	open_peer(&second);
	stream = stream_new(s, &first);
	say(s, stream, STEPS);
	stream_open(stream);
	stream_detach(stream);
	assert_int_equal(session_resume(s, &second,
					(struct sse_id){ stream->id, 0 },
					&found), STREAM_ATTACHED);
	assert_ptr_equal(found, stream);
	assert_int_equal(session_resume(s, &first,
					(struct sse_id){ stream->id, 0 },
					&found), STREAM_TAKEN);
	stream_detach(stream);
	work(stage);
	assert_int_equal(s->stream_count, 0);
	close_peer(&second);
	open_peer(&second);
	assert_int_equal(session_resume(s, &second, (struct sse_id){ 2, 1 },
					&found), STREAM_ENDED);
	assert_false(heard(&second, "id: 2-1\n"));
	assert_true(heard(&second, "\"id\":1,\"result\""));
	assert_true(second.ended);
	close_peer(&first);
	close_peer(&second);
}

static void
what_is_not_kept_cannot_be_read(void **state)
{
	struct stage *stage = *state;
	struct session *s = begin(stage, "2025-11-25", 1);
	struct stream *found;
	struct peer p;

	open_peer(&p);
	assert_int_equal(session_resume(s, &p, (struct sse_id){ 9, 0 },
					&found), STREAM_LOST);
	assert_int_equal(session_resume(s, &p, (struct sse_id){ 0, 0 },
					&found), STREAM_LOST);
	for (int i = 0; i < 4; i++) {
		struct peer other;

		open_peer(&other);
		say(s, stream_new(s, &other), STEPS);
		work(stage);
		close_peer(&other);
	}
	assert_int_equal(s->events.count, 4);
	assert_int_equal(session_resume(s, &p, (struct sse_id){ 2, 0 },
					&found), STREAM_LOST);
	close_peer(&p);
}

/* However many sessions there are: what the unused ones said goes first. */
static void
all_together_keep_so_many_bytes(void **state)
{
	struct stage *stage = *state;
	struct session *sessions[3];
	struct stream *found;
	size_t sum = 0;
	struct peer p;

	for (int i = 0; i < 3; i++) {
		sessions[i] = begin(stage, "2025-11-25", 1);
		open_peer(&p);
		say(sessions[i], stream_new(sessions[i], &p), STEPS);
		work(stage);
		close_peer(&p);
	}
	for (int i = 0; i < 3; i++)
		sum += sessions[i]->events.bytes;
	assert_int_equal(stage->table.event_bytes, sum);
	assert_true(sum <= 500);
	assert_int_equal(sessions[0]->events.count, 0);
	assert_true(sessions[2]->events.count >= 2);
	open_peer(&p);
	assert_int_equal(session_resume(sessions[0], &p, (struct sse_id){ 2, 1 },
					&found), STREAM_LOST);
	close_peer(&p);
	session_end(sessions[2]);
	assert_int_equal(stage->table.event_bytes,
			 sessions[1]->events.bytes);
}

static void
one_listens_and_nobody_else(void **state)
{
	struct stage *stage = *state;
	struct session *s = begin(stage, "2025-11-25", 1);
	struct stream *found = NULL;
	struct peer a, b;

	open_peer(&a);
	open_peer(&b);
	assert_int_equal(session_listen(s, &a, &found), STREAM_ATTACHED);
	assert_ptr_equal(found, &s->listening);
	assert_int_equal(session_listen(s, &b, &found), STREAM_TAKEN);
	stream_detach(found);
	assert_int_equal(session_listen(s, &b, &found), STREAM_ATTACHED);
	session_end(s);
	assert_true(b.ended);
	assert_false(a.ended);
	close_peer(&a);
	close_peer(&b);
}

static void
streams_of_a_session_are_bounded(void **state)
{
	struct stage *stage = *state;
	struct session *s = begin(stage, "2025-11-25", 1);
	struct peer p;

	open_peer(&p);
	assert_non_null(stream_new(s, &p));
	assert_non_null(stream_new(s, &p));
	assert_null(stream_new(s, &p));
	session_end(s);
	close_peer(&p);
}

static void
the_longest_unused_makes_room_unless_it_is_busy(void **state)
{
	struct stage *stage = *state;
	struct session *busy = begin(stage, "2025-11-25", 1);
	struct session *idle = begin(stage, "2025-11-25", 2);
	char id[SESSION_ID_SIZE + 1];
	struct stream *found;
	struct peer p, other;

	open_peer(&p);
	open_peer(&other);
	session_listen(busy, &p, &found);
	memcpy(id, idle->id, sizeof(id));
	begin(stage, "2025-11-25", 3);
	begin(stage, "2025-11-25", 4);
	assert_int_equal(stage->table.count, 3);
	assert_null(session_find(&stage->table, bytes_of(id), 5));
	assert_false(p.ended);
	session_end(busy);
	close_peer(&p);
	close_peer(&other);
}

static void
idle_sessions_end(void **state)
{
	struct stage *stage = *state;
	struct session *busy = begin(stage, "2025-11-25", 1);
	struct stream *found;
	struct peer p;

	begin(stage, "2025-11-25", 1);
	open_peer(&p);
	session_listen(busy, &p, &found);
	session_expire(&stage->table, IDLE_NS);
	assert_int_equal(stage->table.count, 2);
	session_expire(&stage->table, IDLE_NS + 1);
	assert_int_equal(stage->table.count, 1);
	assert_false(p.ended);
	session_end(busy);
	close_peer(&p);
}

static void
the_old_transport_has_one_stream(void **state)
{
	struct stage *stage = *state;
	struct session *s = session_new(&stage->table, 1);
	struct stream *found;
	struct peer p;

	open_peer(&p);
	s->is_old = true;
	session_listen(s, &p, &found);
	say(s, NULL, "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"ping\"}");
	assert_string_equal(buf_cstr(&p.text),
			    "event: message\ndata: {\"jsonrpc\":\"2.0\","
			    "\"id\":0,\"result\":{}}\n\n");
	stream_detach(found);
	assert_int_equal(stage->table.count, 0);
	close_peer(&p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, \
						   close_stage)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ids_are_random_and_found),
		TEST(a_quick_answer_is_no_stream),
		TEST(progress_makes_it_one),
		TEST(older_clients_get_no_empty_event),
		TEST(a_broken_stream_is_read_on),
		TEST(what_is_not_kept_cannot_be_read),
		TEST(all_together_keep_so_many_bytes),
		TEST(one_listens_and_nobody_else),
		TEST(streams_of_a_session_are_bounded),
		TEST(the_longest_unused_makes_room_unless_it_is_busy),
		TEST(idle_sessions_end),
		TEST(the_old_transport_has_one_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
