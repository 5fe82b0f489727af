/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

#define LOG_MESSAGE_SIZE 2048
#define LOG_LINE_LIMIT   ((size_t)LOG_MESSAGE_SIZE * 8)

static const char *const log_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

/* NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables) */
static _Atomic enum log_level log_threshold = LOG_INFO;

void
log_set_level(enum log_level level)
{
	atomic_store(&log_threshold, level);
}

/* One event is one line, whatever a stranger put into it. */
static void
log_append_line(struct buf *line, struct bytes text)
{
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.data[i];

		if (c == '\n')
			buf_text(line, "\\n");
		else if (c == '\t')
			buf_text(line, "\\t");
		else
			buf_u8(line, c);
	}
	buf_u8(line, '\n');
}

void
log_write(enum log_level level, const char *format, ...)
{
	char message[LOG_MESSAGE_SIZE];
	char now[CLOCK_TEXT_SIZE];
	va_list arguments;
	struct buf text, line;

	if (level > atomic_load(&log_threshold))
		return;
	va_start(arguments, format);
	if (vsnprintf(message, sizeof(message), format, arguments) < 0)
		message[0] = '\0';
	va_end(arguments);
	buf_init(&text, LOG_LINE_LIMIT);
	buf_init(&line, LOG_LINE_LIMIT);
	text_escape(&text, bytes_of(message));
	buf_format(&line, "%s %s ", clock_format(clock_wall_ns(), now),
		   log_names[level]);
	log_append_line(&line, buf_view(&text));
	/* One write, so that lines of several processes do not mix. */
	while (write(STDERR_FILENO, line.data, line.size) < 0 && errno == EINTR)
		;
	buf_free(&text);
	buf_free(&line);
}
