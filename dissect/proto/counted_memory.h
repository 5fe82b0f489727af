/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation for libraries that are given theirs (libnghttp2, libnghttp3): what
 * they hold is counted in the size_t that `count` points to, and a failure
 * aborts as ours does.
 */
#pragma once

#include <stddef.h>

/* As malloc(3). */
void *counted_memory_malloc(size_t size, void *count);
/* As free(3). */
void counted_memory_free(void *block, void *count);
/* As calloc(3). */
void *counted_memory_calloc(size_t number, size_t size, void *count);
/* As realloc(3). */
void *counted_memory_realloc(void *block, size_t size, void *count);
