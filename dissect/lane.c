/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/lane.h"

#include <stdlib.h>

#include "base/alloc.h"

/* Packets told apart within the held bytes; behind it only the last is. */
#define MARK_LIMIT 256
/* What a side with nothing to hold may keep allocated. */
#define IDLE_BUFFER 512
#define IDLE_MARKS 8

void
lane_init(struct lane *lane, size_t held_limit)
{
	buf_init(&lane->held, held_limit);
}

void
lane_free(struct lane *lane, struct stream_context *context)
{
	context->buffered -= lane->held.size +
			     lane->mark_count * sizeof(*lane->marks);
	buf_free(&lane->held);
	free(lane->marks);
	if (lane->open)
		message_release(context, lane->open);
	if (lane->outer)
		message_release(context, lane->outer);
}

static void
remember_first(struct lane *lane, struct bytes data)
{
	struct bytes part = bytes_first(
		data, (size_t)(LANE_FIRST_BYTES - lane->first_size));

	if (!part.size)
		return;
	memcpy(lane->first + lane->first_size, part.data, part.size);
	lane->first_size = (uint8_t)(lane->first_size + part.size);
}

void
lane_arrive(struct lane *lane, struct bytes data, const struct stream_at *at)
{
	if (!lane->started) {
		lane->started = true;
		lane->origin = at->position;
	}
	if (!lane->held.size)
		lane->position = at->position;
	lane->now = (struct mark){ .position = at->position,
				   .time_ns = at->time_ns,
				   .packet = at->packet,
				   .acknowledged = at->acknowledged,
				   .before = lane->acknowledged,
				   .has_before = lane->received > 0 };
	if (!lane->received || at->acknowledged > lane->acknowledged)
		lane->acknowledged = at->acknowledged;
	if (!lane->received)
		lane->first_acknowledged = at->acknowledged;
	lane->received += data.size;
	lane->arrived = at->position + data.size;
	if (lane->first_size < LANE_FIRST_BYTES)
		remember_first(lane, data);
}

static void
add_mark(struct lane *lane, struct stream_context *context)
{
	if (lane->mark_count == MARK_LIMIT) {
		uint64_t position = lane->marks[MARK_LIMIT - 1].position;

		lane->marks[MARK_LIMIT - 1] = lane->now;
		lane->marks[MARK_LIMIT - 1].position = position;
		return;
	}
	if (lane->mark_count == lane->mark_capacity) {
		lane->mark_capacity = lane->mark_capacity * 2 + 2;
		lane->marks = alloc_resize(lane->marks, lane->mark_capacity,
					   sizeof(*lane->marks));
	}
	lane->marks[lane->mark_count++] = lane->now;
	context->buffered += sizeof(*lane->marks);
}

/* Forgets the first `count` marks. */
static void
drop_marks(struct lane *lane, struct stream_context *context, uint32_t count)
{
	context->buffered -= count * sizeof(*lane->marks);
	lane->mark_count -= count;
	if (lane->mark_count) {
		memmove(lane->marks, lane->marks + count,
			lane->mark_count * sizeof(*lane->marks));
	} else if (lane->mark_capacity > IDLE_MARKS) {
		free(lane->marks);
		lane->marks = NULL;
		lane->mark_capacity = 0;
	}
}

bool
lane_hold(struct lane *lane, struct stream_context *context, struct bytes data)
{
	if (context->buffered + data.size > context->buffered_limit)
		return false;
	buf_bytes(&lane->held, data);
	if (lane->held.failed) {
		lane->held.failed = false;
		return false;
	}
	context->buffered += data.size;
	add_mark(lane, context);
	return true;
}

void
lane_drop(struct lane *lane, struct stream_context *context, size_t size)
{
	uint32_t gone = 0;

	context->buffered -= size;
	buf_drop(&lane->held, size);
	if (!lane->held.size) {
		drop_marks(lane, context, lane->mark_count);
		if (lane->held.capacity > IDLE_BUFFER)
			buf_free(&lane->held);
		return;
	}
	while (gone + 1 < lane->mark_count &&
	       lane->marks[gone + 1].position <= lane->position)
		gone++;
	if (gone)
		drop_marks(lane, context, gone);
}

const struct mark *
lane_mark(const struct lane *lane, uint64_t position)
{
	for (uint32_t i = lane->mark_count; i > 0; i--)
		if (lane->marks[i - 1].position <= position)
			return &lane->marks[i - 1];
	return lane->mark_count ? &lane->marks[0] : &lane->now;
}

uint64_t
lane_boundary(const struct lane *lane, uint64_t position)
{
	for (uint32_t i = 0; i < lane->mark_count; i++)
		if (lane->marks[i].position > position)
			return lane->marks[i].position;
	return UINT64_MAX;
}
