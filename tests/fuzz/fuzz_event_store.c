/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resuming: events of a few streams are kept and asked for in any order, and a
 * list that forgets nothing says what the answers must be.  Three bytes a step:
 * what to do, which stream, which number or how large.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "server/transport/event_store.h"
#include "tests/fuzz/fuzz.h"

#define STREAMS 4
#define STEPS 512
#define EVENTS 8
#define BYTES 256

struct model {
	struct event_store store;
	struct sse_id ids[STEPS]; /* of all that was ever added, oldest first */
	size_t sizes[STEPS];
	size_t count;
	uint32_t newest[STREAMS];
};

/* Where what is kept begins: as many as fit, and the newest always. */
static size_t
first_kept(const struct model *m)
{
	size_t first = m->count, bytes = 0;

	while (first > 0 && m->count - first < EVENTS &&
	       (first == m->count || bytes + m->sizes[first - 1] <= BYTES))
		bytes += m->sizes[--first];
	return first;
}

static void
add(struct model *m, uint32_t stream, uint8_t size)
{
	static const uint8_t message[UINT8_MAX * 2];
	struct sse_id id = { .stream = stream, .number = ++m->newest[stream] };

	m->ids[m->count] = id;
	m->sizes[m->count++] = (size_t)size * 2;
	event_store_add(&m->store, id, bytes_make(message, (size_t)size * 2));
}

/* A client that got `after` must get every later event once, in order, or be
 * told that it cannot. */
static void
resume(const struct model *m, struct sse_id after)
{
	uint32_t newest = m->newest[after.stream];
	size_t at = first_kept(m);
	const struct event *event;

	if (event_store_check(&m->store, after, newest) == EVENT_COMPLETE) {
		assert(after.number <= newest);
		for (uint32_t n = after.number; n < newest; n++) {
			event = event_store_next(&m->store, after);
			assert(event && event->id.stream == after.stream);
			assert(event->id.number == n + 1);
			after = event->id;
		}
		assert(!event_store_next(&m->store, after));
		return;
	}
	if (after.number >= newest)
		return;
	while (at < m->count && (m->ids[at].stream != after.stream ||
				 m->ids[at].number != after.number + 1))
		at++;
	assert(at == m->count); /* what follows it was kept, and yet refused */
}

static void
look(const struct model *m, uint32_t stream)
{
	size_t first = first_kept(m), bytes = 0;
	uint32_t newest = 0;

	for (size_t i = first; i < m->count; i++) {
		bytes += m->sizes[i];
		if (m->ids[i].stream == stream)
			newest = m->ids[i].number;
	}
	assert(m->store.count == m->count - first);
	assert(m->store.bytes == bytes);
	assert(event_store_newest(&m->store, stream) == newest);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct event_limits limits = { .events = EVENTS,
					     .bytes = BYTES };
	struct model m = { .count = 0 };

	event_store_init(&m.store, &limits);
	for (size_t at = 0; at + 3 <= size && m.count < STEPS; at += 3) {
		uint32_t stream = data[at + 1] % STREAMS;

		if (data[at] % 2 == 0)
			add(&m, stream, data[at + 2]);
		else
			resume(&m, (struct sse_id){ .stream = stream,
						    .number = data[at + 2] });
		look(&m, stream);
	}
	event_store_clear(&m.store);
	assert(m.store.count == 0 && m.store.bytes == 0);
	return 0;
}
