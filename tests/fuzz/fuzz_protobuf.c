/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A descriptor set, and a body of gRPC that it may know the type of.
 *
 * Input: a 16-bit size in big endian and that much descriptor set, then the
 * body.  The method is shop.Cart/Add, as in the seeds.
 */
#include <assert.h>

#include "base/reader.h"
#include "base/text.h"
#include "dissect/application/application.h"
#include "dissect/payload.h"
#include "tests/fuzz/fuzz.h"

static void
check_lines(struct bytes lines)
{
	assert(lines.size <= PAYLOAD_MESSAGES_LIMIT);
	assert(!lines.size || lines.data[lines.size - 1] == '\n');
	assert(text_is_utf8(lines));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_make(bytes_make(data, size));
	struct bytes set = reader_take(&r, reader_be16(&r));
	struct bytes body = reader_take(&r, reader_left(&r));
	struct descriptors *descriptors = descriptors_new();
	struct application_options options = {
		.body_limit = 1u << 16,
		.ratio_limit = 200,
		.descriptors = descriptors,
	};
	struct application *application;
	struct call_event call = {
		.protocol = PROTOCOL_grpc,
		.flags = CALL_HAS_REQUEST | CALL_HAS_RESPONSE,
		.fields = { [FIELD_METHOD] = bytes_of("shop.Cart/Add") },
		.request = { .body = body, .encoding = ENCODING_GRPC_GZIP },
		.response = { .body = body },
	};

	descriptors_add_set(descriptors, set);
	descriptors_link(descriptors);
	application = application_new(&options);
	application_call(application, &call);
	check_lines(call.request.messages);
	check_lines(call.response.messages);
	application_free(application);
	descriptors_free(descriptors);
	return 0;
}
