/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of tools without JSON-RPC around them, for people and scripts. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "server/mcp/internal.h"

/* The member that lists something, or NULL.  Where rows are called so, what
 * else is a list describes them. */
static const char *
rows_member(json_t *structured)
{
	const char *name;
	json_t *value;

	if (json_is_array(json_object_get(structured, "rows")))
		return "rows";
	json_object_foreach(structured, name, value)
		if (json_is_array(value))
			return name;
	return NULL;
}

/* One row a line.  What else the result says follows the last row, so that
 * nothing found does not look like nothing captured. */
static void
write_rows(struct mcp_request *r, json_t *structured)
{
	const char *member = rows_member(structured);
	const char *cursor = json_string_value(
		json_object_get(structured, "next_cursor"));
	json_t *rest, *row;
	size_t i;

	json_array_foreach(json_object_get(structured, member ? member : ""),
			   i, row) {
		rpc_write_json(&r->body, row);
		buf_u8(&r->body, '\n');
	}
	r->cursor = cursor ? alloc_string(cursor) : NULL;
	if (cursor)
		return;
	rest = json_copy(structured);
	if (member)
		json_object_del(rest, member);
	rpc_write_json(&r->body, rest);
	buf_u8(&r->body, '\n');
	json_decref(rest);
}

void
plain_deliver(struct mcp_request *r, int rc, const struct tool_result *result,
	      const struct error *e)
{
	if (rc < 0) {
		r->failed_tool = true;
		rpc_fail(&r->error, rc, "%s",
			 e->text[0] ? e->text : err_text(rc));
		return;
	}
	if (r->plain == PLAIN_ROWS)
		write_rows(r, result->structured);
	else
		rpc_write_json(&r->body, result->structured);
}

void
plain_send(struct mcp_request *r)
{
	struct buf *out = &r->connection->server->out;

	if (!r->error.code && r->body.failed)
		rpc_fail(&r->error, ERR_LIMIT,
			 "the result is larger than %zu MiB: ask for less",
			 r->connection->server->limits.result_bytes >> 20);
	if (r->error.code) {
		buf_text(out, "{\"error\":");
		rpc_write_string(out, bytes_of(r->error.text));
		buf_text(out, "}\n");
	} else {
		buf_bytes(out, buf_view(&r->body));
		if (r->plain == PLAIN_RESULT)
			buf_u8(out, '\n');
	}
	send_plain(r);
}

void
mcp_connection_call(struct mcp_connection *c, const struct mcp_plain_call *call)
{
	json_t *message = json_pack("{s:s, s:{s:s, s:O}}", "id", "plain",
				    "params", "name", call->tool, "arguments",
				    call->arguments);
	struct rpc_message m = {
		.kind = RPC_REQUEST,
		.id = json_object_get(message, "id"),
		.method = "tools/call",
		.params = json_object_get(message, "params"),
	};
	struct mcp_request *r = request_new(c, &m);

	r->origin = call->origin;
	r->plain = call->rows ? PLAIN_ROWS : PLAIN_RESULT;
	r->version = MCP_NEWEST_LEGACY;
	r->method = method_find("tools/call");
	if (handle_tools_call(r) == HANDLED_LATER)
		request_submit(r);
	else
		request_answer(r);
	json_decref(message);
}
