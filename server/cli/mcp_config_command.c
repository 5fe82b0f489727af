/* SPDX-License-Identifier: Apache-2.0 */
/* aftertap mcp-config CLIENT: what to paste into an MCP client. */
#include "server/cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "server/cli/options.h"

struct client {
	const char *name;
	const char *where; /* shown on stderr */
	const char *key;   /* of the object of servers; NULL: TOML */
	bool typed;        /* entries carry "type": "stdio" */
};

static const struct client clients[] = {
	{ "claude",
	  "Claude Desktop: claude_desktop_config.json; Claude Code: .mcp.json "
	  "in the project, or: claude mcp add aftertap -- aftertap serve",
	  "mcpServers", false },
	{ "cursor", "~/.cursor/mcp.json, or .cursor/mcp.json in the project",
	  "mcpServers", false },
	{ "vscode", ".vscode/mcp.json in the workspace", "servers", true },
	{ "codex", "~/.codex/config.toml", NULL, false },
};

static const struct client *
find_client(const char *name)
{
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++)
		if (strcmp(clients[i].name, name) == 0)
			return &clients[i];
	return NULL;
}

static json_t *
server_arguments(const struct cli *cli, int argc, char **argv)
{
	json_t *arguments = json_pack("[s,s,s]", "serve", "--home", cli->home);

	if (cli->db) {
		json_array_append_new(arguments, json_string("--db"));
		json_array_append_new(arguments, json_string(cli->db));
	}
	for (int i = 2; i < argc; i++)
		json_array_append_new(arguments, json_string(argv[i]));
	return arguments;
}

static void
print_toml(const struct cli *cli, json_t *arguments)
{
	json_t *program = json_string(cli->program);
	char *words = json_dumps(arguments, 0);
	char *command = json_dumps(program, JSON_ENCODE_ANY);

	printf("[mcp_servers.aftertap]\ncommand = %s\nargs = %s\n", command,
	       words);
	free(words);
	free(command);
	json_decref(program);
}

static void
print_json(const struct cli *cli, const struct client *client,
	   json_t *arguments)
{
	json_t *entry = json_pack("{s:s,s:O}", "command", cli->program, "args",
				  arguments);
	json_t *root;

	if (client->typed)
		json_object_set_new(entry, "type", json_string("stdio"));
	root = json_pack("{s:{s:o}}", client->key, "aftertap", entry);
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
}

int
command_mcp_config(const struct cli *cli, int argc, char **argv)
{
	const struct client *client = argc > 1 ? find_client(argv[1]) : NULL;
	json_t *arguments;

	if (!client)
		return cli_fail(EXIT_USAGE, "for which client? usage: aftertap "
				"mcp-config claude|vscode|cursor|codex "
				"[serve options]");
	arguments = server_arguments(cli, argc, argv);
	fprintf(stderr, "# paste into: %s\n", client->where);
	if (client->key)
		print_json(cli, client, arguments);
	else
		print_toml(cli, arguments);
	json_decref(arguments);
	return EXIT_DONE;
}
