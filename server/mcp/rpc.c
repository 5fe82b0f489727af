/* SPDX-License-Identifier: Apache-2.0 */
#include "server/mcp/rpc.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define WRITE_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))

int
rpc_fail(struct rpc_error *e, int code, const char *format, ...)
{
	va_list args;
	int n;

	e->code = code;
	va_start(args, format);
	n = vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	if (n < (int)sizeof(e->text))
		return -1;
	n = (int)sizeof(e->text) - 1;
	while (n > 0 && ((unsigned char)e->text[n] & 0xc0) == 0x80)
		n--;
	e->text[n] = '\0';
	return -1;
}

/* Depth and an upper bound of the number of values, by brackets and commas
 * outside strings.  Malformed text is left for the parser to find. */
struct extent {
	size_t depth;
	size_t values;
};

static const uint8_t *
skip_string(const uint8_t *at, const uint8_t *end)
{
	for (; at < end && *at != '"'; at++)
		if (*at == '\\')
			at++;
	return at;
}

static struct extent
measure(struct bytes text)
{
	struct extent x = { 0, 1 };
	size_t depth = 0;
	const uint8_t *end = text.data + text.size;

	for (const uint8_t *at = text.data; at < end; at++) {
		switch (*at) {
		case '"':
			at = skip_string(at + 1, end);
			break;
		case '{':
		case '[':
			x.values++;
			if (++depth > x.depth)
				x.depth = depth;
			break;
		case '}':
		case ']':
			depth -= depth > 0;
			break;
		case ',':
			x.values++;
			break;
		default:
			break;
		}
	}
	return x;
}

json_t *
rpc_parse(struct bytes text, size_t *values, struct rpc_error *e)
{
	json_error_t where;
	struct extent x;
	json_t *value;

	if (text.size == 0)
		text = bytes_of("");
	x = measure(text);
	if (values)
		*values = x.values;
	if (x.depth > RPC_MAX_DEPTH || x.values > RPC_MAX_VALUES) {
		rpc_fail(e, RPC_INVALID_REQUEST,
			 "message refused: more than %d levels or %d values",
			 RPC_MAX_DEPTH, RPC_MAX_VALUES);
		return NULL;
	}
	value = json_loadb((const char *)text.data, text.size,
			   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
	if (!value)
		rpc_fail(e, RPC_PARSE_ERROR, "not JSON: %s at byte %d",
			 where.text, where.position);
	return value;
}

bool
rpc_is_id(const json_t *id)
{
	return json_is_string(id) || json_is_integer(id);
}

static int
take_params(json_t *message, struct rpc_message *m, struct rpc_error *e)
{
	json_t *params = json_object_get(message, "params");

	if (params && !json_is_object(params))
		return rpc_fail(e,
				json_is_array(params) ? RPC_INVALID_PARAMS :
							RPC_INVALID_REQUEST,
				"\"params\" must be an object");
	m->params = params;
	return 0;
}

int
rpc_take_apart(json_t *message, struct rpc_message *m, struct rpc_error *e)
{
	json_t *id = json_object_get(message, "id");
	json_t *method = json_object_get(message, "method");
	const char *version =
		json_string_value(json_object_get(message, "jsonrpc"));

	*m = (struct rpc_message){ .id = rpc_is_id(id) ? id : NULL };
	if (!json_is_object(message))
		return rpc_fail(e, RPC_INVALID_REQUEST,
				"a message must be an object");
	if (!version || strcmp(version, "2.0") != 0)
		return rpc_fail(e, RPC_INVALID_REQUEST,
				"\"jsonrpc\" must be \"2.0\"");
	if (!method && (json_object_get(message, "result") ||
			json_object_get(message, "error"))) {
		m->kind = RPC_RESPONSE;
		return 0;
	}
	m->method = json_string_value(method);
	if (!m->method)
		return rpc_fail(e, RPC_INVALID_REQUEST,
				"\"method\" must be a string");
	if (id && !m->id)
		return rpc_fail(e, RPC_INVALID_REQUEST,
				"\"id\" must be a string or an integer");
	m->kind = id ? RPC_REQUEST : RPC_NOTIFICATION;
	return take_params(message, m, e);
}

static int
append(const char *text, size_t size, void *out)
{
	buf_append(out, text, size);
	return ((struct buf *)out)->failed ? -1 : 0;
}

void
rpc_write_json(struct buf *out, const json_t *value)
{
	if (json_dump_callback(value, append, out, WRITE_FLAGS) != 0)
		out->failed = true;
}

/* Bytes that need no escape in a JSON string. */
static size_t
plain_run(struct bytes in)
{
	size_t n = 0;

	while (n < in.size && in.data[n] >= 0x20 && in.data[n] != '"' &&
	       in.data[n] != '\\')
		n++;
	return n;
}

static void
write_escape(struct buf *out, uint8_t c)
{
	switch (c) {
	case '"':
		buf_append(out, "\\\"", 2);
		break;
	case '\\':
		buf_append(out, "\\\\", 2);
		break;
	case '\n':
		buf_append(out, "\\n", 2);
		break;
	case '\t':
		buf_append(out, "\\t", 2);
		break;
	case '\r':
		buf_append(out, "\\r", 2);
		break;
	default:
		buf_format(out, "\\u%04x", c);
		break;
	}
}

void
rpc_write_string(struct buf *out, struct bytes text)
{
	struct buf clean;

	buf_init(&clean, SIZE_MAX);
	if (!text_is_utf8(text)) {
		text_escape(&clean, text);
		text = buf_view(&clean);
	}
	buf_u8(out, '"');
	while (text.size > 0) {
		size_t n = plain_run(text);

		buf_append(out, text.data, n);
		text = bytes_from(text, n);
		if (text.size > 0)
			write_escape(out, text.data[0]);
		text = bytes_from(text, 1);
	}
	buf_u8(out, '"');
	buf_free(&clean);
}

void
rpc_write_error_object(struct buf *out, const struct rpc_error *e)
{
	buf_format(out, "{\"code\":%d,\"message\":", e->code);
	rpc_write_string(out, bytes_of(e->text));
	if (e->data) {
		buf_text(out, ",\"data\":");
		rpc_write_json(out, e->data);
	}
	buf_u8(out, '}');
}

void
rpc_write_error(struct buf *out, const char *id, const struct rpc_error *e)
{
	buf_text(out, "{\"jsonrpc\":\"2.0\"");
	if (id)
		buf_format(out, ",\"id\":%s", id);
	buf_text(out, ",\"error\":");
	rpc_write_error_object(out, e);
	buf_u8(out, '}');
}
