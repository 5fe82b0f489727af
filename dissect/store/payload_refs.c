/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/store/payload_refs.h"

#include "base/err.h"
#include "base/reader.h"

/* The difference as an unsigned number that is small when it is near 0. */
static uint64_t
zigzag(uint64_t to, uint64_t from)
{
	uint64_t delta = to - from;

	return delta << 1 ^ (0 - (delta >> 63));
}

static uint64_t
unzigzag(uint64_t from, uint64_t code)
{
	return from + (code >> 1 ^ (0 - (code & 1)));
}

/* How many parts are told of: 0 when there is none. */
static int
parts_told(const struct payload_ref refs[PAYLOAD_PART_COUNT])
{
	int last = PAYLOAD_PART_COUNT;

	while (last && refs[last - 1].size == 0)
		last--;
	if (last > PAYLOAD_PART_ALWAYS)
		return PAYLOAD_PART_COUNT;
	return last ? PAYLOAD_PART_ALWAYS : 0;
}

size_t
payload_refs_encode(const struct payload_ref refs[PAYLOAD_PART_COUNT],
		    uint8_t out[PAYLOAD_REFS_SIZE])
{
	uint64_t block = 0, end = 0;
	int count = parts_told(refs);
	uint8_t *at = out;

	for (int i = 0; i < count; i++) {
		at = bytes_put_varint(at, refs[i].size);
		if (refs[i].size == 0)
			continue;
		at = bytes_put_varint(at, zigzag(refs[i].block, block));
		at = bytes_put_varint(at, zigzag(refs[i].offset, end));
		block = refs[i].block;
		end = (uint64_t)refs[i].offset + refs[i].size;
	}
	return (size_t)(at - out);
}

int
payload_refs_decode(struct bytes in,
		    struct payload_ref refs[PAYLOAD_PART_COUNT])
{
	struct reader r = reader_make(in);
	uint64_t block = 0, end = 0;

	memset(refs, 0, PAYLOAD_PART_COUNT * sizeof(*refs));
	for (int i = 0; in.size && i < PAYLOAD_PART_COUNT; i++) {
		uint64_t size, offset;

		if (i == PAYLOAD_PART_ALWAYS && !reader_left(&r))
			break;
		size = reader_varint(&r);
		if (size == 0)
			continue;
		block = unzigzag(block, reader_varint(&r));
		offset = unzigzag(end, reader_varint(&r));
		if (size > PAYLOAD_BLOCK_LIMIT ||
		    offset > PAYLOAD_BLOCK_LIMIT - size || block > INT64_MAX)
			return ERR_CORRUPT;
		end = offset + size;
		refs[i] = (struct payload_ref){ block, (uint32_t)offset,
						(uint32_t)size };
	}
	return r.failed || reader_left(&r) ? ERR_CORRUPT : 0;
}
