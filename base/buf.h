/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable bytes with a mandatory cap and a sticky overflow flag: append
 * freely, ask `failed` once.  An append that would pass the cap appends
 * nothing.
 */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"

struct buf {
	uint8_t *data;
	size_t size;
	size_t capacity;
	size_t limit; /* bytes; never exceeded */
	bool failed;  /* an append was refused */
};

/* An empty buffer that will hold at most `limit` bytes.  Allocates nothing. */
void buf_init(struct buf *b, size_t limit);

/* Frees the memory; the buffer is empty and usable afterwards. */
void buf_free(struct buf *b);

/* Forgets the contents and the failure, keeps the memory. */
void buf_reset(struct buf *b);

/* Removes the first `size` bytes (at most all of them). */
void buf_drop(struct buf *b, size_t size);

/*
 * Room for `size` more bytes; returns where to write, or NULL past the cap
 * (and sets `failed`).  The caller adds what it wrote to `b->size`.
 */
uint8_t *buf_reserve(struct buf *b, size_t size);

/* Each appends, or sets `failed` and appends nothing. */
void buf_append(struct buf *b, const void *data, size_t size);
void buf_bytes(struct buf *b, struct bytes in);
void buf_text(struct buf *b, const char *string);
void buf_u8(struct buf *b, uint8_t value);
void buf_le16(struct buf *b, uint16_t value);
void buf_le32(struct buf *b, uint32_t value);
void buf_le64(struct buf *b, uint64_t value);
void buf_varint(struct buf *b, uint64_t value);
/* A varint length and the bytes: what reader_string reads. */
void buf_string(struct buf *b, struct bytes in);
void buf_format(struct buf *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The contents as a C string (a terminator is kept behind the end). */
const char *buf_cstr(struct buf *b);

static inline struct bytes
buf_view(const struct buf *b)
{
	return bytes_make(b->data, b->size);
}
