/* SPDX-License-Identifier: Apache-2.0 */
/* What all connections share: limits, the lists, the waiting requests. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "server/mcp/internal.h"

static const char *const list_members[LIST_COUNT] = {
	[LIST_TOOLS] = "tools",
	[LIST_PROMPTS] = "prompts",
	[LIST_RESOURCES] = "resources",
	[LIST_TEMPLATES] = "resourceTemplates",
};

/* The members an entry of each list may have; what else our own files carry
 * (a prompt's text) stays inside. */
static const char *const list_keys[LIST_COUNT][10] = {
	[LIST_TOOLS] = { "name", "title", "description", "inputSchema",
			 "outputSchema", "annotations", "execution", "_meta" },
	[LIST_PROMPTS] = { "name", "title", "description", "arguments" },
	[LIST_RESOURCES] = { "uri", "name", "title", "description", "mimeType",
			     "annotations", "size" },
	[LIST_TEMPLATES] = { "uriTemplate", "name", "title", "description",
			     "mimeType", "annotations" },
};

static bool
key_exists_in(const char *key, enum mcp_version v)
{
	if (strcmp(key, "title") == 0 || strcmp(key, "outputSchema") == 0 ||
	    strcmp(key, "_meta") == 0)
		return mcp_has_structured(v);
	if (strcmp(key, "execution") == 0)
		return v == MCP_2025_11_25; /* later: an extension's affair */
	if (strcmp(key, "annotations") == 0)
		return mcp_has_annotations(v);
	return true;
}

/* Arguments of a prompt without the members a revision does not know. */
static json_t *
argument_list(const json_t *arguments, enum mcp_version v)
{
	json_t *list = json_array(), *argument;
	size_t i;

	json_array_foreach(arguments, i, argument) {
		json_t *copy = json_copy(argument);

		if (!mcp_has_structured(v))
			json_object_del(copy, "title");
		json_array_append_new(list, copy);
	}
	return list;
}

static void
add_entry(struct mcp_server *s, enum list_kind kind, const json_t *entry)
{
	for (unsigned v = 0; v < MCP_VERSION_COUNT; v++) {
		json_t *shown = json_object();

		for (const char *const *key = list_keys[kind]; *key; key++) {
			json_t *value = json_object_get(entry, *key);

			if (!value || !key_exists_in(*key, v))
				continue;
			if (strcmp(*key, "arguments") == 0)
				json_object_set_new(shown, *key,
						    argument_list(value, v));
			else
				json_object_set(shown, *key, value);
		}
		catalogue_add(&s->lists[kind][v], shown);
		json_decref(shown);
	}
}

static void
add_all(struct mcp_server *s, enum list_kind kind, const json_t *entries)
{
	json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry)
		add_entry(s, kind, entry);
}

static void
add_tool(struct mcp_server *s, const struct tool *tool, json_t *schema)
{
	static const char *const words[] = {
		[TOOL_TASKS_NEVER] = "forbidden",
		[TOOL_TASKS_OPTIONAL] = "optional",
		[TOOL_TASKS_ALWAYS] = "required",
	};
	json_t *entry = json_copy(schema);

	if (tool->tasks != TOOL_TASKS_NEVER)
		json_object_set_new(entry, "execution",
				    json_pack("{s:s}", "taskSupport",
					      words[tool->tasks]));
	add_entry(s, LIST_TOOLS, entry);
	json_decref(entry);
}

static int
add_tools(struct mcp_server *s, struct error *e)
{
	const struct mcp_tools *t = &s->content->tools;
	size_t count = 0;

	for (const struct tool *const *tool = t->table; tool && *tool;
	     tool++) {
		json_t *schema = t->schema(*tool);

		if (!json_is_object(json_object_get(schema, "inputSchema")))
			return error_set(e, ERR_INVALID,
					 "tool \"%s\" has no input schema",
					 (*tool)->name);
		add_tool(s, *tool, schema);
		count++;
	}
	s->paces = alloc_zero(count + 1, sizeof(*s->paces));
	return 0;
}

static int
fill_lists(struct mcp_server *s, struct error *e)
{
	const struct resource_source *resources = s->content->resources;

	for (unsigned kind = 0; kind < LIST_COUNT; kind++)
		for (unsigned v = 0; v < MCP_VERSION_COUNT; v++)
			catalogue_init(&s->lists[kind][v], list_members[kind]);
	add_all(s, LIST_PROMPTS, s->content->prompts);
	if (resources) {
		add_all(s, LIST_RESOURCES, resources->list);
		add_all(s, LIST_TEMPLATES, resources->templates);
	}
	return add_tools(s, e);
}

static struct mcp_limits
limits_or_defaults(const struct mcp_limits *given)
{
	struct mcp_limits l = given ? *given : (struct mcp_limits){ 0 };

	if (!l.message_bytes)
		l.message_bytes = (size_t)4 << 20;
	if (!l.result_bytes)
		l.result_bytes = (size_t)8 << 20;
	if (!l.in_flight_bytes)
		l.in_flight_bytes = (size_t)32 << 20;
	if (!l.in_flight)
		l.in_flight = 2048;
	if (!l.running)
		l.running = 16;
	if (!l.page)
		l.page = 100;
	if (!l.tasks)
		l.tasks = 256;
	if (!l.task_bytes)
		l.task_bytes = (size_t)256 << 10;
	if (!l.task_keep_ms)
		l.task_keep_ms = 300000;
	return l;
}

static char *
server_info(const struct mcp_content *content)
{
	json_t *info = json_pack("{s:s, s:s, s:s}", "name", content->name,
				 "title", content->title, "version",
				 content->version);
	char *text = json_dumps(info, JSON_COMPACT);

	json_decref(info);
	return text;
}

struct mcp_server *
mcp_server_new(const struct mcp_content *content,
	       const struct tool_config *config,
	       const struct mcp_limits *limits, struct error *e)
{
	struct mcp_server *s = alloc_zero(1, sizeof(*s));

	s->content = content;
	s->config = config;
	s->limits = limits_or_defaults(limits);
	s->info = server_info(content);
	buf_init(&s->out, 2 * s->limits.result_bytes);
	TAILQ_INIT(&s->waiting);
	TAILQ_INIT(&s->reported);
	TAILQ_INIT(&s->listeners);
	TAILQ_INIT(&s->tasks.list);
	hash_random(s->secret, sizeof(s->secret));
	pthread_mutex_init(&s->lock, NULL);
	if (fill_lists(s, e) < 0) {
		mcp_server_free(s);
		return NULL;
	}
	return s;
}

void
mcp_server_free(struct mcp_server *s)
{
	if (!s)
		return;
	assert(s->connections == 0);
	for (unsigned kind = 0; kind < LIST_COUNT; kind++)
		for (unsigned v = 0; v < MCP_VERSION_COUNT; v++)
			catalogue_free(&s->lists[kind][v]);
	pthread_mutex_destroy(&s->lock);
	free(s->info);
	free(s->paces);
	buf_free(&s->out);
	free(s);
}

void
mcp_server_begin_tasks(struct mcp_server *s, const struct mcp_host *host,
		       void *context)
{
	s->runner = mcp_connection_new(s, host, context);
}

void
mcp_server_end_tasks(struct mcp_server *s)
{
	tasks_end(s);
}

const json_t *
mcp_server_schema(const struct mcp_server *s, const char *tool)
{
	const struct mcp_tools *t = &s->content->tools;

	for (const struct tool *const *at = t->table; at && *at; at++)
		if (strcmp((*at)->name, tool) == 0)
			return t->schema(*at);
	return NULL;
}

const struct mcp_limits *
mcp_server_limits(const struct mcp_server *s)
{
	return &s->limits;
}

int64_t
mcp_server_due(const struct mcp_server *s)
{
	const struct mcp_request *first = TAILQ_FIRST(&s->waiting);
	int64_t tasks = tasks_due(s);

	return first && first->due_ns < tasks ? first->due_ns : tasks;
}

void
mcp_server_tick(struct mcp_server *s, int64_t now_ns)
{
	struct mcp_request *r;

	while ((r = TAILQ_FIRST(&s->waiting)) && r->due_ns <= now_ns)
		request_resume(r);
	tasks_expire(s, now_ns);
}

void
mcp_server_poll(struct mcp_server *s)
{
	for (;;) {
		struct mcp_request *r;

		pthread_mutex_lock(&s->lock);
		r = TAILQ_FIRST(&s->reported);
		pthread_mutex_unlock(&s->lock);
		if (!r)
			return;
		progress_flush(r);
	}
}
