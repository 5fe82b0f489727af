/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a capture's directory holds: sealed segments with their totals, raw
 * ones that wait, and how much disk all of it takes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/segment_index.h"

struct inventory;

/* Reads segments/ and raw/ of the directory; makes both when missing.  What
 * was half removed before a crash (data without an entry) is removed. */
int inventory_load(const char *directory, struct inventory **out,
		   struct error *e);
void inventory_free(struct inventory *i);

/* The number after the largest in use, sealed or raw; at least 1. */
uint32_t inventory_next(const struct inventory *i);

/* A raw segment that is closed now waits to be sealed. */
void inventory_add_raw(struct inventory *i, uint32_t number);

/* The oldest raw segment that waits, 0: none; and how many do. */
uint32_t inventory_first_raw(const struct inventory *i);
size_t inventory_raw_count(const struct inventory *i);

/* True when one of `number` or below waits. */
bool inventory_waits(const struct inventory *i, uint32_t number);

/* A raw segment was sealed, found empty or set aside: looks which.  CORRUPT
 * when its index entry is there and cannot be read: nobody can see it then. */
int inventory_sealed(struct inventory *i, uint32_t number);

/* Of the index entries that inventory_load could not read the one after number
 * `after`, and when it was written (UTC); 0: none is left.  One whose raw
 * segment waits is none of them: it will be made anew. */
uint32_t inventory_unreadable(const struct inventory *i, uint32_t after,
			      int64_t *written_ns);

/* Sealed segments: how many, and their sums. */
size_t inventory_count(const struct inventory *i);
struct segment_index inventory_totals(const struct inventory *i);

/* Bytes on disk below the directory, as allocated. */
uint64_t inventory_disk(const struct inventory *i);

/*
 * Removes the oldest sealed segment, its entry first, and returns what is
 * gone; false when there is none.
 */
bool inventory_evict(struct inventory *i, struct segment_index *gone);

/* The oldest raw segment that waits, but not `except`; 0: there is none. */
uint32_t inventory_oldest_raw(const struct inventory *i, uint32_t except);

/* One that inventory_sealed took from those that wait waits again. */
void inventory_return_raw(struct inventory *i, uint32_t number);
