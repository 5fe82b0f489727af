/* SPDX-License-Identifier: Apache-2.0 */
/* Undoing content encodings of untrusted bodies, within limits. */
#pragma once

#include "base/buf.h"
#include "dissect/sink.h"

enum content_result {
	CONTENT_WHOLE,     /* decoded to the end */
	CONTENT_CUT,       /* input ended early, or the limit was reached: what is
			    * in `out` is right as far as it goes */
	CONTENT_BAD,       /* not decodable; `out` is empty */
};

/*
 * Appends the decoded form of `in` to `out` (bounded by out->limit and by
 * `ratio_limit` × in.size).  `*decoded_size` is the size of all that could be
 * decoded within 16 × out->limit, kept or not.
 */
enum content_result content_decode(enum encoding encoding, struct bytes in,
				   uint32_t ratio_limit, struct buf *out,
				   uint64_t *decoded_size);
