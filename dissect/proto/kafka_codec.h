/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How batches of Kafka are compressed.  Snappy is alone or in the blocks of the
 * Java library.
 */
#pragma once

#include "base/buf.h"

enum kafka_codec {
	KAFKA_CODEC_NONE,
	KAFKA_CODEC_GZIP,
	KAFKA_CODEC_SNAPPY,
	KAFKA_CODEC_LZ4,
	KAFKA_CODEC_ZSTD,
};

/* "gzip"; NULL when there is no such codec. */
const char *kafka_codec_name(unsigned codec);

/* Appends the decompressed form of `in` to `out`, up to its limit; false when
 * some is missing because of that or as it is malformed: what was appended is
 * right as far as it goes. */
bool kafka_codec_decode(unsigned codec, struct bytes in, struct buf *out);
