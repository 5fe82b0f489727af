/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/message.h"

#include <stdlib.h>

#include "base/alloc.h"

/* Enough for the pipelines of a busy moment; the rest is freed. */
#define SPARE_LIMIT 64
/* A spare message keeps buffers up to this size each. */
#define SPARE_BUFFER (32u << 10)
/* What one costs beside its contents: itself, and buffers at their smallest. */
#define MESSAGE_COST (sizeof(struct message) + 256)
/* Names and values may grow when they are decoded (DNS). */
#define HEAD_GROWTH 4
/* Times of one body: more than the parts of it that are shown. */
#define TIMES_LIMIT 8192

static void
message_charge(struct stream_context *context, struct message *m, size_t size)
{
	m->charged += size;
	context->buffered += size;
}

/* Heads may go a quarter over the limit that bodies stop at, so that calls
 * stay readable for as long as possible. */
static bool
is_room(const struct stream_context *context, size_t size)
{
	return context->buffered + size <=
	       context->buffered_limit + context->buffered_limit / 4;
}

/* The same, and what there is no room for is counted. */
static bool
has_room(struct stream_context *context, struct message *m, size_t size)
{
	if (is_room(context, size))
		return true;
	context->coverage->bytes_given_up += size;
	m->truncated = true;
	return false;
}

struct message *
message_new(struct stream_context *context)
{
	struct message *m = context->spare;

	if (m) {
		context->spare = m->next;
		context->spare_count--;
		m->next = NULL;
	} else {
		m = alloc_zero(1, sizeof(*m));
		buf_init(&m->text,
			 (size_t)context->options.head_limit * HEAD_GROWTH);
		buf_init(&m->head,
			 (size_t)context->options.head_limit * HEAD_GROWTH);
		buf_init(&m->body, context->options.body_limit);
		buf_init(&m->times, TIMES_LIMIT * sizeof(struct body_time));
	}
	m->status = -1;
	message_charge(context, m, MESSAGE_COST);
	return m;
}

static void
message_destroy(struct message *m)
{
	buf_free(&m->text);
	buf_free(&m->head);
	buf_free(&m->body);
	buf_free(&m->times);
	free(m);
}

static void
buffer_reuse(struct buf *b)
{
	if (b->capacity > SPARE_BUFFER)
		buf_free(b);
	else
		buf_reset(b);
}

void
message_release(struct stream_context *context, struct message *m)
{
	context->buffered -= m->charged;
	if (context->spare_count >= SPARE_LIMIT) {
		message_destroy(m);
		return;
	}
	buffer_reuse(&m->text);
	buffer_reuse(&m->head);
	buffer_reuse(&m->body);
	buffer_reuse(&m->times);
	memset(m, 0, offsetof(struct message, text)); /* all but the buffers */
	m->next = context->spare;
	context->spare = m;
	context->spare_count++;
}

void
message_free_spare(struct stream_context *context)
{
	while (context->spare) {
		struct message *m = context->spare;

		context->spare = m->next;
		message_destroy(m);
	}
	context->spare_count = 0;
}

void
message_set_field(struct stream_context *context, struct message *m,
		  enum field field, struct bytes value)
{
	uint8_t *room = NULL;

	if (value.size && has_room(context, m, value.size))
		room = buf_reserve(&m->text, value.size);
	m->fields[field].offset = (uint32_t)m->text.size;
	m->fields[field].size = room ? (uint32_t)value.size : 0;
	if (!room)
		return;
	memcpy(room, value.data, value.size);
	m->text.size += value.size;
	message_charge(context, m, value.size);
}

struct bytes
message_field(const struct message *m, enum field field)
{
	if (!m->fields[field].size)
		return bytes_make(NULL, 0);
	return bytes_make(m->text.data + m->fields[field].offset,
			  m->fields[field].size);
}

/* LEB128, then the bytes; `out` has room for 10 more than they take. */
static uint8_t *
put_string(uint8_t *out, struct bytes in)
{
	size_t size = in.size;

	for (; size > 0x7f; size >>= 7)
		*out++ = (uint8_t)(size | 0x80);
	*out++ = (uint8_t)size;
	return bytes_put(out, in);
}

void
message_add_header(struct stream_context *context, struct message *m,
		   struct bytes name, struct bytes value)
{
	size_t size = name.size + value.size + 20;
	uint8_t *room = NULL, *end;

	if (has_room(context, m, size))
		room = buf_reserve(&m->head, size);
	if (!room) {
		m->truncated = true;
		return;
	}
	end = put_string(put_string(room, name), value);
	m->head.size += (size_t)(end - room);
	message_charge(context, m, (size_t)(end - room));
}

void
message_add_headers(struct stream_context *context, struct message *m,
		    const struct header_pair *headers, size_t count)
{
	size_t before = m->head.size, size = 0;
	uint8_t *at = NULL;

	for (size_t i = 0; i < count; i++)
		size += headers[i].name.size + headers[i].value.size + 20;
	if (size <= m->head.limit - before && is_room(context, size))
		at = buf_reserve(&m->head, size);
	if (!at) { /* as many as there is room for */
		for (size_t i = 0; i < count; i++)
			message_add_header(context, m, headers[i].name,
					   headers[i].value);
		return;
	}
	for (size_t i = 0; i < count; i++)
		at = put_string(put_string(at, headers[i].name),
				headers[i].value);
	m->head.size = (size_t)(at - m->head.data);
	message_charge(context, m, m->head.size - before);
}

/* What is appended next came then. */
static void
note_time(struct stream_context *context, struct message *m, int64_t time_ns)
{
	struct body_time now = { .offset = (uint32_t)m->body.size,
				 .time_ns = time_ns };
	struct body_time last;
	size_t size = m->times.size;

	if (size) {
		memcpy(&last, m->times.data + size - sizeof(last),
		       sizeof(last));
		if (last.time_ns == time_ns)
			return;
	}
	buf_append(&m->times, &now, sizeof(now));
	message_charge(context, m, m->times.size - size);
}

void
message_add_body(struct stream_context *context, struct message *m,
		 struct bytes data, int64_t time_ns)
{
	size_t room = m->body.limit - m->body.size;
	size_t keep = data.size < room ? data.size : room;

	m->body_wire_bytes += data.size;
	if (m->truncated)
		return; /* what is kept is the beginning, without gaps */
	if (keep && context->buffered + keep > context->buffered_limit) {
		context->coverage->bytes_given_up += data.size;
		keep = 0;
	}
	m->truncated = keep < data.size;
	if (!keep)
		return;
	if (m->timed)
		note_time(context, m, time_ns);
	buf_append(&m->body, data.data, keep);
	message_charge(context, m, keep);
}
