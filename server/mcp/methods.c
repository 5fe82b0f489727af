/* SPDX-License-Identifier: Apache-2.0 */
/* Which methods there are, in which era, and what both eras' handlers share. */
#include <string.h>

#include "server/mcp/internal.h"

#define HOUR_MS 3600000
#define NEVER (-1) /* results without caching members */

static const struct method methods[] = {
	{ "tools/call", true, true, 0, handle_tools_call, NEVER, NULL },
	{ "tools/list", true, true, 0, handle_tools_list, HOUR_MS, "public" },
	{ "resources/list", true, true, 0, handle_resources_list, HOUR_MS,
	  "public" },
	{ "resources/templates/list", true, true, 0, handle_templates_list,
	  HOUR_MS, "public" },
	{ "resources/read", true, true, 0, handle_resources_read, 0, "private" },
	{ "resources/subscribe", true, false, 0, handle_subscribe, NEVER, NULL },
	{ "resources/unsubscribe", true, false, 0, handle_unsubscribe, NEVER,
	  NULL },
	{ "prompts/list", true, true, 0, handle_prompts_list, HOUR_MS, "public" },
	{ "prompts/get", true, true, 0, handle_prompts_get, NEVER, NULL },
	{ "completion/complete", true, true, 0, handle_complete, NEVER, NULL },
	{ "ping", true, false, 0, handle_ping, NEVER, NULL },
	{ "initialize", true, false, 0, handle_initialize, NEVER, NULL },
	{ "logging/setLevel", true, false, 0, handle_set_level, NEVER, NULL },
	{ "server/discover", false, true, 0, handle_discover, HOUR_MS, "public" },
	{ "subscriptions/listen", false, true, 0, handle_listen, NEVER, NULL },
	{ "tasks/get", true, true, MCP_2025_11_25, handle_tasks_get, NEVER,
	  NULL },
	{ "tasks/cancel", true, true, MCP_2025_11_25, handle_tasks_cancel,
	  NEVER, NULL },
	{ "tasks/result", true, false, MCP_2025_11_25, handle_tasks_result,
	  NEVER, NULL },
	{ "tasks/list", true, false, MCP_2025_11_25, handle_tasks_list, NEVER,
	  NULL },
	{ "tasks/update", false, true, 0, handle_tasks_update, NEVER, NULL },
};

const struct method *
method_find(const char *name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

const char *
require_string(struct mcp_request *r, const char *name)
{
	const json_t *value = json_object_get(r->params, name);

	if (json_is_string(value))
		return json_string_value(value);
	rpc_fail(&r->error, RPC_INVALID_PARAMS, "params.%s must be a string",
		 name);
	return NULL;
}

int
answer_page(struct mcp_request *r, enum list_kind kind)
{
	struct mcp_server *s = r->connection->server;
	const json_t *cursor = json_object_get(r->params, "cursor");

	if (cursor && !json_is_string(cursor))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"params.cursor must be a string");
	return catalogue_page(&s->lists[kind][r->version],
			      json_string_value(cursor), s->limits.page,
			      &r->body, &r->error);
}
