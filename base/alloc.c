/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Says so without allocating, then dies where a core dump shows the caller. */
static _Noreturn void
alloc_abort(void)
{
	static const char message[] = "out of memory\n";

	if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0)
		abort();
	abort();
}

void *
alloc_zero(size_t count, size_t size)
{
	/* calloc(3) may return NULL for nothing; callers may not see that. */
	void *memory = calloc(count ? count : 1, size ? size : 1);

	if (!memory)
		alloc_abort();
	return memory;
}

void *
alloc_aligned(size_t size, size_t alignment)
{
	void *memory = aligned_alloc(alignment, size);

	if (!memory)
		alloc_abort();
	return memset(memory, 0, size);
}

void *
alloc_resize(void *old, size_t count, size_t size)
{
	void *memory;

	if (count == 0 || size == 0)
		count = size = 1;
	memory = reallocarray(old, count, size);
	if (!memory)
		alloc_abort();
	return memory;
}

char *
alloc_string(const char *string)
{
	return alloc_string_n(string, strlen(string));
}

char *
alloc_string_n(const void *data, size_t size)
{
	char *copy;

	if (size == SIZE_MAX)
		alloc_abort();
	copy = malloc(size + 1);
	if (!copy)
		alloc_abort();
	if (size)
		memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

char *
alloc_format(const char *format, ...)
{
	va_list arguments;
	char *out = NULL;
	int size;

	va_start(arguments, format);
	size = vasprintf(&out, format, arguments);
	va_end(arguments);
	if (size < 0)
		alloc_abort();
	return out;
}
