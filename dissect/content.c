/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/content.h"

#include <assert.h>
#include <stdlib.h>

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"

#define RATIO_FLOOR (64u << 10)
/* Before each message of gRPC: a flag and a size. */
#define GRPC_PREFIX 5
#define COUNTED_LIMITS 16 /* × out->limit: how far the size is counted */
#define SCRATCH_SIZE (16u << 10)
#define RESERVE_STEP (64u << 10)
#define ZSTD_WINDOW_LOG 23 /* 8 MiB, RFC 9659 */

/* Window bits as inflateReset2 takes them. */
enum inflate_form { INFLATE_RAW = -15, INFLATE_ZLIB = 15, INFLATE_GZIP = 31 };

struct content_decoder {
	z_stream inflate;
	ZSTD_DCtx *zstd; /* NULL: not needed yet */
	uint8_t scratch[SCRATCH_SIZE]; /* output that is counted, not kept */
};

/* Where decoded bytes go: kept while there is room, counted up to a limit. */
struct output {
	struct content_decoder *decoder;
	struct buf *out;
	size_t start;      /* of this body in `out` */
	uint64_t size;     /* decoded so far */
	uint64_t keep;     /* of them kept at most */
	uint64_t limit;    /* decoding stops here */
};

/* How one attempt ended. */
enum attempt { ATTEMPT_END, ATTEMPT_SHORT, ATTEMPT_ERROR };

struct content_decoder *
content_decoder_new(void)
{
	struct content_decoder *d = alloc_zero(1, sizeof(*d));

	if (inflateInit2(&d->inflate, INFLATE_GZIP) != Z_OK)
		abort();
	return d;
}

void
content_decoder_free(struct content_decoder *d)
{
	if (!d)
		return;
	inflateEnd(&d->inflate);
	ZSTD_freeDCtx(d->zstd);
	free(d);
}

/* Room for the next decoded bytes; empty once the limit is reached. */
static size_t
output_room(struct output *o, uint8_t **at)
{
	uint64_t room = o->limit - o->size;
	uint64_t kept = o->keep > o->size ? o->keep - o->size : 0;

	if (kept > 0) {
		room = kept < RESERVE_STEP ? kept : RESERVE_STEP;
		*at = buf_reserve(o->out, (size_t)room);
		assert(*at); /* `keep` is within the limit of `out` */
		return (size_t)room;
	}
	*at = o->decoder->scratch;
	return room < SCRATCH_SIZE ? (size_t)room : SCRATCH_SIZE;
}

static void
output_wrote(struct output *o, size_t size)
{
	if (o->size < o->keep)
		o->out->size += size;
	o->size += size;
}

static enum attempt
decode_inflate(struct output *o, enum inflate_form form, struct bytes in)
{
	z_stream *z = &o->decoder->inflate;
	int code = Z_OK;

	inflateReset2(z, form);
	z->next_in = (z_const Bytef *)(uintptr_t)in.data;
	z->avail_in = (uInt)in.size;
	while (code == Z_OK) {
		uint8_t *at;
		size_t room = output_room(o, &at);

		if (room == 0)
			return ATTEMPT_SHORT;
		z->next_out = at;
		z->avail_out = (uInt)room;
		code = inflate(z, Z_NO_FLUSH);
		output_wrote(o, room - z->avail_out);
		/* RFC 1952 2.2: members simply follow one another. */
		if (code == Z_STREAM_END && form == INFLATE_GZIP &&
		    z->avail_in >= 2 && z->next_in[0] == 0x1f &&
		    z->next_in[1] == 0x8b)
			code = inflateReset(z);
	}
	if (code == Z_STREAM_END)
		return ATTEMPT_END;
	return code == Z_BUF_ERROR ? ATTEMPT_SHORT : ATTEMPT_ERROR;
}

static enum attempt
decode_deflate(struct output *o, struct bytes in)
{
	enum attempt attempt = decode_inflate(o, INFLATE_ZLIB, in);

	if (attempt == ATTEMPT_ERROR && o->size == 0)
		attempt = decode_inflate(o, INFLATE_RAW, in);
	return attempt;
}

static enum attempt
decode_brotli(struct output *o, struct bytes in)
{
	BrotliDecoderState *state =
		BrotliDecoderCreateInstance(NULL, NULL, NULL);
	BrotliDecoderResult code = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
	const uint8_t *next = in.data;
	size_t left = in.size;

	if (!state)
		abort();
	while (code == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
		uint8_t *at;
		size_t room = output_room(o, &at);
		size_t unused = room;

		if (room == 0)
			break;
		code = BrotliDecoderDecompressStream(state, &left, &next,
						     &unused, &at, NULL);
		output_wrote(o, room - unused);
	}
	BrotliDecoderDestroyInstance(state);
	if (code == BROTLI_DECODER_RESULT_SUCCESS)
		return ATTEMPT_END;
	return code == BROTLI_DECODER_RESULT_ERROR ? ATTEMPT_ERROR :
						     ATTEMPT_SHORT;
}

static void
begin_zstd(struct content_decoder *d)
{
	if (!d->zstd) {
		d->zstd = ZSTD_createDCtx();
		if (!d->zstd)
			abort();
		ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax,
				       ZSTD_WINDOW_LOG);
	}
	ZSTD_DCtx_reset(d->zstd, ZSTD_reset_session_only);
}

static enum attempt
decode_zstd(struct output *o, struct bytes in)
{
	ZSTD_inBuffer source = { in.data, in.size, 0 };
	size_t code = 1;

	begin_zstd(o->decoder);
	for (;;) {
		uint8_t *at;
		size_t room = output_room(o, &at);
		ZSTD_outBuffer sink = { at, room, 0 };

		if (room == 0)
			return ATTEMPT_SHORT;
		code = ZSTD_decompressStream(o->decoder->zstd, &sink, &source);
		if (ZSTD_isError(code))
			return ATTEMPT_ERROR;
		output_wrote(o, sink.pos);
		if (source.pos == source.size && sink.pos < room)
			return code == 0 ? ATTEMPT_END : ATTEMPT_SHORT;
	}
}

static enum attempt
decode_copy(struct output *o, struct bytes in)
{
	uint64_t kept = in.size < o->keep ? in.size : o->keep;

	buf_append(o->out, in.data, (size_t)kept);
	o->size = in.size;
	return kept < in.size ? ATTEMPT_SHORT : ATTEMPT_END;
}

static enum attempt
decode(struct output *o, enum encoding encoding, struct bytes in)
{
	switch (encoding) {
	case ENCODING_NONE:
		return decode_copy(o, in);
	case ENCODING_GZIP:
		return decode_inflate(o, INFLATE_GZIP, in);
	case ENCODING_DEFLATE:
		return decode_deflate(o, in);
	case ENCODING_BROTLI:
		return decode_brotli(o, in);
	case ENCODING_ZSTD:
		return decode_zstd(o, in);
	case ENCODING_GRPC_GZIP:
	case ENCODING_GRPC_DEFLATE:
	case ENCODING_GRPC_ZSTD:
	case ENCODING_UNKNOWN:
		break;
	}
	return ATTEMPT_ERROR;
}

static uint64_t
smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A message of gRPC: a flag, its size, and itself, which the flag says to be
 * compressed; appended without that.  False: cut, or not to be undone. */
static bool
decode_message(struct content_decoder *d, enum encoding encoding,
	       struct bytes message, uint32_t ratio_limit, struct buf *out)
{
	size_t start = out->size;
	struct bytes payload = bytes_from(message, GRPC_PREFIX);
	bool whole = true;
	uint8_t *prefix;
	uint64_t size;

	if (out->limit - out->size < message.size)
		return false;
	if (!message.data[0]) {
		buf_bytes(out, message);
		return true;
	}
	buf_append(out, "\0\0\0\0", GRPC_PREFIX);
	if (payload.size)
		whole = content_decode(d, encoding, payload, ratio_limit, out,
				       &size) == CONTENT_WHOLE;
	if (!whole && out->size == start + GRPC_PREFIX) {
		out->size = start;
		buf_bytes(out, message);
		return false;
	}
	prefix = out->data + start;
	size = out->size - start - GRPC_PREFIX;
	for (int i = 4; i > 0; i--, size >>= 8)
		prefix[i] = (uint8_t)size;
	return whole;
}

static enum content_result
decode_messages(struct content_decoder *d, enum encoding encoding,
		struct bytes in, uint32_t ratio_limit, struct buf *out)
{
	uint64_t ratio = (uint64_t)ratio_limit * in.size;
	uint64_t limit = ratio < RATIO_FLOOR ? RATIO_FLOOR : ratio;
	size_t start = out->size;
	bool whole = true;

	while (in.size >= GRPC_PREFIX) {
		size_t size = (size_t)in.data[1] << 24 |
			      (size_t)in.data[2] << 16 |
			      (size_t)in.data[3] << 8 | in.data[4];

		if (in.size - GRPC_PREFIX < size || in.data[0] > 1 ||
		    out->size - start > limit)
			break;
		size += GRPC_PREFIX;
		if (!decode_message(d, encoding, bytes_first(in, size),
				    ratio_limit, out))
			whole = false;
		in = bytes_from(in, size);
	}
	if (out->size == start)
		return CONTENT_BAD;
	return whole && !in.size ? CONTENT_WHOLE : CONTENT_CUT;
}

enum encoding
content_of_messages(enum encoding encoding)
{
	if (encoding == ENCODING_GRPC_GZIP)
		return ENCODING_GZIP;
	if (encoding == ENCODING_GRPC_DEFLATE)
		return ENCODING_DEFLATE;
	return encoding == ENCODING_GRPC_ZSTD ? ENCODING_ZSTD : ENCODING_NONE;
}

enum content_result
content_decode(struct content_decoder *d, enum encoding encoding,
	       struct bytes in, uint32_t ratio_limit, struct buf *out,
	       uint64_t *decoded_size)
{
	uint64_t ratio = (uint64_t)ratio_limit * in.size;
	uint64_t limit = ratio < RATIO_FLOOR ? RATIO_FLOOR : ratio;
	struct output o = { .decoder = d, .out = out, .start = out->size };
	enum content_result result;
	enum attempt attempt;

	assert(out->limit >= out->size && in.size <= UINT32_MAX);
	*decoded_size = 0;
	if (in.size == 0)
		return CONTENT_WHOLE;
	if (content_of_messages(encoding) != ENCODING_NONE) {
		result = decode_messages(d, content_of_messages(encoding), in,
					 ratio_limit, out);
		*decoded_size = out->size - o.start;
		return result;
	}
	o.limit = smaller(limit, COUNTED_LIMITS * (uint64_t)out->limit);
	o.keep = smaller(o.limit, out->limit - out->size);
	attempt = decode(&o, encoding, in);
	*decoded_size = o.size;
	if (attempt == ATTEMPT_END)
		return o.size > o.keep ? CONTENT_CUT : CONTENT_WHOLE;
	if (attempt == ATTEMPT_SHORT || o.size > 0)
		return CONTENT_CUT;
	out->size = o.start;
	return CONTENT_BAD;
}

bool
content_decode_once(enum encoding encoding, struct bytes in,
		    uint32_t ratio_limit, struct buf *out)
{
	struct content_decoder *decoder = content_decoder_new();
	enum content_result result;
	uint64_t size;

	result = content_decode(decoder, encoding, in, ratio_limit, out, &size);
	content_decoder_free(decoder);
	return result == CONTENT_WHOLE;
}
