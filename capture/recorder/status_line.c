/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/status_line.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define SIZE_TEXT 16

static uint64_t
counts_lost(const struct recorder_counts *c)
{
	return c->source.lost_ring + c->source.lost_errors +
	       c->source.lost_kernel + c->lost_disk + c->lost_quota;
}

static void
status_line_text(const struct status_line *s, const struct recorder_counts *c,
		 double seconds, struct buf *out)
{
	char rate[SIZE_TEXT], used[SIZE_TEXT], quota[SIZE_TEXT];
	uint64_t bytes = c->written_bytes - s->last.written_bytes;
	uint64_t packets = c->source.captured_packets -
			   s->last.source.captured_packets;

	text_format_size((uint64_t)((double)bytes / seconds), rate,
			 sizeof(rate));
	text_format_size(c->disk_bytes, used, sizeof(used));
	text_format_size(c->quota, quota, sizeof(quota));
	buf_format(out, "%s: %llu packets, %.0f/s, %s/s, %llu lost, disk %s%s%s",
		   s->name, (unsigned long long)c->source.captured_packets,
		   (double)packets / seconds, rate,
		   (unsigned long long)counts_lost(c), used,
		   c->quota ? " of " : "", c->quota ? quota : "");
	if (c->waiting)
		buf_format(out, ", %zu to seal", c->waiting);
	if (c->disk_full)
		buf_text(out, ", DISK FULL: NOT WRITING");
}

void
status_line_clear(struct status_line *s)
{
	if (s->shown)
		fputs("\r\033[K", stderr);
	s->shown = false;
}

void
status_line_tick(struct status_line *s, struct recorder *r)
{
	int64_t now = clock_monotonic_ns();
	int64_t step = (s->terminal ? 1 : 60) * CLOCK_NS_PER_S;
	struct recorder_counts counts;
	struct buf text;

	if (s->last_ns == 0) {
		s->last_ns = now;
		recorder_counts(r, &s->last);
		return;
	}
	if (now - s->last_ns < step)
		return;
	recorder_counts(r, &counts);
	buf_init(&text, 512);
	status_line_text(s, &counts,
			 (double)(now - s->last_ns) / (double)CLOCK_NS_PER_S,
			 &text);
	if (s->terminal)
		fprintf(stderr, "\r\033[K%s", buf_cstr(&text));
	else if (counts.source.captured_packets !=
		 s->last.source.captured_packets)
		log_info("%s", buf_cstr(&text));
	s->shown = s->terminal;
	s->last = counts;
	s->last_ns = now;
	buf_free(&text);
}
