/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/event_stream.h"

#include "dissect/application/message_lines.h"

#define DATA_SHOWN 4096 /* bytes of the data of an event */
#define NAME_SHOWN 256  /* bytes of its type, id and retry */
/* A byte becomes six characters at most, in base64 or escaped. */
#define LINE_ROOM (6 * (DATA_SHOWN + 3 * NAME_SHOWN) + 256)

struct event_stream
event_stream_of(struct bytes body, struct buf *data)
{
	struct event_stream s = { .in = body, .data = data };

	if (bytes_starts_with(body, "\xef\xbb\xbf")) {
		s.in = bytes_from(body, 3);
		s.at = 3;
	}
	return s;
}

/* Takes a line, which ends in CR, LF or both. */
static bool
next_line(struct event_stream *s, struct bytes *line)
{
	size_t size = 0, end;

	if (!s->in.size)
		return false;
	while (size < s->in.size && s->in.data[size] != '\n' &&
	       s->in.data[size] != '\r')
		size++;
	*line = bytes_first(s->in, size);
	end = size + (size < s->in.size);
	if (size < s->in.size && s->in.data[size] == '\r' && end < s->in.size &&
	    s->in.data[end] == '\n')
		end++;
	s->in = bytes_from(s->in, end);
	s->at += end;
	return true;
}

static void
add_data(struct event_stream *s, struct bytes value, bool first,
	 struct stream_event *event)
{
	size_t room;

	if (!first && s->data->size < s->data->limit)
		buf_u8(s->data, '\n');
	room = s->data->limit - s->data->size;
	buf_bytes(s->data, bytes_first(value, room));
	event->size += value.size + !first;
}

/* "name: value"; false when it is a comment or of no known name. */
static bool
take_field(struct event_stream *s, struct bytes line, bool *has_data,
	   struct stream_event *event)
{
	const uint8_t *colon =
		line.size ? memchr(line.data, ':', line.size) : NULL;
	size_t size = colon ? (size_t)(colon - line.data) : line.size;
	struct bytes name = bytes_first(line, size);
	struct bytes value = bytes_from(line, size + 1);

	if (value.size && value.data[0] == ' ')
		value = bytes_from(value, 1);
	if (bytes_equal(name, bytes_of("data"))) {
		add_data(s, value, !*has_data, event);
		*has_data = true;
	} else if (bytes_equal(name, bytes_of("event"))) {
		event->type = value;
	} else if (bytes_equal(name, bytes_of("id"))) {
		event->id = value;
	} else if (bytes_equal(name, bytes_of("retry"))) {
		event->retry = value;
	} else {
		return false;
	}
	return true;
}

bool
event_stream_next(struct event_stream *s, struct stream_event *event)
{
	bool any = false, has_data = false;
	size_t at = s->at;
	struct bytes line;

	*event = (struct stream_event){ .at = at };
	buf_reset(s->data);
	while (next_line(s, &line)) {
		if (line.size) {
			if (take_field(s, line, &has_data, event) && !any) {
				event->at = at;
				any = true;
			}
		} else if (any) {
			break;
		}
		at = s->at;
	}
	event->data = buf_view(s->data);
	return any;
}

static void
put_member(struct message_lines *m, const char *name, struct bytes value)
{
	if (!value.size)
		return;
	json_writer_name(&m->writer, bytes_of(name));
	json_writer_string(&m->writer, bytes_first(value, NAME_SHOWN));
}

static void
put_event(struct message_lines *m, const struct stream_event *event)
{
	struct bytes data = event->data;

	put_member(m, "event", event->type);
	put_member(m, "id", event->id);
	put_member(m, "retry", event->retry);
	if (event->size > data.size) {
		json_writer_name(&m->writer, bytes_of("size"));
		json_writer_number(&m->writer, (int64_t)event->size);
		/* Whole characters only. */
		while (data.size && (data.data[data.size - 1] & 0xc0) == 0x80)
			data.size--;
		if (data.size && data.data[data.size - 1] & 0x80)
			data.size--;
	}
	json_writer_name(&m->writer, bytes_of("data"));
	json_writer_string(&m->writer, data);
	message_lines_end(m);
}

void
event_stream_messages(const struct call_half *half, struct bytes body,
		      struct buf *out)
{
	struct message_lines lines;
	struct stream_event event;
	struct event_stream s;
	size_t left = 1;
	struct buf data;

	buf_init(&data, DATA_SHOWN);
	s = event_stream_of(body, &data);
	message_lines_init(&lines, half, out);
	while (event_stream_next(&s, &event)) {
		if (message_lines_begin(&lines, event.at, LINE_ROOM)) {
			put_event(&lines, &event);
			continue;
		}
		while (event_stream_next(&s, &event))
			left++;
		message_lines_left(&lines, left);
		break;
	}
	buf_free(&data);
}
