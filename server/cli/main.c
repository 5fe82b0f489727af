/* SPDX-License-Identifier: Apache-2.0 */
/* The program `aftertap`: options common to all commands, then dispatch. */
#include "server/cli/command.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "capture/home.h"
#include "server/cli/options.h"

int
cli_fail(int status, const char *format, ...)
{
	va_list arguments;

	fputs("aftertap: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return status;
}

struct tool_config
cli_tool_config(const struct cli *cli)
{
	static const char *const everywhere[] = { "/" };

	return (struct tool_config){
		.home = cli->home,
		.default_db = cli->db,
		.allowed_paths = everywhere,
		.allowed_path_count = 1,
		.allow_reveal = true,
		.allow_capture = true,
		.whole_answers = true,
		.program = cli->program,
		.dissect_program = cli->dissect_program,
		.capture_program = cli->capture_program,
		.lifeline = -1,
	};
}

/* The path of this executable, and of its sibling `name`. */
static char *
program_path(void)
{
	char path[4096];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path));

	if (size <= 0)
		return alloc_string("aftertap");
	return alloc_string_n(path, (size_t)size);
}

static char *
sibling_path(const char *program, const char *name)
{
	const char *slash = strrchr(program, '/');
	char *path;

	if (!slash)
		return alloc_string(name);
	path = alloc_format("%.*s/%s", (int)(slash - program), program, name);
	if (file_exists(path))
		return path;
	free(path);
	return alloc_string(name);
}

/* Takes the common options out of argv, wherever they stand before "--". */
static int
take_common_options(struct cli *cli, const char **home, int argc, char **argv)
{
	struct options options = options_make(argc, argv);
	bool ended = false;
	int kept = 1;

	while (options_next(&options)) {
		const char *value;

		if (options.only_words && !ended)
			argv[kept++] = argv[options.at - 1]; /* the "--" */
		ended = options.only_words;
		if (options_flag(&options, "--json"))
			cli->json = true;
		else if (options_flag(&options, "--quiet") ||
			 options_flag(&options, "-q"))
			cli->quiet = true;
		else if (options_flag(&options, "--verbose"))
			log_set_level(LOG_DEBUG);
		else if ((value = options_value(&options, "--home")))
			*home = value;
		else if ((value = options_value(&options, "--db")))
			cli->db = value;
		else
			argv[kept++] = argv[options.at];
	}
	argv[kept] = NULL;
	return kept;
}

static int
unknown_command(const char *name)
{
	const char *names[32];
	const char *nearest;
	size_t count = 0;

	for (const struct command *c = commands; c->name; c++)
		names[count++] = c->name;
	names[count] = NULL;
	nearest = text_nearest(name, names);
	if (nearest)
		return cli_fail(EXIT_USAGE, "there is no command \"%s\"; did "
				"you mean \"%s\"?", name, nearest);
	return cli_fail(EXIT_USAGE, "there is no command \"%s\"; "
			"\"aftertap help\" lists them", name);
}

static int
run_command(struct cli *cli, const char *home, int argc, char **argv)
{
	const struct command *command = command_find(argv[1]);
	struct error error = { 0 };

	if (!command)
		return unknown_command(argv[1]);
	/* It has its own, and more of it. */
	if (argc > 2 && strcmp(argv[2], "--help") == 0 &&
	    command->run != command_capture) {
		char *help[] = { argv[0], argv[1], NULL };

		return command_help(cli, 2, help);
	}
	cli->home_given = home || getenv("AFTERTAP_HOME") ||
			  getenv("XDG_DATA_HOME");
	cli->home = home_open(home, &error);
	if (!cli->home)
		return cli_fail(EXIT_FAILED, "%s", error.text);
	if (command->run)
		return command->run(cli, argc - 1, argv + 1);
	return tool_command_run(cli, command, argc - 1, argv + 1);
}

static bool
is_any(const char *word, const char *a, const char *b)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

int
main(int argc, char **argv)
{
	struct cli cli = { 0 };
	const char *home = NULL;
	int status;

	signal(SIGPIPE, SIG_IGN);
	cli.db = getenv("AFTERTAP_DB");
	cli.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	argc = take_common_options(&cli, &home, argc, argv);
	if (argc < 2 || is_any(argv[1], "--help", "-h")) {
		status = command_help(&cli, 1, argv);
		return argc < 2 ? EXIT_USAGE : status;
	}
	if (is_any(argv[1], "--version", "version")) {
		puts("aftertap " AFTERTAP_VERSION);
		return EXIT_DONE;
	}
	cli.program = program_path();
	cli.dissect_program = sibling_path(cli.program, "aftertap-dissect");
	cli.capture_program = sibling_path(cli.program, "aftertap-capture");
	status = run_command(&cli, home, argc, argv);
	free(cli.home);
	free(cli.program);
	free(cli.dissect_program);
	free(cli.capture_program);
	if (fflush(stdout) != 0 && status == EXIT_DONE)
		status = EXIT_FAILED;
	return status;
}
