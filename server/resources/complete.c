/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resources/complete.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "dissect/store/filter.h"
#include "server/resources/ask.h"

/* Which tool lists the values of an argument, and where in its result. */
struct origin {
	const char *argument, *tool, *array, *member;
};

static const struct origin origins[] = {
	{ "db", "list_databases", "databases", "db" },
	{ "db_before", "list_databases", "databases", "db" },
	{ "db_after", "list_databases", "databases", "db" },
	{ "dissection", "list_databases", "databases", "name" },
	{ "snapshot", "list_snapshots", "snapshots", "name" },
	{ "capture", "list_captures", "captures", "name" },
};

static bool
has_value(const json_t *values, const char *text)
{
	json_t *value;
	size_t i;

	json_array_foreach(values, i, value)
		if (strcmp(json_string_value(value), text) == 0)
			return true;
	return false;
}

static void
add_matching(json_t *values, const json_t *rows, const struct origin *from,
	     const char *typed)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *text =
			json_string_value(json_object_get(row, from->member));

		if (text && strncmp(text, typed, strlen(typed)) == 0 &&
		    !has_value(values, text))
			json_array_append_new(values, json_string(text));
	}
}

static int
complete_name(struct tool_call *call, const struct origin *from,
	      const struct resource_completion *request, json_t *values,
	      struct error *e)
{
	json_t *arguments = json_object();
	json_t *snapshot = json_object_get(request->context, "snapshot");
	json_t *result;
	int rc;

	if (strcmp(from->argument, "dissection") == 0 &&
	    json_is_string(snapshot))
		json_object_set(arguments, "snapshot", snapshot);
	result = ask_tool(call, from->tool, arguments, &rc, e);
	add_matching(values, json_object_get(result, from->array), from,
		     request->typed);
	json_decref(result);
	return rc == ERR_NOTFOUND || rc == ERR_INVALID ? 0 : rc;
}

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* The words of the field table that fit the last word of the filter. */
static void
complete_filter(const char *typed, json_t *values)
{
	const char *const *fields = filter_fields(FILTER_CALLS);
	size_t start = strlen(typed);
	const char *word;

	while (start > 0 && is_word(typed[start - 1]))
		start--;
	word = typed + start;
	for (; *fields; fields++)
		if (strncmp(*fields, word, strlen(word)) == 0)
			json_array_append_new(values,
					      json_sprintf("%.*s%s",
							   (int)start, typed,
							   *fields));
}

int
resource_complete(struct tool_call *call,
		  const struct resource_completion *request, json_t **values,
		  struct error *e)
{
	*values = json_array();
	if (strcmp(request->argument, "filter") == 0) {
		complete_filter(request->typed, *values);
		return 0;
	}
	for (size_t i = 0; i < sizeof(origins) / sizeof(*origins); i++)
		if (strcmp(origins[i].argument, request->argument) == 0)
			return complete_name(call, &origins[i], request,
					     *values, e);
	return 0;
}
