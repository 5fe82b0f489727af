/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that are another program or the server: dissect, serve; and the
 * one deletion that is not a tool. */
#include "server/cli/command.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "capture/capture.h"
#include "server/cli/options.h"
#include "server/resources/content.h"
#include "server/serve.h"

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

/* An allowed directory: absolute, resolved, existing. */
static int
add_allowed_path(const char **paths, size_t *count, const char *path)
{
	char *resolved = realpath(path, NULL);

	if (!resolved)
		return cli_fail(EXIT_USAGE, "--allow-path %s: %s", path,
				strerror(errno));
	paths[(*count)++] = resolved;
	return EXIT_DONE;
}

static int
parse_serve_options(struct serve_options *serve, struct tool_config *config,
		    const char **paths, int argc, char **argv)
{
	struct options options = options_make(argc, argv);
	const char *value;
	int status;

	while (options_next(&options)) {
		if (options_flag(&options, "--allow-reveal")) {
			config->allow_reveal = true;
		} else if (options_flag(&options, "--allow-capture")) {
			config->allow_capture = true;
		} else if (options_flag(&options, "--jobs-outlive")) {
			serve->jobs_outlive = true;
		} else if (options_flag(&options, "--stdio")) {
			continue; /* the only transport; said for clarity */
		} else if ((value = options_value(&options, "--allow-path"))) {
			status = add_allowed_path(
				paths, &config->allowed_path_count, value);
			if (status != EXIT_DONE)
				return status;
		} else {
			return options_unknown(&options, "serve");
		}
	}
	return EXIT_DONE;
}

int
command_serve(const struct cli *cli, int argc, char **argv)
{
	const char **paths = alloc_zero((size_t)argc + 1, sizeof(*paths));
	struct tool_config config = cli_tool_config(cli);
	struct mcp_content content;
	struct serve_options options = { &config, &content, false };
	struct error error = { 0 };
	int status;

	config.allowed_paths = paths;
	config.allowed_path_count = 0;
	config.allow_reveal = false;
	config.allow_capture = false;
	config.whole_answers = false;
	status = parse_serve_options(&options, &config, paths, argc, argv);
	if (status == EXIT_DONE && content_load(&content, &error) < 0)
		status = cli_fail(EXIT_FAILED, "%s", error.text);
	if (status == EXIT_DONE) {
		status = serve_stdio(&options);
		content_free(&content);
	}
	for (size_t i = 0; i < config.allowed_path_count; i++)
		free((void *)(uintptr_t)paths[i]);
	free(paths);
	return status;
}
