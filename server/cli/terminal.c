/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/terminal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define BAR_WIDTH 30
#define REFRESH_NS (100 * CLOCK_NS_PER_MS)

void
terminal_progress_show(struct terminal_progress *p, double fraction,
		       const char *text)
{
	int64_t now = clock_monotonic_ns();
	char bar[BAR_WIDTH + 1];
	int filled;

	if (p->quiet || !isatty(STDERR_FILENO) ||
	    (p->shown && now - p->last_ns < REFRESH_NS))
		return;
	p->shown = true;
	p->last_ns = now;
	if (fraction < 0) {
		fprintf(stderr, "\r\033[K%s", text ? text : "working");
		return;
	}
	filled = (int)(fraction * BAR_WIDTH);
	if (filled > BAR_WIDTH)
		filled = BAR_WIDTH;
	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)filled);
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r\033[K[%s] %3.0f %% %s", bar, fraction * 100,
		text ? text : "");
}

void
terminal_progress_end(struct terminal_progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}

void
terminal_print_result(bool colour, const struct tool_result *result)
{
	(void)colour;
	if (!result->text)
		return;
	fputs(result->text, stdout);
	if (*result->text && result->text[strlen(result->text) - 1] != '\n')
		putchar('\n');
}
