/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

#define BUF_FIRST_CAPACITY 64

void
buf_init(struct buf *b, size_t limit)
{
	/* Above that the doubling in buf_grow could overflow. */
	if (limit > SIZE_MAX / 4)
		limit = SIZE_MAX / 4;
	*b = (struct buf){ .limit = limit };
}

void
buf_free(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->size = b->capacity = 0;
	b->failed = false;
}

void
buf_reset(struct buf *b)
{
	b->size = 0;
	b->failed = false;
}

void
buf_drop(struct buf *b, size_t size)
{
	if (size >= b->size) {
		b->size = 0;
		return;
	}
	if (size == 0)
		return;
	memmove(b->data, b->data + size, b->size - size);
	b->size -= size;
}

/* Makes `capacity` hold `need` bytes and a terminator behind them. */
static void
buf_grow(struct buf *b, size_t need)
{
	size_t capacity = b->capacity ? b->capacity : BUF_FIRST_CAPACITY;

	while (capacity <= need)
		capacity *= 2;
	if (capacity > b->limit + 1)
		capacity = b->limit + 1;
	b->data = alloc_resize(b->data, capacity, 1);
	b->capacity = capacity;
}

uint8_t *
buf_reserve(struct buf *b, size_t size)
{
	assert(b->size <= b->limit);
	if (size > b->limit - b->size) {
		b->failed = true;
		return NULL;
	}
	if (b->size + size >= b->capacity)
		buf_grow(b, b->size + size);
	return b->data + b->size;
}

void
buf_append(struct buf *b, const void *data, size_t size)
{
	uint8_t *to;

	if (size == 0)
		return;
	to = buf_reserve(b, size);
	if (!to)
		return;
	memcpy(to, data, size);
	b->size += size;
}

void
buf_bytes(struct buf *b, struct bytes in)
{
	buf_append(b, in.data, in.size);
}

void
buf_text(struct buf *b, const char *string)
{
	buf_append(b, string, strlen(string));
}

void
buf_u8(struct buf *b, uint8_t value)
{
	buf_append(b, &value, 1);
}

/* The low `size` bytes of `value`, least significant first. */
static void
buf_le(struct buf *b, uint64_t value, size_t size)
{
	uint8_t *to = buf_reserve(b, size);

	if (!to)
		return;
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)(value >> (8 * i));
	b->size += size;
}

void
buf_le16(struct buf *b, uint16_t value)
{
	buf_le(b, value, 2);
}

void
buf_le32(struct buf *b, uint32_t value)
{
	buf_le(b, value, 4);
}

void
buf_le64(struct buf *b, uint64_t value)
{
	buf_le(b, value, 8);
}

void
buf_varint(struct buf *b, uint64_t value)
{
	uint8_t encoded[10];

	buf_append(b, encoded,
		   (size_t)(bytes_put_varint(encoded, value) - encoded));
}

void
buf_string(struct buf *b, struct bytes in)
{
	uint8_t length[10];
	size_t n = (size_t)(bytes_put_varint(length, in.size) - length);

	/* Both or neither: a length without its bytes would shift the rest. */
	if (in.size > SIZE_MAX - n || !buf_reserve(b, n + in.size)) {
		b->failed = true;
		return;
	}
	buf_append(b, length, n);
	buf_bytes(b, in);
}

void
buf_format(struct buf *b, const char *format, ...)
{
	va_list arguments;
	size_t room;
	int size;

	if (!buf_reserve(b, 0))
		return;
	room = b->capacity - b->size;
	va_start(arguments, format);
	size = vsnprintf((char *)b->data + b->size, room, format, arguments);
	va_end(arguments);
	assert(size >= 0);
	if ((size_t)size >= room) {
		if (!buf_reserve(b, (size_t)size))
			return;
		va_start(arguments, format);
		vsnprintf((char *)b->data + b->size, (size_t)size + 1, format,
			  arguments);
		va_end(arguments);
	}
	b->size += (size_t)size;
}

const char *
buf_cstr(struct buf *b)
{
	buf_reserve(b, 0);
	b->data[b->size] = 0;
	return (const char *)b->data;
}
