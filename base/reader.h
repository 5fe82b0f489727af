/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor over untrusted bytes with a sticky error: read straight through,
 * ask once at the end.  After the first read past the end every further read
 * gives zero and `failed` stays set.
 */
#pragma once

#include "base/bytes.h"

struct reader {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

static inline struct reader
reader_make(struct bytes in)
{
	return (struct reader){ in.data, in.data ? in.data + in.size : NULL,
				false };
}

/* Bytes left; 0 once the reader has failed. */
static inline size_t
reader_left(const struct reader *r)
{
	return r->failed ? 0 : (size_t)(r->end - r->at);
}

/* The next `size` bytes, borrowed from the input; empty on failure. */
static inline struct bytes
reader_take(struct reader *r, size_t size)
{
	struct bytes out;

	if (reader_left(r) < size) {
		r->failed = true;
		return bytes_make(NULL, 0);
	}
	out = bytes_make(r->at, size);
	if (size) /* an empty input may be NULL, which has no next */
		r->at += size;
	return out;
}

static inline void
reader_skip(struct reader *r, size_t size)
{
	(void)reader_take(r, size);
}

static inline uint8_t
reader_u8(struct reader *r)
{
	struct bytes b = reader_take(r, 1);

	return b.data ? b.data[0] : 0;
}

static inline uint16_t
reader_be16(struct reader *r)
{
	struct bytes b = reader_take(r, 2);

	return b.data ? (uint16_t)(b.data[0] << 8 | b.data[1]) : 0;
}

static inline uint32_t
reader_be32(struct reader *r)
{
	uint32_t high = reader_be16(r);

	return high << 16 | reader_be16(r);
}

static inline uint64_t
reader_be64(struct reader *r)
{
	uint64_t high = reader_be32(r);

	return high << 32 | reader_be32(r);
}

static inline uint16_t
reader_le16(struct reader *r)
{
	struct bytes b = reader_take(r, 2);

	return b.data ? (uint16_t)(b.data[1] << 8 | b.data[0]) : 0;
}

static inline uint32_t
reader_le32(struct reader *r)
{
	uint32_t low = reader_le16(r);

	return low | (uint32_t)reader_le16(r) << 16;
}

static inline uint64_t
reader_le64(struct reader *r)
{
	uint64_t low = reader_le32(r);

	return low | (uint64_t)reader_le32(r) << 32;
}

/* A text that ends with NUL, without it; fails when none is left. */
static inline struct bytes
reader_text(struct reader *r)
{
	size_t left = reader_left(r);
	const uint8_t *end =
		left ? (const uint8_t *)memchr(r->at, 0, left) : NULL;
	struct bytes text = reader_take(r, end ? (size_t)(end - r->at)
					       : SIZE_MAX);

	reader_skip(r, 1);
	return text;
}

/* An unsigned LEB128 number of at most 10 bytes; fails when it is longer. */
static inline uint64_t
reader_varint(struct reader *r)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = reader_u8(r);

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return r->failed ? 0 : value;
	}
	r->failed = true;
	return 0;
}

/* A varint length followed by that many bytes. */
static inline struct bytes
reader_string(struct reader *r)
{
	uint64_t size = reader_varint(r);

	if (size > reader_left(r)) {
		r->failed = true;
		return bytes_make(NULL, 0);
	}
	return reader_take(r, (size_t)size);
}
