/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/grpc.h"

#include <stdio.h>

#include "base/text.h"
#include "dissect/proto/http_head.h"

#define MESSAGE_SIZE 1024
#define METHOD_SIZE 512

const char *
grpc_status_name(int32_t status)
{
	static const char *const names[] = {
		"OK",
		"CANCELLED",
		"UNKNOWN",
		"INVALID_ARGUMENT",
		"DEADLINE_EXCEEDED",
		"NOT_FOUND",
		"ALREADY_EXISTS",
		"PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED",
		"FAILED_PRECONDITION",
		"ABORTED",
		"OUT_OF_RANGE",
		"UNIMPLEMENTED",
		"INTERNAL",
		"UNAVAILABLE",
		"DATA_LOSS",
		"UNAUTHENTICATED",
	};

	if (status < 0 ||
	    (size_t)status >= sizeof(names) / sizeof(*names))
		return NULL;
	return names[status];
}

bool
grpc_is_content_type(struct bytes value)
{
	static const char type[] = "application/grpc";
	size_t size = sizeof(type) - 1;

	return bytes_equal_nocase(bytes_first(value, size), bytes_of(type)) &&
	       (value.size == size || value.data[size] == '+' ||
		value.data[size] == ';');
}

/* grpc-message is percent-encoded UTF-8. */
static void
emit_message(struct bytes in, struct sink *sink)
{
	uint8_t text[MESSAGE_SIZE];
	size_t size = 0;

	for (size_t i = 0; i < in.size && size < sizeof(text); i++) {
		uint8_t c = in.data[i];

		if (c == '%' && i + 2 < in.size &&
		    text_hex_digit(in.data[i + 1]) >= 0 &&
		    text_hex_digit(in.data[i + 2]) >= 0) {
			c = (uint8_t)(text_hex_digit(in.data[i + 1]) << 4 |
				      text_hex_digit(in.data[i + 2]));
			i += 2;
		}
		text[size++] = c;
	}
	sink_field(sink, FIELD_ERROR, bytes_make(text, size));
}

static void
emit_encoding(struct bytes value, struct sink *sink)
{
	enum encoding encoding = http_encoding(value);

	if (encoding == ENCODING_GZIP)
		encoding = ENCODING_GRPC_GZIP;
	else if (encoding == ENCODING_DEFLATE)
		encoding = ENCODING_GRPC_DEFLATE;
	else if (encoding == ENCODING_ZSTD)
		encoding = ENCODING_GRPC_ZSTD;
	else if (encoding != ENCODING_NONE)
		encoding = ENCODING_UNKNOWN;
	sink_encoding(sink, encoding);
}

void
grpc_field(struct bytes name, struct bytes value, int32_t *status,
	   struct sink *sink)
{
	uint64_t number;

	if (bytes_equal(name, bytes_of("grpc-status"))) {
		if (text_u64(value, &number) && number <= INT32_MAX)
			*status = (int32_t)number;
	} else if (bytes_equal(name, bytes_of("grpc-message"))) {
		if (value.size)
			emit_message(value, sink);
	} else if (bytes_equal(name, bytes_of("grpc-encoding"))) {
		emit_encoding(value, sink);
	}
}

void
grpc_request(struct sink *sink)
{
	struct bytes path = sink_value(sink, FIELD_PATH);
	uint8_t method[METHOD_SIZE];

	sink_protocol(sink, "grpc");
	if (path.size < 2 || path.data[0] != '/')
		return;
	path = bytes_first(bytes_from(path, 1), sizeof(method));
	memcpy(method, path.data, path.size);
	sink_field(sink, FIELD_METHOD, bytes_make(method, path.size));
}

void
grpc_response(struct sink *sink)
{
	sink_protocol(sink, "grpc");
	sink_status(sink, -1); /* what counts is grpc-status */
}

void
grpc_end(int32_t status, int32_t http_status, struct sink *sink)
{
	const char *name = grpc_status_name(status);
	char text[48];

	if (status == 0) {
		sink_status(sink, 0);
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of("OK"));
		return;
	}
	sink_flags(sink, MESSAGE_IS_ERROR);
	if (status > 0) {
		sink_status(sink, status);
		snprintf(text, sizeof(text), "%s", name ? name : "?");
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of(text));
	} else if (http_status >= 0 && http_status != 200) {
		snprintf(text, sizeof(text), "HTTP status %d, no grpc-status",
			 (int)http_status);
	} else {
		snprintf(text, sizeof(text), "ended without grpc-status");
	}
	if (!sink_value(sink, FIELD_ERROR).size)
		sink_field(sink, FIELD_ERROR, bytes_of(text));
}
