/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of Protocol Buffers as JSON; see dissect/proto/grpc.md. */
#pragma once

#include "dissect/application/descriptors.h"
#include "dissect/application/protobuf.h"

/* Bytes of JSON after which no more of one message is written: what is left is
 * counted in a member "...". */
#define PROTOBUF_JSON_BUDGET (32u << 10)
/* What one message takes at most: a text that was begun is ended, and so is
 * every level. */
#define PROTOBUF_JSON_MAX (PROTOBUF_JSON_BUDGET + (32u << 10))

/*
 * Writes `in` as an object.  `type` of `descriptors` is what it is known to
 * be; DESCRIPTORS_NONE: not known, and `descriptors` may be NULL.  False,
 * nothing written, when it is no message.
 */
bool protobuf_json(struct bytes in, const struct descriptors *descriptors,
		   uint32_t type, struct json_writer *out);
