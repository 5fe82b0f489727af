/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/mcp/talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tests/support/fake_tools.h"

static void
host_send(void *context, const struct mcp_outgoing *message)
{
	struct talk *t = context;

	assert_true(t->said_count < TALK_MAX);
	assert_null(memchr(message->text.data, '\n', message->text.size));
	t->origin = message->origin;
	t->said[t->said_count++] =
		alloc_string_n(message->text.data, message->text.size);
}

static void
host_run(void *context, struct mcp_request *request)
{
	struct talk *t = context;

	assert_true(t->todo_count < TALK_MAX);
	t->todo[t->todo_count++] = request;
}

static void
host_wake(void *context)
{
	struct talk *t = context;

	t->woken = true;
}

static const struct mcp_host host = {
	.send = host_send,
	.run = host_run,
	.wake = host_wake,
};

void
talk_open(struct talk *t, const struct mcp_limits *limits)
{
	static const struct tool_config config = { .home = "/nonexistent",
						   .lifeline = -1 };
	struct error e;

	memset(t, 0, sizeof(*t));
	fake_content_load(&t->content);
	t->server = mcp_server_new(&t->content, &config, limits, &e);
	assert_non_null(t->server);
	mcp_server_begin_tasks(t->server, &host, t);
	t->connection = mcp_connection_new(t->server, &host, t);
}

void
talk_join(struct talk *t, struct talk *other)
{
	memset(t, 0, sizeof(*t));
	t->server = other->server;
	t->connection = mcp_connection_new(t->server, &host, t);
}

void
talk_leave(struct talk *t)
{
	if (t->connection)
		mcp_connection_close(t->connection);
	while (talk_work_one(t))
		;
	for (size_t i = 0; i < t->said_count; i++)
		free(t->said[i]);
}

void
talk_close(struct talk *t)
{
	if (t->connection)
		mcp_connection_close(t->connection);
	t->connection = NULL;
	mcp_server_end_tasks(t->server);
	talk_leave(t);
	mcp_server_free(t->server);
	fake_content_free(&t->content);
}

void
talk_say(struct talk *t, const char *message)
{
	mcp_connection_receive(t->connection, bytes_of(message), t);
}

bool
talk_work_one(struct talk *t)
{
	struct mcp_request *r = t->todo[0];

	if (t->todo_count == 0)
		return false;
	t->todo_count--;
	memmove(t->todo, t->todo + 1, t->todo_count * sizeof(*t->todo));
	mcp_request_run(r);
	if (t->woken)
		mcp_server_poll(t->server);
	t->woken = false;
	mcp_request_done(r);
	return true;
}

void
talk_pass_time(struct talk *t)
{
	int64_t due = mcp_server_due(t->server);
	int64_t left = due - clock_monotonic_ns();

	if (due == INT64_MAX)
		fail_msg("requests are open, but nothing is left to do");
	if (left > 0)
		nanosleep(&(struct timespec){ left / CLOCK_NS_PER_S,
					      left % CLOCK_NS_PER_S },
			  NULL);
	mcp_server_tick(t->server, due);
}

/* Subscriptions look for changes for ever: their work is never over. */
void
talk_work(struct talk *t)
{
	for (;;) {
		while (talk_work_one(t))
			;
		if (mcp_connection_in_flight(t->connection) == 0)
			return;
		talk_pass_time(t);
	}
}

json_t *
talk_hear(struct talk *t)
{
	json_t *message;

	if (t->heard == t->said_count)
		return NULL;
	message = json_loads(t->said[t->heard++], JSON_REJECT_DUPLICATES,
			     NULL);
	assert_non_null(message);
	return message;
}

static bool
objects_match(const json_t *expected, const json_t *actual)
{
	bool more = json_object_get(expected, "...") != NULL;
	size_t named = json_object_size(expected) - more;
	const char *name;
	json_t *value;

	if (more ? json_object_size(actual) < named :
		   json_object_size(actual) != named)
		return false;
	json_object_foreach((json_t *)(uintptr_t)expected, name, value)
		if (strcmp(name, "...") != 0 &&
		    !talk_matches(value, json_object_get(actual, name)))
			return false;
	return true;
}

bool
talk_matches(const json_t *expected, const json_t *actual)
{
	const char *text = json_string_value(expected);

	if (!actual)
		return false;
	if (text && strcmp(text, "*") == 0)
		return true;
	if (json_is_object(expected))
		return json_is_object(actual) &&
		       objects_match(expected, actual);
	if (!json_is_array(expected))
		return json_equal(expected, actual);
	if (json_array_size(expected) != json_array_size(actual))
		return false;
	for (size_t i = 0; i < json_array_size(expected); i++)
		if (!talk_matches(json_array_get(expected, i),
				  json_array_get(actual, i)))
			return false;
	return true;
}

void
talk_expect(struct talk *t, const char *expected)
{
	json_t *wanted = json_loads(expected, 0, NULL);
	json_t *heard = talk_hear(t);

	if (!wanted)
		fail_msg("the test itself is no JSON: %s", expected);
	if (!heard)
		fail_msg("expected: %s\nbut heard nothing", expected);
	if (!talk_matches(wanted, heard))
		fail_msg("expected: %s\n   heard: %s", expected,
			 t->said[t->heard - 1]);
	json_decref(wanted);
	json_decref(heard);
}

void
talk_expect_silence(struct talk *t)
{
	if (t->heard < t->said_count)
		fail_msg("expected nothing\nheard: %s", t->said[t->heard]);
}

void
talk_initialize(struct talk *t, const char *revision)
{
	char *text = alloc_format(
		"{\"jsonrpc\":\"2.0\",\"id\":\"init\",\"method\":"
		"\"initialize\",\"params\":{\"protocolVersion\":\"%s\","
		"\"capabilities\":{},\"clientInfo\":{\"name\":\"test\","
		"\"version\":\"1\"}}}",
		revision);
	char *answer = alloc_format("{\"jsonrpc\":\"2.0\",\"id\":\"init\","
				    "\"result\":{\"protocolVersion\":\"%s\","
				    "\"...\":1}}",
				    revision);

	talk_say(t, text);
	talk_expect(t, answer);
	talk_say(t, "{\"jsonrpc\":\"2.0\",\"method\":"
		    "\"notifications/initialized\"}");
	free(text);
	free(answer);
}
