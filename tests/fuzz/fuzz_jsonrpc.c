/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole conversations of a hostile client with the protocol core.  The first
 * byte says in pieces of what size the rest arrives.  A line that begins with
 * "!" is no message but what the loop does: !r runs the oldest request, !d
 * all of them, !t lets time pass, !p and !c stop and continue reading, !x
 * closes the connection with everything that is under way, !e ends
 * subscriptions.  Whatever comes out must be JSON-RPC.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "server/mcp/mcp.h"
#include "server/transport/lines.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/fake_tools.h"

#define MAX_TODO 64
#define MAX_ROUNDS 10000 /* more than any conversation can need */

struct client {
	struct mcp_connection *connection;
	struct mcp_request *todo[MAX_TODO];
	size_t todo_count;
	bool ended;
};

/* What a fuzzing process has one of. */
struct stage {
	struct mcp_content content;
	struct mcp_server *server;
	unsigned turn; /* every other call of "poll" has to wait */
};

static struct stage stage;

/* The fake tools without their sleep. */
static int
run_tool(const struct tool *tool, struct tool_call *call,
	 struct tool_result *out, struct error *e)
{
	if (strcmp(tool->name, "fail") == 0)
		return error_set(e, ERR_INVALID, "no");
	if (strcmp(tool->name, "poll") == 0 && ++stage.turn % 2) {
		out->wait_ms = 1;
		return TOOL_WAIT;
	}
	for (int i = 0; i < 4; i++)
		call->progress(call->context, i, 3, "a \"step\"\n\xff");
	out->structured = json_incref(call->arguments);
	return TOOL_DONE;
}

static void
check_message(const json_t *message)
{
	const char *version =
		json_string_value(json_object_get(message, "jsonrpc"));

	assert(version && strcmp(version, "2.0") == 0);
	assert(!!json_object_get(message, "result") +
		       !!json_object_get(message, "error") +
		       !!json_object_get(message, "method") == 1);
}

static void
host_send(void *context, const struct mcp_outgoing *message)
{
	struct client *c = context;
	json_t *value = json_loadb((const char *)message->text.data,
				   message->text.size, 0, NULL);
	json_t *element;
	size_t i;

	assert(!c->ended);
	assert(!memchr(message->text.data, '\n', message->text.size));
	assert(value);
	if (json_is_array(value)) {
		assert(json_array_size(value) > 0);
		json_array_foreach(value, i, element)
			check_message(element);
	} else {
		check_message(value);
	}
	json_decref(value);
}

static void
host_run(void *context, struct mcp_request *request)
{
	struct client *c = context;

	assert(c->todo_count < MAX_TODO);
	c->todo[c->todo_count++] = request;
}

static void
host_wake(void *context)
{
	(void)context;
}

static const struct mcp_host host = {
	.send = host_send,
	.run = host_run,
	.wake = host_wake,
	.request_bytes = 1,
};

static bool
run_one(struct client *c)
{
	struct mcp_request *r = c->todo[0];

	if (c->todo_count == 0)
		return false;
	c->todo_count--;
	memmove(c->todo, c->todo + 1, c->todo_count * sizeof(*c->todo));
	mcp_request_run(r);
	mcp_server_poll(stage.server);
	mcp_request_done(r);
	return true;
}

static void
close_client(struct client *c)
{
	struct mcp_connection *connection = c->connection;

	c->connection = NULL;
	c->ended = true;
	mcp_connection_close(connection);
}

static void
act(struct client *c, uint8_t what)
{
	switch (what) {
	case 'r':
		run_one(c);
		break;
	case 'd':
		while (run_one(c))
			;
		break;
	case 't':
		mcp_server_tick(stage.server, INT64_MAX - 1);
		break;
	case 'p':
	case 'c':
		mcp_connection_pause(c->connection, what == 'p');
		break;
	case 'e':
		mcp_connection_end_subscriptions(c->connection);
		break;
	case 'x':
		close_client(c);
		break;
	default:
		break;
	}
}

static void
on_line(void *context, struct bytes line)
{
	struct client *c = context;

	if (!c->connection)
		return;
	if (line.size > 1 && line.data[0] == '!')
		act(c, line.data[1]);
	else
		mcp_connection_receive(c->connection, line, c);
}

static void
on_oversize(void *context)
{
	struct client *c = context;

	if (c->connection)
		mcp_connection_refuse_oversize(c->connection, c);
}

/* Whatever was asked must come to an end. */
static void
drain(struct client *c)
{
	int rounds = 0;

	mcp_connection_pause(c->connection, false);
	do {
		assert(rounds++ < MAX_ROUNDS);
		while (run_one(c))
			;
		if (mcp_connection_in_flight(c->connection) > 0)
			mcp_server_tick(stage.server, INT64_MAX - 1);
	} while (mcp_connection_in_flight(c->connection) > 0);
}

static void
set_stage(void)
{
	static const struct tool_config config = { .home = "/nonexistent",
						   .lifeline = -1 };
	static const struct mcp_limits limits = {
		.message_bytes = 16384,
		.result_bytes = 4096,
		.in_flight_bytes = 65536,
		.in_flight = 8,
		.running = 2,
		.page = 2,
	};
	struct error e;

	fake_content_load(&stage.content);
	stage.content.tools.run = run_tool;
	stage.server = mcp_server_new(&stage.content, &config, &limits, &e);
	assert(stage.server);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client c = { 0 };
	struct bytes in = bytes_make(data, size);
	struct lines lines;
	size_t step;

	if (size == 0)
		return 0;
	if (!stage.server)
		set_stage();
	step = (size_t)data[0] + 1;
	stage.turn = 0;
	c.connection = mcp_connection_new(stage.server, &host, &c);
	lines_init(&lines, mcp_server_limits(stage.server)->message_bytes,
		   on_line, on_oversize, &c);
	for (in = bytes_from(in, 1); in.size > 0; in = bytes_from(in, step))
		lines_feed(&lines, bytes_first(in, step));
	lines_end(&lines);
	if (c.connection)
		drain(&c);
	if (c.connection)
		close_client(&c);
	while (run_one(&c))
		;
	assert(mcp_server_due(stage.server) == INT64_MAX);
	lines_free(&lines);
	return 0;
}
