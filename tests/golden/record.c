/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/golden/record.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/reader.h"

#define BODY_SHOWN 120

/* Bytes outside ASCII appear as the code points of the same number. */
static void
put_string(struct buf *out, struct bytes in)
{
	buf_u8(out, '"');
	for (size_t i = 0; i < in.size; i++) {
		uint8_t c = in.data[i];

		if (c == '"' || c == '\\')
			buf_format(out, "\\%c", c);
		else if (c == '\r' || c == '\n' || c == '\t')
			buf_text(out, c == '\r' ? "\\r" : c == '\n' ? "\\n"
								     : "\\t");
		else if (c >= ' ' && c < 0x7f)
			buf_u8(out, c);
		else
			buf_format(out, "\\u%04x", c);
	}
	buf_u8(out, '"');
}

static void
put_flags(struct buf *out, uint32_t flags)
{
	static const char *const names[] = {
		"request",	      "response",
		"error",	      "uncertain",
		"request_incomplete", "response_incomplete",
		"request_truncated",  "response_truncated",
		"request_undecoded",  "response_undecoded",
		"upgraded",	      "retransmission",
		"midstream",	      "without_keys",
	};
	const char *comma = "";

	buf_text(out, ",\"flags\":[");
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!(flags >> i & 1))
			continue;
		buf_format(out, "%s\"%s\"", comma, names[i]);
		comma = ",";
	}
	buf_u8(out, ']');
}

static void
put_reason(struct buf *out, enum call_reason reason)
{
	static const char *const names[] = {
#define X(name, text) #name,
		CALL_REASON_MAP(X)
#undef X
	};

	if (reason)
		buf_format(out, ",\"reason\":\"%s\"", names[reason]);
}

static void
put_fields(struct buf *out, const struct call_event *call)
{
	static const char *const names[FIELD_COUNT] = {
		"method",	"host",	  "path",	  "query",
		"version",	"text",	  "content_type", "user_agent",
		"error_text",	"summary",  "tls",
	};

	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		if (!call->fields[i].size)
			continue;
		buf_format(out, ",\"%s\":", names[i]);
		put_string(out, call->fields[i]);
	}
}

static void
put_headers(struct buf *out, struct bytes head)
{
	struct reader r = reader_make(head);
	const char *comma = "";

	buf_text(out, ",\"headers\":[");
	while (reader_left(&r)) {
		struct bytes name = reader_string(&r), value;

		value = reader_string(&r);
		buf_text(out, comma);
		buf_u8(out, '[');
		put_string(out, name);
		buf_u8(out, ',');
		put_string(out, value);
		buf_u8(out, ']');
		comma = ",";
	}
	buf_u8(out, ']');
}

static void
put_half(struct buf *out, const char *name, const struct call_half *half)
{
	static const char *const encodings[] = { "none", "gzip",  "deflate",
						 "br",	 "zstd", "grpc+gzip",
						 "grpc+deflate", "grpc+zstd",
						 "unknown" };

	buf_format(out, ",\"%s\":{\"lines\":[%u,%u],\"wire\":%llu", name,
		   (unsigned)(half->first_ns / 1000000),
		   (unsigned)(half->last_ns / 1000000),
		   (unsigned long long)half->wire_bytes);
	put_headers(out, half->head);
	if (half->encoding)
		buf_format(out, ",\"encoding\":\"%s\"",
			   encodings[half->encoding]);
	if (half->body_wire_bytes)
		buf_format(out, ",\"body_wire\":%llu",
			   (unsigned long long)half->body_wire_bytes);
	if (half->body.size) {
		buf_format(out, ",\"kept\":%zu,\"body\":", half->body.size);
		put_string(out, bytes_first(half->body, BODY_SHOWN));
	}
	if (half->messages.size) {
		buf_text(out, ",\"messages\":");
		put_string(out, half->messages);
	}
	buf_u8(out, '}');
}

void
record_call(void *context, struct call_event *call)
{
	struct buf *out = context;

	buf_format(out, "{\"call\":\"%s\"",
		   registry_dissector(call->protocol)->name);
	put_flags(out, call->flags);
	put_reason(out, call->reason);
	if (call->client.port < call->server.port)
		buf_text(out, ",\"reversed\":true");
	if (call->status >= 0)
		buf_format(out, ",\"status\":%d", call->status);
	put_fields(out, call);
	if (call->flags & CALL_HAS_REQUEST)
		put_half(out, "request", &call->request);
	if (call->flags & CALL_HAS_RESPONSE)
		put_half(out, "response", &call->response);
	buf_text(out, "}\n");
}

void
record_name(void *context, const struct name_event *name)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, name->ip, text, sizeof(text));
	buf_format(context, "{\"name\":");
	put_string(context, name->name);
	buf_format(context, ",\"ip\":\"%s\"}\n", text);
}

void
record_stream(struct buf *out, const struct stream *s)
{
	const struct dissector *d = registry_dissector(stream_protocol(s));

	buf_format(out, "{\"stream\":\"%s\",\"calls\":%u", d ? d->name : "",
		   stream_calls(s));
	if (stream_undissected(s))
		buf_format(out, ",\"undissected\":%llu",
			   (unsigned long long)stream_undissected(s));
	for (int side = 0; side < 2; side++) {
		struct bytes first = stream_first_bytes(s, (enum side)side);

		if (!first.size)
			continue;
		buf_format(out, ",\"first_%s\":", side ? "server" : "client");
		put_string(out, first);
	}
	buf_text(out, "}\n");
}

void
record_coverage(struct buf *out, const struct coverage *coverage)
{
	const char *comma = "";

	buf_text(out, "{\"coverage\":{");
#define X(name, text)                                                      \
	if (coverage->name) {                                              \
		buf_format(out, "%s\"" #name "\":%llu", comma,             \
			   (unsigned long long)coverage->name);            \
		comma = ",";                                               \
	}
	COVERAGE_MAP(X)
#undef X
	buf_text(out, "}}\n");
}
