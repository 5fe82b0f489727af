/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of Protocol Buffers, files of descriptors and bodies of gRPC, piece
 * by piece (protobuf.dev/programming-guides/encoding, descriptor.proto). */
#pragma once

#include "base/buf.h"
#include "dissect/application/descriptors.h"

void protos_varint(struct buf *out, uint64_t value);
void protos_number(struct buf *out, uint32_t number, uint64_t value);
void protos_bytes(struct buf *out, uint32_t number, struct bytes value);
void protos_text(struct buf *out, uint32_t number, const char *value);

struct protos_field {
	const char *name; /* NULL: behind the last one */
	uint32_t number;
	enum descriptor_kind kind;
	const char *type; /* of messages and enums; else NULL */
};

/* A FileDescriptorProto: its name and package, then its types. */
void protos_file(struct buf *out, const char *name, const char *package);
void protos_message(struct buf *file, const char *name,
		    const struct protos_field *fields);
void protos_service(struct buf *file, const char *name, const char *method,
		    const char *request, const char *response);

/* A message as gRPC frames it. */
void protos_frame(struct buf *out, bool compressed, struct bytes message);

/* ServerReflectionResponse with one file. */
void protos_answer(struct buf *out, struct bytes file);
