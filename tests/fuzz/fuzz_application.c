/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bodies say, of calls of HTTP and messages of WebSocket.
 *
 * Input: a byte that chooses content types, encodings and the protocol, a
 * 16-bit size in big endian and that much request, then the response.
 */
#include <assert.h>

#include "base/reader.h"
#include "base/text.h"
#include "dissect/application/application.h"
#include "dissect/payload.h"
#include "tests/fuzz/fuzz.h"

static void
check(const struct call_event *call)
{
	struct bytes lines = call->response.messages;

	assert(lines.size <= PAYLOAD_MESSAGES_LIMIT);
	assert(!lines.size || lines.data[lines.size - 1] == '\n');
	assert(text_is_utf8(lines));
	assert(call->fields[FIELD_METHOD].size <= 1024);
	assert(call->fields[FIELD_ERROR].size <= 1024);
	assert(call->fields[FIELD_SUMMARY].size <= 1024);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { "application/json",
					     "application/graphql",
					     "text/event-stream",
					     "text/plain" };
	struct reader r = reader_make(bytes_make(data, size));
	uint8_t how = reader_u8(&r);
	const struct application_options options = {
		.body_limit = how & 64 ? 100 : 1u << 16,
		.ratio_limit = 200,
	};
	struct application *a = application_new(&options);
	struct bytes request = reader_take(&r, reader_be16(&r));
	struct bytes response = reader_take(&r, reader_left(&r));

	/* Twice: what was begun is remembered. */
	for (int round = 0; round < 2; round++) {
		struct call_event call = {
			.protocol = how & 16 ? PROTOCOL_websocket
					     : PROTOCOL_http,
			.connection = 7,
			.flags = how & 16 && round ? CALL_HAS_RESPONSE
						   : CALL_HAS_REQUEST |
							     CALL_HAS_RESPONSE,
			.fields = {
				[FIELD_METHOD] = bytes_of(how & 16 ? "text"
								   : "GET"),
				[FIELD_QUERY] = request,
			},
			.request = { .body = request,
				     .content_type = bytes_of(types[how & 3]) },
			.response = {
				.body = response,
				.content_type = bytes_of(types[how >> 2 & 3]),
				.encoding = how & 32 ? ENCODING_GZIP
						     : ENCODING_NONE,
			},
		};

		application_call(a, &call);
		check(&call);
	}
	application_free(a);
	return 0;
}
