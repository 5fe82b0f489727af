/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From CLOCK_MONOTONIC, which packets carry, to UTC.  The two run at the same
 * rate (adjtimex steers both), so one pair holds until somebody sets the clock
 * or the machine sleeps; then a new pair is added, and the step is known.
 */
#pragma once

#include <stdint.h>

#define CLOCK_PAIRS_MAX 100

struct clock_pair {
	int64_t monotonic_ns;
	int64_t utc_ns;
};

struct clock_map {
	uint32_t count; /* at least 1 in use; the newest is last */
	struct clock_pair pairs[CLOCK_PAIRS_MAX];
};

/* Reads both clocks at once, as nearly as that can be done. */
struct clock_pair clock_pair_now(void);

/*
 * Notes a pair: the first, or one that differs from what the map says by more
 * than a millisecond.  Returns that difference in ns (the step), 0 for none.
 * When the map is full the newest pair is replaced.
 */
int64_t clock_map_note(struct clock_map *map, struct clock_pair pair);

/* Forgets all but the newest pair and the one before it, whose packets may
 * still be on their way. */
void clock_map_restart(struct clock_map *map);

/* UTC of a monotonic time; of one before the first pair, by the first.  What
 * does not fit is set to the nearest that does, nothing is before 1970. */
int64_t clock_map_utc(const struct clock_map *map, uint64_t monotonic_ns);
