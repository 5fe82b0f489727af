/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/snappy.h"

#include "base/reader.h"

/* `size` bytes again from `offset` bytes back; they may overlap. */
static bool
copy_back(struct buf *out, size_t start, uint32_t offset, size_t size)
{
	uint8_t *at;

	if (!offset || offset > out->size - start)
		return false;
	at = buf_reserve(out, size);
	if (!at)
		return false;
	for (size_t i = 0; i < size; i++)
		at[i] = at[(ptrdiff_t)i - (ptrdiff_t)offset];
	out->size += size;
	return true;
}

static bool
copy_literal(struct reader *r, uint8_t tag, struct buf *out)
{
	size_t size = tag >> 2;

	if (size >= 60) {
		unsigned bytes = (unsigned)size - 59;

		size = 0;
		for (unsigned i = 0; i < bytes; i++)
			size |= (size_t)reader_u8(r) << (8 * i);
	}
	buf_bytes(out, reader_take(r, size + 1));
	return !r->failed && !out->failed;
}

bool
snappy_block(struct bytes in, struct buf *out)
{
	struct reader r = reader_make(in);
	uint64_t total = reader_varint(&r);
	size_t start = out->size;

	if (r.failed || total > UINT32_MAX)
		return false;
	while (reader_left(&r) && out->size - start < total) {
		uint8_t tag = reader_u8(&r);
		uint32_t offset;
		bool copied;

		switch (tag & 3) {
		case 0:
			copied = copy_literal(&r, tag, out);
			break;
		case 1:
			offset = (uint32_t)(tag >> 5) << 8 | reader_u8(&r);
			copied = copy_back(out, start, offset,
					   (tag >> 2 & 7) + 4u);
			break;
		default:
			offset = (tag & 3) == 2 ? reader_le16(&r)
						: reader_le32(&r);
			copied = copy_back(out, start, offset,
					   (tag >> 2) + 1u);
			break;
		}
		if (!copied || r.failed)
			return false;
	}
	return out->size - start == total;
}
