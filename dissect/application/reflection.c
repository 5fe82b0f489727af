/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/reflection.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/map.h"
#include "dissect/application/protobuf.h"

/* ServerReflectionResponse and FileDescriptorResponse. */
#define ANSWER_FILES 4
#define FILES_FILE   1
/* FileDescriptorProto */
#define FILE_NAME 1

/* What of whom was passed on already. */
struct seen_key {
	uint8_t ip[16];
	uint64_t port;
	uint64_t hash;
};

struct reflection {
	struct descriptor_sink sink;
	struct hash_key key;
	struct map *seen;
	size_t bytes;
	uint64_t left_out;
};

struct reflection *
reflection_new(struct descriptor_sink sink)
{
	struct reflection *r = alloc_zero(1, sizeof(*r));

	r->sink = sink;
	r->key = hash_key_random();
	r->seen = map_new(sizeof(struct seen_key), 1, REFLECTION_FILES_MAX);
	return r;
}

void
reflection_free(struct reflection *r)
{
	if (!r)
		return;
	map_free(r->seen);
	free(r);
}

bool
reflection_is_method(struct bytes method)
{
	return bytes_equal(method, bytes_of("grpc.reflection.v1."
					    "ServerReflection/"
					    "ServerReflectionInfo")) ||
	       bytes_equal(method, bytes_of("grpc.reflection.v1alpha."
					    "ServerReflection/"
					    "ServerReflectionInfo"));
}

/* The name of a file; empty when it is none. */
static struct bytes
name_of(struct bytes file)
{
	struct reader r = reader_make(file);
	struct bytes name = bytes_make(NULL, 0);
	struct protobuf_field f;

	while (protobuf_next(&r, &f))
		if (f.number == FILE_NAME && f.wire == PROTOBUF_BYTES)
			name = f.bytes;
	return r.failed ? bytes_make(NULL, 0) : name;
}

static void
take_file(struct reflection *r, const struct call_event *call,
	  struct bytes file)
{
	struct descriptor_event event = {
		.server = call->server,
		.time_ns = call->response.last_ns,
		.name = name_of(file),
		.file = file,
	};
	struct seen_key key = { .port = call->server.port,
				.hash = hash_bytes(r->key, file) };

	memcpy(key.ip, call->server.ip, sizeof(key.ip));
	if (!event.name.size || map_get(r->seen, &key))
		return;
	if (event.name.size > REFLECTION_NAME_MAX ||
	    file.size > REFLECTION_BYTES_MAX - r->bytes ||
	    !map_put(r->seen, &key, NULL)) {
		r->left_out++;
		return;
	}
	r->bytes += file.size;
	r->sink.file(r->sink.context, &event);
}

static void
read_answer(struct reflection *r, const struct call_event *call,
	    struct bytes answer)
{
	struct reader outer = reader_make(answer), inner;
	struct protobuf_field f, file;

	while (protobuf_next(&outer, &f)) {
		if (f.number != ANSWER_FILES || f.wire != PROTOBUF_BYTES)
			continue;
		inner = reader_make(f.bytes);
		while (protobuf_next(&inner, &file))
			if (file.number == FILES_FILE &&
			    file.wire == PROTOBUF_BYTES)
				take_file(r, call, file.bytes);
	}
}

void
reflection_call(struct reflection *r, const struct grpc_reader *reader,
		const struct call_event *call)
{
	const struct call_half *half = &call->response;
	struct grpc_frame frame;
	size_t at = 0;

	while (grpc_frame_next(half->body, &at, &frame))
		if (frame.bytes.size == frame.size &&
		    grpc_frame_decompress(reader, half->encoding, &frame))
			read_answer(r, call, frame.bytes);
}

uint64_t
reflection_left_out(const struct reflection *r)
{
	return r->left_out;
}
