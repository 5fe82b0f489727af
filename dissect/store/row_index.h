/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of an index over one column of integers, for the database image of
 * a row_batch: sorted by us, so that SQLite has no sorting to do.
 *
 * Format: https://www.sqlite.org/fileformat2.html §1.6 (index b-trees).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* How many entries an index has at most, and leaves enough for them: an entry
 * takes 22 bytes at most. */
#define ROW_INDEX_ENTRIES 32768
#define ROW_INDEX_LEAVES 12

struct row_index_entry {
	int64_t key; /* value of the column, not NULL */
	int64_t id;  /* of the row */
};

/* Sorts entries that come by growing id by (key, id).  `spare` is room for as
 * many. */
void row_index_sort(struct row_index_entry *entries,
		    struct row_index_entry *spare, size_t count);

/* Writes sorted entries into the page `root` and, if they do not fit, into
 * leaves, which are the pages from number `first` on and lie at `leaves`.
 * Returns how many leaves it took. */
uint32_t row_index_write(const struct row_index_entry *entries, size_t count,
			 uint8_t *root, uint8_t *leaves, uint32_t first);
