/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/http_fields.h"

#include "base/text.h"
#include "dissect/proto/grpc.h"
#include "dissect/proto/http_head.h"

/* Of one block, decoded: one byte may stand for an entry of a table of 64 KiB. */
#define FIELDS_LIMIT (512u << 10)

static bool
is(struct bytes name, const char *text)
{
	return bytes_equal(name, bytes_of(text));
}

static void
emit_path(struct bytes value, struct sink *sink)
{
	const uint8_t *mark = value.size ? memchr(value.data, '?', value.size)
					 : NULL;

	if (mark) {
		size_t size = (size_t)(mark - value.data);

		sink_field(sink, FIELD_QUERY, bytes_from(value, size + 1));
		value.size = size;
	}
	sink_field(sink, FIELD_PATH, value);
}

static void
emit_pseudo(struct bytes name, struct bytes value, struct http_fields *fields,
	    struct sink *sink)
{
	uint64_t status;

	if (is(name, ":method")) {
		sink_field(sink, FIELD_METHOD, value);
	} else if (is(name, ":path")) {
		emit_path(value, sink);
	} else if (is(name, ":authority")) {
		sink_field(sink, FIELD_HOST, value);
	} else if (is(name, HTTP_FIELDS_UNKNOWN)) {
		sink_incomplete(sink);
	} else if (is(name, ":status") && value.size == 3 &&
		   text_u64(value, &status)) {
		fields->status = (int32_t)status;
		sink_status(sink, (int32_t)status);
		if (status >= 400)
			sink_flags(sink, MESSAGE_IS_ERROR);
	}
}

static void
emit_known(struct bytes name, struct bytes value, struct http_fields *fields,
	   struct sink *sink)
{
	switch (name.size) {
	case 4:
		if (is(name, "host") && !sink_value(sink, FIELD_HOST).size)
			sink_field(sink, FIELD_HOST, value);
		break;
	case 10:
		if (is(name, "user-agent"))
			sink_field(sink, FIELD_USER_AGENT, value);
		break;
	case 12:
		if (is(name, "content-type")) {
			http_content_type(value, sink);
			fields->grpc = grpc_is_content_type(value);
			if (fields->grpc)
				sink_timed(sink);
		}
		break;
	case 16:
		if (is(name, "content-encoding"))
			sink_encoding(sink, http_encoding(value));
		break;
	default:
		break;
	}
	if (bytes_starts_with(name, "grpc-"))
		grpc_field(name, value, &fields->grpc_status, sink);
}

void
http_fields_add(struct http_fields *fields, struct bytes name,
		struct bytes value, struct sink *sink)
{
	if (name.size + value.size > FIELDS_LIMIT - fields->size) {
		fields->size = FIELDS_LIMIT;
		sink_truncated(sink);
		return;
	}
	fields->size += (uint32_t)(name.size + value.size);
	sink_header(sink, name, value);
	if (name.size && name.data[0] == ':')
		emit_pseudo(name, value, fields, sink);
	else
		emit_known(name, value, fields, sink);
}
