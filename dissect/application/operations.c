/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/operations.h"

#include <stdlib.h>

#include <xxhash.h>

#include "base/alloc.h"

#define SLOTS         1024 /* a power of two */
#define NAME_MAX_SIZE 111

struct slot {
	uint64_t connection;
	uint64_t hash; /* of side and id */
	uint8_t size;  /* of the name; 0: the slot is empty */
	uint8_t name[NAME_MAX_SIZE];
};

struct operations {
	struct slot *slots; /* NULL: none has begun */
};

struct operations *
operations_new(void)
{
	return alloc_zero(1, sizeof(struct operations));
}

void
operations_free(struct operations *o)
{
	if (o)
		free(o->slots);
	free(o);
}

static uint64_t
hash_of(enum side side, struct bytes id)
{
	return XXH3_64bits_withSeed(id.data, id.size, (XXH64_hash_t)side);
}

static size_t
slot_of(uint64_t connection, uint64_t hash)
{
	return (size_t)(hash ^ connection * UINT64_C(0x9e3779b97f4a7c15)) &
	       (SLOTS - 1);
}

void
operations_begin(struct operations *o, uint64_t connection, enum side side,
		 struct bytes id, struct bytes name)
{
	uint64_t hash = hash_of(side, id);
	struct slot *slot;

	if (!o->slots)
		o->slots = alloc_zero(SLOTS, sizeof(*o->slots));
	slot = &o->slots[slot_of(connection, hash)];
	name = bytes_first(name, sizeof(slot->name));
	slot->connection = connection;
	slot->hash = hash;
	slot->size = (uint8_t)name.size;
	if (name.size)
		memcpy(slot->name, name.data, name.size);
}

struct bytes
operations_name(const struct operations *o, uint64_t connection, enum side side,
		struct bytes id)
{
	uint64_t hash = hash_of(side, id);
	const struct slot *slot;

	if (!o->slots)
		return bytes_make(NULL, 0);
	slot = &o->slots[slot_of(connection, hash)];
	if (slot->connection != connection || slot->hash != hash)
		return bytes_make(NULL, 0);
	return bytes_make(slot->name, slot->size);
}
