/* SPDX-License-Identifier: Apache-2.0 */
/* The life of requests: queued, running, waiting, cancelled, watched. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "server/mcp/pace.h"
#include "tests/support/fake_tools.h"
#include "tests/unit/mcp/talk.h"

#define REVISION "2025-11-25"
#define MODERN                                                                \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":"             \
	"\"2026-07-28\",\"io.modelcontextprotocol/clientCapabilities\":{}}"

static struct talk *
talk_new(const struct mcp_limits *limits)
{
	struct talk *t = alloc_zero(1, sizeof(*t));

	talk_open(t, limits);
	talk_initialize(t, REVISION);
	return t;
}

static void
talk_end(struct talk *t)
{
	talk_close(t);
	free(t);
}

/* tools/call; `id` is JSON text. */
static void
say_call(struct talk *t, const char *id, const char *tool,
	 const char *argument, long value)
{
	char *text = alloc_format(
		"{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"tools/call\","
		"\"params\":{\"name\":\"%s\",\"arguments\":{\"%s\":%ld},"
		"\"_meta\":{\"progressToken\":1}}}",
		id, tool, argument, value);

	talk_say(t, text);
	free(text);
}

static void
say_cancel(struct talk *t, const char *id)
{
	char *text = alloc_format(
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
		"\"params\":{\"requestId\":%s,\"reason\":\"enough\"}}", id);

	talk_say(t, text);
	free(text);
}

static void
expect_ping(struct talk *t, const char *id)
{
	char *ask = alloc_format(
		"{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"ping\"}", id);
	char *answer = alloc_format(
		"{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}", id);

	talk_say(t, ask);
	talk_expect(t, answer);
	free(ask);
	free(answer);
}

static void
expect_text(struct talk *t, const char *id, const char *text)
{
	char *answer = alloc_format(
		"{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"content\":"
		"[{\"type\":\"text\",\"text\":\"%s\"}],\"...\":1}}",
		id, text);

	talk_expect(t, answer);
	free(answer);
}

static void
expect_error(struct talk *t, const char *id, int code)
{
	char *answer = alloc_format(
		"{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%d,"
		"\"message\":\"*\"}}", id, code);

	talk_expect(t, answer);
	free(answer);
}

/* Takes the oldest request that the core wants run. */
static struct mcp_request *
take(struct talk *t)
{
	struct mcp_request *r = t->todo[0];

	assert_true(t->todo_count > 0);
	t->todo_count--;
	memmove(t->todo, t->todo + 1, t->todo_count * sizeof(*t->todo));
	return r;
}

static void *
run_on_thread(void *request)
{
	mcp_request_run(request);
	return NULL;
}

static void
a_cancelled_request_is_interrupted_and_never_answered(void **state)
{
	struct talk *t = talk_new(NULL);
	unsigned before = fake_interrupts();
	struct mcp_request *r;
	pthread_t thread;

	(void)state;
	say_call(t, "1", "slow", "ms", 60000);
	r = take(t);
	assert_int_equal(pthread_create(&thread, NULL, run_on_thread, r), 0);
	say_cancel(t, "1");
	pthread_join(thread, NULL); /* long before 60 s are over */
	mcp_request_done(r);
	assert_true(fake_interrupts() - before <= 1);
	assert_int_equal(mcp_connection_in_flight(t->connection), 0);
	talk_expect_silence(t);
	expect_ping(t, "1");
	talk_end(t);
}

/* The interrupt, not the flag, is what ends a query that is under way. */
static void
a_running_query_is_interrupted(void **state)
{
	struct talk *t = talk_new(NULL);
	unsigned before = fake_interrupts();
	struct mcp_request *r;
	pthread_t thread;

	(void)state;
	say_call(t, "1", "slow", "ms", 60000);
	r = take(t);
	assert_int_equal(pthread_create(&thread, NULL, run_on_thread, r), 0);
	while (fake_sleepers() == 0)
		;
	say_cancel(t, "1");
	pthread_join(thread, NULL);
	mcp_request_done(r);
	assert_int_equal(fake_interrupts(), before + 1);
	talk_expect_silence(t);
	talk_end(t);
}

static void
a_queued_request_that_is_cancelled_never_starts(void **state)
{
	struct talk *t = talk_new(&(struct mcp_limits){ .running = 1 });

	(void)state;
	say_call(t, "1", "poll", "ms", 0);
	say_call(t, "2", "poll", "ms", 0);
	say_call(t, "3", "poll", "ms", 0);
	assert_int_equal(t->todo_count, 1);
	say_cancel(t, "2");
	talk_work(t);
	expect_text(t, "1", "ready");
	expect_text(t, "3", "ready");
	talk_expect_silence(t);
	talk_end(t);
}

static void
a_request_cancelled_before_its_thread_begins_does_not_run(void **state)
{
	struct talk *t = talk_new(NULL);

	(void)state;
	say_call(t, "1", "steps", "count", 3);
	say_cancel(t, "1");
	talk_work(t);
	talk_expect_silence(t);
	talk_end(t);
}

static void
a_waiting_request_that_is_cancelled_is_gone(void **state)
{
	struct talk *t = talk_new(NULL);

	(void)state;
	say_call(t, "1", "poll", "ms", 60000);
	assert_true(talk_work_one(t));
	assert_int_equal(mcp_connection_in_flight(t->connection), 1);
	assert_true(mcp_server_due(t->server) < INT64_MAX);
	say_cancel(t, "1");
	assert_int_equal(mcp_connection_in_flight(t->connection), 0);
	assert_true(mcp_server_due(t->server) == INT64_MAX);
	talk_expect_silence(t);
	talk_end(t);
}

static void
cancelling_what_is_not_there_is_ignored(void **state)
{
	struct talk *t = talk_new(NULL);

	(void)state;
	say_call(t, "1", "poll", "ms", 0);
	say_cancel(t, "2");
	say_cancel(t, "\"1\"");
	say_cancel(t, "null");
	say_cancel(t, "{}");
	say_cancel(t, "[1]");
	talk_say(t, "{\"jsonrpc\":\"2.0\","
		    "\"method\":\"notifications/cancelled\"}");
	talk_work(t);
	expect_text(t, "1", "ready");
	say_cancel(t, "1");
	talk_expect_silence(t);
	talk_end(t);
}

static void
an_id_that_is_in_use_is_refused(void **state)
{
	struct talk *t = talk_new(NULL);

	(void)state;
	say_call(t, "1", "poll", "ms", 0);
	say_call(t, "1", "poll", "ms", 0);
	expect_error(t, "1", -32600);
	say_call(t, "\"1\"", "poll", "ms", 0);
	talk_expect_silence(t);
	talk_work(t);
	expect_text(t, "1", "ready");
	expect_text(t, "\"1\"", "ready");
	say_call(t, "1", "poll", "ms", 0);
	talk_work(t);
	expect_text(t, "1", "ready");
	talk_end(t);
}

static void
a_waiting_tool_is_run_again_when_it_is_due(void **state)
{
	struct talk *t = talk_new(NULL);
	int64_t due;

	(void)state;
	say_call(t, "1", "poll", "ms", 12);
	assert_true(talk_work_one(t));
	assert_int_equal(mcp_connection_running(t->connection), 0);
	due = mcp_server_due(t->server);
	mcp_server_tick(t->server, due - 1);
	assert_int_equal(t->todo_count, 0);
	expect_ping(t, "2");
	talk_expect_silence(t);
	mcp_server_tick(t->server, due);
	assert_int_equal(t->todo_count, 1);
	talk_work(t);
	expect_text(t, "1", "ready");
	talk_expect_silence(t);
	talk_end(t);
}

static void
no_more_run_at_once_than_there_are_slots(void **state)
{
	struct talk *t = talk_new(&(struct mcp_limits){ .running = 2 });
	char id[8];

	(void)state;
	for (int i = 0; i < 6; i++) {
		snprintf(id, sizeof(id), "%d", i);
		say_call(t, id, "poll", "ms", 0);
	}
	assert_int_equal(t->todo_count, 2);
	assert_int_equal(mcp_connection_in_flight(t->connection), 6);
	expect_ping(t, "99");
	talk_work(t);
	for (int i = 0; i < 6; i++) {
		snprintf(id, sizeof(id), "%d", i);
		expect_text(t, id, "ready");
	}
	talk_end(t);
}

static void
too_many_unanswered_requests_are_refused(void **state)
{
	struct talk *t = talk_new(&(struct mcp_limits){ .in_flight = 2 });

	(void)state;
	say_call(t, "1", "poll", "ms", 0);
	say_call(t, "2", "poll", "ms", 0);
	say_call(t, "3", "poll", "ms", 0);
	expect_error(t, "3", -31001);
	talk_say(t, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":"
		    "\"subscriptions/listen\",\"params\":"
		    "{\"notifications\":{}," MODERN "}}");
	expect_error(t, "4", -31001);
	expect_ping(t, "5");
	talk_work(t);
	expect_text(t, "1", "ready");
	expect_text(t, "2", "ready");
	say_call(t, "3", "poll", "ms", 0);
	talk_work(t);
	expect_text(t, "3", "ready");
	talk_end(t);
}

static void
unanswered_requests_are_bounded_in_bytes(void **state)
{
	struct talk *t =
		talk_new(&(struct mcp_limits){ .in_flight_bytes = 4096 });
	char *padding = alloc_zero(3001, 1);
	char *text;

	(void)state;
	memset(padding, 'x', 3000);
	text = alloc_format("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":"
			    "\"tools/call\",\"params\":{\"name\":\"echo\","
			    "\"arguments\":{\"text\":\"%s\"}}}", padding);
	say_call(t, "1", "poll", "ms", 0);
	talk_say(t, text);
	expect_error(t, "2", -31001);
	talk_work(t);
	expect_text(t, "1", "ready");
	talk_end(t);
	free(text);
	free(padding);
}

static void
nothing_starts_while_the_client_does_not_read(void **state)
{
	struct talk *t = talk_new(NULL);

	(void)state;
	mcp_connection_pause(t->connection, true);
	say_call(t, "1", "poll", "ms", 0);
	assert_int_equal(t->todo_count, 0);
	mcp_connection_pause(t->connection, false);
	assert_int_equal(t->todo_count, 1);
	talk_work(t);
	expect_text(t, "1", "ready");
	talk_end(t);
}

static void
closing_drops_what_is_queued_running_and_waiting(void **state)
{
	struct talk *t = talk_new(&(struct mcp_limits){ .running = 2 });
	struct mcp_request *r;

	(void)state;
	say_call(t, "1", "poll", "ms", 60000);
	assert_true(talk_work_one(t));
	say_call(t, "2", "steps", "count", 1);
	say_call(t, "3", "slow", "ms", 60000);
	say_call(t, "4", "poll", "ms", 0);
	r = take(t);
	mcp_request_run(r);
	mcp_connection_close(t->connection);
	t->connection = NULL;
	mcp_server_poll(t->server);
	mcp_request_done(r);
	talk_expect_silence(t);
	talk_end(t); /* finishes 3; asserts that the connection is gone */
}

static void
two_connections_may_use_the_same_ids(void **state)
{
	struct talk *a = talk_new(NULL);
	struct talk *b = alloc_zero(1, sizeof(*b));

	(void)state;
	talk_join(b, a);
	talk_initialize(b, "2024-11-05");
	say_call(a, "1", "poll", "ms", 0);
	say_call(b, "1", "poll", "ms", 0);
	say_cancel(a, "1");
	talk_work(a);
	talk_work(b);
	talk_expect_silence(a);
	expect_text(b, "1", "ready");
	talk_leave(b);
	free(b);
	talk_end(a);
}

static void
a_message_over_the_limit_is_refused_and_the_next_is_not(void **state)
{
	struct talk *t = talk_new(&(struct mcp_limits){ .message_bytes = 500 });
	char *text = alloc_zero(502, 1);

	(void)state;
	memset(text, ' ', 501);
	memcpy(text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", 40);
	talk_say(t, text);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"
		       "\"message\":\"*\"}}");
	text[500] = '\0';
	talk_say(t, text);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
	talk_end(t);
	free(text);
}

static void
a_result_over_the_limit_says_what_to_do(void **state)
{
	struct talk *t = talk_new(&(struct mcp_limits){ .result_bytes = 2000 });

	(void)state;
	say_call(t, "1", "big", "bytes", 1500);
	say_call(t, "2", "big", "bytes", 5000);
	talk_work(t);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":"
		       "\"*\",\"structuredContent\":{}}}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"content\":"
		       "\"*\",\"isError\":true}}");
	talk_end(t);
}

/* Sends `open` times a bracket around nothing, as params of a ping. */
static void
say_deep(struct talk *t, size_t open)
{
	struct buf text;

	buf_init(&text, SIZE_MAX);
	buf_text(&text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\","
			"\"params\":{\"a\":");
	for (size_t i = 0; i < open; i++)
		buf_u8(&text, '[');
	for (size_t i = 0; i < open; i++)
		buf_u8(&text, ']');
	buf_text(&text, "}}");
	talk_say(t, buf_cstr(&text));
	buf_free(&text);
}

static void
deep_and_manifold_messages_are_refused(void **state)
{
	struct talk *t = talk_new(NULL);
	size_t commas = 70000;
	char *text = alloc_zero(commas * 2 + 3, 1);

	(void)state;
	say_deep(t, 126);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
	say_deep(t, 127);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"
		       "\"message\":\"*\"}}");
	say_deep(t, 1000000);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"
		       "\"message\":\"*\"}}");
	text[0] = '[';
	for (size_t i = 0; i < commas; i++)
		memcpy(text + 1 + 2 * i, "1,", 2);
	text[2 * commas] = ']';
	talk_say(t, text);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"
		       "\"message\":\"*\"}}");
	free(text);
	talk_end(t);
}

static void
bytes_that_are_no_json_text_are_parse_errors(void **state)
{
	static const char *const lines[] = {
		"\xff\xfe", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xc0\x80\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}",
		"{\"a\":1}}", "{]", "\"\\", "nul", "1e999", "\xef\xbb\xbf{}",
	};
	static const char nul[] = "{\"jsonrpc\":\"2.0\",\0\"id\":1}";
	struct talk *t = talk_new(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		talk_say(t, lines[i]);
		talk_expect(t, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":"
			       "-32700,\"message\":\"*\"}}");
	}
	mcp_connection_receive(t->connection,
			       bytes_make(nul, sizeof(nul) - 1), NULL);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,"
		       "\"message\":\"*\"}}");
	talk_end(t);
}

/* Lets the watcher look once more, without waiting for its second. */
static void
look_again(struct talk *t)
{
	mcp_server_tick(t->server, mcp_server_due(t->server));
	while (talk_work_one(t))
		;
}

static void
a_subscriber_hears_of_changes_until_it_unsubscribes(void **state)
{
	struct talk *t = talk_new(NULL);

	(void)state;
	talk_say(t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
		    "\"resources/subscribe\",\"params\":"
		    "{\"uri\":\"fake://counter\"}}");
	talk_say(t, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":"
		    "\"resources/subscribe\",\"params\":"
		    "{\"uri\":\"fake://note\"}}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}");
	look_again(t);
	look_again(t);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"method\":"
		       "\"notifications/resources/updated\",\"params\":"
		       "{\"uri\":\"fake://counter\"}}");
	talk_say(t, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":"
		    "\"resources/unsubscribe\",\"params\":"
		    "{\"uri\":\"fake://counter\"}}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}");
	look_again(t);
	look_again(t);
	talk_expect_silence(t);
	talk_say(t, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":"
		    "\"resources/unsubscribe\",\"params\":"
		    "{\"uri\":\"fake://note\"}}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":{}}");
	look_again(t);
	assert_true(mcp_server_due(t->server) == INT64_MAX);
	talk_end(t);
}

#define META_OF(id) "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":" id

static void
say_listen(struct talk *t)
{
	talk_say(t, "{\"jsonrpc\":\"2.0\",\"id\":\"L\",\"method\":"
		    "\"subscriptions/listen\",\"params\":{\"notifications\":"
		    "{\"resourceSubscriptions\":[\"fake://counter\"]},"
		    MODERN "}}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"method\":"
		       "\"notifications/subscriptions/acknowledged\","
		       "\"params\":{\"notifications\":"
		       "{\"resourceSubscriptions\":[\"fake://counter\"]},"
		       META_OF("\"L\"") "}}}");
	look_again(t);
	look_again(t);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"method\":"
		       "\"notifications/resources/updated\",\"params\":"
		       "{\"uri\":\"fake://counter\"," META_OF("\"L\"") "}}}");
}

static void
a_listener_hears_of_changes_until_it_cancels(void **state)
{
	struct talk *t = talk_new(NULL);

	(void)state;
	say_listen(t);
	assert_int_equal(mcp_connection_in_flight(t->connection), 0);
	say_cancel(t, "\"L\"");
	while (mcp_server_due(t->server) < INT64_MAX || t->todo_count > 0)
		look_again(t);
	talk_expect_silence(t);
	talk_end(t);
}

static void
a_listener_is_told_when_the_server_goes(void **state)
{
	struct talk *t = talk_new(NULL);

	(void)state;
	say_listen(t);
	mcp_connection_end_subscriptions(t->connection);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":\"L\",\"result\":"
		       "{\"resultType\":\"complete\"," META_OF("\"L\"")
		       ",\"io.modelcontextprotocol/serverInfo\":\"*\"}}}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"method\":"
		       "\"notifications/cancelled\",\"params\":"
		       "{\"requestId\":\"L\"}}");
	talk_expect_silence(t);
	talk_end(t);
}

/* A tool that is declared quick runs when it is called, and is handed over
 * like the others once it was not. */
static void
a_quick_tool_runs_at_once_until_it_is_slow(void **state)
{
	struct talk *t = talk_new(NULL);

	(void)state;
	say_call(t, "1", "hasty", "ms", 20);
	assert_int_equal(t->todo_count, 0);
	expect_text(t, "1", "what?");
	say_call(t, "2", "hasty", "ms", 0);
	assert_int_equal(t->todo_count, 1);
	talk_work(t);
	expect_text(t, "2", "what?");
	talk_end(t);
}

static void
a_tool_is_trusted_again_after_many_short_runs(void **state)
{
	struct pace pace = { 0 };
	int runs = 0;

	(void)state;
	assert_true(pace_is_quick(&pace));
	pace_took(&pace, PACE_SHORT_NS);
	assert_true(pace_is_quick(&pace));
	pace_took(&pace, PACE_SHORT_NS + 1);
	for (; !pace_is_quick(&pace); runs++)
		pace_took(&pace, 1);
	assert_int_equal(runs, 64);
	for (int i = 0; i < 63; i++)
		pace_took(&pace, PACE_SHORT_NS + 1);
	assert_false(pace_is_quick(&pace));
}

/* … and a tool that is not declared quick never does. */
static void
a_tool_that_may_be_slow_never_runs_at_once(void **state)
{
	struct talk *t = talk_new(NULL);

	(void)state;
	for (int i = 0; i < 20; i++) {
		say_call(t, "1", "deaf", "ms", 0);
		assert_int_equal(t->todo_count, 1);
		talk_work(t);
		expect_text(t, "1", "what?");
	}
	talk_end(t);
}

int
main(void)
{
#define T(name) cmocka_unit_test(name)
	const struct CMUnitTest tests[] = {
		T(a_running_query_is_interrupted),
		T(a_cancelled_request_is_interrupted_and_never_answered),
		T(a_queued_request_that_is_cancelled_never_starts),
		T(a_request_cancelled_before_its_thread_begins_does_not_run),
		T(a_waiting_request_that_is_cancelled_is_gone),
		T(cancelling_what_is_not_there_is_ignored),
		T(an_id_that_is_in_use_is_refused),
		T(a_waiting_tool_is_run_again_when_it_is_due),
		T(no_more_run_at_once_than_there_are_slots),
		T(too_many_unanswered_requests_are_refused),
		T(unanswered_requests_are_bounded_in_bytes),
		T(nothing_starts_while_the_client_does_not_read),
		T(closing_drops_what_is_queued_running_and_waiting),
		T(two_connections_may_use_the_same_ids),
		T(a_message_over_the_limit_is_refused_and_the_next_is_not),
		T(a_result_over_the_limit_says_what_to_do),
		T(deep_and_manifold_messages_are_refused),
		T(bytes_that_are_no_json_text_are_parse_errors),
		T(a_subscriber_hears_of_changes_until_it_unsubscribes),
		T(a_listener_hears_of_changes_until_it_cancels),
		T(a_listener_is_told_when_the_server_goes),
		T(a_quick_tool_runs_at_once_until_it_is_slow),
		T(a_tool_is_trusted_again_after_many_short_runs),
		T(a_tool_that_may_be_slow_never_runs_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
