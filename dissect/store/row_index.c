/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/store/row_index.h"

#include <assert.h>

#include "dissect/store/page_format.h"

#define DIGIT_BITS 11
#define DIGITS (1u << DIGIT_BITS)
/* A cell: the size of the record, that of its header, two types, two values. */
#define CELL_MAX (4 + 2 * 8)

_Static_assert((PAGE_SIZE - PAGE_LEAF_HEADER) / (CELL_MAX + 2) *
		       (size_t)ROW_INDEX_LEAVES >= ROW_INDEX_ENTRIES,
	       "all entries fit into the leaves");

/* By one digit of the distance from `least`; keeps the order of equals. */
static void
sort_by_digit(const struct row_index_entry *in, struct row_index_entry *out,
	      size_t count, int64_t least, unsigned shift)
{
	uint32_t starts[DIGITS + 1] = { 0 };

	for (size_t i = 0; i < count; i++) {
		uint64_t far = (uint64_t)in[i].key - (uint64_t)least;

		starts[(far >> shift & (DIGITS - 1)) + 1]++;
	}
	for (unsigned digit = 1; digit < DIGITS; digit++)
		starts[digit] += starts[digit - 1];
	for (size_t i = 0; i < count; i++) {
		uint64_t far = (uint64_t)in[i].key - (uint64_t)least;

		out[starts[far >> shift & (DIGITS - 1)]++] = in[i];
	}
}

void
row_index_sort(struct row_index_entry *entries, struct row_index_entry *spare,
	       size_t count)
{
	struct row_index_entry *from = entries, *to = spare;
	int64_t least = INT64_MAX, most = INT64_MIN;

	for (size_t i = 0; i < count; i++) {
		least = entries[i].key < least ? entries[i].key : least;
		most = entries[i].key > most ? entries[i].key : most;
	}
	for (unsigned shift = 0;
	     count && shift < 64 &&
	     ((uint64_t)most - (uint64_t)least) >> shift;
	     shift += DIGIT_BITS) {
		struct row_index_entry *sorted = to;

		sort_by_digit(from, to, count, least, shift);
		to = from;
		from = sorted;
	}
	if (from != entries)
		memcpy(entries, from, count * sizeof(*entries));
}

/* Returns the size of the cell. */
static size_t
make_cell(uint8_t cell[CELL_MAX + 8], const struct row_index_entry *entry)
{
	uint8_t *end = put_integer(cell + 2, cell + 4, entry->key);

	end = put_integer(cell + 3, end, entry->id);
	cell[0] = (uint8_t)(end - cell - 1);
	cell[1] = 3; /* the header: itself and two types */
	return (size_t)(end - cell);
}

/* Fills a leaf; returns how many entries it took. */
static size_t
fill_leaf(uint8_t *page, const struct row_index_entry *entries, size_t count)
{
	uint32_t content = PAGE_SIZE;
	size_t taken = 0;

	for (; taken < count; taken++) {
		uint8_t cell[CELL_MAX + 8];
		size_t size = make_cell(cell, &entries[taken]);

		if (PAGE_LEAF_HEADER + 2 * (taken + 1) + size > content)
			break;
		content -= (uint32_t)size;
		memcpy(page + content, cell, size);
		put_be16(page + PAGE_LEAF_HEADER + 2 * taken, content);
	}
	put_page_header(page, PAGE_INDEX_LEAF, (uint32_t)taken, content);
	return taken;
}

uint32_t
row_index_write(const struct row_index_entry *entries, size_t count,
		uint8_t *root, uint8_t *leaves, uint32_t first)
{
	uint32_t content = PAGE_SIZE, leaf = 0;
	size_t taken = fill_leaf(root, entries, count);

	if (taken == count)
		return 0;
	for (taken = 0;; leaf++) {
		uint8_t *page = leaves + (size_t)leaf * PAGE_SIZE;
		size_t left = count - taken, filled, size;
		uint8_t cell[4 + CELL_MAX + 8];

		assert(leaf < ROW_INDEX_LEAVES);
		filled = fill_leaf(page, entries + taken, left);
		/* One left alone would go to the root, and nothing behind it: a
		 * leaf without entries is damage to SQLite. */
		if (filled + 1 == left)
			filled = fill_leaf(page, entries + taken, filled - 1);
		taken += filled;
		if (taken == count)
			break;
		/* The entry between this leaf and the next is in the root. */
		put_be32(cell, first + leaf);
		size = 4 + make_cell(cell + 4, &entries[taken++]);
		content -= (uint32_t)size;
		memcpy(root + content, cell, size);
		put_be16(root + PAGE_INTERIOR_HEADER + (size_t)2 * leaf,
			 content);
	}
	put_page_header(root, PAGE_INDEX_INTERIOR, leaf, content);
	put_be32(root + PAGE_LEAF_HEADER, first + leaf); /* the rightmost */
	return leaf + 1;
}
