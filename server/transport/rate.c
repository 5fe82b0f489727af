/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/rate.h"

#include <string.h>

#include "base/clock.h"

void
rate_init(struct rate *r, uint32_t per_second)
{
	memset(r, 0, sizeof(*r));
	r->per_second = per_second;
	r->key = hash_key_random();
	for (size_t i = 0; i < RATE_PLACES; i++)
		r->places[i].left_ns = CLOCK_NS_PER_S;
}

/* A bucket holds one second; a request costs its share of it. */
bool
rate_take(struct rate *r, struct bytes client, int64_t now_ns)
{
	size_t place = hash_bytes(r->key, client) % RATE_PLACES;
	int64_t left = r->places[place].left_ns;
	int64_t cost;

	if (r->per_second == 0)
		return true;
	cost = CLOCK_NS_PER_S / r->per_second;
	if (r->places[place].at_ns)
		left += now_ns - r->places[place].at_ns;
	if (left > CLOCK_NS_PER_S)
		left = CLOCK_NS_PER_S;
	r->places[place].at_ns = now_ns;
	r->places[place].left_ns = left >= cost ? left - cost : left;
	return left >= cost;
}
