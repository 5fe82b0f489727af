/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of a gRPC body (dissect/proto/grpc.md). */
#pragma once

#include "dissect/application/grpc_frame.h"
#include "dissect/event.h"

/*
 * Appends a line of JSON for each message of `half`, as far as `out` has room:
 *   {"time":…,"size":…,"message":{…}}
 * `type` is theirs (DESCRIPTORS_NONE: not known).
 */
void grpc_messages(const struct grpc_reader *reader,
		   const struct call_half *half, uint32_t type,
		   struct buf *out);
