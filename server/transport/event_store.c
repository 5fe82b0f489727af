/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/event_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void
event_store_init(struct event_store *s, const struct event_limits *limits)
{
	*s = (struct event_store){ .limits = *limits };
	TAILQ_INIT(&s->list);
}

static void
drop(struct event_store *s, struct event *event)
{
	TAILQ_REMOVE(&s->list, event, link);
	s->count--;
	s->bytes -= event->size;
	free(event);
}

void
event_store_clear(struct event_store *s)
{
	while (!TAILQ_EMPTY(&s->list))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE */
		drop(s, TAILQ_FIRST(&s->list));
}

void
event_store_add(struct event_store *s, struct sse_id id, struct bytes message)
{
	struct event *event = alloc_zero(1, sizeof(*event) + message.size);

	event->id = id;
	event->size = message.size;
	if (message.size > 0)
		memcpy(event->data, message.data, message.size);
	TAILQ_INSERT_TAIL(&s->list, event, link);
	s->count++;
	s->bytes += event->size;
	while (s->count > 1 && (s->count > s->limits.events ||
				s->bytes > s->limits.bytes))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE */
		drop(s, TAILQ_FIRST(&s->list));
}

uint32_t
event_store_newest(const struct event_store *s, uint32_t stream)
{
	const struct event *event;
	uint32_t newest = 0;

	TAILQ_FOREACH(event, &s->list, link)
		if (event->id.stream == stream)
			newest = event->id.number;
	return newest;
}

const struct event *
event_store_next(const struct event_store *s, struct sse_id after)
{
	const struct event *event;

	TAILQ_FOREACH(event, &s->list, link)
		if (event->id.stream == after.stream &&
		    event->id.number > after.number)
			return event;
	return NULL;
}

/* Events of a stream are numbered without holes and forgotten in order. */
enum event_gap
event_store_check(const struct event_store *s, struct sse_id after,
		  uint32_t newest)
{
	const struct event *next;

	if (after.number >= newest)
		return after.number == newest ? EVENT_COMPLETE : EVENT_LOST;
	next = event_store_next(s, after);
	return next && next->id.number == after.number + 1 ? EVENT_COMPLETE :
							     EVENT_LOST;
}
