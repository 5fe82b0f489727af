/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/places.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Nothing is noted of those beyond. */
#define PLACES_MAX (1u << 20)

static struct place *
places_room(struct places *p, uint32_t number)
{
	uint32_t count = p->count;

	if (number >= PLACES_MAX)
		return NULL;
	if (number >= count) {
		p->count = number + 1 + count / 2;
		p->items = alloc_resize(p->items, p->count, sizeof(*p->items));
		memset(p->items + count, 0,
		       (p->count - count) * sizeof(*p->items));
	}
	return &p->items[number];
}

void
places_note(struct places *p, uint32_t number, uint32_t realm)
{
	struct place *place = realm ? places_room(p, number) : NULL;

	if (place)
		place->realm = realm;
}

void
places_set_apart(struct places *p, uint32_t number)
{
	struct place *place = places_room(p, number);

	/* Far from the inodes of namespaces, which begin at 0xf0000000. */
	if (place)
		place->apart = ~number;
}

struct place
places_at(const struct places *p, uint32_t number)
{
	return number < p->count ? p->items[number] : (struct place){ 0 };
}

void
places_free(struct places *p)
{
	free(p->items);
	p->items = NULL;
	p->count = 0;
}
