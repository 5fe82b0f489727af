/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resources/read.h"

#include <stdlib.h>

#include "dissect/store/store.h"
#include "server/resources/ask.h"
#include "server/resources/help.h"
#include "server/resources/resource_body.h"
#include "server/resources/uri.h"

bool
resource_matches(const char *uri)
{
	struct uri parsed;

	return uri_parse(uri, &parsed);
}

static json_t *
text_contents(const char *uri, const char *type, const char *text)
{
	return json_pack("[{s:s, s:s, s:s}]", "uri", uri, "mimeType", type,
			 "text", text);
}

/* A tool's structured result as one JSON text. */
static json_t *
tool_contents(const char *uri, json_t *structured)
{
	json_t *contents;
	char *text;

	if (!structured)
		return NULL;
	text = json_dumps(structured, JSON_COMPACT | JSON_REAL_PRECISION(15));
	contents = text_contents(uri, "application/json", text);
	free(text);
	json_decref(structured);
	return contents;
}

static json_t *
filter_contents(const char *uri)
{
	char *text = help_filter();
	json_t *contents = text_contents(uri, "text/markdown", text);

	free(text);
	return contents;
}

static json_t *
call_arguments(const struct uri *u)
{
	json_t *arguments = json_pack("{s:I}", "id", (json_int_t)u->id);

	json_object_set_new(arguments, "db",
			    json_sprintf("%s/%s", u->snapshot,
					 u->dissection));
	return arguments;
}

static json_t *
ask_for(struct tool_call *call, const struct uri *u, int *rc, struct error *e)
{
	switch ((int)u->kind) {
	case URI_DATABASES:
		return ask_tool(call, "list_databases", json_object(), rc, e);
	case URI_CAPTURES:
		return ask_tool(call, "list_captures", json_object(), rc, e);
	case URI_SNAPSHOT:
		return ask_tool(call, "get_snapshot",
				json_pack("{s:s}", "snapshot", u->snapshot),
				rc, e);
	case URI_DISSECTION:
		return ask_tool(call, "get_snapshot_dissection_status",
				json_pack("{s:s, s:s}", "snapshot",
					  u->snapshot, "name", u->dissection),
				rc, e);
	default:
		return ask_tool(call, "get_api_call", call_arguments(u), rc,
				e);
	}
}

int
resource_read(struct tool_call *call, const char *uri, json_t **contents,
	      struct error *e)
{
	struct uri u;
	int rc = 0;

	*contents = NULL;
	if (!uri_parse(uri, &u))
		return error_set(e, ERR_NOTFOUND, "no such resource");
	if (u.kind == URI_SCHEMA)
		*contents = text_contents(uri, "text/plain",
					  store_schema_text());
	else if (u.kind == URI_FILTER)
		*contents = filter_contents(uri);
	else if (u.kind == URI_REQUEST_BODY || u.kind == URI_RESPONSE_BODY)
		*contents = resource_body(call, uri, &u, &rc, e);
	else
		*contents = tool_contents(uri, ask_for(call, &u, &rc, e));
	if (*contents)
		return 0;
	return rc < 0 ? rc : error_set(e, ERR_INTERNAL, "nothing to read");
}
