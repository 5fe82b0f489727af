/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/mcp_headers.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "server/mcp/version.h"

#define VALUE_LIMIT 16384

static int
digit(uint8_t c)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789+/";
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

/* RFC 4648, 4: with padding, no bits left over. */
static bool
decode_base64(struct bytes in, struct buf *out)
{
	uint32_t bits = 0;
	unsigned have = 0;

	if (in.size % 4 != 0)
		return false;
	for (int i = 0; i < 2; i++)
		if (in.size > 0 && in.data[in.size - 1] == '=')
			in.size--;
	for (size_t i = 0; i < in.size; i++) {
		int value = digit(in.data[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_u8(out, (uint8_t)(bits >> have));
		}
	}
	return (bits & ((1u << have) - 1)) == 0;
}

static bool
is_plain(struct bytes value)
{
	for (size_t i = 0; i < value.size; i++)
		if (value.data[i] != '\t' &&
		    (value.data[i] < 0x20 || value.data[i] > 0x7e))
			return false;
	return true;
}

bool
mcp_header_decode(struct bytes value, struct buf *out)
{
	static const char open[] = "=?base64?";
	size_t size = sizeof(open) - 1;
	size_t start = out->size;

	if (!bytes_starts_with(value, open) || value.size < size + 2 ||
	    value.data[value.size - 2] != '?' ||
	    value.data[value.size - 1] != '=') {
		buf_bytes(out, value);
		return is_plain(value) && !out->failed;
	}
	value = bytes_from(value, size);
	return decode_base64(bytes_first(value, value.size - 2), out) &&
	       !out->failed &&
	       text_is_utf8(bytes_from(buf_view(out), start));
}

static int
mismatch(struct rpc_error *e, const char *header, const char *what)
{
	return rpc_fail(e, MCP_HEADER_MISMATCH, "the header %s %s", header,
			what);
}

/* One field whose decoded value must be `expected`. */
static int
check_field(const struct http_request *r, const char *header,
	    const char *expected, struct rpc_error *e)
{
	struct bytes value = http_request_field(r, header);
	struct buf decoded;
	bool readable, same;

	if (!value.data)
		return mismatch(e, header, "is missing");
	if (http_request_count(r, header) > 1)
		return mismatch(e, header, "is there more than once");
	buf_init(&decoded, VALUE_LIMIT);
	readable = mcp_header_decode(value, &decoded);
	same = readable &&
	       bytes_equal(buf_view(&decoded), bytes_of(expected));
	buf_free(&decoded);
	if (!readable)
		return mismatch(e, header, "is malformed");
	return same ? 0 : mismatch(e, header,
				   "does not say what the message says");
}

int
mcp_headers_check(const struct http_request *r, const struct mcp_incoming *m,
		  struct rpc_error *e)
{
	if (m->version && check_field(r, "MCP-Protocol-Version", m->version,
				      e) < 0)
		return -1;
	if (m->method && check_field(r, "Mcp-Method", m->method, e) < 0)
		return -1;
	return m->name ? check_field(r, "Mcp-Name", m->name, e) : 0;
}

/* Integers are compared as numbers: 42.0 is 42. */
static bool
is_same_integer(struct bytes text, json_int_t value)
{
	char *copy = alloc_string_n(text.data, text.size);
	char *end;
	double number = strtod(copy, &end);
	bool same = text.size > 0 && end == copy + text.size &&
		    number == (double)value;

	free(copy);
	return same;
}

static bool
says(struct bytes text, const json_t *value)
{
	if (json_is_integer(value))
		return is_same_integer(text, json_integer_value(value));
	if (json_is_boolean(value))
		return bytes_equal(text, bytes_of(json_is_true(value) ?
							  "true" : "false"));
	return json_is_string(value) &&
	       bytes_equal(text, bytes_make(json_string_value(value),
					    json_string_length(value)));
}

static int
check_argument(const struct http_request *r, const char *header,
	       const json_t *value, struct rpc_error *e)
{
	struct bytes field = http_request_field(r, header);
	struct buf decoded;
	bool same;

	if (!value || json_is_null(value))
		return field.data ? mismatch(e, header, "has no argument") : 0;
	if (!field.data)
		return mismatch(e, header, "is missing");
	if (http_request_count(r, header) > 1)
		return mismatch(e, header, "is there more than once");
	buf_init(&decoded, VALUE_LIMIT);
	same = mcp_header_decode(field, &decoded) &&
	       says(buf_view(&decoded), value);
	buf_free(&decoded);
	return same ? 0 : mismatch(e, header,
				   "does not say what the argument says");
}

/* Only chains of "properties" lead to what is repeated. */
static int
check_properties(const struct http_request *r, const json_t *schema,
		 const json_t *arguments, struct rpc_error *e)
{
	json_t *properties = json_object_get(schema, "properties"), *property;
	const char *name;
	int rc = 0;

	json_object_foreach(properties, name, property) {
		const json_t *value = json_object_get(arguments, name);
		const char *suffix = json_string_value(
			json_object_get(property, "x-mcp-header"));
		char *header;

		rc = check_properties(r, property, value, e);
		if (rc < 0)
			return rc;
		if (!suffix)
			continue;
		header = alloc_format("Mcp-Param-%s", suffix);
		rc = check_argument(r, header, value, e);
		free(header);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
mcp_headers_check_arguments(const struct http_request *r,
			    const struct mcp_incoming *m,
			    const json_t *schema, struct rpc_error *e)
{
	const json_t *params = json_object_get(m->value, "params");

	return check_properties(r, json_object_get(schema, "inputSchema"),
				json_object_get(params, "arguments"), e);
}

enum mcp_header_era
mcp_headers_era(const struct http_request *r)
{
	struct bytes value = http_request_field(r, "MCP-Protocol-Version");

	if (!value.data)
		return HEADER_ABSENT;
	for (unsigned v = 0; v < MCP_VERSION_COUNT; v++)
		if (bytes_equal(value, bytes_of(mcp_version_text(v))))
			return mcp_is_modern(v) ? HEADER_MODERN :
						  HEADER_LEGACY;
	return HEADER_UNKNOWN;
}
