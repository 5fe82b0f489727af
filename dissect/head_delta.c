/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/head_delta.h"

#include "base/reader.h"
#include "base/word.h"

#define GROUP ((size_t)8) /* words that a byte of bits tells of */
#define SMALLEST 64       /* smaller ones are cheap as they are */
#define LARGEST 4096
#define MARK_SIZE 2

static const uint8_t mark[MARK_SIZE] = { 0x80, 0x00 };

/* What is alike has the same size and begins with the same header. */
static size_t
slot_of(struct bytes head)
{
	uint64_t hash = (word_at(head.data) ^ head.size) *
			UINT64_C(0x9e3779b97f4a7c15);

	return hash >> 56 & (HEAD_DELTA_REFERENCES - 1);
}

/* Appends those of at most GROUP words that differ; their bits. */
static uint8_t
put_group(uint8_t **out, const uint8_t *from, const uint8_t *to, size_t words)
{
	unsigned bits = 0;

	for (size_t i = 0; i < words; i++) {
		uint64_t word = word_at(to + i * WORD);
		bool differs = word != word_at(from + i * WORD);

		memcpy(*out, &word, WORD);
		*out += differs ? WORD : 0;
		bits |= (unsigned)differs << i;
	}
	return (uint8_t)bits;
}

/* Writes bits and words; where they end.  `out` has room for a word more than
 * all of them. */
static uint8_t *
put_differences(uint8_t *out, const uint8_t *from, struct bytes head)
{
	size_t words = head.size / WORD, rest = head.size % WORD, i;
	size_t end = words * WORD;
	uint8_t *bits = out;

	out += (words + (rest != 0) + GROUP - 1) / GROUP;
	for (i = 0; i + GROUP <= words; i += GROUP)
		*bits++ = put_group(&out, from + i * WORD, head.data + i * WORD,
				    GROUP);
	if (i * WORD == head.size)
		return out;
	*bits = put_group(&out, from + i * WORD, head.data + i * WORD,
			  words - i);
	if (rest && memcmp(from + end, head.data + end, rest) != 0) {
		memcpy(out, head.data + end, rest);
		out += rest;
		*bits |= (uint8_t)(1u << (words - i));
	}
	return out;
}

/* Appends the delta, or nothing when that saves less than half. */
static bool
append_delta(struct buf *block, uint32_t reference, struct bytes head)
{
	size_t start = block->size;

	buf_append(block, mark, MARK_SIZE);
	buf_varint(block, reference);
	buf_varint(block, head.size);
	if (buf_reserve(block, head.size + head.size / 64 + 2 * WORD)) {
		uint8_t *end = put_differences(block->data + block->size,
					       block->data + reference, head);

		block->size = (size_t)(end - block->data);
		if (block->size - start <= head.size / 2)
			return true;
	}
	block->size = start;
	return false;
}

void
head_delta_append(struct head_delta_table *table, struct buf *block,
		  struct bytes head)
{
	size_t slot;

	if (head.size < SMALLEST || head.size > LARGEST) {
		buf_bytes(block, head);
		return;
	}
	slot = slot_of(head);
	if (table->references[slot].size == head.size &&
	    append_delta(block, table->references[slot].offset, head))
		return;
	table->references[slot].offset = (uint32_t)block->size;
	table->references[slot].size = (uint32_t)head.size;
	buf_bytes(block, head);
}

struct bytes
head_delta_read(struct bytes block, struct bytes stored, struct buf *scratch)
{
	struct reader r = reader_make(stored);
	const struct bytes damaged = { 0 };
	struct bytes reference, bits;
	uint64_t offset, size;
	size_t words;

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
	words = (reference.size + WORD - 1) / WORD;
	bits = reader_take(&r, (words + GROUP - 1) / GROUP);
	buf_reset(scratch);
	for (size_t i = 0; i < words && !r.failed; i++) {
		struct bytes word =
			bytes_first(bytes_from(reference, i * WORD), WORD);

		if (bits.data[i / GROUP] >> i % GROUP & 1)
			word = reader_take(&r, word.size);
		buf_bytes(scratch, word);
	}
	return r.failed || reader_left(&r) ? damaged : buf_view(scratch);
}
