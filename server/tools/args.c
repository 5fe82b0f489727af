/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tools/args.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

#define TEXT_LIMIT 65536 /* where the schema gives no maxLength */

/* The words of other products (Kubeshark above all) for ours.  Taken when the
 * tool has a property of the second name and none of the first; the first row
 * that fits wins. */
static const struct {
	const char *theirs, *ours;
} aliases[] = {
	{ "kfl", "filter" },
	{ "start", "from" },
	{ "end", "to" },
	{ "start_time", "from" },
	{ "end_time", "to" },
	{ "start_ts", "from" },
	{ "end_ts", "to" },
	{ "since", "from" },
	{ "until", "to" },
	{ "snapshot_id", "snapshot" },
	{ "snapshot_name", "snapshot" },
	{ "id", "snapshot" },
	{ "name", "snapshot" },
	{ "snapshot_id", "db" },
	{ "snapshot", "db" },
	{ "database", "db" },
	{ "snapshot_id", "name" },
	{ "id", "name" },
	{ "dissection_name", "name" },
	{ "dissection", "name" },
	{ "call_id", "id" },
	{ "node", "nodes" },
	{ "capture", "captures" },
	{ "max_payload_size", "body_limit" },
	{ "include_payload", "include_body" },
	{ "include_l4", "include_connection" },
	{ "aggregate", "group_by" },
	{ "sort", "order_by" },
	{ "order", "order_by" },
	{ "file", "files" },
	{ "path", "files" },
	{ "paths", "files" },
	{ "file", "path" },
	{ "dest", "path" },
	{ "sql_query", "sql" },
	{ "query", "sql" },
	{ "query", "filter" },
	{ "timeout_ms", "wait_ms" },
	{ "verify_checksums", "verify" },
};

/* Arguments that mean nothing here and are harmless: Kubeshark's calls are
 * named by id and node, ours by id alone. */
static const char *const ignored[] = { "node_id", NULL };

static const char *
our_name(json_t *properties, const char *name)
{
	if (json_object_get(properties, name))
		return name;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strcmp(aliases[i].theirs, name) == 0 &&
		    json_object_get(properties, aliases[i].ours))
			return aliases[i].ours;
	return NULL;
}

static bool
is_ignored(const char *name)
{
	for (const char *const *i = ignored; *i; i++)
		if (strcmp(*i, name) == 0)
			return true;
	return false;
}

static int
unknown_argument(json_t *properties, const char *name, struct error *e)
{
	const char *names[ARGS_LIST_LIMIT] = { 0 };
	const char *key, *nearest;
	struct buf list;
	json_t *property;
	char *shown = text_printable(bytes_of(name), 64);
	size_t count = 0;

	buf_init(&list, 300);
	json_object_foreach(properties, key, property) {
		if (count + 1 < ARGS_LIST_LIMIT)
			names[count++] = key;
		buf_format(&list, "%s%s", list.size ? ", " : "", key);
	}
	nearest = text_nearest(name, names);
	if (nearest)
		error_set(e, ERR_INVALID,
			  "there is no argument \"%s\"; did you mean \"%s\"? "
			  "Arguments: %s", shown, nearest, buf_cstr(&list));
	else if (count)
		error_set(e, ERR_INVALID,
			  "there is no argument \"%s\"; the arguments are: %s",
			  shown, buf_cstr(&list));
	else
		error_set(e, ERR_INVALID, "this tool takes no arguments, not "
			  "\"%s\"", shown);
	free(shown);
	buf_free(&list);
	return ERR_INVALID;
}

static const char *
type_name(json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
	default:
		return "null";
	}
}

static int
check_range(const char *name, json_t *schema, double value, struct error *e)
{
	json_t *minimum = json_object_get(schema, "minimum");
	json_t *maximum = json_object_get(schema, "maximum");

	if (minimum && value < json_number_value(minimum))
		return error_set(e, ERR_INVALID,
				 "\"%s\" is %.15g; the least allowed is %.15g",
				 name, value, json_number_value(minimum));
	if (maximum && value > json_number_value(maximum))
		return error_set(e, ERR_INVALID,
				 "\"%s\" is %.15g; the most allowed is %.15g",
				 name, value, json_number_value(maximum));
	return 0;
}

static int
check_integer(const char *name, json_t *schema, json_t *value, json_t **out,
	      struct error *e)
{
	double real = json_real_value(value);
	int64_t integer;
	bool ok = json_is_integer(value);

	integer = json_integer_value(value);
	if (json_is_string(value))
		ok = text_i64(bytes_make(json_string_value(value),
					 json_string_length(value)),
			      &integer);
	else if (json_is_real(value) && real > -9e15 && real < 9e15) {
		integer = (int64_t)real;
		ok = (double)integer == real;
	}
	if (!ok)
		return error_set(e, ERR_INVALID,
				 "\"%s\" must be an integer, not %s", name,
				 type_name(value));
	*out = json_integer(integer);
	return check_range(name, schema, (double)integer, e);
}

static int
check_boolean(const char *name, json_t *value, json_t **out, struct error *e)
{
	const char *text = json_string_value(value);

	if (json_is_boolean(value))
		*out = json_incref(value);
	else if (text && strcmp(text, "true") == 0)
		*out = json_true();
	else if (text && strcmp(text, "false") == 0)
		*out = json_false();
	else
		return error_set(e, ERR_INVALID,
				 "\"%s\" must be true or false, not %s", name,
				 type_name(value));
	return 0;
}

static int
check_enum(const char *name, json_t *list, const char *text, struct error *e)
{
	const char *words[ARGS_LIST_LIMIT] = { 0 };
	const char *nearest;
	struct buf all;
	char *shown;
	json_t *word;
	size_t i;

	buf_init(&all, 300);
	json_array_foreach(list, i, word) {
		if (strcmp(json_string_value(word), text) == 0) {
			buf_free(&all);
			return 0;
		}
		if (i + 1 < ARGS_LIST_LIMIT)
			words[i] = json_string_value(word);
		buf_format(&all, "%s%s", i ? ", " : "",
			   json_string_value(word));
	}
	nearest = text_nearest(text, words);
	shown = text_printable(bytes_of(text), 64);
	error_set(e, ERR_INVALID, "\"%s\" cannot be \"%s\"%s%s%s; one of: %s",
		  name, shown, nearest ? " (did you mean \"" : "",
		  nearest ? nearest : "", nearest ? "\"?)" : "",
		  buf_cstr(&all));
	free(shown);
	buf_free(&all);
	return ERR_INVALID;
}

static int
check_text(const char *name, json_t *schema, json_t *value, json_t **out,
	   struct error *e)
{
	json_t *limit = json_object_get(schema, "maxLength");
	json_t *words = json_object_get(schema, "enum");
	json_int_t longest = limit ? json_integer_value(limit) : TEXT_LIMIT;
	size_t size;

	if (json_is_integer(value)) /* a time in Unix ms, an id */
		*out = json_sprintf("%" JSON_INTEGER_FORMAT,
				    json_integer_value(value));
	else if (json_is_string(value))
		*out = json_incref(value);
	else
		return error_set(e, ERR_INVALID,
				 "\"%s\" must be a string, not %s", name,
				 type_name(value));
	size = json_string_length(*out);
	if (strlen(json_string_value(*out)) != size)
		return error_set(e, ERR_INVALID,
				 "\"%s\" contains a NUL character", name);
	if (size > (size_t)longest)
		return error_set(e, ERR_INVALID,
				 "\"%s\" has %zu bytes; the most allowed is "
				 "%lld", name, size, (long long)longest);
	return words ? check_enum(name, words, json_string_value(*out), e) : 0;
}

static int check_value(const char *name, json_t *schema, json_t *value,
		       json_t **out, struct error *e);

static int
check_array(const char *name, json_t *schema, json_t *value, json_t **out,
	    struct error *e)
{
	json_t *items = json_object_get(schema, "items");
	json_t *limit = json_object_get(schema, "maxItems");
	size_t most = limit ? (size_t)json_integer_value(limit)
			    : ARGS_LIST_LIMIT;
	size_t count = json_is_array(value) ? json_array_size(value) : 1;
	int rc = 0;

	*out = json_array();
	if (count > most)
		return error_set(e, ERR_INVALID,
				 "\"%s\" has %zu entries; the most allowed is "
				 "%zu", name, count, most);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		json_t *item = json_is_array(value) ? json_array_get(value, i)
						    : value;
		json_t *checked = NULL;

		if (json_is_array(item))
			return error_set(e, ERR_INVALID,
					 "\"%s\" must be a flat list", name);
		rc = check_value(name, items, item, &checked, e);
		if (checked)
			json_array_append_new(*out, checked);
	}
	return rc;
}

/* Sets `*out` (even on error, when something was made) to the value in the
 * schema's type. */
static int
check_value(const char *name, json_t *schema, json_t *value, json_t **out,
	    struct error *e)
{
	const char *type = json_string_value(json_object_get(schema, "type"));

	if (type && strcmp(type, "integer") == 0)
		return check_integer(name, schema, value, out, e);
	if (type && strcmp(type, "boolean") == 0)
		return check_boolean(name, value, out, e);
	if (type && strcmp(type, "array") == 0)
		return check_array(name, schema, value, out, e);
	return check_text(name, schema, value, out, e);
}

/* Models fill in what they do not mean: "" is as if left out. */
static bool
is_empty(json_t *value)
{
	return json_is_string(value) && json_string_length(value) == 0;
}

static int
check_given(json_t *properties, json_t *arguments, json_t *checked,
	    struct error *e)
{
	const char *key;
	json_t *value;
	int rc;

	json_object_foreach(arguments, key, value) {
		const char *name = our_name(properties, key);
		json_t *out = NULL;

		if (!name && is_ignored(key))
			continue;
		if (!name)
			return unknown_argument(properties, key, e);
		if (json_is_null(value) || is_empty(value))
			continue; /* as if left out */
		if (json_object_get(checked, name))
			return error_set(e, ERR_INVALID,
					 "\"%s\" is given twice", name);
		rc = check_value(name, json_object_get(properties, name),
				 value, &out, e);
		if (out)
			json_object_set_new(checked, name, out);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
check_missing(json_t *schema, json_t *checked, struct error *e)
{
	json_t *properties = json_object_get(schema, "properties");
	json_t *property, *name, *standard;
	const char *key;
	size_t i;

	json_array_foreach(json_object_get(schema, "required"), i, name) {
		key = json_string_value(name);
		property = json_object_get(properties, key);
		if (!json_object_get(checked, key))
			return error_set(
				e, ERR_INVALID, "\"%s\" is required: %s", key,
				json_string_value(json_object_get(
					property, "description")));
	}
	json_object_foreach(properties, key, property) {
		standard = json_object_get(property, "default");
		/* A copy: the schema is shared by all threads. */
		if (standard && !json_object_get(checked, key))
			json_object_set_new(checked, key,
					    json_deep_copy(standard));
	}
	return 0;
}

int
args_check(json_t *schema, json_t *arguments, json_t **checked,
	   struct error *e)
{
	json_t *out = json_object();
	int rc;

	*checked = NULL;
	if (arguments && !json_is_object(arguments)) {
		rc = error_set(e, ERR_INVALID,
			       "arguments must be an object, not %s",
			       type_name(arguments));
	} else {
		rc = check_given(json_object_get(schema, "properties"),
				 arguments, out, e);
		if (rc == 0)
			rc = check_missing(schema, out, e);
	}
	if (rc == 0)
		*checked = out;
	else
		json_decref(out);
	return rc;
}

static void
bind_texts(json_t *value, struct arg_texts *texts)
{
	json_t *item;
	size_t i;

	json_array_foreach(value, i, item)
		if (i < ARGS_LIST_LIMIT)
			texts->items[texts->count++] = json_string_value(item);
}

static void
bind_integers(json_t *value, struct arg_integers *integers)
{
	json_t *item;
	size_t i;

	json_array_foreach(value, i, item)
		if (i < ARGS_LIST_LIMIT)
			integers->items[integers->count++] =
				json_integer_value(item);
}

static int
bind_time(const struct arg *arg, const char *text, int64_t now_ns,
	  int64_t *ns, struct error *e)
{
	char *shown;

	if (arg->kind == ARG_TIME ? clock_parse(text, now_ns, ns)
				  : clock_parse_duration(text, ns))
		return 0;
	shown = text_printable(bytes_of(text), 64);
	if (arg->kind == ARG_TIME)
		error_set(e, ERR_INVALID,
			  "\"%s\" is \"%s\", which is no time: use RFC 3339 "
			  "(2026-11-23T14:02:11Z), Unix milliseconds, \"now\" "
			  "or a time before now (\"-15m\")", arg->name, shown);
	else
		error_set(e, ERR_INVALID,
			  "\"%s\" is \"%s\", which is no duration: use 30s, "
			  "15m, 1h30m", arg->name, shown);
	free(shown);
	return ERR_INVALID;
}

int
args_bind(const struct arg *table, json_t *checked, int64_t now_ns,
	  void *values, struct error *e)
{
	for (const struct arg *arg = table; arg->name; arg++) {
		void *to = (char *)values + arg->offset;
		json_t *value = json_object_get(checked, arg->name);
		int rc = 0;

		if (!value)
			continue;
		switch (arg->kind) {
		case ARG_TEXT:
			*(const char **)to = json_string_value(value);
			break;
		case ARG_INTEGER:
			*(int64_t *)to = json_integer_value(value);
			break;
		case ARG_BOOLEAN:
			*(bool *)to = json_is_true(value);
			break;
		case ARG_TEXTS:
			bind_texts(value, to);
			break;
		case ARG_INTEGERS:
			bind_integers(value, to);
			break;
		case ARG_TIME:
		case ARG_DURATION:
			rc = bind_time(arg, json_string_value(value), now_ns,
				       to, e);
			break;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}
