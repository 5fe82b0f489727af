/* SPDX-License-Identifier: Apache-2.0 */
/* Header blocks of HTTP/2: HPACK (RFC 7541) by libnghttp2. */
#pragma once

#include "dissect/proto/http_fields.h"

/* Dynamic tables are followed up to this size; a peer that agrees on a larger
 * one is not understood from the first block on that needs it. */
#define HTTP2_TABLE_LIMIT 65536

struct http2_head;

/*
 * A decoder of one side's blocks.  `midway`: blocks before the first are
 * missing, so that the table is not known but for what is added from now on.
 * `*memory` counts the bytes it holds until http2_head_free.
 */
struct http2_head *http2_head_new(bool midway, size_t *memory);
/* NULL is allowed. */
void http2_head_free(struct http2_head *h);

/*
 * Decodes a fragment of a block, `last` when the block ends with it.  Each
 * field goes to the sink when `emit`.  False: not HPACK, or beyond what is
 * followed; the decoder must be freed.
 */
bool http2_head_decode(struct http2_head *h, struct bytes fragment, bool last,
		       bool emit, struct http_fields *fields,
		       struct sink *sink);
