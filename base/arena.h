/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bump allocator for one unit of work: everything is freed at once, or
 * rewound to a mark.  Memory is zeroed.  Bounded by `limit`.
 */
#pragma once

#include <stddef.h>

#include "base/bytes.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *head; /* newest chunk first */
	size_t used;              /* bytes handed out, all chunks */
	size_t limit;
};

struct arena_mark {
	struct arena_chunk *chunk;
	size_t offset;
	size_t used;
};

/* An empty arena that hands out at most `limit` bytes.  Allocates nothing. */
void arena_init(struct arena *a, size_t limit);

/* Frees everything; the arena is empty and usable afterwards. */
void arena_free(struct arena *a);

/* Zeroed, 16-byte aligned memory, or NULL past the limit. */
void *arena_alloc(struct arena *a, size_t size);

/* A terminated copy of `in` in the arena, or NULL past the limit. */
char *arena_string(struct arena *a, struct bytes in);

/*
 * Where the arena is now, and back to there: what was handed out since the mark
 * is freed.  Marks taken after one that was rewound to are void.
 */
struct arena_mark arena_mark(const struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark mark);
