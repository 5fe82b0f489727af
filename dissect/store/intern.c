/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/store/intern.h"

#include <stdlib.h>

#include "base/alloc.h"

#define FIRST_SLOTS 1024

struct intern_slot {
	uint64_t hash;
	uint32_t id; /* 0: free */
};

void
intern_init(struct intern *in, size_t limit)
{
	*in = (struct intern){ .limit = limit, .mask = FIRST_SLOTS - 1,
			       .key = hash_key_random() };
	in->slots = alloc_zero(FIRST_SLOTS, sizeof(*in->slots));
}

void
intern_free(struct intern *in)
{
	free(in->slots);
	in->slots = NULL;
}

/* The slot with that hash, or the free one where it belongs. */
static struct intern_slot *
find(const struct intern *in, uint64_t hash)
{
	size_t at = (size_t)hash & in->mask;

	while (in->slots[at].id && in->slots[at].hash != hash)
		at = (at + 1) & in->mask;
	return &in->slots[at];
}

static void
grow(struct intern *in)
{
	struct intern_slot *old = in->slots;
	size_t count = in->mask + 1;

	in->mask = count * 2 - 1;
	in->slots = alloc_zero(count * 2, sizeof(*in->slots));
	for (size_t i = 0; i < count; i++)
		if (old[i].id)
			*find(in, old[i].hash) = old[i];
	free(old);
}

uint32_t
intern_id(struct intern *in, struct bytes text, bool *added)
{
	struct intern_slot *slot;
	uint64_t hash;

	*added = false;
	if (text.size == 0)
		return 0;
	hash = hash_place(in->key, text);
	slot = find(in, hash);
	if (slot->id)
		return slot->id;
	if (in->last == UINT32_MAX)
		return 0;
	*added = true;
	in->last++;
	if (in->count < in->limit) {
		*slot = (struct intern_slot){ hash, in->last };
		if (++in->count > (in->mask + 1) / 2)
			grow(in);
	}
	return in->last;
}
