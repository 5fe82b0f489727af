/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/defrag.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"

#define DATAGRAM_SIZE_LIMIT 65535u
#define RANGE_LIMIT         256 /* disjoint pieces of one datagram */
/* How long a complete datagram is remembered, to recognise its fragments
 * seen at a second place.  Short, because identifiers are used again. */
#define DONE_NS 1000000000LL

struct key {
	uint8_t source[16], target[16];
	uint32_t id;
	uint32_t protocol; /* 0 for IPv6: the identifier alone decides */
};

struct range {
	uint32_t from, to;
};

struct datagram {
	struct key key;
	struct datagram *older, *newer;
	int64_t first_ns, done_ns;
	uint8_t *data;
	uint32_t capacity;
	uint32_t end;    /* one past the last byte; UINT32_MAX: unknown */
	uint32_t cut_at; /* first byte the capture cut; UINT32_MAX: none */
	uint32_t fragments;
	uint32_t range_count;
	struct range *ranges; /* sorted, disjoint, not touching */
	uint8_t protocol;
	bool done;
};

struct defrag {
	struct map *map; /* key to struct datagram * */
	struct datagram *oldest, *newest;
	uint64_t lost;
	size_t memory;
	uint8_t *output; /* handed out by the last call */
};

struct defrag *
defrag_new(void)
{
	struct defrag *d = alloc_zero(1, sizeof(*d));

	d->map = map_new(sizeof(struct key), sizeof(struct datagram *),
			 DEFRAG_DATAGRAM_LIMIT);
	return d;
}

static void
datagram_release(struct defrag *d, struct datagram *g)
{
	d->memory -= g->capacity;
	g->capacity = 0;
	free(g->data);
	free(g->ranges);
	g->data = NULL;
	g->ranges = NULL;
	g->range_count = 0;
}

static void
datagram_remove(struct defrag *d, struct datagram *g)
{
	if (!g->done)
		d->lost += g->fragments;
	if (g == d->oldest)
		d->oldest = g->newer;
	else
		g->older->newer = g->newer;
	if (g == d->newest)
		d->newest = g->older;
	else
		g->newer->older = g->older;
	map_remove(d->map, &g->key);
	datagram_release(d, g);
	free(g);
}

void
defrag_flush(struct defrag *d)
{
	while (d->oldest)
		datagram_remove(d, d->oldest);
}

void
defrag_free(struct defrag *d)
{
	if (!d)
		return;
	defrag_flush(d);
	map_free(d->map);
	free(d->output);
	free(d);
}

uint64_t
defrag_lost(const struct defrag *d)
{
	return d->lost;
}

static struct datagram *
datagram_new(struct defrag *d, const struct key *key, int64_t now_ns)
{
	struct datagram *g = alloc_zero(1, sizeof(*g));
	struct datagram **slot;

	while (map_count(d->map) >= DEFRAG_DATAGRAM_LIMIT)
		datagram_remove(d, d->oldest);
	g->key = *key;
	g->first_ns = now_ns;
	g->end = g->cut_at = UINT32_MAX;
	g->older = d->newest;
	if (d->newest)
		d->newest->newer = g;
	else
		d->oldest = g;
	d->newest = g;
	slot = map_put(d->map, key, NULL);
	*slot = g;
	return g;
}

/* The datagram this fragment belongs to, a new one when need be. */
static struct datagram *
datagram_of(struct defrag *d, const struct packet *p, int64_t now_ns)
{
	struct datagram **slot;
	struct key key = { .id = p->fragment.id };

	memcpy(key.source, p->source.ip, sizeof(key.source));
	memcpy(key.target, p->target.ip, sizeof(key.target));
	if (p->ip_version == 4)
		key.protocol = p->ip_protocol;
	slot = map_get(d->map, &key);
	if (slot && (*slot)->done && now_ns - (*slot)->done_ns > DONE_NS) {
		datagram_remove(d, *slot);
		slot = NULL;
	}
	return slot ? *slot : datagram_new(d, &key, now_ns);
}

static void
datagram_reserve(struct defrag *d, struct datagram *g, uint32_t size)
{
	uint32_t capacity = g->capacity ? g->capacity : 2048;

	if (size <= g->capacity)
		return;
	while (capacity < size)
		capacity *= 2;
	g->data = alloc_resize(g->data, capacity, 1);
	d->memory += capacity - g->capacity;
	g->capacity = capacity;
	while (d->memory > DEFRAG_MEMORY_LIMIT && d->oldest != g)
		datagram_remove(d, d->oldest);
}

/* Marks [from, to) as present, merging what it touches. */
static void
datagram_cover(struct datagram *g, uint32_t from, uint32_t to)
{
	uint32_t first = 0, last;

	if (!g->ranges)
		g->ranges = alloc_zero(RANGE_LIMIT + 1, sizeof(*g->ranges));
	while (first < g->range_count && g->ranges[first].to < from)
		first++;
	last = first;
	while (last < g->range_count && g->ranges[last].from <= to) {
		if (g->ranges[last].from < from)
			from = g->ranges[last].from;
		if (g->ranges[last].to > to)
			to = g->ranges[last].to;
		last++;
	}
	memmove(g->ranges + first + 1, g->ranges + last,
		(g->range_count - last) * sizeof(*g->ranges));
	g->range_count = g->range_count - (last - first) + 1;
	g->ranges[first] = (struct range){ from, to };
}

/* Copies the part of [from, to) that no earlier fragment gave.  Returns the
 * number of new bytes. */
static uint32_t
datagram_fill(struct datagram *g, uint32_t from, uint32_t to, struct bytes data)
{
	uint32_t added = 0, at = from;

	for (uint32_t i = 0; i <= g->range_count && at < to; i++) {
		bool end = i == g->range_count;
		uint32_t stop =
			end || g->ranges[i].from > to ? to : g->ranges[i].from;

		if (stop > at) {
			struct bytes piece = bytes_first(
				bytes_from(data, at - from), stop - at);

			if (piece.size > 0)
				memcpy(g->data + at, piece.data, piece.size);
			if (piece.size < stop - at &&
			    g->cut_at > at + piece.size)
				g->cut_at = at + (uint32_t)piece.size;
			added += stop - at;
		}
		if (!end && g->ranges[i].to > at)
			at = g->ranges[i].to;
	}
	return added;
}

static enum defrag_result
datagram_finish(struct defrag *d, struct datagram *g, int64_t now_ns,
		struct bytes *data, uint32_t *length)
{
	uint32_t captured = g->cut_at < g->end ? g->cut_at : g->end;

	d->output = g->data;
	g->data = NULL;
	*data = bytes_make(d->output, captured);
	*length = g->end;
	g->done = true;
	g->done_ns = now_ns;
	datagram_release(d, g);
	return DEFRAG_WHOLE;
}

static void
defrag_expire(struct defrag *d, int64_t now_ns)
{
	while (d->oldest && now_ns - d->oldest->first_ns > DEFRAG_TIMEOUT_NS)
		datagram_remove(d, d->oldest);
}

enum defrag_result
defrag_add(struct defrag *d, struct packet *p, int64_t now_ns,
	   struct bytes *data, uint32_t *length)
{
	uint32_t from = p->fragment.offset, to = from + p->payload_length;
	struct datagram *g;
	uint32_t added;

	free(d->output);
	d->output = NULL;
	defrag_expire(d, now_ns);
	if (to > DATAGRAM_SIZE_LIMIT || to == from)
		return DEFRAG_BAD;
	g = datagram_of(d, p, now_ns);
	if (g->done)
		return DEFRAG_DUPLICATE;
	g->fragments++;
	if (g->range_count >= RANGE_LIMIT || to > g->end)
		return DEFRAG_BAD;
	if (from == 0)
		g->protocol = p->ip_protocol;
	if (!p->fragment.more && g->end == UINT32_MAX)
		g->end = to;
	datagram_reserve(d, g, to);
	added = datagram_fill(g, from, to, p->payload);
	if (added == 0) {
		g->fragments--;
		return DEFRAG_DUPLICATE;
	}
	datagram_cover(g, from, to);
	if (g->range_count != 1 || g->ranges[0].from != 0 ||
	    g->ranges[0].to < g->end)
		return DEFRAG_WAIT;
	p->ip_protocol = g->protocol;
	return datagram_finish(d, g, now_ns, data, length);
}
