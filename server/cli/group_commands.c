/* SPDX-License-Identifier: Apache-2.0 */
/* Commands with a verb: captures, snapshots, dissections.  Each verb is a
 * tool. */
#include "server/cli/command.h"

#include <stdio.h>
#include <string.h>

#define POSITIONAL(...) (const char *const[]){ __VA_ARGS__, NULL }

static const struct command capture_verbs[] = {
	{ .name = "list", .tool = "list_captures",
	  .positional = POSITIONAL("name") },
	{ .name = "start", .tool = "start_capture",
	  .positional = POSITIONAL("name") },
	{ .name = "status", .tool = "get_capture_status",
	  .positional = POSITIONAL("name") },
	{ .name = "stop", .tool = "stop_capture",
	  .positional = POSITIONAL("name") },
	{ .name = NULL },
};

static const struct command snapshot_verbs[] = {
	{ .name = "list", .tool = "list_snapshots" },
	{ .name = "create", .tool = "create_snapshot",
	  .positional = POSITIONAL("name") },
	{ .name = "get", .tool = "get_snapshot",
	  .positional = POSITIONAL("snapshot") },
	{ .name = "verify", .tool = "get_snapshot",
	  .positional = POSITIONAL("snapshot"),
	  .defaults = "{\"verify\":true}" },
	{ .name = "delete", .tool = "delete_snapshot",
	  .positional = POSITIONAL("snapshot") },
	{ .name = NULL },
};

static const struct command dissection_verbs[] = {
	{ .name = "list", .tool = "list_databases",
	  .positional = POSITIONAL("snapshot") },
	{ .name = "status", .tool = "get_snapshot_dissection_status",
	  .positional = POSITIONAL("snapshot", "name") },
	{ .name = "stop", .tool = "stop_snapshot_dissection",
	  .positional = POSITIONAL("snapshot", "name") },
	{ .name = "delete", .tool = "delete_snapshot_dissection",
	  .positional = POSITIONAL("snapshot", "name") },
	{ .name = NULL },
};

static int
run_verb(const struct cli *cli, const struct command *verbs, int argc,
	 char **argv)
{
	char list[] = "list";
	char *only_list[] = { list, NULL };

	if (argc < 2)
		return tool_command_run(cli, &verbs[0], 1, only_list);
	for (const struct command *v = verbs; v->name; v++)
		if (strcmp(v->name, argv[1]) == 0)
			return tool_command_run(cli, v, argc - 1, argv + 1);
	fprintf(stderr, "aftertap: \"%s\" is not one of:", argv[1]);
	for (const struct command *v = verbs; v->name; v++)
		fprintf(stderr, " %s", v->name);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

int
command_captures(const struct cli *cli, int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "delete") == 0)
		return capture_command_delete(cli, argv[2]);
	return run_verb(cli, capture_verbs, argc, argv);
}

int
command_snapshots(const struct cli *cli, int argc, char **argv)
{
	return run_verb(cli, snapshot_verbs, argc, argv);
}

int
command_dissections(const struct cli *cli, int argc, char **argv)
{
	return run_verb(cli, dissection_verbs, argc, argv);
}
