/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/tool_runner.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "server/cli/interrupt.h"
#include "server/cli/terminal.h"

static void
on_progress(void *context, double value, double total, const char *message)
{
	struct terminal_progress *progress = context;

	terminal_progress_show(progress, total > 0 ? value / total : -1,
			       message);
}

/* A person's query is short and Ctrl-C kills the process if pressed twice, so
 * there is nothing to register. */
static void
ignore_interrupt(void *context, void (*interrupt)(void *), void *arg)
{
	(void)context;
	(void)interrupt;
	(void)arg;
}

static void
sleep_ms(uint32_t ms)
{
	struct timespec delay = { ms / 1000, (long)(ms % 1000) * 1000000L };

	nanosleep(&delay, NULL);
}

static int
run_to_end(const struct tool *tool, struct tool_call *call,
	   struct tool_result *result, struct error *error)
{
	int status;

	for (;;) {
		memset(result, 0, sizeof(*result));
		call->now_ns = clock_wall_ns();
		status = tool_run(tool, call, result, error);
		if (status != TOOL_WAIT)
			return status;
		sleep_ms(result->wait_ms ? result->wait_ms : 100);
		tool_result_free(result);
		call->again = true;
		if (atomic_load(call->cancelled))
			return error_set(error, ERR_CANCELLED, "cancelled");
	}
}

static void
print_result(const struct cli *cli, const struct tool_result *result)
{
	if (cli->json) {
		json_dumpf(result->structured, stdout,
			   JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
		return;
	}
	terminal_print_result(cli->colour, result);
}

int
tool_runner_run(const struct cli *cli, const struct tool *tool,
		json_t *arguments)
{
	struct tool_config config = cli_tool_config(cli);
	struct terminal_progress progress = { .quiet = cli->quiet };
	struct tool_result result;
	struct error error = { 0 };
	struct tool_call call = {
		.config = &config,
		.arguments = arguments,
		.started_ns = clock_monotonic_ns(),
		.cancelled = interrupt_catch(),
		.set_interrupt = ignore_interrupt,
		.progress = on_progress,
		.context = &progress,
	};
	int status;

	status = run_to_end(tool, &call, &result, &error);
	terminal_progress_end(&progress);
	if (status == ERR_CANCELLED)
		return cli_fail(EXIT_CANCELLED, "%s", error.text);
	if (status < 0)
		return cli_fail(status == ERR_INVALID ? EXIT_USAGE
						      : EXIT_FAILED,
				"%s", error.text);
	print_result(cli, &result);
	tool_result_free(&result);
	return EXIT_DONE;
}
