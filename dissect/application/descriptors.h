/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What messages and methods are called: from FileDescriptorProtos
 * (google/protobuf/descriptor.proto), as a descriptor set has them or a
 * server's reflection answers with.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define DESCRIPTORS_NONE UINT32_MAX

/* FieldDescriptorProto.Type. */
enum descriptor_kind {
	DESCRIPTOR_DOUBLE = 1,
	DESCRIPTOR_FLOAT,
	DESCRIPTOR_INT64,
	DESCRIPTOR_UINT64,
	DESCRIPTOR_INT32,
	DESCRIPTOR_FIXED64,
	DESCRIPTOR_FIXED32,
	DESCRIPTOR_BOOL,
	DESCRIPTOR_STRING,
	DESCRIPTOR_GROUP,
	DESCRIPTOR_MESSAGE,
	DESCRIPTOR_BYTES,
	DESCRIPTOR_UINT32,
	DESCRIPTOR_ENUM,
	DESCRIPTOR_SFIXED32,
	DESCRIPTOR_SFIXED64,
	DESCRIPTOR_SINT32,
	DESCRIPTOR_SINT64,
	DESCRIPTOR_KINDS
};

struct descriptor_field {
	uint32_t number;
	enum descriptor_kind kind;
	bool repeated;
	uint32_t type; /* of MESSAGE, GROUP and ENUM; NONE: not known */
	struct bytes name;
};

struct descriptors;

/* None yet; owned by the caller.  NULL is allowed to free. */
struct descriptors *descriptors_new(void);
void descriptors_free(struct descriptors *d);

/*
 * Adds what a FileDescriptorSet, or one FileDescriptorProto, says.  Types, or
 * methods, of one name that are not the same are not known.  False when `in` is
 * neither, or is more than may be kept.
 */
bool descriptors_add_set(struct descriptors *d, struct bytes in);
bool descriptors_add_file(struct descriptors *d, struct bytes in);

/* What is added from here on counts where nothing before is of its name. */
void descriptors_rank(struct descriptors *d);

/* Types refer to each other by name: call it after the last add. */
void descriptors_link(struct descriptors *d);

/* The messages of a method, "shop.Cart/Add"; false when it is not known. */
bool descriptors_method(const struct descriptors *d, struct bytes method,
			uint32_t *request, uint32_t *response);

/* A field of a message type, or NULL. */
const struct descriptor_field *
descriptors_field(const struct descriptors *d, uint32_t type, uint32_t number);

/* The name of an enum's value, empty when it has none. */
struct bytes descriptors_enum_name(const struct descriptors *d, uint32_t type,
				   int32_t value);
