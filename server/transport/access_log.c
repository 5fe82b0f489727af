/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/access_log.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define LOG_LIMIT ((size_t)1 << 20)
#define WORD_LIMIT 128

void
access_log_init(struct access_log *log, bool on)
{
	*log = (struct access_log){ .on = on };
	buf_init(&log->lines, LOG_LIMIT);
}

void
access_log_free(struct access_log *log)
{
	buf_free(&log->lines);
}

/* What strangers wrote: escaped, cut, without blanks of its own. */
static void
word(struct buf *out, const char *key, struct bytes value)
{
	size_t start;

	if (value.size == 0)
		return;
	buf_format(out, " %s=", key);
	start = out->size;
	text_escape(out, bytes_first(value, WORD_LIMIT));
	for (size_t i = start; i < out->size; i++)
		if (out->data[i] == ' ' || out->data[i] == '\n' ||
		    out->data[i] == '\t')
			out->data[i] = '_';
}

void
access_log_add(struct access_log *log, const struct access_line *line,
	       int64_t wall_ns)
{
	char time[CLOCK_TEXT_SIZE];
	struct buf *out = &log->lines;

	if (!log->on)
		return;
	buf_format(out, "%s info event=request peer=%s",
		   clock_format(wall_ns / CLOCK_NS_PER_MS * CLOCK_NS_PER_MS,
				time), line->peer);
	if (line->role)
		buf_format(out, " role=%s", line->role);
	buf_format(out, " method=%s", line->method);
	word(out, "path", line->path);
	word(out, "mcp", line->what);
	word(out, "name", line->name);
	buf_format(out, " status=%u bytes=%llu us=%lld\n", line->status,
		   (unsigned long long)line->bytes,
		   (long long)(line->took_ns / 1000));
	if (!out->failed)
		return;
	log->lost++;
	out->failed = false;
}

/* PIPE_BUF bytes go into a writable pipe without blocking. */
void
access_log_flush(struct access_log *log)
{
	struct bytes left = buf_view(&log->lines);

	while (left.size > 0) {
		struct pollfd ready = { .fd = STDERR_FILENO,
					.events = POLLOUT };
		struct bytes piece = bytes_first(left, PIPE_BUF);
		ssize_t n = -1;

		if (poll(&ready, 1, 0) == 1)
			n = write(STDERR_FILENO, piece.data, piece.size);
		if (n <= 0) {
			log->lost++;
			break;
		}
		left = bytes_from(left, (size_t)n);
	}
	buf_reset(&log->lines);
}
