/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that aborts instead of failing (see base/err.h for why).  Sizes
 * that come from outside must have been capped by the caller.  Memory is
 * returned with free(3).
 */
#pragma once

#include <stddef.h>

/* Zeroed memory for `count` elements of `size` bytes; never NULL. */
void *alloc_zero(size_t count, size_t size) __attribute__((malloc));

/* Zeroed memory of `size` bytes, which is a multiple of `alignment`, a power of
 * two, at an address that is one too; never NULL. */
void *alloc_aligned(size_t size, size_t alignment) __attribute__((malloc));

/* `old` (or NULL) resized to `count` × `size`; new bytes are not set. */
void *alloc_resize(void *old, size_t count, size_t size);

/* A copy of the string, or of its first `size` bytes with a terminator. */
char *alloc_string(const char *string) __attribute__((malloc));
char *alloc_string_n(const void *data, size_t size) __attribute__((malloc));

/* A formatted string; never NULL. */
char *alloc_format(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
