/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/message_lines.h"

#include "base/clock.h"

/* Of the time, and of a last line that says how many more there are. */
#define OVERHEAD 160

void
message_lines_init(struct message_lines *m, const struct call_half *half,
		   struct buf *out)
{
	*m = (struct message_lines){ .half = half, .out = out };
	json_writer_to(&m->writer, out);
}

/* When the byte at `offset` came; 0: that is not known. */
static int64_t
time_of(struct message_lines *m, size_t offset)
{
	const struct call_half *half = m->half;

	if (!half->time_count)
		return offset && half->first_ns != half->last_ns
			       ? 0
			       : half->first_ns;
	while (m->time + 1 < half->time_count &&
	       half->times[m->time + 1].offset <= offset)
		m->time++;
	return half->times[m->time].time_ns;
}

static void
open_line(struct message_lines *m)
{
	m->writer.comma = false;
	json_writer_open(&m->writer, '{');
}

bool
message_lines_begin(struct message_lines *m, size_t offset, size_t room)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t time_ns;

	if (m->out->size + room + OVERHEAD > m->out->limit)
		return false;
	open_line(m);
	time_ns = time_of(m, offset);
	if (time_ns) {
		json_writer_name(&m->writer, bytes_of("time"));
		json_writer_string(&m->writer,
				   bytes_of(clock_format(time_ns, text)));
	}
	return true;
}

void
message_lines_left(struct message_lines *m, size_t count)
{
	open_line(m);
	json_writer_name(&m->writer, bytes_of("left_out"));
	json_writer_number(&m->writer, (int64_t)count);
	message_lines_end(m);
}

void
message_lines_end(struct message_lines *m)
{
	json_writer_close(&m->writer, '}');
	json_writer_flush(&m->writer);
	buf_u8(m->out, '\n');
}
