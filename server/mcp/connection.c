/* SPDX-License-Identifier: Apache-2.0 */
/* One conversation: what comes in is classified and dispatched here. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "server/mcp/internal.h"

struct mcp_connection *
mcp_connection_new(struct mcp_server *s, const struct mcp_host *host,
		   void *context)
{
	struct mcp_connection *c = alloc_zero(1, sizeof(*c));

	c->server = s;
	c->host = host;
	c->context = context;
	c->version = MCP_NEWEST_LEGACY;
	c->log_level = SEVERITY_OFF;
	c->caller = (struct mcp_caller){
		.may = TOOL_CONTROLS,
		.may_reveal = true,
		.principal = alloc_string("local"),
	};
	TAILQ_INIT(&c->questions);
	TAILQ_INIT(&c->in_flight);
	TAILQ_INIT(&c->queue);
	s->connections++;
	return c;
}

static void
free_caller(struct mcp_connection *c)
{
	free((char *)(uintptr_t)c->caller.default_db);
	free((char *)(uintptr_t)c->caller.principal);
}

void
mcp_connection_set_caller(struct mcp_connection *c,
			  const struct mcp_caller *caller)
{
	const char *db = caller->default_db;
	const char *principal = caller->principal;

	free_caller(c);
	c->caller = *caller;
	c->caller.default_db = db ? alloc_string(db) : NULL;
	c->caller.principal = principal ? alloc_string(principal) : NULL;
}

enum mcp_version
mcp_connection_version(const struct mcp_connection *c)
{
	return c->version;
}

bool
mcp_connection_is_initialized(const struct mcp_connection *c)
{
	return c->initialized;
}

void
connection_release(struct mcp_connection *c)
{
	if (c->running > 0)
		return;
	c->server->connections--;
	uri_set_clear(&c->subscribed);
	free_caller(c);
	if (c->host->released)
		c->host->released(c->context);
	free(c);
}

void
mcp_connection_close(struct mcp_connection *c)
{
	struct mcp_request *r, *next;

	c->closed = true;
	for (r = TAILQ_FIRST(&c->in_flight); r; r = next) {
		next = TAILQ_NEXT(r, in_flight);
		request_cancel(r);
	}
	if (c->watcher)
		request_cancel(c->watcher);
	tasks_forget_client(c);
	ask_close(c);
	connection_release(c);
}

void
mcp_connection_pause(struct mcp_connection *c, bool paused)
{
	c->paused = paused;
	connection_start_queued(c);
}

size_t
mcp_connection_in_flight(const struct mcp_connection *c)
{
	return c->in_flight_count - c->listening;
}

size_t
mcp_connection_running(const struct mcp_connection *c)
{
	return c->running;
}

/* A modern request carries its version and the client's capabilities itself
 * (2026-07-28, basic/index#_meta). */
static int
check_modern(struct mcp_request *r, const json_t *meta)
{
	const json_t *version = json_object_get(meta, META_VERSION);
	const json_t *level = json_object_get(meta, META_LOG_LEVEL);

	r->version = MCP_MODERN;
	if (!json_is_string(version))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"_meta[\"" META_VERSION "\"] must be a string");
	if (strcmp(json_string_value(version), mcp_version_text(MCP_MODERN)) !=
	    0) {
		r->error.data = json_pack("{s:[s], s:O}", "supported",
					  mcp_version_text(MCP_MODERN),
					  "requested", version);
		return rpc_fail(&r->error, MCP_UNSUPPORTED_VERSION,
				"unsupported protocol version");
	}
	r->abilities = ask_abilities(json_object_get(meta, META_CAPABILITIES));
	if (!json_is_object(json_object_get(meta, META_CAPABILITIES)))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"_meta[\"" META_CAPABILITIES
				"\"] must be an object");
	if (level && (!json_is_string(level) ||
		      !severity_parse(json_string_value(level), &r->log_level)))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"_meta[\"" META_LOG_LEVEL
				"\"] is no log level");
	r->connection->modern_seen = true;
	return 0;
}

static int
check_legacy(struct mcp_request *r, const char *method)
{
	struct mcp_connection *c = r->connection;

	r->version = c->version;
	r->log_level = c->log_level;
	r->abilities = c->abilities;
	if (c->initialized || strcmp(method, "initialize") == 0 ||
	    strcmp(method, "ping") == 0)
		return 0;
	return rpc_fail(&r->error, RPC_INVALID_REQUEST,
			"send \"initialize\" first, or name the protocol "
			"version in params._meta[\"" META_VERSION "\"]");
}

static int
take_progress_token(struct mcp_request *r, const json_t *meta)
{
	const json_t *token = json_object_get(meta, "progressToken");

	if (!token)
		return 0;
	if (!rpc_is_id(token) || json_string_length(token) > MAX_ID)
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"_meta.progressToken must be a string or an "
				"integer, at most %d bytes", MAX_ID);
	r->progress_token =
		json_dumps(token, JSON_COMPACT | JSON_ENCODE_ANY);
	return 0;
}

/* Which era the message belongs to, by its own content alone. */
static int
classify(struct mcp_request *r, const char *method)
{
	const json_t *meta = json_object_get(r->params, "_meta");

	r->version = r->connection->version;
	if (meta && !json_is_object(meta))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"params._meta must be an object");
	if (json_object_get(meta, META_VERSION)) {
		if (check_modern(r, meta) < 0)
			return -1;
	} else if (check_legacy(r, method) < 0) {
		return -1;
	}
	return take_progress_token(r, meta);
}

static int
find_method(struct mcp_request *r, const char *name)
{
	const struct method *m = method_find(name);

	if (!m || (mcp_is_modern(r->version) ?
			   !m->modern :
			   !m->legacy || r->version < m->since))
		return rpc_fail(&r->error, RPC_METHOD_NOT_FOUND,
				"no method \"%.200s\" in revision %s", name,
				mcp_version_text(r->version));
	if (r->batch && strcmp(name, "initialize") == 0)
		return rpc_fail(&r->error, RPC_INVALID_REQUEST,
				"initialize must not be part of a batch");
	r->method = m;
	return 0;
}

static int
check_id(struct mcp_request *r)
{
	if (!request_find(r->connection, r->id))
		return 0;
	return rpc_fail(&r->error, RPC_INVALID_REQUEST,
			"id %s belongs to a request that is not yet answered",
			r->id);
}

int
request_check_room(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;
	const struct mcp_limits *limits = &c->server->limits;

	if (c->in_flight_count >= limits->in_flight ||
	    c->in_flight_bytes + r->cost > limits->in_flight_bytes)
		return rpc_fail(&r->error, MCP_BUSY,
				"%zu requests are unanswered: wait for some "
				"of them", c->in_flight_count);
	return 0;
}

/* What is answered at once needs no room: a ping always is. */
static int
handle(struct mcp_request *r, const char *method)
{
	int handled;

	if (classify(r, method) < 0 || find_method(r, method) < 0 ||
	    check_id(r) < 0) {
		r->error.refused = true;
		return HANDLED_FAILED;
	}
	handled = r->method->handle(r);
	if (handled == HANDLED_LATER && request_check_room(r) < 0)
		return HANDLED_FAILED;
	return handled;
}

static void
receive_request(struct mcp_connection *c, const struct rpc_message *m,
		size_t cost, void *origin, struct batch *batch)
{
	struct mcp_request *r = request_new(c, m);

	r->origin = origin;
	r->batch = batch;
	r->cost = cost;
	if (batch)
		batch->open++;
	switch (handle(r, m->method)) {
	case HANDLED_LATER:
		request_submit(r);
		break;
	case HANDLED_OPEN:
		request_keep_open(r);
		break;
	case HANDLED_HELD:
		break;
	default:
		if (r->question.ask)
			request_ask(r);
		else
			request_answer(r);
		break;
	}
}

/* MCP 2025-11-25, basic/utilities/cancellation: unknown ids are ignored. */
static void
receive_cancelled(struct mcp_connection *c, json_t *params)
{
	const json_t *id = json_object_get(params, "requestId");
	struct mcp_request *r;
	char *text;

	if (!rpc_is_id(id))
		return;
	text = json_dumps(id, JSON_COMPACT | JSON_ENCODE_ANY);
	r = request_find(c, text);
	free(text);
	if (r)
		request_cancel(r);
	watch_adjust(c);
}

static void
receive_one(struct mcp_connection *c, json_t *message, size_t cost,
	    void *origin, struct batch *batch)
{
	struct rpc_error e = { 0 };
	struct rpc_message m;
	char *id;

	if (rpc_take_apart(message, &m, &e) == 0 &&
	    json_string_length(m.id) > MAX_ID) {
		m.id = NULL;
		rpc_fail(&e, RPC_INVALID_REQUEST,
			 "\"id\" is longer than %d bytes", MAX_ID);
	}
	e.refused = true;
	if (e.code && m.kind != RPC_NOTIFICATION) {
		id = m.id ? json_dumps(m.id, JSON_COMPACT | JSON_ENCODE_ANY) :
			    NULL;
		send_error(c, origin, batch, id, &e);
		free(id);
	} else if (!e.code && m.kind == RPC_REQUEST) {
		receive_request(c, &m, cost, origin, batch);
	} else if (!e.code && m.kind == RPC_NOTIFICATION &&
		   strcmp(m.method, "notifications/cancelled") == 0) {
		receive_cancelled(c, m.params);
	} else if (!e.code && m.kind == RPC_RESPONSE) {
		ask_receive(c, message);
	}
}

static int
check_batch(const struct mcp_connection *c, const struct mcp_incoming *m,
	    struct rpc_error *e)
{
	size_t count = json_array_size(m->value);

	if (!c->initialized || !mcp_has_batches(c->version))
		return rpc_fail(e, RPC_INVALID_REQUEST,
				"batches exist in revision 2025-03-26 only");
	if (count == 0 || count > MAX_BATCH)
		return rpc_fail(e, RPC_INVALID_REQUEST,
				"a batch has 1 to %d messages", MAX_BATCH);
	if (m->is_modern)
		return rpc_fail(e, RPC_INVALID_REQUEST,
				"a batch must not contain requests of "
				"revision 2026-07-28");
	return 0;
}

static void
receive_batch(struct mcp_connection *c, const struct mcp_incoming *m,
	      void *origin)
{
	struct rpc_error e = { .refused = true };
	struct batch *batch;
	json_t *element;
	size_t cost, i;

	if (check_batch(c, m, &e) < 0) {
		send_error(c, origin, NULL, NULL, &e);
		return;
	}
	batch = alloc_zero(1, sizeof(*batch));
	buf_init(&batch->answers, c->server->limits.result_bytes);
	batch->origin = origin;
	batch->open = 1;
	cost = m->cost / json_array_size(m->value) + 1;
	json_array_foreach(m->value, i, element)
		receive_one(c, element, cost, origin, batch);
	batch_end(c, batch);
}

static bool
is_blank(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if (!strchr(" \t\r\n", in.data[i]) || in.data[i] == '\0')
			return false;
	return true;
}

void
mcp_connection_receive(struct mcp_connection *c, struct bytes message,
		       void *origin)
{
	struct mcp_incoming m;

	if (is_blank(message))
		return;
	mcp_incoming_parse(&m, message, c->server->limits.message_bytes);
	mcp_connection_take(c, &m, origin);
	mcp_incoming_free(&m);
}

void
mcp_connection_take(struct mcp_connection *c, struct mcp_incoming *m,
		    void *origin)
{
	m->error.refused = true;
	if (!m->value)
		send_error(c, origin, NULL, NULL, &m->error);
	else if (m->is_batch)
		receive_batch(c, m, origin);
	else
		receive_one(c, m->value, m->cost, origin, NULL);
}

void
mcp_connection_refuse_oversize(struct mcp_connection *c, void *origin)
{
	struct rpc_error e = { 0 };

	rpc_fail(&e, RPC_INVALID_REQUEST,
		 "message refused: longer than %zu bytes",
		 c->server->limits.message_bytes);
	send_error(c, origin, NULL, NULL, &e);
}
