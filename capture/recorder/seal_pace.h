/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When closed segments are sealed.  Sealing costs several times what recording
 * does, so it leaves the processors and their caches to a node under load: it
 * waits until less comes, or somebody waits for a segment, or so much waits
 * that it has to go on whatever comes (docs/adr/0020).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More than this in a second is load: below it sealing takes a twentieth of a
 * core. */
#define SEAL_PACE_BUSY ((uint64_t)16 << 20)
/* No more than this waits for quiet times, nor a quarter of the quota, nor so
 * many segments.  Past that, sealing takes what nobody else wants of the
 * processors; past twice that, its share. */
#define SEAL_PACE_BYTES ((uint64_t)2 << 30)
#define SEAL_PACE_SEGMENTS 64
/* While little comes, so many that wait are a backlog all the same. */
#define SEAL_PACE_BEHIND 3

enum seal_pace_answer {
	SEAL_PACE_WAIT, /* start nothing now */
	SEAL_PACE_IDLE, /* as far as nobody else wants the processors */
	SEAL_PACE_HURRY,
};

/* How much came; begins as zeroes. */
struct seal_pace {
	int64_t since_ns;
	uint64_t since_bytes;
	bool busy;
};

/* Notes that `bytes` were recorded until now (CLOCK_MONOTONIC). */
void seal_pace_note(struct seal_pace *p, uint64_t bytes, int64_t now_ns);

/* What waits to be sealed. */
struct seal_backlog {
	size_t segments;
	uint64_t segment_bytes; /* of each, at most */
	uint64_t quota;         /* 0: none */
	bool awaited;           /* somebody waits for the first of them */
	bool short_of_disk;     /* sealed ones take less of it */
};

/* Whether the first of them is to be sealed now, and how. */
enum seal_pace_answer seal_pace_ask(const struct seal_pace *p,
				    const struct seal_backlog *backlog);
