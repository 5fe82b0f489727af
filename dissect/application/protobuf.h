/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of Protocol Buffers (protobuf.dev/programming-guides/encoding) as
 * JSON: by name where the type is known (descriptors.h), else by the number of
 * each field and a type that its bytes suggest.  See dissect/proto/grpc.md.
 */
#pragma once

#include "base/reader.h"
#include "dissect/proto/json_writer.h"

enum protobuf_wire {
	PROTOBUF_VARINT,
	PROTOBUF_FIXED64,
	PROTOBUF_BYTES,
	PROTOBUF_GROUP,
	PROTOBUF_GROUP_END,
	PROTOBUF_FIXED32,
};

struct protobuf_field {
	uint32_t number;
	uint32_t index; /* among those of its message */
	enum protobuf_wire wire;
	uint64_t value;     /* VARINT, FIXED32, FIXED64 */
	struct bytes bytes; /* BYTES; what is inside of a GROUP */
};

/* Takes the next field; false at the end, and when what comes is none, which
 * sets r->failed. */
bool protobuf_next(struct reader *r, struct protobuf_field *field);

/* Whether `in` is nothing but fields, at least one. */
bool protobuf_is_message(struct bytes in);

/* What sint32 and sint64 mean by a varint. */
static inline int64_t
protobuf_unzigzag(uint64_t value)
{
	return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}
