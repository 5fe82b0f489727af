/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake of the legacy revisions, discovery of the modern one, ping
 * and the log level. */
#include <string.h>

#include "server/mcp/internal.h"

static void
write_tasks(struct buf *out, const struct mcp_connection *c,
	    enum mcp_version v)
{
	if (!tasks_are_offered(c->server) || v < MCP_2025_11_25)
		return;
	if (mcp_is_modern(v))
		buf_text(out, ",\"extensions\":{\"" TASK_EXTENSION
			      "\":{}}");
	else
		buf_format(out,
			   ",\"tasks\":{%s\"cancel\":{},"
			   "\"requests\":{\"tools\":{\"call\":{}}}}",
			   tasks_can_be_listed(c) ? "\"list\":{}," : "");
}

static void
write_capabilities(struct buf *out, const struct mcp_connection *c,
		   enum mcp_version v)
{
	const struct mcp_content *content = c->server->content;

	buf_text(out, "\"capabilities\":{\"tools\":{},\"logging\":{}");
	if (content->prompts)
		buf_text(out, ",\"prompts\":{}");
	if (content->resources)
		buf_text(out, ",\"resources\":{\"subscribe\":true}");
	if (content->resources && mcp_has_annotations(v))
		buf_text(out, ",\"completions\":{}");
	write_tasks(out, c, v);
	buf_text(out, "},\"instructions\":");
	rpc_write_string(out, bytes_of(content->instructions));
}

static void
write_server_info(struct buf *out, const struct mcp_server *s,
		  enum mcp_version v)
{
	buf_text(out, ",\"serverInfo\":");
	if (mcp_has_structured(v)) {
		buf_text(out, s->info);
		return;
	}
	buf_text(out, "{\"name\":");
	rpc_write_string(out, bytes_of(s->content->name));
	buf_text(out, ",\"version\":");
	rpc_write_string(out, bytes_of(s->content->version));
	buf_u8(out, '}');
}

/* The version that was asked for when it is one with a handshake, else our
 * newest one of those (2025-11-25, basic/lifecycle#version-negotiation). */
static enum mcp_version
negotiate(const char *requested)
{
	enum mcp_version v;

	if (!mcp_version_parse(requested, &v) || mcp_is_modern(v))
		return MCP_NEWEST_LEGACY;
	return v;
}

int
handle_initialize(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;
	const char *requested = require_string(r, "protocolVersion");

	if (!requested)
		return HANDLED_FAILED;
	c->version = r->version = negotiate(requested);
	c->initialized = true;
	c->log_level = SEVERITY_OFF;
	c->abilities = ask_abilities(json_object_get(r->params,
						     "capabilities")) &
		       ~(unsigned)CLIENT_HAS_TASKS;
	buf_format(&r->body, "{\"protocolVersion\":\"%s\",",
		   mcp_version_text(c->version));
	write_capabilities(&r->body, c, c->version);
	write_server_info(&r->body, c->server, c->version);
	buf_u8(&r->body, '}');
	return HANDLED;
}

int
handle_discover(struct mcp_request *r)
{
	buf_format(&r->body, "{\"supportedVersions\":[\"%s\"],",
		   mcp_version_text(MCP_MODERN));
	write_capabilities(&r->body, r->connection, r->version);
	buf_u8(&r->body, '}');
	return HANDLED;
}

int
handle_ping(struct mcp_request *r)
{
	buf_text(&r->body, "{}");
	return HANDLED;
}

int
handle_set_level(struct mcp_request *r)
{
	const char *level = require_string(r, "level");

	if (!level)
		return HANDLED_FAILED;
	if (!severity_parse(level, &r->connection->log_level))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"unknown log level \"%.50s\"", level);
	buf_text(&r->body, "{}");
	return HANDLED;
}
