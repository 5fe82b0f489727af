/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define ARENA_ALIGN      16
#define ARENA_CHUNK_SIZE ((size_t)16 << 10)

struct arena_chunk {
	struct arena_chunk *next; /* older */
	size_t size;              /* of memory */
	size_t used;
	_Alignas(ARENA_ALIGN) unsigned char memory[];
};

void
arena_init(struct arena *a, size_t limit)
{
	/* Above that, rounding a size up could overflow. */
	if (limit > SIZE_MAX / 4)
		limit = SIZE_MAX / 4;
	*a = (struct arena){ .limit = limit };
}

void
arena_free(struct arena *a)
{
	arena_rewind(a, (struct arena_mark){ 0 });
}

static struct arena_chunk *
arena_chunk_new(struct arena *a, size_t size)
{
	struct arena_chunk *chunk;

	if (size < ARENA_CHUNK_SIZE)
		size = ARENA_CHUNK_SIZE;
	chunk = alloc_resize(NULL, sizeof(*chunk) + size, 1);
	chunk->next = a->head;
	chunk->size = size;
	chunk->used = 0;
	a->head = chunk;
	return chunk;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *chunk = a->head;
	void *memory;

	if (size > a->limit - a->used)
		return NULL;
	size = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	if (size == 0)
		size = ARENA_ALIGN; /* distinct objects, distinct addresses */
	if (size > a->limit - a->used)
		return NULL;
	if (!chunk || size > chunk->size - chunk->used)
		chunk = arena_chunk_new(a, size);
	memory = chunk->memory + chunk->used;
	chunk->used += size;
	a->used += size;
	return memset(memory, 0, size);
}

char *
arena_string(struct arena *a, struct bytes in)
{
	char *copy;

	if (in.size == SIZE_MAX)
		return NULL;
	copy = arena_alloc(a, in.size + 1);
	if (copy && in.size)
		memcpy(copy, in.data, in.size);
	return copy;
}

struct arena_mark
arena_mark(const struct arena *a)
{
	return (struct arena_mark){ a->head, a->head ? a->head->used : 0,
				    a->used };
}

void
arena_rewind(struct arena *a, struct arena_mark mark)
{
	while (a->head != mark.chunk) {
		struct arena_chunk *chunk = a->head;

		assert(chunk); /* a mark of another arena, or a stale one */
		a->head = chunk->next;
		free(chunk);
	}
	if (a->head)
		a->head->used = mark.offset;
	a->used = mark.used;
}
