/* SPDX-License-Identifier: Apache-2.0 */
/* Composing outgoing messages and handing them to the host. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/mcp/internal.h"

#define KEEP_CAPACITY ((size_t)1 << 20) /* larger buffers are given back */
#define LOG_TEXT 1024

static void
hand_over(struct mcp_connection *c, const struct mcp_outgoing *message)
{
	if (!c->closed && !c->server->out.failed)
		c->host->send(c->context, message);
	if (c->server->out.capacity > KEEP_CAPACITY)
		buf_free(&c->server->out);
	else
		buf_reset(&c->server->out);
}

/* Sends what `out` holds. */
static void
send_out(struct mcp_connection *c, void *origin, bool is_response,
	 const struct rpc_error *e)
{
	struct mcp_outgoing message = {
		.text = buf_view(&c->server->out),
		.origin = origin,
		.is_response = is_response,
		.error_code = e ? e->code : 0,
		.refused = e && e->refused,
	};

	hand_over(c, &message);
}

/* Sends the response in `out`, or keeps it for the batch it belongs to. */
static void
send_or_collect(struct mcp_connection *c, void *origin, struct batch *batch,
		const struct rpc_error *e)
{
	if (!batch) {
		send_out(c, origin, true, e);
		return;
	}
	buf_u8(&c->server->out, ',');
	buf_bytes(&batch->answers, buf_view(&c->server->out));
	buf_reset(&c->server->out);
}

void
batch_end(struct mcp_connection *c, struct batch *b)
{
	if (--b->open > 0)
		return;
	if (b->answers.size > 0) {
		buf_u8(&c->server->out, '[');
		buf_append(&c->server->out, b->answers.data, b->answers.size - 1);
		buf_u8(&c->server->out, ']');
		send_out(c, b->origin, true, NULL);
	}
	buf_free(&b->answers);
	free(b);
}

/*
 * The id of an error response whose request could not be read.  JSON-RPC says
 * null; MCP's schema has no null and lets it be absent from 2025-11-25 on.
 */
static const char *
unknown_id(const struct mcp_connection *c)
{
	if (c->modern_seen ||
	    (c->initialized && mcp_omits_unknown_id(c->version)))
		return NULL;
	return "null";
}

void
send_error(struct mcp_connection *c, void *origin, struct batch *batch,
	   const char *id, struct rpc_error *e)
{
	rpc_write_error(&c->server->out, id ? id : unknown_id(c), e);
	json_decref(e->data);
	e->data = NULL;
	send_or_collect(c, origin, batch, e);
}

/* What a modern result has besides its own members. */
static void
write_modern_members(struct buf *out, const struct mcp_request *r)
{
	const struct method *m = r->method;

	if (m->ttl_ms >= 0)
		buf_format(out, "\"ttlMs\":%d,\"cacheScope\":\"%s\",",
			   (int)m->ttl_ms, m->scope);
	buf_format(out,
		   "\"resultType\":\"%s\",\"_meta\":{\"" META_SERVER "\":%s",
		   r->result_type ? r->result_type : "complete",
		   r->connection->server->info);
	if (r->listened)
		buf_format(out, ",\"" META_SUBSCRIPTION "\":%s", r->id);
	buf_text(out, "}}");
}

static void
write_result(struct buf *out, const struct mcp_request *r)
{
	assert(r->body.size >= 2);
	buf_format(out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":", r->id);
	if (mcp_is_modern(r->version)) {
		buf_append(out, r->body.data, r->body.size - 1);
		if (r->body.size > 2)
			buf_u8(out, ',');
		write_modern_members(out, r);
	} else {
		buf_bytes(out, buf_view(&r->body));
	}
	buf_u8(out, '}');
}

void
send_plain(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;
	struct mcp_outgoing message = {
		.text = buf_view(&c->server->out),
		.origin = r->origin,
		.is_response = true,
		.error_code = r->error.code,
		.cursor = r->cursor,
	};

	hand_over(c, &message);
}

void
send_response(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;

	if (r->plain) {
		plain_send(r);
		return;
	}
	if (!r->error.code && r->body.failed)
		rpc_fail(&r->error, RPC_INTERNAL_ERROR,
			 "the result is larger than %zu bytes",
			 c->server->limits.result_bytes);
	if (r->error.code) {
		send_error(c, r->origin, r->batch, r->id, &r->error);
		return;
	}
	write_result(&c->server->out, r);
	send_or_collect(c, r->origin, r->batch, NULL);
}

void
send_notification(struct mcp_connection *c, void *origin, const char *method,
		  const char *params, const struct mcp_request *listener)
{
	buf_format(&c->server->out,
		   "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":%s",
		   method, params);
	if (listener)
		buf_format(&c->server->out,
			   "%s\"_meta\":{\"" META_SUBSCRIPTION "\":%s}",
			   params[1] ? "," : "", listener->id);
	buf_text(&c->server->out, "}}");
	send_out(c, origin, false, NULL);
}

void
send_question(struct mcp_connection *c, void *origin, uint64_t number,
	      const char *method, const char *params)
{
	buf_format(&c->server->out,
		   "{\"jsonrpc\":\"2.0\",\"id\":\"ask-%llu\","
		   "\"method\":\"%s\",\"params\":%s}",
		   (unsigned long long)number, method, params);
	send_out(c, origin, false, NULL);
}

/* To the client that the request came from: with it, or about its task. */
static void
send_about(struct mcp_request *r, const char *method, struct buf *params)
{
	const struct task *t = r->task;

	if (!r->is_task) {
		send_notification(r->connection, r->origin, method,
				  buf_cstr(params), NULL);
	} else if (t && t->client) {
		buf_format(params,
			   ",\"_meta\":{\"" META_TASK "\":"
			   "{\"taskId\":\"%s\"}}",
			   t->id);
		send_notification(t->client, NULL, method, buf_cstr(params),
				  NULL);
	}
}

void
send_progress(struct mcp_request *r, const struct report *report)
{
	struct buf params;

	buf_init(&params, SIZE_MAX);
	buf_format(&params, "{\"progressToken\":%s,\"progress\":%.15g",
		   r->progress_token, report->value);
	if (report->total > 0)
		buf_format(&params, ",\"total\":%.15g", report->total);
	if (report->message && mcp_has_annotations(r->version)) {
		buf_text(&params, ",\"message\":");
		rpc_write_string(&params, bytes_of(report->message));
	}
	send_about(r, "notifications/progress", &params);
	buf_free(&params);
}

void
send_log(struct mcp_request *r, enum log_severity severity,
	 const char *format, ...)
{
	char text[LOG_TEXT];
	struct buf params;
	va_list args;

	if ((int)severity > (int)r->log_level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_init(&params, SIZE_MAX);
	buf_format(&params, "{\"level\":\"%s\",\"logger\":\"%s\",\"data\":",
		   severity_name(severity),
		   r->connection->server->content->name);
	rpc_write_string(&params, bytes_of(text));
	send_about(r, "notifications/message", &params);
	buf_free(&params);
}
