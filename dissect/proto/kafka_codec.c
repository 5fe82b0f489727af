/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/kafka_codec.h"

#include <lz4frame.h>

#include "base/reader.h"
#include "dissect/content.h"
#include "dissect/proto/snappy.h"

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

static bool
decode_snappy(struct bytes in, struct buf *out)
{
	struct reader r;

	if (!bytes_starts_with(in, "\x82SNAPPY"))
		return snappy_block(in, out);
	r = reader_make(bytes_from(in, SNAPPY_STREAM_HEAD));
	while (reader_left(&r)) {
		struct bytes block = reader_take(&r, reader_be32(&r));

		if (r.failed || !snappy_block(block, out))
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

bool
kafka_codec_decode(unsigned codec, struct bytes in, struct buf *out)
{
	switch ((enum kafka_codec)codec) {
	case KAFKA_CODEC_GZIP:
		return content_decode_once(ENCODING_GZIP, in, RATIO_LIMIT, out);
	case KAFKA_CODEC_ZSTD:
		return content_decode_once(ENCODING_ZSTD, in, RATIO_LIMIT, out);
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
