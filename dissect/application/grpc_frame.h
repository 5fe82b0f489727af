/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as a gRPC body frames them (PROTOCOL-HTTP2.md of grpc/grpc,
 * "Length-Prefixed-Message"). */
#pragma once

#include "base/buf.h"
#include "dissect/application/descriptors.h"
#include "dissect/content.h"

struct grpc_reader {
	struct content_decoder *decoder;
	struct buf *scratch;                   /* one message, decompressed */
	const struct descriptors *descriptors; /* NULL: none */
	uint32_t ratio_limit;
};

struct grpc_frame {
	bool compressed;
	size_t offset;      /* of its prefix in the body */
	uint32_t size;      /* that it says */
	struct bytes bytes; /* what is there of it */
};

/* Takes the message at `*at`, which moves behind it; false at the end. */
bool grpc_frame_next(struct bytes body, size_t *at, struct grpc_frame *frame);

/* Makes its bytes those from before it was compressed, borrowed from the
 * reader's scratch; false: they are not known. */
bool grpc_frame_decompress(const struct grpc_reader *reader,
			   enum encoding encoding, struct grpc_frame *frame);
