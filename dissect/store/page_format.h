/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages, cells and values of a SQLite database file, as row_batch.c and
 * row_index.c write them: https://www.sqlite.org/fileformat2.html §1.6 (pages),
 * §2.1 (records).
 */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define PAGE_SIZE 65536u
#define PAGE_LEAF_HEADER 8
#define PAGE_INTERIOR_HEADER 12
#define VARINT_MAX 9

enum page_type {
	PAGE_INDEX_INTERIOR = 2,
	PAGE_INTERIOR = 5,
	PAGE_INDEX_LEAF = 10,
	PAGE_LEAF = 13,
};

/* Serial types: 0 NULL, 1…6 integers, 8 and 9 the integers 0 and 1. */
enum { SERIAL_NULL = 0, SERIAL_ZERO = 8, SERIAL_BLOB = 12, SERIAL_TEXT = 13 };

static inline void
put_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void
put_be32(uint8_t *at, uint32_t value)
{
	put_be16(at, value >> 16);
	put_be16(at + 2, value);
}

/* Big-endian groups of seven bits; ours have at most 8 of them. */
static inline uint8_t *
put_varint(uint8_t *at, uint64_t value)
{
	unsigned groups = 1;

	while (groups < VARINT_MAX && value >> (7 * groups))
		groups++;
	while (groups-- > 1)
		*at++ = (uint8_t)(value >> (7 * groups) | 0x80);
	*at++ = value & 0x7f;
	return at;
}

/* An integer of a record: its serial type to `*type`, its bytes, of which 8
 * are written, to `at`.  Returns the end of those that count. */
static inline uint8_t *
put_integer(uint8_t *type, uint8_t *at, int64_t value)
{
	/* Bytes by the bits without the sign's, a row for every eight. */
	static const uint8_t sizes[8] = { 1, 2, 3, 4, 6, 6, 8, 8 };
	uint64_t bits = (uint64_t)value ^ (uint64_t)(value >> 63);
	unsigned size = sizes[(64 - __builtin_clzll(bits | 1)) / 8];
	uint64_t out = htobe64((uint64_t)value << (64 - 8 * size));

	if ((uint64_t)value <= 1) {
		*type = (uint8_t)(SERIAL_ZERO + value);
		return at;
	}
	*type = (uint8_t)(size <= 4 ? size : 2 + size / 2); /* 5, 6 */
	memcpy(at, &out, sizeof(out));
	return at + size;
}

static inline void
put_page_header(uint8_t *page, enum page_type type, uint32_t cells,
		uint32_t content)
{
	page[0] = (uint8_t)type;
	put_be16(page + 1, 0); /* no free block */
	put_be16(page + 3, cells);
	put_be16(page + 5, content); /* 0 stands for 65536 */
	page[7] = 0; /* no fragments */
}
