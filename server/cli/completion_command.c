/* SPDX-License-Identifier: Apache-2.0 */
/* aftertap completion SHELL: scripts made from the tables of commands and
 * tool schemas, so that they cannot go stale. */
#include "server/cli/command.h"

#include <stdio.h>
#include <string.h>

#include "server/cli/install_options.h"

static bool
takes_client(const struct command *command)
{
	return command->run == command_install ||
	       command->run == command_mcp_config;
}

static bool
has_options(const struct command *command)
{
	return command->tool || takes_client(command);
}

/* The names of the clients, each after a blank. */
static void
print_clients(void)
{
	json_t *table = clients_load();
	json_t *client;
	size_t i;

	json_array_foreach(table, i, client)
		printf(" %s", client_text(client, "name"));
	json_decref(table);
}

/* Calls `visit` with each "--option" of a command whose options are known. */
static void
each_option(const struct command *command,
	    void (*visit)(const struct command *, const char *option,
			  const char *description))
{
	const struct tool *tool =
		command->tool ? tool_find(command->tool) : NULL;
	json_t *properties, *property;
	const char *name;
	char option[64];

	if (takes_client(command))
		install_options_each(command, visit);
	if (!tool)
		return;
	properties = json_object_get(
		json_object_get(tool_schema(tool), "inputSchema"),
		"properties");
	json_object_foreach(properties, name, property)
	{
		const char *text = json_string_value(
			json_object_get(property, "description"));

		snprintf(option, sizeof(option), "--%s", name);
		for (char *c = option; *c; c++)
			if (*c == '_')
				*c = '-';
		visit(command, option, text ? text : "");
	}
}

static void
bash_option(const struct command *command, const char *option,
	    const char *description)
{
	(void)command;
	(void)description;
	printf(" %s", option);
}

static void
print_bash(void)
{
	printf("_aftertap() {\n"
	       "  local cur=${COMP_WORDS[COMP_CWORD]}\n"
	       "  if [ $COMP_CWORD -eq 1 ]; then\n"
	       "    COMPREPLY=($(compgen -W \"");
	for (const struct command *c = commands; c->name; c++)
		printf("%s ", c->name);
	printf("\" -- \"$cur\")); return\n  fi\n"
	       "  case ${COMP_WORDS[1]} in\n");
	for (const struct command *c = commands; c->name; c++) {
		if (!has_options(c))
			continue;
		printf("  %s) COMPREPLY=($(compgen -W \"", c->name);
		each_option(c, bash_option);
		if (takes_client(c))
			print_clients();
		printf("\" -- \"$cur\"));;\n");
	}
	printf("  import) COMPREPLY=($(compgen -f -- \"$cur\"));;\n"
	       "  esac\n}\ncomplete -o default -F _aftertap aftertap\n");
}

/* Text inside single quotes of zsh and fish, brackets and colons removed. */
static void
print_quoted(const char *text)
{
	for (; *text; text++)
		putchar(strchr("'[]:\\", *text) ? ' ' : *text);
}

static void
fish_option(const struct command *command, const char *option,
	    const char *description)
{
	printf("complete -c aftertap -n '__fish_seen_subcommand_from %s' -l %s "
	       "-d '", command->name, option + 2);
	print_quoted(description);
	printf("'\n");
}

static void
print_fish(void)
{
	for (const struct command *c = commands; c->name; c++) {
		printf("complete -c aftertap -n __fish_use_subcommand -a %s "
		       "-d '", c->name);
		print_quoted(c->summary);
		printf("'\n");
		each_option(c, fish_option);
		if (takes_client(c)) {
			printf("complete -c aftertap -f -n "
			       "'__fish_seen_subcommand_from %s' -a '",
			       c->name);
			print_clients();
			printf("'\n");
		}
	}
}

static void
zsh_option(const struct command *command, const char *option,
	   const char *description)
{
	(void)command;
	printf(" '%s[", option);
	print_quoted(description);
	printf("]'");
}

static void
print_zsh(void)
{
	printf("#compdef aftertap\n_aftertap() {\n"
	       "  if (( CURRENT == 2 )); then\n    local -a commands=(");
	for (const struct command *c = commands; c->name; c++) {
		printf(" '%s:", c->name);
		print_quoted(c->summary);
		printf("'");
	}
	printf(" )\n    _describe command commands; return\n  fi\n"
	       "  case $words[2] in\n");
	for (const struct command *c = commands; c->name; c++) {
		if (!has_options(c))
			continue;
		printf("  %s) _arguments", c->name);
		each_option(c, zsh_option);
		if (takes_client(c)) {
			printf(" '2:client:(");
			print_clients();
			printf(")'");
		}
		printf(";;\n");
	}
	printf("  *) _files;;\n  esac\n}\n_aftertap \"$@\"\n");
}

int
command_completion(const struct cli *cli, int argc, char **argv)
{
	struct error error = { 0 };

	(void)cli;
	if (tool_schemas_load(&error) < 0)
		return cli_fail(EXIT_FAILED, "%s", error.text);
	if (argc == 2 && strcmp(argv[1], "bash") == 0)
		print_bash();
	else if (argc == 2 && strcmp(argv[1], "zsh") == 0)
		print_zsh();
	else if (argc == 2 && strcmp(argv[1], "fish") == 0)
		print_fish();
	else
		return cli_fail(EXIT_USAGE,
				"usage: aftertap completion bash|zsh|fish");
	return EXIT_DONE;
}
