/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/clock_map.h"

#include "base/clock.h"

#define STEP_NS CLOCK_NS_PER_MS
#define TRIES   5

struct clock_pair
clock_pair_now(void)
{
	struct clock_pair best = { 0 };
	int64_t width = INT64_MAX;

	/* The reading that was interrupted least. */
	for (int i = 0; i < TRIES; i++) {
		int64_t before = clock_monotonic_ns();
		int64_t utc = clock_wall_ns();
		int64_t after = clock_monotonic_ns();

		if (after - before < width) {
			width = after - before;
			best.monotonic_ns = before + width / 2;
			best.utc_ns = utc;
		}
	}
	return best;
}

int64_t
clock_map_note(struct clock_map *map, struct clock_pair pair)
{
	int64_t step = 0;

	if (map->count > 0) {
		step = pair.utc_ns -
		       clock_map_utc(map, (uint64_t)pair.monotonic_ns);
		if (step >= -STEP_NS && step <= STEP_NS)
			return 0;
	}
	if (map->count == CLOCK_PAIRS_MAX)
		map->count--;
	map->pairs[map->count++] = pair;
	return step;
}

void
clock_map_restart(struct clock_map *map)
{
	if (map->count <= 2)
		return;
	map->pairs[0] = map->pairs[map->count - 2];
	map->pairs[1] = map->pairs[map->count - 1];
	map->count = 2;
}

int64_t
clock_map_utc(const struct clock_map *map, uint64_t monotonic_ns)
{
	const struct clock_pair *pair = &map->pairs[0];
	int64_t distance, utc;

	if (map->count == 0 || monotonic_ns > INT64_MAX)
		return 0;
	for (uint32_t i = 1; i < map->count; i++)
		if (map->pairs[i].monotonic_ns <= (int64_t)monotonic_ns)
			pair = &map->pairs[i];
	if (__builtin_sub_overflow((int64_t)monotonic_ns, pair->monotonic_ns,
				   &distance) ||
	    __builtin_add_overflow(pair->utc_ns, distance, &utc))
		return INT64_MAX;
	return utc < 0 ? 0 : utc;
}
