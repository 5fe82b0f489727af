/* SPDX-License-Identifier: Apache-2.0 */
/* The command that is another program, dissect, and the one deletion that is
 * not a tool. */
#include "server/cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "capture/capture.h"

int
capture_command_delete(const struct cli *cli, const char *name)
{
	struct error error = { 0 };

	if (capture_delete(cli->home, name, &error) < 0)
		return cli_fail(EXIT_FAILED, "%s", error.text);
	if (!cli->quiet)
		printf("capture %s deleted; snapshots made from it stay\n",
		       name);
	return EXIT_DONE;
}

/*
 * aftertap dissect SNAPSHOT …: becomes aftertap-dissect in the foreground,
 * as git becomes its commands; the words after the snapshot are its options.
 */
int
command_dissect(const struct cli *cli, int argc, char **argv)
{
	const char **words = alloc_zero((size_t)argc + 10, sizeof(*words));
	bool named = false;
	size_t n = 0;

	if (argc < 2 || argv[1][0] == '-') {
		free(words);
		return cli_fail(EXIT_USAGE,
				"which snapshot? usage: aftertap dissect "
				"SNAPSHOT [--name N] [options]");
	}
	words[n++] = cli->dissect_program;
	words[n++] = "--home";
	words[n++] = cli->home;
	words[n++] = "--snapshot";
	words[n++] = argv[1];
	words[n++] = cli->quiet ? "--quiet" : "--progress";
	for (int i = 2; i < argc; i++) {
		named = named || strncmp(argv[i], "--name", 6) == 0;
		words[n++] = argv[i];
	}
	if (!named) {
		words[n++] = "--name";
		words[n++] = "default";
	}
	execvp(cli->dissect_program, (char *const *)(uintptr_t)words);
	free(words);
	return cli_fail(EXIT_FAILED, "cannot run %s: %s", cli->dissect_program,
			strerror(errno));
}

/*
 * aftertap capture …: becomes aftertap-capture, whose options are the rest.
 */
int
command_capture(const struct cli *cli, int argc, char **argv)
{
	const char **words = alloc_zero((size_t)argc + 5, sizeof(*words));
	bool probe = argc == 2 && strcmp(argv[1], "probe") == 0;
	size_t n = 0;

	words[n++] = cli->capture_program;
	if (!probe) {
		words[n++] = "--home";
		words[n++] = cli->home;
	}
	if (cli->quiet)
		words[n++] = "--quiet";
	for (int i = 1; i < argc; i++)
		words[n++] = argv[i];
	execvp(cli->capture_program, (char *const *)(uintptr_t)words);
	free(words);
	return cli_fail(EXIT_FAILED, "cannot run %s: %s", cli->capture_program,
			strerror(errno));
}
