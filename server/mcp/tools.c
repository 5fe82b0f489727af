/* SPDX-License-Identifier: Apache-2.0 */
/* tools/list and tools/call. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "server/mcp/internal.h"

int
handle_tools_list(struct mcp_request *r)
{
	return answer_page(r, LIST_TOOLS);
}

static void
write_text_content(struct buf *out, struct bytes text)
{
	buf_text(out, "{\"content\":[{\"type\":\"text\",\"text\":");
	rpc_write_string(out, text);
	buf_text(out, "}]");
}

/* Input and business errors are results that the model reads (SEP-1303). */
void
tool_fail(struct mcp_request *r, const char *text)
{
	buf_free(&r->body);
	r->failed_tool = true;
	write_text_content(&r->body, bytes_of(text));
	buf_text(&r->body, ",\"isError\":true}");
}

static void
write_success(struct mcp_request *r, const struct tool_result *result)
{
	struct buf *out = &r->body;

	if (result->content) {
		buf_text(out, "{\"content\":");
		rpc_write_json(out, result->content);
	} else if (result->text) {
		write_text_content(out, bytes_of(result->text));
	} else {
		char *text = json_dumps(result->structured, JSON_COMPACT);

		write_text_content(out, bytes_of(text));
		free(text);
	}
	if (result->structured && mcp_has_structured(r->version)) {
		buf_text(out, ",\"structuredContent\":");
		rpc_write_json(out, result->structured);
	}
	buf_u8(out, '}');
}

static void
call_tool(struct mcp_request *r)
{
	const struct mcp_server *s = r->connection->server;
	struct tool_call call = request_call(r);
	struct tool_result result = { 0 };
	struct error e = { 0 };
	int rc = s->content->tools.run(r->tool, &call, &result, &e);
	char *problem;

	if (rc == TOOL_WAIT) {
		r->wait_ms = result.wait_ms ? result.wait_ms : 1;
		r->let_go = result.let_go;
		r->ran = true;
	} else if (rc == TOOL_ASK) {
		r->question = result.question;
	} else if (r->plain) {
		plain_deliver(r, rc, &result, &e);
	} else if (rc < 0) {
		tool_fail(r, e.text[0] ? e.text : err_text(rc));
	} else {
		write_success(r, &result);
		if (r->body.failed) {
			problem = alloc_format(
				"the result is larger than %zu MiB: ask for "
				"less with limit, fields, a narrower filter "
				"or a shorter time range",
				s->limits.result_bytes >> 20);
			tool_fail(r, problem);
			free(problem);
		}
	}
	json_decref(result.structured);
	json_decref(result.content);
	free(result.text);
}

static void
log_call(struct mcp_request *r)
{
	int64_t ms = (clock_monotonic_ns() - r->started_ns) / CLOCK_NS_PER_MS;

	if (r->wait_ms || r->question.ask)
		return;
	if (r->failed_tool)
		send_log(r, SEVERITY_WARNING, "%s failed after %lld ms",
			 r->tool->name, (long long)ms);
	else
		send_log(r,
			 r->tool->effects == TOOL_READS ? SEVERITY_DEBUG :
							  SEVERITY_INFO,
			 "%s took %lld ms", r->tool->name, (long long)ms);
}

static const char *
role_for(enum tool_effects effects)
{
	return effects <= TOOL_WRITES ? "operator" : "admin";
}

static void
find_tool(struct mcp_request *r, const char *name)
{
	const struct mcp_server *s = r->connection->server;
	const struct tool *const *table = s->content->tools.table;

	for (size_t i = 0; table && table[i]; i++) {
		if (strcmp(table[i]->name, name) != 0)
			continue;
		r->tool = table[i];
		r->pace = table[i]->quick ? &s->paces[i] : NULL;
		return;
	}
}

static int
unknown_tool(struct mcp_request *r, const char *name)
{
	const struct tool *const *table =
		r->connection->server->content->tools.table;
	const char *names[64] = { NULL };
	const char *nearest;

	for (size_t i = 0; i < 63 && table && table[i]; i++)
		names[i] = table[i]->name;
	nearest = text_nearest(name, names);
	return rpc_fail(&r->error, RPC_INVALID_PARAMS,
			"unknown tool \"%.128s\"%s%s%s", name,
			nearest ? "; did you mean \"" : "",
			nearest ? nearest : "", nearest ? "\"?" : "");
}

int
handle_tools_call(struct mcp_request *r)
{
	const char *name = require_string(r, "name");
	const json_t *arguments = json_object_get(r->params, "arguments");

	if (!name)
		return HANDLED_FAILED;
	find_tool(r, name);
	if (!r->tool)
		return unknown_tool(r, name);
	if (!arguments)
		json_object_set_new(r->params, "arguments", json_object());
	else if (!json_is_object(arguments))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"params.arguments must be an object");
	if (r->tool->effects > r->connection->caller.may)
		return rpc_fail(&r->error, MCP_FORBIDDEN,
				"%s needs a token with the role %s", name,
				role_for(r->tool->effects));
	r->work = call_tool;
	r->finished = log_call;
	if (mcp_is_modern(r->version) && ask_take_answers(r) < 0)
		return HANDLED_FAILED;
	return task_consider(r);
}
