/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/decompress.h"

#include <assert.h>
#include <stdlib.h>

/* For ZSTD_d_forceIgnoreChecksum and ZSTD_d_stableOutBuffer.  A library that
 * does not know them refuses them, and then verifies and copies everything. */
#define ZSTD_STATIC_LINKING_ONLY
#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "capture/frame_checks.h"

/* The smallest header of a frame, and that of a block. */
#define ZSTD_BEGINNING 9
/* 128 MiB, what the zstd program accepts without being asked. */
#define ZSTD_WINDOW_LOG 27

struct decompressor {
	enum compression kind;
	bool at_boundary;
	bool finished; /* what follows is padding or garbage: ignored */
	bool failed;   /* damaged: nothing more comes */
	z_stream gzip;
	ZSTD_DCtx *zstd;
	bool in_place;         /* of the frame that was begun last */
	ZSTD_outBuffer frame;  /* where it goes to then */
	size_t zstd_wanted;    /* bytes to the end of its next block */
	const uint32_t *checks; /* of the frames of zstd to come */
	uint32_t check_count;
	LZ4F_dctx *lz4;
	size_t lz4_wanted; /* bytes to its next block or header */
};

/* RFC 8878 section 3.1.2. */
static bool
frame_is_skippable(struct bytes start)
{
	return start.size >= 4 && (start.data[0] & 0xf0) == 0x50 &&
	       bytes_starts_with(bytes_from(start, 1), "\x2a\x4d\x18");
}

enum compression
compression_detect(struct bytes start)
{
	if (bytes_starts_with(start, "\x1f\x8b"))
		return COMPRESSION_GZIP;
	if (bytes_starts_with(start, "\x28\xb5\x2f\xfd"))
		return COMPRESSION_ZSTD;
	if (bytes_starts_with(start, "\x04\x22\x4d\x18"))
		return COMPRESSION_LZ4;
	/* As pzstd writes first; lz4 has them as well, but nobody begins a file
	 * with one. */
	if (frame_is_skippable(start))
		return COMPRESSION_ZSTD;
	return COMPRESSION_NONE;
}

const char *
compression_name(enum compression kind)
{
	switch (kind) {
	case COMPRESSION_GZIP:
		return "gzip";
	case COMPRESSION_ZSTD:
		return "zstd";
	case COMPRESSION_LZ4:
		return "lz4";
	case COMPRESSION_NONE:
		break;
	}
	return "uncompressed";
}

struct decompressor *
decompressor_new(enum compression kind)
{
	struct decompressor *d = alloc_zero(1, sizeof(*d));
	int failed = 0;

	d->kind = kind;
	/* For zstd the state before a frame; gzip wants its first header. */
	d->at_boundary = kind == COMPRESSION_ZSTD;
	d->lz4_wanted = LZ4F_HEADER_SIZE_MIN;
	if (kind == COMPRESSION_GZIP)
		failed = inflateInit2(&d->gzip, 15 + 16) != Z_OK;
	else if (kind == COMPRESSION_LZ4)
		failed = LZ4F_isError(LZ4F_createDecompressionContext(
				 &d->lz4, LZ4F_VERSION)) != 0;
	else
		d->zstd = ZSTD_createDCtx();
	if (d->zstd)
		failed = ZSTD_isError(ZSTD_DCtx_setParameter(
				 d->zstd, ZSTD_d_windowLogMax,
				 ZSTD_WINDOW_LOG)) != 0;
	/* Like any other allocation here: out of memory aborts. */
	if (failed || (kind == COMPRESSION_ZSTD && !d->zstd))
		abort();
	return d;
}

void
decompressor_free(struct decompressor *d)
{
	if (!d)
		return;
	if (d->kind == COMPRESSION_GZIP)
		inflateEnd(&d->gzip);
	LZ4F_freeDecompressionContext(d->lz4);
	ZSTD_freeDCtx(d->zstd);
	free(d);
}

void
decompressor_expect(struct decompressor *d, const uint32_t *checks,
		    uint32_t count)
{
	d->checks = checks;
	d->check_count = count;
}

static int
gzip_run(struct decompressor *d, struct bytes *in, uint8_t *out, size_t size,
	 size_t *written)
{
	int status;

	if (d->at_boundary) {
		/* As gzip(1): zeroes or garbage behind a member are ignored. */
		if (in->data[0] != 0x1f) {
			d->finished = true;
			*in = bytes_from(*in, in->size);
			return 0;
		}
		inflateReset(&d->gzip);
	}
	/* zlib's interface lacks the const; it does not write there. */
	d->gzip.next_in = (z_const Bytef *)(uintptr_t)in->data;
	d->gzip.avail_in = (uInt)in->size;
	d->gzip.next_out = out;
	d->gzip.avail_out = (uInt)size;
	status = inflate(&d->gzip, Z_NO_FLUSH);
	d->at_boundary = status == Z_STREAM_END;
	*written = size - d->gzip.avail_out;
	*in = bytes_from(*in, in->size - d->gzip.avail_in);
	if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
		return ERR_CORRUPT;
	return 0;
}

/*
 * Steps over the check of the frame that `in` begins with; true when there is
 * one, and the frame is whole and as expected (docs/adr/0055).  Being wrong
 * about which check it is would cost time only.
 */
static bool
zstd_take_check(struct decompressor *d, struct bytes in)
{
	uint32_t check;
	size_t size;

	if (d->check_count == 0 || frame_is_skippable(in))
		return false;
	check = *d->checks++;
	d->check_count--;
	size = ZSTD_findFrameCompressedSize(in.data, in.size);
	return !ZSTD_isError(size) && check == frame_check(bytes_first(in, size));
}

/* Possible between frames only. */
static void
zstd_verify(struct decompressor *d, bool verify)
{
	ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_forceIgnoreChecksum,
			       verify ? ZSTD_d_validateChecksum
				      : ZSTD_d_ignoreChecksum);
}

static void
zstd_begin(struct decompressor *d, struct bytes in, uint8_t *out, size_t size)
{
	/* Larger than any size where it is not known. */
	bool fits = ZSTD_getFrameContentSize(in.data, in.size) <= size;

	zstd_verify(d, !zstd_take_check(d, in));
	d->in_place = !ZSTD_isError(ZSTD_DCtx_setParameter(
			      d->zstd, ZSTD_d_stableOutBuffer, fits)) &&
		      fits;
	d->frame = (ZSTD_outBuffer){ out, size, 0 };
	d->zstd_wanted = ZSTD_BEGINNING;
}

/*
 * Given all input at once, zstd would decompress a frame that fits in one go,
 * and give nothing of one that is damaged somewhere.  So it is given one block
 * at a time: what precedes damage is had, and what one step gives is used
 * while it is in the cache (docs/adr/0056).
 */
static int
zstd_run(struct decompressor *d, struct bytes *in, uint8_t *out, size_t size,
	 size_t *written)
{
	ZSTD_outBuffer piece = { out, size, 0 };
	ZSTD_outBuffer *to;
	size_t before, status;

	if (d->at_boundary)
		zstd_begin(d, *in, out, size);
	to = d->in_place ? &d->frame : &piece;
	before = to->pos;
	assert((uint8_t *)to->dst + before == out);
	do {
		struct bytes block = bytes_first(*in, d->zstd_wanted);
		ZSTD_inBuffer from = { block.data, block.size, 0 };

		status = ZSTD_decompressStream(d->zstd, to, &from);
		if (ZSTD_isError(status))
			return ERR_CORRUPT;
		*in = bytes_from(*in, from.pos);
		d->zstd_wanted = status;
	} while (status != 0 && to->pos == before && in->size > 0);
	*written = to->pos - before;
	d->at_boundary = status == 0;
	return 0;
}

/*
 * LZ4F_decompress does not tell what it wrote before an error, so it is given
 * one block at a time, which is also what it likes best.
 */
static int
lz4_run(struct decompressor *d, struct bytes *in, uint8_t *out, size_t size,
	size_t *written)
{
	size_t used = in->size < d->lz4_wanted ? in->size : d->lz4_wanted;
	size_t status;

	*written = size;
	status = LZ4F_decompress(d->lz4, out, written, in->data, &used, NULL);
	if (LZ4F_isError(status)) {
		*written = 0;
		return ERR_CORRUPT;
	}
	d->at_boundary = status == 0;
	d->lz4_wanted = status > 0 ? status : LZ4F_HEADER_SIZE_MIN;
	*in = bytes_from(*in, used);
	return 0;
}

static int
decompressor_step(struct decompressor *d, struct bytes *in, uint8_t *out,
		  size_t size, size_t *written)
{
	switch (d->kind) {
	case COMPRESSION_GZIP:
		return gzip_run(d, in, out, size, written);
	case COMPRESSION_ZSTD:
		return zstd_run(d, in, out, size, written);
	case COMPRESSION_LZ4:
		return lz4_run(d, in, out, size, written);
	case COMPRESSION_NONE:
		break;
	}
	return ERR_INTERNAL; /* there is none for uncompressed data */
}

int
decompressor_run(struct decompressor *d, struct bytes *in, uint8_t *out,
		 size_t size, size_t *written)
{
	int status;

	*written = 0;
	if (d->failed)
		return ERR_CORRUPT;
	if (d->finished || (in->size == 0 && d->at_boundary)) {
		*in = bytes_from(*in, in->size);
		return 0;
	}
	status = decompressor_step(d, in, out, size, written);
	d->failed = status < 0;
	return *written ? 0 : status;
}

bool
decompressor_in_place(const struct decompressor *d)
{
	return d && d->in_place && !d->at_boundary;
}

bool
decompressor_at_boundary(const struct decompressor *d)
{
	return d->at_boundary || d->finished;
}
