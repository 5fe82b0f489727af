/* SPDX-License-Identifier: Apache-2.0 */
/* What a person at a terminal sees: a progress line, tables. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "server/tool.h"

/* One rewritten line on stderr; nothing when stderr is no terminal. */
struct terminal_progress {
	bool quiet;
	bool shown;
	int64_t last_ns;
};

/* `fraction` of the work done (< 0: not known) and a short text (or NULL);
 * at most ten times a second. */
void terminal_progress_show(struct terminal_progress *p, double fraction,
			    const char *text);
/* Clears the line. */
void terminal_progress_end(struct terminal_progress *p);

/* The result as text: on a terminal aligned, cut to its width and with
 * `colour`; else tab-separated for programs. */
void terminal_print_result(bool colour, const struct tool_result *result);
