/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/kafka_codec.h"

#include <lz4frame.h>

#include "base/reader.h"
#include "dissect/content.h"

#define RATIO_LIMIT 200
#define LZ4_STEP (64u << 10)
/* "\x82SNAPPY\0", version, and the oldest that can read it. */
#define SNAPPY_STREAM_HEAD 16

const char *
kafka_codec_name(unsigned codec)
{
	static const char *const names[] = { "none", "gzip", "snappy", "lz4",
					     "zstd" };

	return codec < sizeof(names) / sizeof(*names) ? names[codec] : NULL;
}

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
kafka_snappy_block(struct bytes in, struct buf *out)
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

static bool
decode_snappy(struct bytes in, struct buf *out)
{
	struct reader r;

	if (!bytes_starts_with(in, "\x82SNAPPY"))
		return kafka_snappy_block(in, out);
	r = reader_make(bytes_from(in, SNAPPY_STREAM_HEAD));
	while (reader_left(&r)) {
		struct bytes block = reader_take(&r, reader_be32(&r));

		if (r.failed || !kafka_snappy_block(block, out))
			return false;
	}
	return true;
}

static bool
decode_lz4(struct bytes in, struct buf *out)
{
	LZ4F_dctx *context;
	size_t code = 1;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&context,
							 LZ4F_VERSION)))
		return false;
	while (in.size && code) {
		size_t room = out->limit - out->size, taken = in.size;
		uint8_t *at;

		room = room < LZ4_STEP ? room : LZ4_STEP;
		at = room ? buf_reserve(out, room) : NULL;
		if (!at)
			break;
		code = LZ4F_decompress(context, at, &room, in.data, &taken,
				       NULL);
		if (LZ4F_isError(code) || (!taken && !room))
			break;
		out->size += room;
		in = bytes_from(in, taken);
	}
	LZ4F_freeDecompressionContext(context);
	return code == 0;
}

static bool
decode_content(enum encoding encoding, struct bytes in, struct buf *out)
{
	struct content_decoder *decoder = content_decoder_new();
	enum content_result result;
	uint64_t size;

	result = content_decode(decoder, encoding, in, RATIO_LIMIT, out, &size);
	content_decoder_free(decoder);
	return result == CONTENT_WHOLE;
}

bool
kafka_codec_decode(unsigned codec, struct bytes in, struct buf *out)
{
	switch ((enum kafka_codec)codec) {
	case KAFKA_CODEC_GZIP:
		return decode_content(ENCODING_GZIP, in, out);
	case KAFKA_CODEC_ZSTD:
		return decode_content(ENCODING_ZSTD, in, out);
	case KAFKA_CODEC_SNAPPY:
		return decode_snappy(in, out);
	case KAFKA_CODEC_LZ4:
		return decode_lz4(in, out);
	case KAFKA_CODEC_NONE:
		buf_bytes(out, in);
		return !out->failed;
	}
	return false;
}
