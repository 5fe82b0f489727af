/* SPDX-License-Identifier: Apache-2.0 */
/* Running one tool in the foreground for a person or a script. */
#pragma once

#include "server/cli/command.h"

/*
 * Runs the tool to its end (waiting as it asks for), with a progress line on
 * a terminal and Ctrl-C cancelling, and prints its result: JSON with
 * cli->json, else text.  Returns EXIT_*.
 */
int tool_runner_run(const struct cli *cli, const struct tool *tool,
		    json_t *arguments);
