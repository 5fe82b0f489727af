/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource subscriptions: resources/subscribe of the legacy revisions and
 * subscriptions/listen of the modern one.  One watcher a connection reads the
 * resources in question every WATCH_EVERY_MS on a pool thread and tells of
 * those that are no longer the same.  It exists only while somebody listens.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "server/mcp/internal.h"

#define WATCH_EVERY_MS 1000
#define MAX_WATCHED 256

struct watched {
	char *uri;
	uint64_t before, now; /* digests of the contents */
	bool known;           /* `before` is one */
};

struct watch {
	struct watched entries[MAX_WATCHED];
	size_t count;
};

void
uri_set_clear(struct uri_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		free(set->uris[i]);
	set->count = 0;
}

static size_t
uri_set_find(const struct uri_set *set, const char *uri)
{
	size_t i = 0;

	while (i < set->count && strcmp(set->uris[i], uri) != 0)
		i++;
	return i;
}

bool
uri_set_has(const struct uri_set *set, const char *uri)
{
	return uri_set_find(set, uri) < set->count;
}

/* False when it is full. */
static bool
uri_set_add(struct uri_set *set, const char *uri)
{
	if (uri_set_has(set, uri))
		return true;
	if (set->count == MAX_SUBSCRIPTIONS)
		return false;
	set->uris[set->count++] = alloc_string(uri);
	return true;
}

static void
uri_set_remove(struct uri_set *set, const char *uri)
{
	size_t i = uri_set_find(set, uri);

	if (i == set->count)
		return;
	free(set->uris[i]);
	set->uris[i] = set->uris[--set->count];
}

void
watch_free(struct watch *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->entries[i].uri);
	free(w);
}

static bool
is_wanted(const struct mcp_connection *c, const char *uri)
{
	const struct mcp_request *r;

	if (uri_set_has(&c->subscribed, uri))
		return true;
	TAILQ_FOREACH(r, &c->in_flight, in_flight)
		if (r->listened && uri_set_has(r->listened, uri))
			return true;
	return false;
}

static void
watch_add(struct watch *w, const struct uri_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		size_t at = 0;

		while (at < w->count &&
		       strcmp(w->entries[at].uri, set->uris[i]) != 0)
			at++;
		if (at == w->count && at < MAX_WATCHED)
			w->entries[w->count++] = (struct watched){
				.uri = alloc_string(set->uris[i]),
			};
	}
}

/* Makes the watcher's list what is wanted now. */
static void
watch_refresh(struct mcp_request *watcher)
{
	const struct mcp_connection *c = watcher->connection;
	struct watch *w = watcher->watch;
	const struct mcp_request *r;

	for (size_t i = 0; i < w->count;) {
		if (is_wanted(c, w->entries[i].uri)) {
			i++;
			continue;
		}
		free(w->entries[i].uri);
		w->entries[i] = w->entries[--w->count];
	}
	watch_add(w, &c->subscribed);
	TAILQ_FOREACH(r, &c->in_flight, in_flight)
		if (r->listened)
			watch_add(w, r->listened);
}

/* FNV-1a, 64 bits, over the serialized contents. */
static int
digest(const char *text, size_t size, void *sum)
{
	uint64_t *s = sum;

	for (size_t i = 0; i < size; i++)
		*s = (*s ^ (uint8_t)text[i]) * 1099511628211u;
	return 0;
}

static void
look(struct mcp_request *watcher)
{
	const struct resource_source *source =
		watcher->connection->server->content->resources;
	struct tool_call call = request_call(watcher);
	struct watch *w = watcher->watch;

	for (size_t i = 0; i < w->count; i++) {
		json_t *contents = NULL;
		struct error e;

		if (atomic_load(&watcher->cancelled))
			return;
		w->entries[i].now = 14695981039346656037u;
		if (source->read(&call, w->entries[i].uri, &contents, &e) == 0)
			json_dump_callback(contents, digest,
					   &w->entries[i].now, JSON_COMPACT);
		json_decref(contents);
	}
}

static void
tell(struct mcp_connection *c, const char *uri)
{
	struct mcp_request *r;
	struct buf params;

	buf_init(&params, SIZE_MAX);
	buf_text(&params, "{\"uri\":");
	rpc_write_string(&params, bytes_of(uri));
	if (uri_set_has(&c->subscribed, uri))
		send_notification(c, NULL, "notifications/resources/updated",
				  buf_cstr(&params), NULL);
	TAILQ_FOREACH(r, &c->in_flight, in_flight)
		if (r->listened && uri_set_has(r->listened, uri))
			send_notification(c, r->origin,
					  "notifications/resources/updated",
					  buf_cstr(&params), r);
	buf_free(&params);
}

static void
looked(struct mcp_request *watcher)
{
	struct watch *w = watcher->watch;

	watcher->wait_ms = WATCH_EVERY_MS;
	for (size_t i = 0; i < w->count; i++) {
		struct watched *entry = &w->entries[i];

		if (entry->known && entry->before != entry->now)
			tell(watcher->connection, entry->uri);
		entry->before = entry->now;
		entry->known = true;
	}
	watch_refresh(watcher);
	for (size_t i = 0; i < w->count; i++)
		if (!w->entries[i].known)
			watcher->wait_ms = 1;
	if (w->count == 0)
		watcher->wait_ms = 0;
}

void
watch_adjust(struct mcp_connection *c)
{
	struct mcp_request *w = c->watcher;

	if (w && w->state == REQUEST_WAITING) {
		watch_refresh(w);
		request_resume(w);
	} else if (!w && (c->subscribed.count > 0 || c->listening > 0)) {
		w = request_new(c, NULL);
		w->watch = alloc_zero(1, sizeof(*w->watch));
		w->work = look;
		w->finished = looked;
		c->watcher = w;
		watch_refresh(w);
		request_submit(w);
	}
}

int
handle_subscribe(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;
	const char *uri = require_resource(r);

	if (!uri)
		return HANDLED_FAILED;
	if (!uri_set_add(&c->subscribed, uri))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"at most %d resources can be subscribed to",
				MAX_SUBSCRIPTIONS);
	watch_adjust(c);
	buf_text(&r->body, "{}");
	return HANDLED;
}

int
handle_unsubscribe(struct mcp_request *r)
{
	const char *uri = require_string(r, "uri");

	if (!uri)
		return HANDLED_FAILED;
	uri_set_remove(&r->connection->subscribed, uri);
	buf_text(&r->body, "{}");
	return HANDLED;
}

static bool
is_resource(const struct mcp_request *r, const char *uri)
{
	const struct resource_source *source =
		r->connection->server->content->resources;

	return source && strlen(uri) <= MAX_URI && source->matches(uri);
}

static bool
is_own_task(const struct mcp_request *r, const char *id)
{
	struct mcp_connection *c = r->connection;

	return task_find(c->server, id, c->caller.principal) != NULL;
}

/* Keeps of a wish what can be honoured: what is ours. */
static int
take_wish(struct mcp_request *r, const char *member, struct uri_set *set,
	  bool (*is_ours)(const struct mcp_request *r, const char *text))
{
	const json_t *wish = json_object_get(r->params, "notifications");
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(wish, member), i, one) {
		const char *text = json_string_value(one);

		if (!text)
			return rpc_fail(&r->error, RPC_INVALID_PARAMS,
					"%s must be an array of strings",
					member);
		if (is_ours(r, text))
			uri_set_add(set, text);
	}
	return 0;
}

static void
write_honoured(struct buf *out, const char *member, const struct uri_set *set)
{
	if (set->count == 0)
		return;
	buf_format(out, "%s\"%s\":[", buf_view(out).data[out->size - 1] == '{' ?
						"" : ",", member);
	for (size_t i = 0; i < set->count; i++) {
		buf_text(out, i ? "," : "");
		rpc_write_string(out, bytes_of(set->uris[i]));
	}
	buf_u8(out, ']');
}

static void
acknowledge(struct mcp_request *r)
{
	struct buf params;

	buf_init(&params, SIZE_MAX);
	buf_text(&params, "{\"notifications\":{");
	write_honoured(&params, "resourceSubscriptions", r->listened);
	write_honoured(&params, "taskIds", r->listened_tasks);
	buf_u8(&params, '}');
	send_notification(r->connection, r->origin,
			  "notifications/subscriptions/acknowledged",
			  buf_cstr(&params), r);
	buf_free(&params);
}

int
handle_listen(struct mcp_request *r)
{
	const json_t *wish = json_object_get(r->params, "notifications");

	if (!json_is_object(wish))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"params.notifications must be an object");
	if (json_object_get(wish, "taskIds") && task_require_extension(r) < 0)
		return HANDLED_FAILED;
	r->listened = alloc_zero(1, sizeof(*r->listened));
	r->listened_tasks = alloc_zero(1, sizeof(*r->listened_tasks));
	if (take_wish(r, "resourceSubscriptions", r->listened,
		      is_resource) < 0 ||
	    take_wish(r, "taskIds", r->listened_tasks, is_own_task) < 0 ||
	    request_check_room(r) < 0)
		return HANDLED_FAILED;
	acknowledge(r);
	return HANDLED_OPEN;
}

/*
 * 2026-07-28 asks for a final result (basic/utilities/subscriptions) and, on
 * another page, for a cancellation of the request (basic/patterns/
 * cancellation): both, the result first.
 */
void
mcp_connection_end_subscriptions(struct mcp_connection *c)
{
	struct mcp_request *r, *next;

	for (r = TAILQ_FIRST(&c->in_flight); r; r = next) {
		char *params;

		next = TAILQ_NEXT(r, in_flight);
		if (!r->listened)
			continue;
		params = alloc_format("{\"requestId\":%s", r->id);
		buf_text(&r->body, "{}");
		request_answer(r);
		send_notification(c, NULL, "notifications/cancelled", params,
				  NULL);
		free(params);
	}
}
