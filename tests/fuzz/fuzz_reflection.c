/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What servers say of their types, and what becomes of messages by it.
 *
 * Input: a byte that chooses (1: answers are compressed, 2: the lines are the
 * last part of the input and not what the parser writes, 4: two servers), then
 * three parts, the first two with a 16-bit size in big endian: a body of
 * reflection answers, a body of messages of shop.Cart/Add, lines.
 */
#include <assert.h>

#include "base/reader.h"
#include "base/text.h"
#include "dissect/application/application.h"
#include "dissect/application/grpc_names.h"
#include "dissect/application/protobuf_json.h"
#include "dissect/job/descriptor_list.h"
#include "dissect/payload.h"
#include "tests/fuzz/fuzz.h"

#define METHOD "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

static void
take(void *context, const struct descriptor_event *event)
{
	descriptor_list_add(context, event);
}

static void
reflect(struct application *a, struct bytes body, uint8_t how)
{
	for (uint16_t port = 0; port < (how & 4 ? 2 : 1); port++) {
		struct call_event call = {
			.protocol = PROTOCOL_grpc,
			.server = { .port = port },
			.fields = { [FIELD_METHOD] = bytes_of(METHOD) },
			.response = { .body = body,
				      .encoding = how & 1 ? ENCODING_GRPC_GZIP
							  : ENCODING_NONE },
		};

		/* The second one knows another part of it. */
		if (port)
			call.response.body = bytes_from(body, body.size / 2);
		application_call(a, &call);
	}
}

static void
rename_all(const struct descriptors *d, struct bytes lines, struct bytes body,
	   bool own)
{
	uint32_t types[2];
	struct buf scratch, out;

	buf_init(&scratch, 2 * PROTOBUF_JSON_MAX);
	buf_init(&out, PAYLOAD_MESSAGES_LIMIT);
	if (descriptors_method(d, bytes_of("shop.Cart/Add"), &types[0],
			       &types[1]) &&
	    types[0] != DESCRIPTORS_NONE &&
	    grpc_names(d, types[0], lines, body, &scratch, &out)) {
		assert(out.size && out.data[out.size - 1] == '\n');
		assert(!own || text_is_utf8(buf_view(&out)));
	}
	assert(!out.failed);
	buf_free(&scratch);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_make(bytes_make(data, size));
	uint8_t how = reader_u8(&r);
	struct bytes answers = reader_take(&r, reader_be16(&r));
	struct bytes body = reader_take(&r, reader_be16(&r));
	struct bytes lines = reader_take(&r, reader_left(&r));
	struct descriptor_list *list = descriptor_list_new();
	const struct application_options options = {
		.body_limit = 1u << 16,
		.ratio_limit = 200,
		.reflected = { list, take },
	};
	struct application *a = application_new(&options);
	struct call_event call = {
		.protocol = PROTOCOL_grpc,
		.fields = { [FIELD_METHOD] = bytes_of("shop.Cart/Add") },
		.request = { .body = body },
	};
	unsigned groups;

	reflect(a, answers, how);
	application_call(a, &call);
	if (!(how & 2))
		lines = call.request.messages;
	groups = descriptor_list_groups(list);
	for (unsigned group = 0; group < groups; group++) {
		struct descriptors *d = descriptors_new();

		descriptor_list_give(list, group, d);
		descriptors_link(d);
		rename_all(d, lines, body, !(how & 2));
		descriptors_free(d);
	}
	application_free(a);
	descriptor_list_free(list);
	return 0;
}
