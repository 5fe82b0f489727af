/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/<tool> for people and scripts: arguments from the query string or from
 * a JSON body, the structured result as JSON.  With Accept:
 * application/x-ndjson what a tool lists comes whole, one row a line, a page
 * at a time as fast as the client reads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "server/transport/http_internal.h"

#define PREFIX "/api/"
#define JSON "application/json"
#define ROWS "application/x-ndjson"
#define ROWS_AT_ONCE 1000

/* A call under way. */
struct api_call {
	const struct tool *tool;
	json_t *arguments; /* owned */
	bool rows;
	bool more;         /* another page is to be asked for */
};

static void
call_free(struct api_call *call)
{
	if (call)
		json_decref(call->arguments);
	free(call);
}

static void
abandon(struct client *c)
{
	call_free(c->job);
	c->job = NULL;
}

static unsigned
status_of(int code)
{
	static const struct {
		int code;
		unsigned status;
	} statuses[] = {
		{ ERR_INVALID, 400 },	 { ERR_NOTFOUND, 404 },
		{ ERR_EXISTS, 409 },	 { ERR_BUSY, 409 },
		{ ERR_STATE, 409 },	 { ERR_EMPTY, 404 },
		{ ERR_DENIED, 403 },	 { ERR_LIMIT, 413 },
		{ ERR_TIMEOUT, 503 },	 { MCP_FORBIDDEN, 403 },
		{ MCP_BUSY, 503 },	 { RPC_INVALID_PARAMS, 400 },
		{ ERR_UNSUPPORTED, 501 },
	};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
		if (statuses[i].code == code)
			return statuses[i].status;
	return code ? 500 : 200;
}

static void
ask(struct client *c)
{
	struct api_call *call = c->job;
	struct mcp_plain_call plain = {
		.tool = call->tool->name,
		.arguments = call->arguments,
		.rows = call->rows,
		.origin = c,
	};

	call->more = false;
	mcp_connection_call(c->mcp, &plain);
}

/* Everything was written: the next page may come. */
static void
drained(struct client *c)
{
	struct api_call *call = c->job;

	if (call && call->more)
		ask(c);
}

/* A page.  When a later one fails, the stream breaks off, so that its end
 * cannot be mistaken for the end of the result. */
static void
take_page(struct client *c, struct api_call *call,
	  const struct mcp_outgoing *message)
{
	if (!c->http.streaming)
		client_stream(c, &(struct http_answer){
					 .status = 200,
					 .type = ROWS,
				 });
	client_write(c, message->text);
	if (message->error_code) {
		c->http.chunked = false;
		c->http.closing = true;
	}
	if (message->cursor && !message->error_code) {
		json_object_set_new(call->arguments, "cursor",
				    json_string(message->cursor));
		call->more = true;
		c->drained = drained;
		return;
	}
	abandon(c);
	client_end(c);
}

void
api_send(struct client *c, const struct mcp_outgoing *message)
{
	struct api_call *call = c->job;

	if (call->rows && (!message->error_code || c->http.streaming)) {
		take_page(c, call, message);
		return;
	}
	abandon(c);
	client_answer(c, &(struct http_answer){
				 .status = status_of(message->error_code),
				 .type = JSON,
				 .body = message->text,
			 });
}

static const struct tool *
find_tool(const struct client *c, struct bytes name)
{
	const struct tool *const *table =
		c->server->options.content->tools.table;

	for (; table && *table; table++)
		if (bytes_equal(name, bytes_of((*table)->name)))
			return *table;
	return NULL;
}

/* A parameter that is there twice is a list. */
static void
add_argument(json_t *arguments, const char *name, const char *value)
{
	json_t *old = json_object_get(arguments, name);
	json_t *text = json_string(value);

	if (!text)
		return; /* no UTF-8: checked by the caller */
	if (json_is_array(old))
		json_array_append_new(old, text);
	else if (old)
		json_object_set_new(arguments, name,
				    json_pack("[O, o]", old, text));
	else
		json_object_set_new(arguments, name, text);
}

/* 0, or -1: malformed. */
static int
take_query(struct bytes query, json_t *arguments)
{
	char *name, *value;
	int rc;

	while ((rc = http_query_next(&query, &name, &value)) > 0) {
		json_t *test = json_pack("[s, s]", name, value);

		if (test)
			add_argument(arguments, name, value);
		json_decref(test);
		free(name);
		free(value);
		if (!test)
			return -1;
	}
	return rc;
}

/* The arguments, as a new object, or NULL after an answer. */
static json_t *
take_arguments(struct client *c, const struct http_request *r)
{
	struct rpc_error e = { 0 };
	json_t *arguments = NULL;

	if (r->body.size == 0) {
		arguments = json_object();
	} else if (!http_request_has_type(r, JSON)) {
		client_fail(c, 415, "Content-Type must be application/json");
		return NULL;
	} else {
		arguments = rpc_parse(buf_view(&r->body), NULL, &e);
	}
	if (arguments && !json_is_object(arguments))
		rpc_fail(&e, RPC_INVALID_PARAMS, "the body must be an object");
	else if (arguments &&
		 take_query(http_request_query(r), arguments) < 0)
		rpc_fail(&e, RPC_INVALID_PARAMS,
			 "the query string is malformed");
	if (!e.code)
		return arguments;
	json_decref(arguments);
	client_fail(c, 400, e.text);
	return NULL;
}

/* Only a POST may change something: a link must not. */
static bool
check_method(struct client *c, const struct http_request *r,
	     const struct tool *tool)
{
	bool may_get = tool->effects == TOOL_READS;

	if (r->method == METHOD_POST || (may_get && r->method == METHOD_GET))
		return true;
	client_answer(c, &(struct http_answer){
				 .status = 405,
				 .type = JSON,
				 .fields = may_get ? "Allow: GET, POST\r\n" :
						     "Allow: POST\r\n",
				 .body = bytes_of("{\"error\":\"method not "
						  "allowed\"}\n"),
			 });
	return false;
}

/* Whole pages, of what comes in pages. */
static void
ask_for_many(const struct client *c, struct api_call *call)
{
	const json_t *schema = mcp_server_schema(c->server->mcp,
						 call->tool->name);
	const json_t *known = json_object_get(
		json_object_get(schema, "inputSchema"), "properties");

	if (json_object_get(known, "limit") &&
	    !json_object_get(call->arguments, "limit"))
		json_object_set_new(call->arguments, "limit",
				    json_integer(ROWS_AT_ONCE));
}

static void
begin(struct client *c, const struct http_request *r, const struct tool *tool,
      json_t *arguments)
{
	struct api_call *call = alloc_zero(1, sizeof(*call));

	mcp_own_connection(c, json_string_value(json_object_get(arguments,
								"db")), true);
	json_object_del(arguments, "db");
	call->tool = tool;
	call->arguments = arguments;
	call->rows = http_request_prefers(r, ROWS);
	if (call->rows)
		ask_for_many(c, call);
	c->job = call;
	c->abandon = abandon;
	c->waiting = WAITING_CALL;
	ask(c);
}

void
api_request(struct client *c, const struct http_request *r)
{
	struct bytes name = bytes_from(http_request_path(r), strlen(PREFIX));
	const struct tool *tool = find_tool(c, name);
	json_t *arguments;

	if (!tool) {
		client_fail(c, 404, "no tool has that name");
		return;
	}
	snprintf(c->name, sizeof(c->name), "%s", tool->name);
	if (!check_method(c, r, tool))
		return;
	if (!http_request_accepts(r, JSON) && !http_request_accepts(r, ROWS)) {
		client_fail(c, 406, "Accept must allow application/json or "
				    "application/x-ndjson");
		return;
	}
	arguments = take_arguments(c, r);
	if (arguments)
		begin(c, r, tool, arguments);
}

bool
api_is_path(struct bytes path)
{
	return bytes_starts_with(path, PREFIX);
}
