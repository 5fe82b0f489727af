/* SPDX-License-Identifier: Apache-2.0 */
/* What clients of both eras ask about tasks. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "server/mcp/internal.h"

bool
tasks_are_offered(const struct mcp_server *s)
{
	const struct tool *const *t = s->content->tools.table;

	if (!s->runner)
		return false;
	for (; t && *t; t++)
		if ((*t)->tasks != TOOL_TASKS_NEVER)
			return true;
	return false;
}

/* Where clients cannot be told apart, a list would show one what another does
 * (2025-11-25, basic/utilities/tasks, security). */
bool
tasks_can_be_listed(const struct mcp_connection *c)
{
	return tasks_are_offered(c->server) && c->caller.principal;
}

int
task_require_extension(struct mcp_request *r)
{
	if (r->abilities & CLIENT_HAS_TASKS)
		return 0;
	r->error.data = json_pack("{s:{s:{s:{}}}}", "requiredCapabilities",
				  "extensions", TASK_EXTENSION);
	return rpc_fail(&r->error, MCP_MISSING_CAPABILITY,
			"the client has to declare the extension "
			TASK_EXTENSION);
}

/* The task that params.taskId names, or NULL with r->error. */
static struct task *
require_task(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;
	struct task *t;
	const char *id;

	if (mcp_is_modern(r->version) && task_require_extension(r) < 0)
		return NULL;
	id = require_string(r, "taskId");
	if (!id)
		return NULL;
	t = task_find(c->server, id, c->caller.principal);
	if (!t)
		rpc_fail(&r->error, RPC_INVALID_PARAMS,
			 "no task \"%.100s\": it never was, or its ttl is over",
			 id);
	return t;
}

static void
write_legacy(struct mcp_request *r, const struct task *t)
{
	buf_u8(&r->body, '{');
	task_write_legacy(&r->body, t);
	buf_u8(&r->body, '}');
}

int
handle_tasks_get(struct mcp_request *r)
{
	const struct task *t = require_task(r);

	if (!t)
		return HANDLED_FAILED;
	if (!mcp_is_modern(r->version)) {
		write_legacy(r, t);
		return HANDLED;
	}
	buf_u8(&r->body, '{');
	task_write_details(&r->body, t);
	buf_u8(&r->body, '}');
	return HANDLED;
}

int
handle_tasks_result(struct mcp_request *r)
{
	struct task *t = require_task(r);

	if (!t)
		return HANDLED_FAILED;
	if (task_is_over(t)) {
		task_answer_result(r, t);
		return r->error.code ? HANDLED_FAILED : HANDLED;
	}
	if (request_check_room(r) < 0)
		return HANDLED_FAILED;
	r->state = REQUEST_HELD;
	r->awaited = t;
	request_link(r);
	TAILQ_INSERT_TAIL(&t->waiting, r, place);
	return HANDLED_HELD;
}

/* "t<number>" of the last task shown. */
static int
read_cursor(struct mcp_request *r, uint64_t *after)
{
	const struct mcp_server *s = r->connection->server;
	const json_t *cursor = json_object_get(r->params, "cursor");
	const char *text = json_string_value(cursor);

	*after = 0;
	if (!cursor)
		return 0;
	if (text && text[0] == 't' && text_u64(bytes_of(text + 1), after) &&
	    *after > 0 && *after <= s->tasks.next)
		return 0;
	return rpc_fail(&r->error, RPC_INVALID_PARAMS,
			"unknown cursor: start again without one");
}

int
handle_tasks_list(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;
	uint32_t shown = 0;
	const struct task *t;
	uint64_t last;

	if (!tasks_can_be_listed(c))
		return rpc_fail(&r->error, RPC_METHOD_NOT_FOUND,
				"no method \"tasks/list\": clients cannot be "
				"told apart here");
	if (read_cursor(r, &last) < 0)
		return HANDLED_FAILED;
	buf_text(&r->body, "{\"tasks\":[");
	TAILQ_FOREACH(t, &c->server->tasks.list, link) {
		if (t->number <= last || !task_is_of(t, c->caller.principal))
			continue;
		if (shown == c->server->limits.page)
			break;
		buf_text(&r->body, shown++ ? "," : "");
		write_legacy(r, t);
		last = t->number;
	}
	buf_u8(&r->body, ']');
	if (t)
		buf_format(&r->body, ",\"nextCursor\":\"t%llu\"",
			   (unsigned long long)last);
	buf_u8(&r->body, '}');
	return HANDLED;
}

/* 2025-11-25 refuses to cancel what is over; the extension acknowledges. */
int
handle_tasks_cancel(struct mcp_request *r)
{
	struct task *t = require_task(r);

	if (!t)
		return HANDLED_FAILED;
	if (mcp_is_modern(r->version)) {
		task_cancel(t);
		buf_text(&r->body, "{}");
		return HANDLED;
	}
	if (task_is_over(t))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"the task is over already");
	task_cancel(t);
	write_legacy(r, t);
	return HANDLED;
}

int
handle_tasks_update(struct mcp_request *r)
{
	json_t *answers = json_object_get(r->params, "inputResponses");
	struct task *t = require_task(r);
	const char *name;
	json_t *answer, *known;

	if (!t)
		return HANDLED_FAILED;
	if (!json_is_object(answers))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"params.inputResponses must be an object");
	known = json_object();
	json_object_foreach(answers, name, answer)
		if (json_object_get(t->asked, name))
			json_object_set(known, name, answer);
	if (ask_are_answers(known))
		task_take_answers(t, known);
	else
		rpc_fail(&r->error, RPC_INVALID_PARAMS,
			 "params.inputResponses are no results of what was "
			 "asked");
	json_decref(known);
	if (r->error.code)
		return HANDLED_FAILED;
	buf_text(&r->body, "{}");
	return HANDLED;
}

/* 2025-11-25: the client asks for a task. */
static int
begin_wanted(struct mcp_request *r, const json_t *wanted)
{
	const json_t *ttl = json_object_get(wanted, "ttl");
	struct task *t;

	if (r->tool->tasks == TOOL_TASKS_NEVER)
		return rpc_fail(&r->error, RPC_METHOD_NOT_FOUND,
				"%s cannot be called as a task", r->tool->name);
	if (!json_is_object(wanted) || (ttl && !json_is_integer(ttl)))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"params.task must be an object, its ttl "
				"milliseconds");
	t = task_begin(r, json_integer_value(ttl));
	if (!t)
		return HANDLED_FAILED;
	buf_text(&r->body, "{\"task\":");
	write_legacy(r, t);
	buf_u8(&r->body, '}');
	return HANDLED;
}

static int
consider_legacy(struct mcp_request *r)
{
	const json_t *wanted = json_object_get(r->params, "task");

	if (r->version < MCP_2025_11_25)
		return HANDLED_LATER;
	if (wanted)
		return begin_wanted(r, wanted);
	if (r->tool->tasks == TOOL_TASKS_ALWAYS)
		return rpc_fail(&r->error, RPC_METHOD_NOT_FOUND,
				"%s has to be called as a task", r->tool->name);
	return HANDLED_LATER;
}

int
task_consider(struct mcp_request *r)
{
	bool always = r->tool->tasks == TOOL_TASKS_ALWAYS;
	struct task *t;

	if (r->plain || !tasks_are_offered(r->connection->server))
		return HANDLED_LATER;
	if (!mcp_is_modern(r->version))
		return consider_legacy(r);
	if (r->tool->tasks == TOOL_TASKS_NEVER)
		return HANDLED_LATER;
	if (!(r->abilities & CLIENT_HAS_TASKS))
		return always ? task_require_extension(r) : HANDLED_LATER;
	if (request_check_room(r) < 0)
		return HANDLED_FAILED;
	t = task_begin(r, 0);
	if (t) {
		task_hold_creator(t, r);
		return HANDLED_HELD;
	}
	if (always)
		return HANDLED_FAILED;
	r->error = (struct rpc_error){ 0 };
	return HANDLED_LATER;
}
