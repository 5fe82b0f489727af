/* SPDX-License-Identifier: Apache-2.0 */
/* Undoing content encodings of untrusted bodies, within limits. */
#pragma once

#include "base/buf.h"
#include "dissect/sink.h"

enum content_result {
	CONTENT_WHOLE,     /* decoded to the end */
	CONTENT_CUT,       /* input ended early or went bad, or a limit was
			    * reached: what is in `out` is right as far as it
			    * goes */
	CONTENT_BAD,       /* not decodable; nothing was appended */
};

/* How the messages of a gRPC body are encoded, NONE for any other body. */
enum encoding content_of_messages(enum encoding encoding);

/* The state of the decompressors, reused from one body to the next. */
struct content_decoder;

/* A decoder, owned by the caller; some 60 KiB until a body needs more. */
struct content_decoder *content_decoder_new(void);

/* NULL is allowed. */
void content_decoder_free(struct content_decoder *d);

/*
 * Appends the decoded form of `in` to `out`, bounded by out->limit and by
 * `ratio_limit` × in.size (or 64 KiB where that is more, so that short
 * repetitive bodies stay whole).  `*decoded_size` is the size of all that could
 * be decoded within the ratio and 16 × out->limit, kept or not.
 *
 * gzip is RFC 1952 with any number of members, deflate is zlib (RFC 1950) or
 * the raw form (RFC 1951) that some servers send, br is RFC 7932, zstd is
 * RFC 8878 with the window of at most 8 MiB that RFC 9659 asks for.
 * ENCODING_NONE copies; ENCODING_UNKNOWN is CONTENT_BAD.
 */
enum content_result content_decode(struct content_decoder *d,
				   enum encoding encoding, struct bytes in,
				   uint32_t ratio_limit, struct buf *out,
				   uint64_t *decoded_size);

/* The same with a decoder of its own, for what is decoded once; false when it is
 * not whole. */
bool content_decode_once(enum encoding encoding, struct bytes in,
			 uint32_t ratio_limit, struct buf *out);
