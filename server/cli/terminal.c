/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/tools/render.h"

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

/* Columns of the terminal on standard output; 0 when it is none. */
static unsigned
terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

void
terminal_print_result(bool colour, const struct tool_result *result)
{
	struct render_options options = { .align = true, .colour = colour,
					  .width = terminal_width() };
	char *text;

	if (!result->structured)
		return;
	if (options.width == 0) /* for a program: tab-separated */
		options.align = false;
	text = render_text(result->structured, &options);
	fputs(text, stdout);
	if (*text && text[strlen(text) - 1] != '\n')
		putchar('\n');
	free(text);
}
