/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue: what tools/list shows, and that code and schema agree. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/tools/args.h"
#include "server/tools/tools_list.h"

#define LIST_BUDGET ((size_t)24 << 10)

static int
load(void **state)
{
	struct error e = { 0 };

	(void)state;
	if (tool_schemas_load(&e) < 0) {
		print_error("%s\n", e.text);
		return -1;
	}
	return 0;
}

static const char *
text_in(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static void
the_whole_list_stays_under_24_kilobytes(void **state)
{
	size_t size = strlen("{\"tools\":[]}");

	(void)state;
	for (const struct tool *const *t = tools; *t; t++) {
		char *text = json_dumps(tool_schema(*t), JSON_COMPACT);

		size += strlen(text) + 1;
		free(text);
	}
	print_message("tools/list: %zu bytes\n", size);
	assert_true(size < LIST_BUDGET);
}

/* Hosts refuse all tools of a server for one bad name. */
static void
names_are_those_that_every_host_takes(void **state)
{
	(void)state;
	for (const struct tool *const *t = tools; *t; t++) {
		const char *name = (*t)->name;

		assert_true(strlen(name) >= 1 && strlen(name) <= 64);
		for (const char *c = name; *c; c++)
			assert_true(islower((unsigned char)*c) ||
				    isdigit((unsigned char)*c) || *c == '_');
		assert_string_equal(text_in(tool_schema(*t), "name"), name);
		assert_ptr_equal(tool_find(name), *t);
	}
	assert_null(tool_find("no_such_tool"));
}

static void
descriptions_say_enough_and_not_too_much(void **state)
{
	(void)state;
	for (const struct tool *const *t = tools; *t; t++) {
		const char *text = text_in(tool_schema(*t), "description");
		size_t sentences = 0;

		for (const char *c = text; *c; c++)
			sentences += *c == '.' && (c[1] == ' ' || !c[1]);
		assert_true(strlen(text) > 100 && strlen(text) < 600);
		if (sentences < 2)
			fail_msg("%s: one sentence", (*t)->name);
		assert_true(strlen(text_in(tool_schema(*t), "title")) > 3);
	}
}

static void
annotations_are_all_there_and_true(void **state)
{
	static const char *const hints[] = { "readOnlyHint", "destructiveHint",
					     "idempotentHint",
					     "openWorldHint" };

	(void)state;
	for (const struct tool *const *t = tools; *t; t++) {
		json_t *a = json_object_get(tool_schema(*t), "annotations");

		for (size_t i = 0; i < 4; i++)
			assert_true(json_is_boolean(json_object_get(
				a, hints[i])));
		assert_string_equal(text_in(a, "title"),
				    text_in(tool_schema(*t), "title"));
		assert_int_equal(json_is_true(json_object_get(a, hints[0])),
				 (*t)->effects == TOOL_READS);
		assert_int_equal(json_is_true(json_object_get(a, hints[1])),
				 (*t)->effects == TOOL_DESTROYS);
	}
}

/* No union types, no combinators at a root, every leaf typed: what hosts
 * choke on. */
static void
check_schema(const char *tool, json_t *schema)
{
	const char *type = text_in(schema, "type"), *key;
	json_t *property;

	if (!*type)
		fail_msg("%s: a schema without a type", tool);
	assert_null(json_object_get(schema, "oneOf"));
	assert_null(json_object_get(schema, "anyOf"));
	assert_null(json_object_get(schema, "allOf"));
	assert_null(json_object_get(schema, "$ref"));
	json_object_foreach(json_object_get(schema, "properties"), key,
			    property)
		check_schema(tool, property);
	if (json_object_get(schema, "items"))
		check_schema(tool, json_object_get(schema, "items"));
}

static void
schemas_are_plain_objects(void **state)
{
	(void)state;
	for (const struct tool *const *t = tools; *t; t++) {
		json_t *input = json_object_get(tool_schema(*t),
						"inputSchema");
		json_t *output = json_object_get(tool_schema(*t),
						 "outputSchema");

		assert_string_equal(text_in(input, "type"), "object");
		assert_true(json_is_false(json_object_get(
			input, "additionalProperties")));
		assert_string_equal(text_in(output, "type"), "object");
		check_schema((*t)->name, input);
		check_schema((*t)->name, output);
	}
}

static void
required_members_are_described(void **state)
{
	static const char *const which[] = { "inputSchema", "outputSchema" };

	(void)state;
	for (const struct tool *const *t = tools; *t; t++)
		for (size_t w = 0; w < 2; w++) {
			json_t *schema = json_object_get(tool_schema(*t),
							 which[w]);
			json_t *properties = json_object_get(schema,
							     "properties");
			json_t *name;
			size_t i;

			json_array_foreach(json_object_get(schema, "required"),
					   i, name)
				assert_non_null(json_object_get(
					properties, json_string_value(name)));
		}
}

static const char *
schema_type(enum arg_kind kind)
{
	switch (kind) {
	case ARG_TEXT:
	case ARG_TIME:
	case ARG_DURATION:
		return "string";
	case ARG_INTEGER:
		return "integer";
	case ARG_BOOLEAN:
		return "boolean";
	case ARG_TEXTS:
	case ARG_INTEGERS:
	default:
		return "array";
	}
}

static void
check_row(const struct tool *tool, const struct arg *arg, json_t *property)
{
	json_t *items = json_object_get(property, "items");
	json_t *most = json_object_get(property, "maxItems");

	if (!property)
		fail_msg("%s: %s is not in the schema", tool->name, arg->name);
	if (strcmp(text_in(property, "type"), schema_type(arg->kind)) != 0)
		fail_msg("%s: %s is of another type", tool->name, arg->name);
	if (!items)
		return;
	assert_string_equal(text_in(items, "type"),
			    arg->kind == ARG_TEXTS ? "string" : "integer");
	assert_non_null(most);
	assert_true(json_integer_value(most) <= ARGS_LIST_LIMIT);
}

static void
tables_and_schemas_agree(void **state)
{
	(void)state;
	for (const struct tool *const *t = tools; *t; t++) {
		json_t *properties = json_object_get(
			json_object_get(tool_schema(*t), "inputSchema"),
			"properties");
		size_t rows = 0;

		for (const struct arg *a = (*t)->arguments; a->name; a++) {
			check_row(*t, a, json_object_get(properties, a->name));
			rows++;
		}
		assert_int_equal(rows, json_object_size(properties));
	}
}

/* What is bound must not depend on a default that the schema leaves out. */
static void
enumerations_have_defaults(void **state)
{
	(void)state;
	for (const struct tool *const *t = tools; *t; t++) {
		json_t *properties = json_object_get(
			json_object_get(tool_schema(*t), "inputSchema"),
			"properties");
		const char *key;
		json_t *property;

		json_object_foreach(properties, key, property)
			if (json_object_get(property, "enum") ||
			    strcmp(text_in(property, "type"), "boolean") == 0)
				assert_non_null(json_object_get(property,
								"default"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_list_stays_under_24_kilobytes),
		cmocka_unit_test(names_are_those_that_every_host_takes),
		cmocka_unit_test(descriptions_say_enough_and_not_too_much),
		cmocka_unit_test(annotations_are_all_there_and_true),
		cmocka_unit_test(schemas_are_plain_objects),
		cmocka_unit_test(required_members_are_described),
		cmocka_unit_test(tables_and_schemas_agree),
		cmocka_unit_test(enumerations_have_defaults),
	};

	return cmocka_run_group_tests(tests, load, NULL);
}
