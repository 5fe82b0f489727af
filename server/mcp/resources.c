/* SPDX-License-Identifier: Apache-2.0 */
/* resources/list, resources/templates/list, resources/read,
 * completion/complete. */
#include <string.h>

#include "server/mcp/internal.h"

#define MAX_COMPLETIONS 100 /* 2025-11-25, server/utilities/completion */

int
handle_resources_list(struct mcp_request *r)
{
	return answer_page(r, LIST_RESOURCES);
}

int
handle_templates_list(struct mcp_request *r)
{
	return answer_page(r, LIST_TEMPLATES);
}

static int
not_found(struct mcp_request *r, const char *uri)
{
	r->error.data = json_pack("{s:s}", "uri", uri);
	return rpc_fail(&r->error,
			mcp_is_modern(r->version) ? RPC_INVALID_PARAMS :
						    MCP_RESOURCE_NOT_FOUND,
			"no resource \"%.200s\"", uri);
}

const char *
require_resource(struct mcp_request *r)
{
	const struct resource_source *source =
		r->connection->server->content->resources;
	const char *uri = require_string(r, "uri");

	if (!uri)
		return NULL;
	if (strlen(uri) > MAX_URI || !source || !source->matches(uri)) {
		not_found(r, uri);
		return NULL;
	}
	return uri;
}

static void
read_resource(struct mcp_request *r)
{
	const struct resource_source *source =
		r->connection->server->content->resources;
	const char *uri =
		json_string_value(json_object_get(r->params, "uri"));
	struct tool_call call = request_call(r);
	struct error e = { 0 };
	json_t *contents = NULL;
	int rc = source->read(&call, uri, &contents, &e);

	if (rc == ERR_NOTFOUND) {
		not_found(r, uri);
	} else if (rc < 0) {
		rpc_fail(&r->error, RPC_INTERNAL_ERROR, "%s",
			 e.text[0] ? e.text : err_text(rc));
	} else {
		buf_text(&r->body, "{\"contents\":");
		rpc_write_json(&r->body, contents);
		buf_u8(&r->body, '}');
	}
	json_decref(contents);
}

int
handle_resources_read(struct mcp_request *r)
{
	if (!require_resource(r))
		return HANDLED_FAILED;
	r->work = read_resource;
	return HANDLED_LATER;
}

static void
write_completion(struct buf *out, const json_t *values)
{
	size_t total = json_array_size(values);
	size_t shown = total < MAX_COMPLETIONS ? total : MAX_COMPLETIONS;

	buf_text(out, "{\"completion\":{\"values\":[");
	for (size_t i = 0; i < shown; i++) {
		if (i > 0)
			buf_u8(out, ',');
		rpc_write_json(out, json_array_get(values, i));
	}
	buf_format(out, "],\"total\":%zu,\"hasMore\":%s}}", total,
		   total > shown ? "true" : "false");
}

static void
complete(struct mcp_request *r)
{
	const struct resource_source *source =
		r->connection->server->content->resources;
	const json_t *argument = json_object_get(r->params, "argument");
	const json_t *context = json_object_get(r->params, "context");
	struct resource_completion request = {
		.argument =
			json_string_value(json_object_get(argument, "name")),
		.typed = json_string_value(json_object_get(argument, "value")),
		.context = json_object_get(context, "arguments"),
	};
	struct tool_call call = request_call(r);
	struct error e = { 0 };
	json_t *values = NULL;
	int rc = source->complete(&call, &request, &values, &e);

	if (rc < 0)
		rpc_fail(&r->error, RPC_INTERNAL_ERROR, "%s",
			 e.text[0] ? e.text : err_text(rc));
	else
		write_completion(&r->body, values);
	json_decref(values);
}

/* A template has the variable when "{name}" stands in it. */
static bool
template_has(const char *text, const char *name)
{
	size_t n = strlen(name);

	while ((text = strchr(text, '{'))) {
		text++;
		if (strncmp(text, name, n) == 0 && text[n] == '}')
			return true;
	}
	return false;
}

static const char *
find_template(const struct mcp_server *s, const char *uri)
{
	json_t *entry;
	size_t i;

	json_array_foreach(s->content->resources->templates, i, entry) {
		const char *text = json_string_value(
			json_object_get(entry, "uriTemplate"));

		if (strcmp(text, uri) == 0)
			return text;
	}
	return NULL;
}

/* The prompt or template must exist and have that argument. */
static int
check_reference(struct mcp_request *r, json_t *ref, const char *argument)
{
	const struct mcp_server *s = r->connection->server;
	const char *type = json_string_value(json_object_get(ref, "type"));
	const char *name = json_string_value(json_object_get(ref, "name"));
	const char *uri = json_string_value(json_object_get(ref, "uri"));

	if (type && name && strcmp(type, "ref/prompt") == 0) {
		json_t *prompt = prompt_find(s, name);

		if (prompt && prompt_argument(prompt, argument))
			return 0;
	} else if (type && uri && strcmp(type, "ref/resource") == 0) {
		const char *text = find_template(s, uri);

		if (text && template_has(text, argument))
			return 0;
	}
	return rpc_fail(&r->error, RPC_INVALID_PARAMS,
			"params.ref names no prompt or resource template "
			"with an argument \"%.100s\"", argument);
}

int
handle_complete(struct mcp_request *r)
{
	json_t *argument = json_object_get(r->params, "argument");
	const char *name =
		json_string_value(json_object_get(argument, "name"));

	if (!r->connection->server->content->resources)
		return rpc_fail(&r->error, RPC_METHOD_NOT_FOUND,
				"nothing to complete here");
	if (!name ||
	    !json_is_string(json_object_get(argument, "value")))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"params.argument needs the strings \"name\" "
				"and \"value\"");
	if (check_reference(r, json_object_get(r->params, "ref"), name) < 0)
		return HANDLED_FAILED;
	r->work = complete;
	return HANDLED_LATER;
}
