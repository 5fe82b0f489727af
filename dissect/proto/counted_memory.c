/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/counted_memory.h"

#include <malloc.h>
#include <stdlib.h>

static void *
take(void *block, void *count)
{
	size_t *memory = count;

	if (!block)
		abort();
	*memory += malloc_usable_size(block);
	return block;
}

static void
leave(void *block, void *count)
{
	size_t *memory = count;

	if (block)
		*memory -= malloc_usable_size(block);
}

void *
counted_memory_malloc(size_t size, void *count)
{
	return take(malloc(size ? size : 1), count);
}

void
counted_memory_free(void *block, void *count)
{
	leave(block, count);
	free(block);
}

void *
counted_memory_calloc(size_t number, size_t size, void *count)
{
	return take(calloc(number ? number : 1, size ? size : 1), count);
}

void *
counted_memory_realloc(void *block, size_t size, void *count)
{
	leave(block, count);
	return take(realloc(block, size ? size : 1), count);
}
