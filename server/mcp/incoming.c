/* SPDX-License-Identifier: Apache-2.0 */
#include "server/mcp/incoming.h"

#include <stdlib.h>
#include <string.h>

#include "server/mcp/version.h"

/* Rough memory of one parsed value, for the bound on unanswered requests. */
#define VALUE_COST 64

static const json_t *
meta_version(const json_t *message)
{
	const json_t *params = json_object_get(message, "params");

	return json_object_get(json_object_get(params, "_meta"),
			       META_VERSION);
}

static bool
is_request(const json_t *message)
{
	return json_object_get(message, "id") &&
	       json_object_get(message, "method");
}

/* What the header Mcp-Name repeats (2026-07-28, basic/transports). */
static const char *
named_by(const char *method, const json_t *params)
{
	const char *member = NULL;

	if (!method)
		return NULL;
	if (strcmp(method, "tools/call") == 0 ||
	    strcmp(method, "prompts/get") == 0)
		member = "name";
	else if (strcmp(method, "resources/read") == 0)
		member = "uri";
	else if (strcmp(method, "tasks/get") == 0 ||
		 strcmp(method, "tasks/update") == 0 ||
		 strcmp(method, "tasks/cancel") == 0)
		member = "taskId";
	return member ? json_string_value(json_object_get(params, member)) :
			NULL;
}

static void
look_at_batch(struct mcp_incoming *m)
{
	json_t *element;
	size_t i;

	m->is_batch = true;
	m->is_request = json_array_size(m->value) == 0;
	json_array_foreach(m->value, i, element) {
		m->is_request = m->is_request || is_request(element) ||
				!json_is_object(element);
		m->is_modern = m->is_modern || meta_version(element);
	}
}

static void
look_at_message(struct mcp_incoming *m)
{
	const json_t *version = meta_version(m->value);
	const json_t *id = json_object_get(m->value, "id");

	m->is_request = is_request(m->value);
	m->is_modern = version != NULL;
	m->version = json_string_value(version);
	m->method = json_string_value(json_object_get(m->value, "method"));
	m->id = rpc_is_id(id) && json_string_length(id) <= MAX_ID ? id : NULL;
	m->name = named_by(m->method, json_object_get(m->value, "params"));
}

void
mcp_incoming_parse(struct mcp_incoming *m, struct bytes text, size_t limit)
{
	size_t values = 0;

	*m = (struct mcp_incoming){ 0 };
	if (text.size > limit) {
		rpc_fail(&m->error, RPC_INVALID_REQUEST,
			 "message refused: longer than %zu bytes", limit);
		return;
	}
	m->value = rpc_parse(text, &values, &m->error);
	m->cost = text.size + values * VALUE_COST;
	if (json_is_array(m->value))
		look_at_batch(m);
	else if (m->value)
		look_at_message(m);
}

void
mcp_incoming_free(struct mcp_incoming *m)
{
	json_decref(m->value);
	m->value = NULL;
}

void
mcp_incoming_refuse(const struct mcp_incoming *m, struct rpc_error *e,
		    struct buf *out)
{
	char *id = m->id ? json_dumps(m->id, JSON_COMPACT | JSON_ENCODE_ANY) :
			   NULL;

	rpc_write_error(out, id, e);
	json_decref(e->data);
	e->data = NULL;
	free(id);
}
