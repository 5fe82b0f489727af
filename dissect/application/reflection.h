/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server of gRPC answers when it is asked for its types
 * (grpc/reflection/v1/reflection.proto of grpc/grpc-proto, and v1alpha, which
 * is the same under another name): FileDescriptorProtos.
 */
#pragma once

#include "dissect/application/grpc_frame.h"
#include "dissect/descriptor_event.h"

/* What is passed on, of one parser: files, and bytes of them in all. */
#define REFLECTION_FILES_MAX 4096
#define REFLECTION_BYTES_MAX (4u << 20)
#define REFLECTION_NAME_MAX  512

struct reflection;

/* Owned by the caller; NULL is allowed to free. */
struct reflection *reflection_new(struct descriptor_sink sink);
void reflection_free(struct reflection *r);

/* "grpc.reflection.v1.ServerReflection/ServerReflectionInfo" */
bool reflection_is_method(struct bytes method);

/*
 * Passes on the files in the response of `call`, which is of that method; of
 * each server each content once, and nothing beyond the limits.
 */
void reflection_call(struct reflection *r, const struct grpc_reader *reader,
		     const struct call_event *call);

/* How often there was no room for a file. */
uint64_t reflection_left_out(const struct reflection *r);
