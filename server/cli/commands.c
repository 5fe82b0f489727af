/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands and their help. */
#include "server/cli/command.h"

#include <stdio.h>
#include <string.h>

#define POSITIONAL(...) (const char *const[]){ __VA_ARGS__, NULL }

static const char serve_options[] =
	"  --allow-path DIR     imports read and exports write below it; "
	"repeatable\n"
	"  --allow-reveal       reveal: true shows credentials\n"
	"  --allow-capture      tools may start and stop recordings\n"
	"  --jobs-outlive       dissections go on when the client leaves\n"
	"  --stdio              standard input and output: the default\n"
	"\nOver HTTP:\n"
	"  --http ADDRESS       127.0.0.1:PORT, [::1]:PORT or unix:PATH; others "
	"need a\n"
	"                       token or OAuth, and TLS or --behind-proxy\n"
	"  --token-file FILE    role:token, one a line, mode 0600; or "
	"AFTERTAP_TOKENS\n"
	"  --tls-cert FILE --tls-key FILE\n"
	"                       TLS, PEM\n"
	"  --behind-proxy       TLS ends in front of this server\n"
	"  --allow-host NAME    a name in Host besides those of loopback; "
	"repeatable\n"
	"  --allow-origin URL   an Origin, likewise\n"
	"  --oauth-issuer URL --oauth-keys FILE-or-URL --oauth-resource URL\n"
	"                       access tokens of an OAuth issuer\n"
	"  --rate N             requests a second of one client\n"
	"  --max-connections N, --max-connections-per-address N, "
	"--max-sessions N\n"
	"  --no-access-log      no line for each request\n";

const struct command commands[] = {
	{ .name = "import", .usage = "FILE… [--name N]",
	  .summary = "Turn pcap or pcapng files (.gz .zst .lz4, - for stdin) "
		     "into a capture",
	  .run = command_import },
	{ .name = "capture", .usage = "[--name N] [--interface LIST] [options]",
	  .summary = "Record this node's traffic until stopped",
	  .run = command_capture },
	{ .name = "captures",
	  .usage = "[list | status [NAME] | stop [NAME] | delete NAME]",
	  .summary = "List captures: time covered, sizes, losses; stop, delete",
	  .run = command_captures },
	{ .name = "snapshots",
	  .usage = "[list | create [NAME] | get NAME | verify NAME | "
		   "delete NAME]",
	  .summary = "Freeze a time window; list, inspect, verify, delete",
	  .run = command_snapshots },
	{ .name = "dissect", .usage = "SNAPSHOT [--name N] [options]",
	  .summary = "Dissect a snapshot into a queryable database",
	  .run = command_dissect },
	{ .name = "dissections",
	  .usage = "status SNAPSHOT [NAME] | stop | delete",
	  .summary = "Status of a dissection; stop or delete it",
	  .run = command_dissections },
	{ .name = "dbs", .summary = "List databases that can be queried",
	  .tool = "list_databases", .positional = POSITIONAL("snapshot") },
	{ .name = "calls", .usage = "[FILTER] [options]",
	  .summary = "List calls: newest first, filtered",
	  .tool = "list_api_calls", .positional = POSITIONAL("filter") },
	{ .name = "call", .usage = "ID [options]",
	  .summary = "Show one call with headers and bodies",
	  .tool = "get_api_call", .positional = POSITIONAL("id") },
	{ .name = "stats", .usage = "[FILTER] [--group-by FIELD]…",
	  .summary = "Counts, error rates and latency percentiles",
	  .tool = "get_api_stats", .positional = POSITIONAL("filter") },
	{ .name = "flows", .usage = "[FILTER] [options]",
	  .summary = "Who talked to whom, with TCP facts",
	  .tool = "list_flows", .positional = POSITIONAL("filter") },
	{ .name = "workloads", .usage = "[FILTER] [options]",
	  .summary = "Who took part: pods, containers, processes, names",
	  .tool = "list_workloads", .positional = POSITIONAL("filter") },
	{ .name = "sql", .usage = "STATEMENT",
	  .summary = "Run one read-only SQL statement",
	  .tool = "query_sql", .positional = POSITIONAL("sql") },
	{ .name = "export", .usage = "SNAPSHOT [FILE] [options]",
	  .summary = "Write packets of a snapshot to a pcapng or pcap file",
	  .tool = "export_snapshot_pcap",
	  .positional = POSITIONAL("snapshot", "path") },
	{ .name = "serve",
	  .usage = "[--http ADDRESS] [--allow-path DIR]… [--allow-capture] "
		   "[--db DB]",
	  .summary = "MCP server on stdin and stdout, or over HTTP",
	  .options = serve_options,
	  .run = command_serve },
	{ .name = "tool", .usage = "[NAME [key=value…]]",
	  .summary = "Run any MCP tool by name; without a name, list them",
	  .run = command_tool },
	{ .name = "install",
	  .usage = "CLIENT [--dry-run] [--http URL [--token-env NAME]] "
		   "[--db DB] [--allow-path DIR]… | CLIENT --remove | --list",
	  .summary = "Put aftertap into an MCP client's configuration",
	  .run = command_install },
	{ .name = "mcp-config", .usage = "CLIENT [as for install]",
	  .summary = "Print the configuration to paste into an MCP client",
	  .run = command_mcp_config },
	{ .name = "doctor",
	  .summary = "Say what works on this machine and how to fix the rest",
	  .run = command_doctor },
	{ .name = "completion", .usage = "bash|zsh|fish",
	  .summary = "Print a shell completion script",
	  .run = command_completion },
	{ .name = "help", .usage = "[COMMAND]", .summary = "Show help",
	  .run = command_help },
	{ .name = NULL },
};

const struct command *
command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static void
help_overview(void)
{
	printf("aftertap: what happened on the wire\n\n"
	       "usage: aftertap [--home DIR] [--json] [--db DB] COMMAND …\n\n");
	for (const struct command *c = commands; c->name; c++)
		printf("  %-12s %s\n", c->name, c->summary);
	printf("\n\"aftertap help COMMAND\" shows a command's options.\n");
}

int
command_help(const struct cli *cli, int argc, char **argv)
{
	const struct command *command;

	(void)cli;
	if (argc < 2) {
		help_overview();
		return EXIT_DONE;
	}
	command = command_find(argv[1]);
	if (!command)
		return cli_fail(EXIT_USAGE, "there is no command \"%s\"; "
				"\"aftertap help\" lists them", argv[1]);
	printf("usage: aftertap %s %s\n\n%s.\n", command->name,
	       command->usage ? command->usage : "", command->summary);
	if (command->options)
		printf("\n%s", command->options);
	if (command->tool)
		tool_command_help(command);
	return EXIT_DONE;
}
