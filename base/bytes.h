/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A borrowed slice of memory, passed by value.  It never owns what it points
 * to; whoever hands one out says how long it stays valid.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *data;
	size_t size;
};

static inline struct bytes
bytes_make(const void *data, size_t size)
{
	return (struct bytes){ (const uint8_t *)data, size };
}

/* The characters of a C string, without its terminator; NULL gives none. */
static inline struct bytes
bytes_of(const char *string)
{
	return bytes_make(string, string ? strlen(string) : 0);
}

static inline bool
bytes_equal(struct bytes a, struct bytes b)
{
	return a.size == b.size &&
	       (a.size == 0 || (a.data && b.data &&
			       memcmp(a.data, b.data, a.size) == 0));
}

/* True when `in` begins with the characters of `prefix`. */
static inline bool
bytes_starts_with(struct bytes in, const char *prefix)
{
	size_t n = strlen(prefix);

	return in.size >= n && memcmp(in.data, prefix, n) == 0;
}

/* The slice from `offset` on; empty when `offset` is past the end. */
static inline struct bytes
bytes_from(struct bytes in, size_t offset)
{
	if (offset >= in.size)
		return bytes_make(in.data ? in.data + in.size : NULL, 0);
	return bytes_make(in.data + offset, in.size - offset);
}

/* The first `size` bytes, or all when there are fewer. */
static inline struct bytes
bytes_first(struct bytes in, size_t size)
{
	return bytes_make(in.data, in.size < size ? in.size : size);
}

/* Writes a varint (LEB128, as reader_varint reads it), of at most 10 bytes, and
 * returns the end of it. */
static inline uint8_t *
bytes_put_varint(uint8_t *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*out++ = (uint8_t)(value | 0x80);
	*out++ = (uint8_t)value;
	return out;
}

/* Copies `in` to `out` and returns the end of it: for texts, most of which are
 * so short that a call of memcpy(3) takes longer than what it does. */
static inline uint8_t *
bytes_put(uint8_t *out, struct bytes in)
{
	uint8_t *end = out + in.size;

	if (in.size > 32) {
		memcpy(out, in.data, in.size);
	} else if (in.size >= 16) { /* the two halves overlap */
		memcpy(out, in.data, 16);
		memcpy(end - 16, in.data + in.size - 16, 16);
	} else if (in.size >= 8) {
		memcpy(out, in.data, 8);
		memcpy(end - 8, in.data + in.size - 8, 8);
	} else if (in.size >= 4) {
		memcpy(out, in.data, 4);
		memcpy(end - 4, in.data + in.size - 4, 4);
	} else {
		for (size_t i = 0; i < in.size; i++)
			out[i] = in.data[i];
	}
	return end;
}

/* Equality without regard to ASCII case. */
bool bytes_equal_nocase(struct bytes a, struct bytes b);

/* `in` without leading and trailing spaces and tabs. */
struct bytes bytes_trim(struct bytes in);
