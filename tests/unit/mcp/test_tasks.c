/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks of both eras, questions to the client, and sealed request states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/support/fake_tools.h"
#include "tests/unit/mcp/talk.h"

#define CAN_TASK "\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}"
#define CAN_ELICIT "\"elicitation\":{}"
#define META(can)                                                 \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":" \
	"\"2026-07-28\",\"io.modelcontextprotocol/"               \
	"clientCapabilities\":{" can "}}"
#define MODERN_END                                                         \
	"\"resultType\":\"complete\",\"_meta\":{\"io.modelcontextprotocol/" \
	"serverInfo\":\"*\"}"
#define NO_TASK "{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":{\"code\":-32602," \
		"\"message\":\"*\"}}"

static struct talk *
talk_new(const struct mcp_limits *limits)
{
	struct talk *t = alloc_zero(1, sizeof(*t));

	talk_open(t, limits);
	return t;
}

/* A conversation of 2025-11-25 with a client that fills in forms. */
static struct talk *
talk_legacy(const struct mcp_limits *limits)
{
	struct talk *t = talk_new(limits);

	talk_say(t, "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\","
		    "\"params\":{\"protocolVersion\":\"2025-11-25\","
		    "\"capabilities\":{\"elicitation\":{}},\"clientInfo\":"
		    "{\"name\":\"t\",\"version\":\"1\"}}}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{"
		       "\"capabilities\":{\"tasks\":{\"list\":{},\"cancel\":{},"
		       "\"requests\":{\"tools\":{\"call\":{}}}},\"...\":1},"
		       "\"...\":1}}");
	return t;
}

static void
talk_end(struct talk *t)
{
	talk_close(t);
	free(t);
}

static void __attribute__((format(printf, 2, 3)))
say(struct talk *t, const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	talk_say(t, text);
}

/* A request with id 9. */
static void __attribute__((format(printf, 3, 4)))
ask(struct talk *t, const char *method, const char *format, ...)
{
	char params[3072];
	va_list args;

	va_start(args, format);
	vsnprintf(params, sizeof(params), format, args);
	va_end(args);
	say(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"%s\","
	       "\"params\":{%s}}", method, params);
}

/* A member of the next message's result, or of result.task (owned). */
static char *
hear_string(struct talk *t, const char *name)
{
	json_t *m = talk_hear(t);
	json_t *result = json_object_get(m, "result");
	json_t *task = json_object_get(result, "task");
	const char *text = json_string_value(
		json_object_get(task ? task : result, name));
	char *copy = text ? alloc_string(text) : NULL;

	if (!copy)
		fail_msg("no %s in %s", name,
			 m ? t->said[t->heard - 1] : "nothing");
	json_decref(m);
	return copy;
}

static char *
begin_legacy(struct talk *t, const char *tool, const char *arguments)
{
	ask(t, "tools/call", "\"name\":\"%s\",\"arguments\":{%s},\"task\":"
			     "{\"ttl\":60000}", tool, arguments);
	return hear_string(t, "taskId");
}

static void
a_legacy_task_lives_as_2025_11_25_says(void **state)
{
	struct talk *t = talk_legacy(NULL);
	char *id;

	(void)state;
	ask(t, "tools/call", "\"name\":\"job\",\"arguments\":{\"ms\":30},"
			     "\"task\":{\"ttl\":3600000}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"task\":{"
		       "\"taskId\":\"*\",\"status\":\"working\",\"createdAt\":"
		       "\"*\",\"lastUpdatedAt\":\"*\",\"ttl\":3600000,"
		       "\"pollInterval\":500}}}");
	t->heard--;
	id = hear_string(t, "taskId");
	assert_int_equal(strlen(id), 32);
	ask(t, "tasks/result", "\"taskId\":\"%s\"", id);
	talk_expect_silence(t);
	talk_work(t);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tasks/"
		       "status\",\"params\":{\"status\":\"completed\","
		       "\"...\":1}}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"content\":["
		       "{\"type\":\"text\",\"text\":\"ready\"}],"
		       "\"structuredContent\":{},\"_meta\":{"
		       "\"io.modelcontextprotocol/related-task\":{\"taskId\":"
		       "\"*\"}}}}");
	ask(t, "tasks/get", "\"taskId\":\"%s\"", id);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"status\":"
		       "\"completed\",\"ttl\":3600000,\"...\":1}}");
	ask(t, "tasks/cancel", "\"taskId\":\"%s\"", id);
	talk_expect(t, NO_TASK);
	ask(t, "tasks/get", "\"taskId\":\"%.31s\"", id);
	talk_expect(t, NO_TASK);
	free(id);
	talk_end(t);
}

static void
progress_of_a_task_names_it(void **state)
{
	struct talk *t = talk_legacy(NULL);

	(void)state;
	ask(t, "tools/call", "\"name\":\"job\",\"arguments\":{\"ms\":0},"
			     "\"task\":{},\"_meta\":{\"progressToken\":\"p\"}");
	free(hear_string(t, "taskId"));
	talk_work_one(t);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
		       "progress\",\"params\":{\"progressToken\":\"p\","
		       "\"progress\":10,\"total\":100,\"message\":\"working\","
		       "\"_meta\":{\"io.modelcontextprotocol/related-task\":{"
		       "\"taskId\":\"*\"}}}}");
	talk_end(t);
}

static void
a_cancelled_task_stays_cancelled_and_is_stopped(void **state)
{
	struct talk *t = talk_legacy(NULL);
	char *id = begin_legacy(t, "job", "\"ms\":60000");
	unsigned before = fake_stops();

	(void)state;
	talk_work_one(t);
	ask(t, "tasks/cancel", "\"taskId\":\"%s\"", id);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tasks/"
		       "status\",\"params\":{\"status\":\"cancelled\","
		       "\"...\":1}}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"status\":"
		       "\"cancelled\",\"...\":1}}");
	while (talk_work_one(t))
		;
	assert_int_equal(fake_stops(), before + 1);
	ask(t, "tasks/result", "\"taskId\":\"%s\"", id);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":{\"code\":"
		       "-32603,\"message\":\"*\"}}");
	free(id);
	talk_end(t);
}

static void
tools_say_whether_they_can_be_tasks(void **state)
{
	struct talk *t = talk_legacy(NULL);
	json_t *m, *tool;
	size_t i;

	(void)state;
	ask(t, "tools/call", "\"name\":\"echo\",\"task\":{}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":{\"code\":"
		       "-32601,\"message\":\"*\"}}");
	ask(t, "tools/list", "\"x\":1");
	m = talk_hear(t);
	json_array_foreach(json_object_get(json_object_get(m, "result"),
					   "tools"), i, tool) {
		const char *name = json_string_value(
			json_object_get(tool, "name"));
		json_t *execution = json_object_get(tool, "execution");

		if (strcmp(name, "job") == 0 || strcmp(name, "ask") == 0)
			assert_string_equal(json_string_value(json_object_get(
						    execution, "taskSupport")),
					    "optional");
		else
			assert_null(execution);
	}
	json_decref(m);
	talk_end(t);
}

static void
lists_of_tasks_have_pages_and_owners(void **state)
{
	struct talk *t = talk_legacy(&(struct mcp_limits){ .page = 2 });
	struct mcp_caller other = { .may = TOOL_CONTROLS,
				    .principal = "other" };
	char *id = NULL, *cursor;

	(void)state;
	for (int i = 0; i < 3; i++) {
		free(id);
		id = begin_legacy(t, "job", "\"ms\":60000");
	}
	ask(t, "tasks/list", "\"x\":1");
	cursor = hear_string(t, "nextCursor");
	ask(t, "tasks/list", "\"cursor\":\"%s\"", cursor);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"tasks\":["
		       "\"*\"]}}");
	ask(t, "tasks/list", "\"cursor\":\"%s7\"", cursor);
	talk_expect(t, NO_TASK);
	ask(t, "tasks/list", "\"cursor\":3");
	talk_expect(t, NO_TASK);
	mcp_connection_set_caller(t->connection, &other);
	ask(t, "tasks/list", "\"x\":1");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"tasks\":[]"
		       "}}");
	ask(t, "tasks/get", "\"taskId\":\"%s\"", id);
	talk_expect(t, NO_TASK);
	other.principal = NULL;
	mcp_connection_set_caller(t->connection, &other);
	ask(t, "tasks/list", "\"x\":1");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":{\"code\":"
		       "-32601,\"message\":\"*\"}}");
	free(cursor);
	free(id);
	talk_end(t);
}

static void
their_number_and_their_lives_are_bounded(void **state)
{
	struct talk *t = talk_legacy(
		&(struct mcp_limits){ .tasks = 4, .task_keep_ms = 1 });
	char *id;

	(void)state;
	free(begin_legacy(t, "job", "\"ms\":60000"));
	ask(t, "tools/call", "\"name\":\"job\",\"arguments\":{\"ms\":0},"
			     "\"task\":{\"ttl\":1}");
	id = hear_string(t, "taskId");
	ask(t, "tools/call", "\"name\":\"job\",\"task\":{}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":{\"code\":"
		       "-31001,\"message\":\"*\"}}");
	while (talk_work_one(t))
		;
	ask(t, "tasks/get", "\"taskId\":\"%s\"", id);
	t->heard = t->said_count;
	mcp_server_tick(t->server, INT64_MAX / 4);
	ask(t, "tasks/get", "\"taskId\":\"%s\"", id);
	t->heard = t->said_count - 1;
	talk_expect(t, NO_TASK);
	free(id);
	talk_end(t);
}

static void
a_legacy_client_is_sent_requests(void **state)
{
	struct talk *t = talk_legacy(NULL);

	(void)state;
	ask(t, "tools/call", "\"name\":\"ask\"");
	talk_work_one(t);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":\"ask-1\",\"method\":"
		       "\"elicitation/create\",\"params\":{\"message\":"
		       "\"Who?\",\"requestedSchema\":\"*\"}}");
	say(t, "{\"jsonrpc\":\"2.0\",\"id\":\"ask-7\",\"result\":{\"action\":"
	       "\"decline\"}}");
	assert_false(talk_work_one(t));
	say(t, "{\"jsonrpc\":\"2.0\",\"id\":\"ask-1\",\"result\":{\"action\":"
	       "\"accept\",\"content\":{\"name\":\"Ann\"}}}");
	talk_work_one(t);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"content\":["
		       "{\"type\":\"text\",\"text\":\"hello Ann, as agreed\"}],"
		       "\"structuredContent\":{}}}");
	ask(t, "tools/call", "\"name\":\"ask\"");
	talk_work_one(t);
	t->heard++;
	say(t, "{\"jsonrpc\":\"2.0\",\"id\":\"ask-2\",\"error\":{\"code\":-1,"
	       "\"message\":\"no\"}}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"content\":["
		       "\"*\"],\"isError\":true}}");
	ask(t, "tools/call", "\"name\":\"ask\"");
	talk_work_one(t);
	t->heard++;
	say(t, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
	       "\"params\":{\"requestId\":9}}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
		       "cancelled\",\"params\":{\"requestId\":\"ask-3\"}}");
	say(t, "{\"jsonrpc\":\"2.0\",\"id\":\"ask-3\",\"result\":{\"action\":"
	       "\"accept\",\"content\":{\"name\":\"late\"}}}");
	talk_expect_silence(t);
	free(begin_legacy(t, "ask", ""));
	talk_work_one(t);
	talk_end(t); /* with a question of a task unanswered */
}

#define ASK_NAME "\"name\":\"ask\",\"arguments\":{},"
#define ANSWER(name)                                                     \
	"\"inputResponses\":{\"name\":{\"action\":\"accept\",\"content\":{" \
	"\"name\":\"" name "\"}}},"

static void
a_modern_client_is_answered_with_what_is_needed(void **state)
{
	struct talk *t = talk_new(NULL);

	(void)state;
	ask(t, "tools/call", ASK_NAME META(""));
	talk_work(t);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":{\"code\":"
		       "-32021,\"message\":\"*\",\"data\":{"
		       "\"requiredCapabilities\":{\"elicitation\":{}}}}}");
	ask(t, "tools/call", ASK_NAME META(CAN_ELICIT));
	talk_work(t);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{"
		       "\"inputRequests\":{\"name\":{\"method\":"
		       "\"elicitation/create\",\"params\":\"*\"}},"
		       "\"requestState\":\"*\",\"resultType\":"
		       "\"input_required\",\"_meta\":\"*\"}}");
	ask(t, "tools/call",
	    "\"name\":\"ask\",\"inputResponses\":{\"name\":5}," META(""));
	talk_expect(t, NO_TASK);
	talk_end(t);
}

/* What comes of a call with that state. */
static void
call_with_state(struct talk *t, const char *call, const char *sealed,
		const char *expected)
{
	ask(t, "tools/call", "%s" ANSWER("Ann") "\"requestState\":\"%s\","
			     META(CAN_ELICIT), call, sealed);
	talk_work(t);
	talk_expect(t, expected);
}

static void
a_state_is_good_for_its_own_request_only(void **state)
{
	static const char good[] =
		"{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"content\":[{"
		"\"type\":\"text\",\"text\":\"hello Ann, as agreed\"}],"
		"\"...\":1}}";
	struct mcp_caller other = { .may = TOOL_CONTROLS,
				    .principal = "other" };
	struct talk *t = talk_new(NULL);
	char *sealed, *longer;

	(void)state;
	ask(t, "tools/call", ASK_NAME META(CAN_ELICIT));
	talk_work(t);
	sealed = hear_string(t, "requestState");
	call_with_state(t, ASK_NAME, sealed, good);
	for (size_t i = 0; i < strlen(sealed); i += 7) {
		char was = sealed[i];

		sealed[i] = was == '0' ? '1' : '0';
		call_with_state(t, ASK_NAME, sealed, NO_TASK);
		sealed[i] = was;
	}
	longer = alloc_format("%s00", sealed);
	call_with_state(t, ASK_NAME, longer, NO_TASK);
	call_with_state(t, ASK_NAME, "", NO_TASK);
	call_with_state(t, ASK_NAME, "zz", NO_TASK);
	call_with_state(t, "\"name\":\"ask\",\"arguments\":{\"in_task\":false},",
			sealed, NO_TASK);
	call_with_state(t, "\"name\":\"job\",\"arguments\":{},", sealed,
			NO_TASK);
	mcp_connection_set_caller(t->connection, &other);
	call_with_state(t, ASK_NAME, sealed, NO_TASK);
	other.principal = "local";
	mcp_connection_set_caller(t->connection, &other);
	call_with_state(t, ASK_NAME, sealed, good);
	free(longer);
	free(sealed);
	talk_end(t);
}

static void
a_modern_call_that_takes_long_becomes_a_task(void **state)
{
	struct talk *t = talk_new(NULL);
	char *id;

	(void)state;
	ask(t, "tools/call", "\"name\":\"job\",\"arguments\":{\"ms\":0},"
			     META(CAN_TASK));
	talk_work(t);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"content\":"
		       "\"*\",\"structuredContent\":{}," MODERN_END "}}");
	ask(t, "tools/call", "\"name\":\"job\",\"arguments\":{\"ms\":0},"
			     META(CAN_TASK));
	talk_pass_time(t);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"taskId\":"
		       "\"*\",\"status\":\"working\",\"createdAt\":\"*\","
		       "\"lastUpdatedAt\":\"*\","
		       "\"ttlMs\":900000,\"pollIntervalMs\":500,\"resultType\":"
		       "\"task\",\"_meta\":\"*\"}}");
	t->heard--;
	id = hear_string(t, "taskId");
	ask(t, "tasks/get", "\"taskId\":\"%s\"," META(""), id);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":{\"code\":"
		       "-32021,\"message\":\"*\",\"data\":{"
		       "\"requiredCapabilities\":{" CAN_TASK "}}}}");
	ask(t, "subscriptions/listen", "\"notifications\":{\"taskIds\":[\"%s\","
				       "\"none\"]}," META(CAN_TASK), id);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
		       "subscriptions/acknowledged\",\"params\":{"
		       "\"notifications\":{\"taskIds\":[\"*\"]},\"_meta\":"
		       "\"*\"}}");
	while (talk_work_one(t))
		;
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tasks\""
		       ",\"params\":{\"status\":\"working\",\"statusMessage\":"
		       "\"working, 10 %\",\"...\":1}}");
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tasks\""
		       ",\"params\":{\"taskId\":\"*\",\"status\":\"completed\","
		       "\"result\":{\"content\":\"*\",\"...\":1},\"_meta\":"
		       "\"*\",\"...\":1}}");
	free(id);
	talk_end(t);
}

static void
a_modern_task_asks_and_is_told(void **state)
{
	struct talk *t = talk_new(NULL);
	char *id;

	(void)state;
	ask(t, "tools/call", "\"name\":\"ask\",\"arguments\":{\"in_task\":true}"
			     "," META(CAN_ELICIT "," CAN_TASK));
	talk_work(t);
	id = hear_string(t, "taskId");
	ask(t, "tasks/get", "\"taskId\":\"%s\"," META(CAN_TASK), id);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"status\":"
		       "\"input_required\",\"inputRequests\":{\"name-1\":\"*\"}"
		       ",\"...\":1}}");
	ask(t, "tasks/update",
	    "\"taskId\":\"%s\",\"inputResponses\":{\"name-1\":{\"action\":"
	    "\"accept\",\"content\":{\"name\":\"\"}},\"name\":7},"
	    META(CAN_TASK), id);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{" MODERN_END
		       "}}");
	while (talk_work_one(t))
		;
	ask(t, "tasks/get", "\"taskId\":\"%s\"," META(CAN_TASK), id);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"status\":"
		       "\"input_required\",\"inputRequests\":{\"name-2\":\"*\"}"
		       ",\"...\":1}}");
	ask(t, "tasks/update",
	    "\"taskId\":\"%s\",\"inputResponses\":{\"name-2\":{\"action\":"
	    "\"accept\",\"content\":{\"name\":\"Bob\"}}}," META(CAN_TASK), id);
	t->heard++;
	while (talk_work_one(t))
		;
	ask(t, "tasks/get", "\"taskId\":\"%s\"," META(CAN_TASK), id);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"status\":"
		       "\"completed\",\"result\":{\"content\":[{\"type\":"
		       "\"text\",\"text\":\"hello Bob, as agreed\"}],"
		       "\"...\":1},\"...\":1}}");
	ask(t, "tasks/cancel", "\"taskId\":\"%s\"," META(CAN_TASK), id);
	talk_expect(t, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{" MODERN_END
		       "}}");
	free(id);
	talk_end(t);
}

/* Who leaves before having heard of a task leaves none behind. */
static void
an_unheard_task_goes_with_its_client(void **state)
{
	struct talk *t = talk_new(NULL);
	struct talk *other = alloc_zero(1, sizeof(*other));
	unsigned before = fake_stops();

	(void)state;
	talk_join(other, t);
	ask(other, "tools/call", "\"name\":\"job\",\"arguments\":{\"ms\":"
				  "60000}," META(CAN_TASK));
	talk_work_one(t);
	talk_leave(other);
	while (talk_work_one(t))
		;
	assert_int_equal(fake_stops(), before + 1);
	assert_true(mcp_server_due(t->server) == INT64_MAX);
	talk_end(t);
	free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_legacy_task_lives_as_2025_11_25_says),
		cmocka_unit_test(progress_of_a_task_names_it),
		cmocka_unit_test(
			a_cancelled_task_stays_cancelled_and_is_stopped),
		cmocka_unit_test(tools_say_whether_they_can_be_tasks),
		cmocka_unit_test(lists_of_tasks_have_pages_and_owners),
		cmocka_unit_test(their_number_and_their_lives_are_bounded),
		cmocka_unit_test(a_legacy_client_is_sent_requests),
		cmocka_unit_test(
			a_modern_client_is_answered_with_what_is_needed),
		cmocka_unit_test(a_state_is_good_for_its_own_request_only),
		cmocka_unit_test(a_modern_call_that_takes_long_becomes_a_task),
		cmocka_unit_test(a_modern_task_asks_and_is_told),
		cmocka_unit_test(an_unheard_task_goes_with_its_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
