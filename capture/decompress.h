/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streaming decompression of gzip (RFC 1952, several members), zstd (RFC 8878,
 * several frames) and the LZ4 frame format, told apart by their magic numbers.
 * Memory is bounded; a bomb costs time only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum compression {
	COMPRESSION_NONE,
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD,
	COMPRESSION_LZ4,
};

/* Bytes that compression_detect wants to see. */
#define COMPRESSION_MAGIC 4

/* What a stream that begins so is packed with. */
enum compression compression_detect(struct bytes start);

/* "gzip", "zstd", "lz4", "uncompressed". */
const char *compression_name(enum compression kind);

struct decompressor;

/* Owned by the caller; free with decompressor_free.  Not for NONE. */
struct decompressor *decompressor_new(enum compression kind);
/* NULL is allowed. */
void decompressor_free(struct decompressor *d);

/*
 * Before the first byte: what the first `count` frames of zstd must be like as
 * they are stored (capture/frame_checks.h; borrowed, skippable ones do not
 * count).  The checksum inside a frame is computed only for those that are not
 * as expected, have no check, or come in pieces; it decides.
 */
void decompressor_expect(struct decompressor *d, const uint32_t *checks,
			 uint32_t count);

/*
 * Decompresses from the front of `*in` (which moves past what was used) to
 * `out`.  Returns 0 and the number of bytes written, or ERR_CORRUPT after all
 * that could be had before the damage.  Nothing used and nothing written means
 * that more input is needed.
 *
 * A frame of zstd that there is room for at its beginning is decompressed in
 * place, some 128 KiB by a call: while decompressor_in_place says so, what the
 * frame gave so far stays where it is, and `out` is what comes behind that.
 */
int decompressor_run(struct decompressor *d, struct bytes *in, uint8_t *out,
		     size_t size, size_t *written);

/* Within a frame that is decompressed in place.  NULL is allowed. */
bool decompressor_in_place(const struct decompressor *d);

/* True where the input may end: behind a whole member or frame. */
bool decompressor_at_boundary(const struct decompressor *d);
