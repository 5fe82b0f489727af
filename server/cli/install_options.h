/* SPDX-License-Identifier: Apache-2.0 */
/* The words after `aftertap install` and `aftertap mcp-config`. */
#pragma once

#include <jansson.h>

#include "server/cli/command.h"
#include "server/clients/client.h"

struct install_options {
	json_t *table;          /* of clients */
	const json_t *client;   /* NULL: none was named */
	const char *name;       /* of the entry */
	const char *file;       /* --file: instead of the client's own */
	const char *project;    /* --project */
	const char *command;    /* --command: instead of this program */
	char *url;              /* --http with --db in it, or NULL */
	const char *token;      /* --token-env */
	json_t *args;           /* of the command */
	bool dry_run;
	bool remove;
	bool list;
};

/* Returns EXIT_DONE, or complains and returns EXIT_USAGE.  To be given to
 * install_options_free in both cases. */
int install_options_parse(struct install_options *o, const struct cli *cli,
			  int argc, char **argv);
void install_options_free(struct install_options *o);

/* The entry for the client named; json_decref. */
json_t *install_options_entry(const struct install_options *o,
			      const struct cli *cli);

/* Calls `visit` with each option and what it says, for completion. */
void install_options_each(const struct command *command,
			  void (*visit)(const struct command *,
					const char *option,
					const char *description));
