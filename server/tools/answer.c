/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tools/answer.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "server/tools/render.h"

void
answer_summary(json_t *structured, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	json_object_set_new(structured, "summary",
			    json_vsprintf(format, arguments));
	va_end(arguments);
}

void
answer_rename(json_t *object, const char *from, const char *to)
{
	json_t *value = json_object_get(object, from);

	if (!value)
		return;
	json_object_set(object, to, value);
	json_object_del(object, from);
}

void
answer_tidy(json_t *object)
{
	json_object_del(object, "format");
	if (json_array_size(json_object_get(object, "warnings")) == 0)
		json_object_del(object, "warnings");
}

static json_t *
member_at(json_t *row, const char *path)
{
	const char *dot = strchr(path, '.');
	char *first;
	json_t *inner;

	if (json_object_get(row, path) || !dot)
		return json_object_get(row, path);
	first = alloc_string_n(path, (size_t)(dot - path));
	inner = json_object_get(row, first);
	free(first);
	return json_object_get(inner, dot + 1);
}

static int
check_fields(const struct arg_texts *fields, const char *const *known,
	     struct error *e)
{
	for (size_t i = 0; i < fields->count; i++) {
		const char *nearest;
		struct buf all;
		size_t k = 0;

		while (known[k] && strcmp(known[k], fields->items[i]) != 0)
			k++;
		if (known[k])
			continue;
		buf_init(&all, 400);
		for (k = 0; known[k]; k++)
			buf_format(&all, "%s%s", k ? ", " : "", known[k]);
		nearest = text_nearest(fields->items[i], known);
		error_set(e, ERR_INVALID,
			  "there is no field \"%.64s\"%s%s%s; fields: %s",
			  fields->items[i], nearest ? " (did you mean \"" : "",
			  nearest ? nearest : "", nearest ? "\"?)" : "",
			  buf_cstr(&all));
		buf_free(&all);
		return ERR_INVALID;
	}
	return 0;
}

int
answer_project(json_t *rows, const struct arg_texts *fields,
	       const char *const *known, struct error *e)
{
	int rc = check_fields(fields, known, e);

	if (rc < 0 || fields->count == 0)
		return rc;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);
		json_t *kept = json_object();

		for (size_t f = 0; f < fields->count; f++) {
			json_t *value = member_at(row, fields->items[f]);

			if (value)
				json_object_set(kept, fields->items[f], value);
		}
		json_array_set_new(rows, i, kept);
	}
	return 0;
}

/* The size of the text when only the first `count` rows are shown. */
static size_t
size_with(json_t *structured, const char *rows, size_t count)
{
	json_t *all = json_object_get(structured, rows);
	json_t *copy = json_copy(structured);
	json_t *few = json_array();
	char *text;
	size_t size;

	for (size_t i = 0; i < count; i++)
		json_array_append(few, json_array_get(all, i));
	json_object_set_new(copy, rows, few);
	text = render_text(copy, NULL);
	size = strlen(text);
	free(text);
	json_decref(copy);
	return size;
}

/* Left for what cutting adds: the cursor and a sentence on how to go on. */
#define ROWS_BUDGET (ANSWER_BUDGET - 512)

size_t
answer_fit(const struct tool_config *config, json_t *structured,
	   const char *rows)
{
	size_t high = json_array_size(json_object_get(structured, rows));
	size_t low = 1;

	if (high <= 1 || config->whole_answers ||
	    size_with(structured, rows, high) <= ROWS_BUDGET)
		return high;
	while (low + 1 < high) { /* low fits (or is 1), high does not */
		size_t middle = low + (high - low) / 2;

		if (size_with(structured, rows, middle) <= ROWS_BUDGET)
			low = middle;
		else
			high = middle;
	}
	return low;
}

void
answer_cut(json_t *structured, const char *rows, size_t count)
{
	json_t *array = json_object_get(structured, rows);

	while (json_array_size(array) > count)
		json_array_remove(array, json_array_size(array) - 1);
	json_object_set_new(structured, "truncated", json_true());
}

void
answer_cut_to_fit(const struct tool_config *config, json_t *structured,
		  const char *rows)
{
	size_t all = json_array_size(json_object_get(structured, rows));
	size_t fit = answer_fit(config, structured, rows);

	if (fit < all)
		answer_cut(structured, rows, fit);
}
