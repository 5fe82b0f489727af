/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that are tools: --some-option VALUE is the property some_option of
 * the tool's input schema, typed by it; arrays are given by repeating the
 * option, booleans by its presence.
 */
#include "server/cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/cli/terminal.h"
#include "server/cli/tool_runner.h"

static json_t *
schema_properties(const struct tool *tool)
{
	json_t *input = json_object_get(tool_schema(tool), "inputSchema");

	return json_object_get(input, "properties");
}

static const char *
property_type(json_t *property)
{
	const char *type = json_string_value(json_object_get(property, "type"));

	return type ? type : "string";
}

/* "--group-by" → "group_by"; free(3). */
static char *
property_name(const char *option, size_t size)
{
	char *name = alloc_string_n(option, size);

	for (char *c = name; *c; c++)
		if (*c == '-')
			*c = '_';
	return name;
}

/* A property's value from its text; tool_run reports what does not fit. */
static json_t *
property_value(const char *type, const char *text)
{
	char *end;

	if (strcmp(type, "integer") == 0) {
		long long value = strtoll(text, &end, 10);

		return *text && !*end ? json_integer(value) : json_string(text);
	}
	if (strcmp(type, "number") == 0) {
		double value = strtod(text, &end);

		return *text && !*end ? json_real(value) : json_string(text);
	}
	if (strcmp(type, "boolean") == 0)
		return json_boolean(strcmp(text, "false") != 0);
	if (strcmp(type, "object") == 0)
		return json_loads(text, 0, NULL);
	return json_string(text);
}

static void
set_argument(json_t *arguments, json_t *properties, const char *name,
	     const char *text)
{
	json_t *property = json_object_get(properties, name);
	const char *type = property_type(property);
	json_t *list;

	if (strcmp(type, "array") != 0) {
		json_object_set_new(arguments, name,
				    property_value(type, text));
		return;
	}
	list = json_object_get(arguments, name);
	if (!list) {
		list = json_array();
		json_object_set_new(arguments, name, list);
	}
	type = property_type(json_object_get(property, "items"));
	json_array_append_new(list, property_value(type, text));
}

/* Takes "--name", "--name=value" or "--name value" at argv[*i]. */
static int
take_option(json_t *arguments, json_t *properties, int argc, char **argv,
	    int *i)
{
	const char *option = argv[*i] + 2;
	const char *equals = strchr(option, '=');
	char *name = property_name(option, equals ? (size_t)(equals - option)
						  : strlen(option));
	json_t *property = json_object_get(properties, name);
	const char *value = equals ? equals + 1 : NULL;
	int status = EXIT_DONE;

	if (!value && strcmp(property_type(property), "boolean") == 0)
		value = "true";
	else if (!value && property && *i + 1 < argc)
		value = argv[++*i];
	if (value)
		set_argument(arguments, properties, name, value);
	else if (property)
		status = cli_fail(EXIT_USAGE, "--%s needs a value", option);
	else
		set_argument(arguments, properties, name, "");
	free(name);
	return status;
}

static int
parse_arguments(const struct command *command, json_t *properties,
		json_t *arguments, int argc, char **argv)
{
	const char *const *positional = command->positional;

	for (int i = 1; i < argc; i++) {
		int status = EXIT_DONE;

		if (strncmp(argv[i], "--", 2) == 0 && argv[i][2]) {
			status = take_option(arguments, properties, argc, argv,
					     &i);
		} else if (positional && *positional) {
			set_argument(arguments, properties, *positional,
				     argv[i]);
			positional++;
		} else {
			status = cli_fail(EXIT_USAGE,
					  "unexpected argument \"%s\"; see "
					  "\"aftertap help %s\"",
					  argv[i], command->name);
		}
		if (status != EXIT_DONE)
			return status;
	}
	return EXIT_DONE;
}

int
tool_command_run(const struct cli *cli, const struct command *command,
		 int argc, char **argv)
{
	const struct tool *tool = tool_find(command->tool);
	struct error error = { 0 };
	json_t *arguments;
	int status;

	if (tool_schemas_load(&error) < 0)
		return cli_fail(EXIT_FAILED, "%s", error.text);
	arguments = command->defaults ? json_loads(command->defaults, 0, NULL)
				      : json_object();
	status = parse_arguments(command, schema_properties(tool), arguments,
				 argc, argv);
	if (status == EXIT_DONE)
		status = tool_runner_run(cli, tool, arguments);
	json_decref(arguments);
	return status;
}

static bool
is_positional(const struct command *command, const char *name)
{
	for (const char *const *p = command->positional; p && *p; p++)
		if (strcmp(*p, name) == 0)
			return true;
	return false;
}

/* The values of an enumeration, of the property or its items. */
static void
help_values(json_t *property)
{
	json_t *items = json_object_get(property, "items");
	json_t *values = json_object_get(items ? items : property, "enum");
	json_t *value;
	size_t i;

	json_array_foreach(values, i, value)
		printf("%s%s", i ? ", " : "one of ", json_string_value(value));
}

static void
help_property(const char *name, json_t *property)
{
	const char *text =
		json_string_value(json_object_get(property, "description"));
	const char *type = property_type(property);
	char option[64];
	size_t i;

	snprintf(option, sizeof(option), "--%s%s", name,
		 strcmp(type, "boolean") == 0 ? "" : " VALUE");
	for (i = 2; option[i] && option[i] != ' '; i++)
		if (option[i] == '_')
			option[i] = '-';
	printf("  %-26s %s%s", option, text ? text : "",
	       text && json_object_get(property, "enum") ? ": " : "");
	help_values(property);
	putchar('\n');
}

void
tool_command_help(const struct command *command)
{
	const struct tool *tool = tool_find(command->tool);
	json_t *properties, *property;
	const char *name;

	if (tool_schemas_load(NULL) < 0)
		return;
	properties = schema_properties(tool);
	printf("\n");
	json_object_foreach(properties, name, property)
		if (!is_positional(command, name))
			help_property(name, property);
}

/* "key=value" words of `aftertap tool`. */
static int
parse_pairs(json_t *properties, json_t *arguments, int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		const char *equals = strchr(argv[i], '=');
		char *name;

		if (!equals)
			return cli_fail(EXIT_USAGE, "\"%s\" is not key=value",
					argv[i]);
		name = alloc_string_n(argv[i], (size_t)(equals - argv[i]));
		if (equals[1] == '[' || equals[1] == '{')
			json_object_set_new(arguments, name,
					    json_loads(equals + 1, 0, NULL));
		else
			set_argument(arguments, properties, name, equals + 1);
		free(name);
	}
	return EXIT_DONE;
}

int
command_tool(const struct cli *cli, int argc, char **argv)
{
	const struct tool *tool;
	struct error error = { 0 };
	json_t *arguments;
	int status;

	if (tool_schemas_load(&error) < 0)
		return cli_fail(EXIT_FAILED, "%s", error.text);
	if (argc < 2) {
		for (const struct tool *const *t = tools; *t; t++)
			printf("%-32s %s\n", (*t)->name,
			       json_string_value(json_object_get(
				       tool_schema(*t), "title")));
		return EXIT_DONE;
	}
	tool = tool_find(argv[1]);
	if (!tool)
		return cli_fail(EXIT_USAGE, "there is no tool \"%s\"; "
				"\"aftertap tool\" lists them", argv[1]);
	arguments = json_object();
	status = parse_pairs(schema_properties(tool), arguments, argc, argv);
	if (status == EXIT_DONE)
		status = tool_runner_run(cli, tool, arguments);
	json_decref(arguments);
	return status;
}
