/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command of the `aftertap` program is.  Most are a name for a tool
 * (server/cli/tool_command.c): their options are the properties of the tool's
 * input schema, so the CLI and the agents have the same words.
 */
#pragma once

#include <stdbool.h>

#include "server/tool.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CANCELLED = 3 };

/* Options before or after any command. */
struct cli {
	char *home;
	bool home_given;       /* it is not where a client's child finds it */
	char *program;         /* this executable */
	char *dissect_program; /* aftertap-dissect beside it, or from PATH */
	char *capture_program; /* aftertap-capture, likewise */
	const char *db;        /* --db, $AFTERTAP_DB */
	bool json;             /* --json: structured result on stdout */
	bool colour;           /* stdout is a terminal and NO_COLOR is unset */
	bool quiet;
};

struct command {
	const char *name;
	const char *usage;     /* after the name */
	const char *summary;   /* one line */
	const char *options;   /* lines of help, or NULL */
	/* For tool-backed commands: */
	const char *tool;
	const char *const *positional; /* properties by position, NULL-ended */
	const char *defaults;          /* JSON object merged below the arguments,
					* or NULL */
	/* Otherwise; `argv` starts at the command's name.  Returns EXIT_*. */
	int (*run)(const struct cli *cli, int argc, char **argv);
};

/* NULL-named at the end. */
extern const struct command commands[];

/* The command of that name, or NULL. */
const struct command *command_find(const char *name);

/* Prints "aftertap: <text>" to stderr and returns `status`. */
int cli_fail(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The configuration tools get when a person runs them: their own rights. */
struct tool_config cli_tool_config(const struct cli *cli);

/* Parses argv (from the command's name on) by the tool's input schema and runs
 * it; prints the options it takes.  The first returns EXIT_*. */
int tool_command_run(const struct cli *cli, const struct command *command,
		     int argc, char **argv);
void tool_command_help(const struct command *command);

/* The commands that are not tools, as struct command's run. */
int command_import(const struct cli *cli, int argc, char **argv);
int command_dissect(const struct cli *cli, int argc, char **argv);
int command_capture(const struct cli *cli, int argc, char **argv);
int command_serve(const struct cli *cli, int argc, char **argv);
int command_snapshots(const struct cli *cli, int argc, char **argv);
int command_captures(const struct cli *cli, int argc, char **argv);
int command_dissections(const struct cli *cli, int argc, char **argv);
int command_tool(const struct cli *cli, int argc, char **argv);
int command_doctor(const struct cli *cli, int argc, char **argv);
int command_install(const struct cli *cli, int argc, char **argv);
int command_mcp_config(const struct cli *cli, int argc, char **argv);
int command_completion(const struct cli *cli, int argc, char **argv);
int command_help(const struct cli *cli, int argc, char **argv);

/* Deletes a capture: for people only, agents have no tool for it. */
int capture_command_delete(const struct cli *cli, const char *name);
