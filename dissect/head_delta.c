/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/head_delta.h"

#include <endian.h>

#include "base/reader.h"
#include "base/word.h"

#define SMALLEST 64 /* smaller ones are cheap as they are */
#define LARGEST 4096
#define MARK_SIZE 2
#define ALIKE 4     /* bytes that end a stretch: fewer cost less within it */

#define ONES UINT64_C(0x0101010101010101)

static const uint8_t mark[MARK_SIZE] = { 0x80, 0x00 };

/* What is alike has the same size and begins with the same header. */
static struct head_delta_set *
set_of(struct head_delta_table *table, struct bytes head)
{
	uint64_t hash = (word_at(head.data) ^ head.size) *
			UINT64_C(0x9e3779b97f4a7c15);

	return &table->sets[hash >> 56 & (HEAD_DELTA_SETS - 1)];
}

/* What an id and a time take, and some more of large ones.  A head that is
 * further away has its fields in another order, as other programs say them. */
static size_t
most_bytes(struct bytes head)
{
	return 32 + head.size / 8;
}

/* The word at `at`, the first byte the lowest; with zeroes for what is behind
 * the end.  `in` has at least a word. */
static uint64_t
word_within(struct bytes in, size_t at)
{
	size_t left = in.size - at;

	if (left >= WORD)
		return le64toh(word_at(in.data + at));
	return le64toh(word_at(in.data + in.size - WORD)) >>
	       8 * (WORD - left);
}

/* Which bits of the word at `at` differ. */
static uint64_t
difference(const uint8_t *from, struct bytes head, size_t at)
{
	return word_within(bytes_make(from, head.size), at) ^
	       word_within(head, at);
}

/* Where the next byte that differs is; the size when none does. */
static size_t
stretch_start(const uint8_t *from, struct bytes head, size_t at)
{
	const uint8_t *to = head.data;

	while (head.size - at >= 4 * WORD &&
	       ((word_at(from + at) ^ word_at(to + at)) |
		(word_at(from + at + WORD) ^ word_at(to + at + WORD)) |
		(word_at(from + at + 2 * WORD) ^ word_at(to + at + 2 * WORD)) |
		(word_at(from + at + 3 * WORD) ^
		 word_at(to + at + 3 * WORD))) == 0)
		at += 4 * WORD;
	for (; at < head.size; at += WORD) {
		uint64_t bits = difference(from, head, at);

		if (bits)
			return at + (size_t)__builtin_ctzll(bits) / 8;
	}
	return head.size;
}

/* Behind the last byte that differs before ALIKE others. */
static size_t
stretch_end(const uint8_t *from, struct bytes head, size_t start)
{
	size_t end = start + 1;

	while (end < head.size) {
		uint64_t bits = difference(from, head, end);

		if ((bits & ((UINT64_C(1) << ALIKE * 8) - 1)) == 0)
			break;
		end += WORD - (size_t)__builtin_clzll(bits) / 8;
	}
	return end;
}

/* 8 lower case hexadecimal digits as 4 bytes, and back.  What are no such
 * digits do not come back as they were. */
static uint32_t
pack_digits(uint64_t digits)
{
	uint64_t values = (digits & 0x0f * ONES) + 9 * (digits >> 6 & ONES);

	values = (values << 4 | values >> 8) & UINT64_C(0x00ff00ff00ff00ff);
	values = (values | values >> 8) & UINT64_C(0x0000ffff0000ffff);
	return (uint32_t)(values | values >> 16);
}

static uint64_t
unpack_digits(uint32_t packed)
{
	uint64_t values = packed, letters;

	values = (values | values << 16) & UINT64_C(0x0000ffff0000ffff);
	values = (values | values << 8) & UINT64_C(0x00ff00ff00ff00ff);
	values = (values >> 4 | values << 8) & 0x0f * ONES;
	letters = (values + (0x80 - 10) * ONES) >> 7 & ONES;
	return values + '0' * ONES + ('a' - '9' - 1) * letters;
}

/* Writes a stretch of the head as packed digits to `out`, which has room for
 * a word more; false when it is none. */
static bool
put_digits(uint8_t *out, struct bytes head, size_t at, size_t end)
{
	for (; at < end; at += WORD, out += WORD / 2) {
		uint64_t word = word_within(head, at);
		uint32_t packed;

		if (end - at < WORD) {
			unsigned bits = 8 * (unsigned)(end - at);

			word &= (UINT64_C(1) << bits) - 1;
			word |= '0' * ONES << bits;
		}
		packed = pack_digits(word);
		if (unpack_digits(packed) != word)
			return false;
		packed = htole32(packed);
		memcpy(out, &packed, sizeof(packed));
	}
	return true;
}

/* Writes a stretch of the head; where that ends. */
static uint8_t *
put_stretch(uint8_t *out, struct bytes head, size_t start, size_t end)
{
	size_t size = end - start;
	uint8_t *digits = bytes_put_varint(out, size << 1 | 1);

	if (put_digits(digits, head, start, end))
		return digits + (size + 1) / 2;
	out = bytes_put_varint(out, size << 1);
	return bytes_put(out, bytes_make(head.data + start, size));
}

/* Writes the stretches that differ; where they end, or NULL when they take
 * more than `most` bytes.  `out` has room for that and another head. */
static uint8_t *
put_stretches(uint8_t *out, const uint8_t *from, struct bytes head, size_t most)
{
	const uint8_t *last = out + most;
	size_t at = 0;

	for (;;) {
		size_t start = stretch_start(from, head, at), end;

		if (start == head.size)
			return out;
		end = stretch_end(from, head, start);
		out = bytes_put_varint(out, start - at);
		out = put_stretch(out, head, start, end);
		if (out > last)
			return NULL;
		at = end;
	}
}

/* Appends the delta, or nothing when that is too large. */
static bool
append_delta(struct buf *block, uint32_t reference, struct bytes head)
{
	size_t most = most_bytes(head);
	uint8_t *out = buf_reserve(block, most + head.size + 4 * WORD);

	if (!out)
		return false;
	memcpy(out, mark, MARK_SIZE);
	out = bytes_put_varint(out + MARK_SIZE, reference);
	out = bytes_put_varint(out, head.size);
	out = put_stretches(out, block->data + reference, head, most);
	if (out)
		block->size = (size_t)(out - block->data);
	return out;
}

/* How many of a few words are alike: heads of the same fields in another order
 * seldom have one in common. */
static unsigned
likeness(const uint8_t *from, struct bytes head)
{
	unsigned alike = 0;

	for (size_t i = 1; i < 4; i++) {
		size_t at = head.size / 4 * i;

		alike += word_at(from + at) == word_at(head.data + at);
	}
	return alike;
}

/* The way that the head is most like, or -1. */
static int
find_way(const struct head_delta_set *set, const struct buf *block,
	 struct bytes head)
{
	unsigned most = 0;
	int found = -1;

	for (int way = 0; way < HEAD_DELTA_WAYS; way++) {
		unsigned alike;

		if (set->size[way] != head.size)
			continue;
		alike = likeness(block->data + set->offset[way], head);
		if (found < 0 || alike > most) {
			found = way;
			most = alike;
		}
	}
	return found;
}

void
head_delta_append(struct head_delta_table *table, struct buf *block,
		  struct bytes head)
{
	struct head_delta_set *set;
	int way;

	if (head.size < SMALLEST || head.size > LARGEST) {
		buf_bytes(block, head);
		return;
	}
	set = set_of(table, head);
	way = find_way(set, block, head);
	if (way >= 0 && append_delta(block, set->offset[way], head))
		return;
	way = set->next++ % HEAD_DELTA_WAYS;
	set->offset[way] = (uint32_t)block->size;
	set->size[way] = (uint16_t)head.size;
	buf_bytes(block, head);
}

/* Appends `size` digits. */
static void
read_digits(struct reader *r, size_t size, struct buf *out)
{
	struct bytes digits = reader_take(r, (size + 1) / 2);
	size_t end = out->size + size;

	for (size_t at = 0; at < digits.size; at += WORD / 2) {
		size_t left = digits.size - at;
		uint32_t packed = 0;

		memcpy(&packed, digits.data + at,
		       left < WORD / 2 ? left : WORD / 2);
		buf_le64(out, unpack_digits(le32toh(packed)));
	}
	if (!r->failed)
		out->size = end;
}

/* Appends what is as in the reference, and a stretch that is not. */
static void
read_stretch(struct reader *r, struct bytes reference, struct buf *out)
{
	size_t left = reference.size - out->size;
	uint64_t skipped = reader_varint(r), code = reader_varint(r);
	uint64_t size = code >> 1;

	if (skipped > left || size > left - skipped)
		r->failed = true;
	if (r->failed)
		return;
	buf_append(out, reference.data + out->size, (size_t)skipped);
	if (code & 1)
		read_digits(r, (size_t)size, out);
	else
		buf_bytes(out, reader_take(r, (size_t)size));
}

struct bytes
head_delta_read(struct bytes block, struct bytes stored, struct buf *scratch)
{
	struct reader r = reader_make(stored);
	const struct bytes damaged = { 0 };
	struct bytes reference;
	uint64_t offset, size;

	if (stored.size < MARK_SIZE ||
	    memcmp(stored.data, mark, MARK_SIZE) != 0)
		return stored;
	reader_skip(&r, MARK_SIZE);
	offset = reader_varint(&r);
	size = reader_varint(&r);
	if (r.failed || size > LARGEST || offset > block.size ||
	    size > block.size - offset)
		return damaged;
	reference = bytes_make(block.data + offset, (size_t)size);
	buf_reset(scratch);
	while (reader_left(&r) && !r.failed)
		read_stretch(&r, reference, scratch);
	buf_bytes(scratch, bytes_from(reference, scratch->size));
	return r.failed ? damaged : buf_view(scratch);
}
