/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear probing over a power-of-two table, with deletion by shifting back:
 * no tombstones, so a table that lives through millions of flows stays as
 * fast as a new one.  A probe reads an array of 32-bit tags (16 to a cache
 * line) and touches an entry only when its tag matches; the tag also says
 * where an entry belongs, so neither growing nor deleting hashes a key again.
 */
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

#define MAP_FIRST_SLOTS 16
#define MAP_MAX_LIMIT   ((size_t)1 << 30)
#define MAP_ALIGN       8

/* Set in every tag, so that 0 can mean an empty slot. */
#define TAG_USED 0x80000000U

struct map {
	struct hash_key secret;
	uint32_t *tags;   /* TAG_USED | low 31 bits of the hash; 0: empty */
	uint8_t *entries; /* slots × stride: key, padding, value */
	size_t mask;      /* slots - 1 */
	size_t count;
	size_t limit;
	size_t key_size;
	size_t value_size;
	size_t value_offset; /* in an entry */
	size_t stride;       /* of an entry */
};

static size_t
align_up(size_t size)
{
	return (size + MAP_ALIGN - 1) / MAP_ALIGN * MAP_ALIGN;
}

static void
map_allocate(struct map *m, size_t slots)
{
	m->tags = alloc_zero(slots, sizeof(*m->tags));
	m->entries = alloc_zero(slots, m->stride);
	m->mask = slots - 1;
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
	m->value_size = value_size;
	m->value_offset = align_up(key_size);
	m->stride = m->value_offset + align_up(value_size);
	map_allocate(m, MAP_FIRST_SLOTS);
	return m;
}

void
map_free(struct map *m)
{
	if (!m)
		return;
	free(m->tags);
	free(m->entries);
	free(m);
}

size_t
map_count(const struct map *m)
{
	return m->count;
}

static inline uint8_t *
map_entry(const struct map *m, size_t slot)
{
	return m->entries + slot * m->stride;
}

static inline uint32_t
map_tag(const struct map *m, const void *key)
{
	uint64_t hash = hash_bytes(m->secret, bytes_make(key, m->key_size));

	return TAG_USED | (uint32_t)hash;
}

/* The slot of `key`, or the empty slot where it would go. */
static inline size_t
map_find(const struct map *m, const void *key, uint32_t tag)
{
	size_t slot = tag & m->mask;

	while (m->tags[slot] != 0) {
		if (m->tags[slot] == tag &&
		    memcmp(map_entry(m, slot), key, m->key_size) == 0)
			break;
		slot = (slot + 1) & m->mask;
	}
	return slot;
}

void *
map_get(const struct map *m, const void *key)
{
	size_t slot = map_find(m, key, map_tag(m, key));

	if (m->tags[slot] == 0)
		return NULL;
	return map_entry(m, slot) + m->value_offset;
}

/* Doubles the table.  Keys are known to differ: only empty slots are sought. */
static void
map_grow(struct map *m)
{
	size_t old_slots = m->mask + 1;
	uint32_t *old_tags = m->tags;
	uint8_t *old_entries = m->entries;

	map_allocate(m, old_slots * 2);
	for (size_t i = 0; i < old_slots; i++) {
		size_t slot;

		if (old_tags[i] == 0)
			continue;
		slot = old_tags[i] & m->mask;
		while (m->tags[slot] != 0)
			slot = (slot + 1) & m->mask;
		m->tags[slot] = old_tags[i];
		memcpy(map_entry(m, slot), old_entries + i * m->stride,
		       m->stride);
	}
	free(old_tags);
	free(old_entries);
}

void *
map_put(struct map *m, const void *key, bool *added)
{
	uint32_t tag = map_tag(m, key);
	size_t slot = map_find(m, key, tag);
	uint8_t *entry;

	if (added)
		*added = false;
	if (m->tags[slot] != 0)
		return map_entry(m, slot) + m->value_offset;
	if (m->count >= m->limit)
		return NULL;
	/* At most 3/4 full: short probes, and always an empty slot to stop at.
	 */
	if (m->count + 1 > (m->mask + 1) / 4 * 3) {
		map_grow(m);
		slot = map_find(m, key, tag);
	}
	entry = map_entry(m, slot);
	memcpy(entry, key, m->key_size);
	memset(entry + m->value_offset, 0, m->value_size);
	m->tags[slot] = tag;
	m->count++;
	if (added)
		*added = true;
	return entry + m->value_offset;
}

bool
map_remove(struct map *m, const void *key)
{
	size_t hole = map_find(m, key, map_tag(m, key));
	size_t slot = hole;

	if (m->tags[hole] == 0)
		return false;
	for (;;) {
		size_t home;

		slot = (slot + 1) & m->mask;
		if (m->tags[slot] == 0)
			break;
		/* May move back only if its home is not behind the hole. */
		home = m->tags[slot] & m->mask;
		if (((slot - home) & m->mask) < ((slot - hole) & m->mask))
			continue;
		m->tags[hole] = m->tags[slot];
		memcpy(map_entry(m, hole), map_entry(m, slot), m->stride);
		hole = slot;
	}
	m->tags[hole] = 0;
	m->count--;
	return true;
}

bool
map_next(const struct map *m, size_t *cursor, const void **key, void **value)
{
	while (*cursor <= m->mask) {
		size_t slot = (*cursor)++;

		if (m->tags[slot] == 0)
			continue;
		if (key)
			*key = map_entry(m, slot);
		if (value)
			*value = map_entry(m, slot) + m->value_offset;
		return true;
	}
	return false;
}
