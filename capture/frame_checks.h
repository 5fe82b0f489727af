/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the frames of a segment must be like as they are stored: a hash of each
 * one's compressed bytes, in the segment's index entry (docs/adr/0055).  They
 * find flipped bits for a fraction of what the checksum inside a frame costs,
 * which is over all that the frame decompresses to.
 */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "base/bytes.h"

/* Frames of a segment that are listed; zstd alone verifies those behind. */
#define FRAME_CHECKS_MAX 65536

/* The first `count` frames', in their order.  All zero: none are known. */
struct frame_checks {
	uint32_t *items; /* owned */
	uint32_t count, capacity;
};

/* The low half of the frame's XXH3 (64 bits, no seed). */
uint32_t frame_check(struct bytes frame);

/* Appends one, unless there are FRAME_CHECKS_MAX. */
void frame_checks_add(struct frame_checks *c, uint32_t check);

/* Makes `*c` all zero. */
void frame_checks_free(struct frame_checks *c);

/* Sets "frame_checks" of an index entry: 8 hex digits for each frame. */
void frame_checks_set(json_t *entry, const struct frame_checks *c);

/*
 * Reads them back to `*c` (NULL: only looks whether they are well-formed), to
 * be freed with frame_checks_free.  An entry of an older version has none.
 * ERR_CORRUPT, and none, when they are malformed.
 */
int frame_checks_get(const json_t *entry, struct frame_checks *c);
