/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of a gRPC body (dissect/proto/grpc.md). */
#pragma once

#include "base/buf.h"
#include "dissect/application/descriptors.h"
#include "dissect/content.h"
#include "dissect/event.h"

struct grpc_reader {
	struct content_decoder *decoder;
	struct buf *scratch;                   /* one message, decompressed */
	const struct descriptors *descriptors; /* NULL: none */
	uint32_t ratio_limit;
};

/*
 * Appends a line of JSON for each message of `half`, as far as `out` has room:
 *   {"time":…,"size":…,"message":{…}}
 * `type` is theirs (DESCRIPTORS_NONE: not known).
 */
void grpc_messages(const struct grpc_reader *reader,
		   const struct call_half *half, uint32_t type,
		   struct buf *out);
