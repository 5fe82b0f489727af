/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries lie densely in one array, in order of insertion; an index of 8-byte
 * slots says where.  So a table of large values wastes nothing on empty slots,
 * growing moves only the index, and visiting all is a walk through an array.
 *
 * The index is a power of two in size, probed linearly, with deletion by
 * shifting back: no tombstones, so a table that lives through millions of
 * flows stays as fast as a new one.  A slot keeps 32 bits of the hash: a probe
 * touches an entry only when those match, and neither growing nor shifting
 * hashes a key again.
 */
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

#define MAP_FIRST_SLOTS   16
#define MAP_FIRST_ENTRIES 8
#define MAP_MAX_LIMIT     ((size_t)1 << 30)
#define MAP_ALIGN         8

struct slot {
	uint32_t tag;   /* low bits of the hash; `& mask` is the home slot */
	uint32_t place; /* 1 + position in `entries`; 0: empty */
};

struct map {
	struct hash_key secret;
	struct slot *slots;
	size_t mask;      /* slots - 1 */
	uint8_t *entries; /* capacity × stride: key, padding, value */
	size_t capacity;
	size_t count;
	size_t limit;
	size_t key_size;
	size_t value_offset; /* in an entry */
	size_t stride;       /* of an entry */
};

static size_t
align_up(size_t size)
{
	return (size + MAP_ALIGN - 1) / MAP_ALIGN * MAP_ALIGN;
}

struct map *
map_new(size_t key_size, size_t value_size, size_t limit)
{
	struct map *m = alloc_zero(1, sizeof(*m));

	assert(key_size > 0 && key_size < 1 << 16);
	assert(value_size < 1 << 24);
	m->secret = hash_key_random();
	m->limit = limit < MAP_MAX_LIMIT ? limit : MAP_MAX_LIMIT;
	m->key_size = key_size;
	m->value_offset = align_up(key_size);
	m->stride = m->value_offset + align_up(value_size);
	m->slots = alloc_zero(MAP_FIRST_SLOTS, sizeof(*m->slots));
	m->mask = MAP_FIRST_SLOTS - 1;
	return m;
}

void
map_free(struct map *m)
{
	if (!m)
		return;
	free(m->slots);
	free(m->entries);
	free(m);
}

size_t
map_count(const struct map *m)
{
	return m->count;
}

static inline uint8_t *
map_entry(const struct map *m, size_t position)
{
	return m->entries + position * m->stride;
}

static inline uint32_t
map_tag(const struct map *m, const void *key)
{
	return (uint32_t)hash_place(m->secret, bytes_make(key, m->key_size));
}

/* The slot of `key`, or the empty slot where it would go. */
static inline struct slot *
map_find(const struct map *m, const void *key, uint32_t tag)
{
	for (size_t i = tag & m->mask;; i = (i + 1) & m->mask) {
		struct slot *slot = &m->slots[i];

		if (slot->place == 0)
			return slot;
		if (slot->tag == tag && memcmp(map_entry(m, slot->place - 1),
					       key, m->key_size) == 0)
			return slot;
	}
}

/* The value behind a slot that is not empty. */
static inline void *
map_value(const struct map *m, const struct slot *slot)
{
	return map_entry(m, slot->place - 1) + m->value_offset;
}

void *
map_get(const struct map *m, const void *key)
{
	const struct slot *slot = map_find(m, key, map_tag(m, key));

	return slot->place ? map_value(m, slot) : NULL;
}

/* Doubles the index.  Keys are known to differ: only empty slots are sought. */
static void
map_grow_index(struct map *m)
{
	size_t old_slots = m->mask + 1;
	struct slot *old = m->slots;

	m->slots = alloc_zero(old_slots * 2, sizeof(*m->slots));
	m->mask = old_slots * 2 - 1;
	for (size_t i = 0; i < old_slots; i++) {
		size_t to = old[i].tag & m->mask;

		if (old[i].place == 0)
			continue;
		while (m->slots[to].place != 0)
			to = (to + 1) & m->mask;
		m->slots[to] = old[i];
	}
	free(old);
}

static void
map_grow_entries(struct map *m)
{
	size_t capacity = m->capacity ? m->capacity * 2 : MAP_FIRST_ENTRIES;

	m->capacity = capacity < m->limit ? capacity : m->limit;
	m->entries = alloc_resize(m->entries, m->capacity, m->stride);
}

void *
map_put(struct map *m, const void *key, bool *added)
{
	uint32_t tag = map_tag(m, key);
	struct slot *slot = map_find(m, key, tag);
	uint8_t *entry;

	if (added)
		*added = false;
	if (slot->place != 0)
		return map_value(m, slot);
	if (m->count >= m->limit)
		return NULL;
	/* At most 3/4 full: short probes, and always an empty slot to stop at.
	 */
	if (m->count + 1 > (m->mask + 1) / 4 * 3) {
		map_grow_index(m);
		slot = map_find(m, key, tag);
	}
	if (m->count == m->capacity)
		map_grow_entries(m);
	entry = map_entry(m, m->count++);
	memset(entry, 0, m->stride);
	memcpy(entry, key, m->key_size);
	*slot = (struct slot){ tag, (uint32_t)m->count };
	if (added)
		*added = true;
	return entry + m->value_offset;
}

/* Empties a slot, and moves those behind it that it kept from their home. */
static void
map_close_gap(struct map *m, size_t hole)
{
	for (size_t i = (hole + 1) & m->mask; m->slots[i].place != 0;
	     i = (i + 1) & m->mask) {
		size_t home = m->slots[i].tag & m->mask;

		/* May move back only if its home is not behind the hole. */
		if (((i - home) & m->mask) < ((i - hole) & m->mask))
			continue;
		m->slots[hole] = m->slots[i];
		hole = i;
	}
	m->slots[hole].place = 0;
}

bool
map_remove(struct map *m, const void *key)
{
	struct slot *slot = map_find(m, key, map_tag(m, key));
	uint32_t place = slot->place;

	if (place == 0)
		return false;
	map_close_gap(m, (size_t)(slot - m->slots));
	/* The last entry fills the place, so that the entries stay dense. */
	if (place != m->count) {
		uint8_t *last = map_entry(m, m->count - 1);

		slot = map_find(m, last, map_tag(m, last));
		slot->place = place;
		memcpy(map_entry(m, place - 1), last, m->stride);
	}
	m->count--;
	return true;
}

bool
map_next(const struct map *m, size_t *cursor, const void **key, void **value)
{
	uint8_t *entry;

	if (*cursor >= m->count)
		return false;
	entry = map_entry(m, (*cursor)++);
	if (key)
		*key = entry;
	if (value)
		*value = entry + m->value_offset;
	return true;
}
