/* SPDX-License-Identifier: Apache-2.0 */
/* Types and values of CQL (§5 and §6 of the protocol). */
#include <stdio.h>

#include <arpa/inet.h>

#include "base/text.h"
#include "dissect/proto/cql_parts.h"

#define TYPE_DEPTH 8
#define FIELDS_LIMIT 1024
#define VALUE_LIMIT 2048
#define BINARY_SHOWN 256

enum type {
	TYPE_CUSTOM, TYPE_ASCII, TYPE_BIGINT, TYPE_BLOB, TYPE_BOOLEAN,
	TYPE_COUNTER, TYPE_DECIMAL, TYPE_DOUBLE, TYPE_FLOAT, TYPE_INT,
	TYPE_TIMESTAMP = 0x0b, TYPE_UUID, TYPE_VARCHAR, TYPE_VARINT,
	TYPE_TIMEUUID, TYPE_INET, TYPE_DATE, TYPE_TIME, TYPE_SMALLINT,
	TYPE_TINYINT, TYPE_DURATION,
	TYPE_LIST = 0x20, TYPE_MAP, TYPE_SET, TYPE_UDT = 0x30, TYPE_TUPLE,
};

static const char *const names[] = {
	"custom", "ascii", "bigint", "blob", "boolean", "counter", "decimal",
	"double", "float", "int", "text", "timestamp", "uuid", "text", "varint",
	"timeuuid", "inet", "date", "time", "smallint", "tinyint", "duration",
};

struct bytes
cql_string(struct reader *r)
{
	return reader_take(r, reader_be16(r));
}

struct bytes
cql_long_string(struct reader *r)
{
	return reader_take(r, reader_be32(r));
}

struct bytes
cql_value_bytes(struct reader *r, bool *null)
{
	uint32_t size = reader_be32(r);

	*null = size > INT32_MAX;
	return *null ? bytes_make(NULL, 0) : reader_take(r, size);
}

uint32_t
cql_type(struct reader *r, unsigned depth)
{
	uint32_t type = reader_be16(r), inner, count = 0;

	if (depth > TYPE_DEPTH)
		r->failed = true;
	if (r->failed)
		return CQL_TYPE_NONE;
	switch (type) {
	case TYPE_CUSTOM:
		cql_string(r);
		return type;
	case TYPE_MAP:
		inner = cql_type(r, depth + 1) & 0xff;
		return type | inner << 8 |
		       (cql_type(r, depth + 1) & 0xff) << 16;
	case TYPE_LIST:
	case TYPE_SET:
		inner = cql_type(r, depth + 1) & 0xff;
		return type | inner << 8;
	case TYPE_UDT:
		cql_string(r);
		cql_string(r);
		count = reader_be16(r);
		break;
	case TYPE_TUPLE:
		count = reader_be16(r);
		break;
	default:
		return type & 0xff;
	}
	for (uint32_t i = 0; i < count && i < FIELDS_LIMIT && !r->failed; i++) {
		if (type == TYPE_UDT)
			cql_string(r);
		cql_type(r, depth + 1);
	}
	return type;
}

static const char *
simple_name(uint32_t type)
{
	if (type < sizeof(names) / sizeof(*names))
		return names[type];
	return type == TYPE_UDT	    ? "udt"
	       : type == TYPE_TUPLE ? "tuple"
	       : type == TYPE_LIST  ? "list"
	       : type == TYPE_MAP   ? "map"
	       : type == TYPE_SET   ? "set"
				    : "unknown";
}

void
cql_type_name(uint32_t type, struct buf *out)
{
	uint32_t outer = type & 0xff;

	buf_text(out, simple_name(outer));
	if (outer == TYPE_LIST || outer == TYPE_SET)
		buf_format(out, "<%s>", simple_name(type >> 8 & 0xff));
	if (outer == TYPE_MAP)
		buf_format(out, "<%s, %s>", simple_name(type >> 8 & 0xff),
			   simple_name(type >> 16 & 0xff));
}

/* Values. */

static struct bytes
hexadecimal(struct bytes in, char out[2 * BINARY_SHOWN + 8])
{
	char *at = out + snprintf(out, 3, "0x");

	for (size_t i = 0; i < in.size && i < BINARY_SHOWN; i++)
		at += snprintf(at, 3, "%02x", in.data[i]);
	if (in.size > BINARY_SHOWN)
		at += snprintf(at, 4, "…");
	return bytes_make(out, (size_t)(at - out));
}

static void
put_hex(struct bytes in, struct json_writer *w)
{
	char text[2 * BINARY_SHOWN + 8];

	json_writer_string(w, hexadecimal(in, text));
}

/* A number of up to 8 octets, of two's complement. */
static int64_t
integer(struct bytes in)
{
	uint64_t number = in.size && in.data[0] >> 7 ? UINT64_MAX : 0;

	for (size_t i = 0; i < in.size; i++)
		number = number << 8 | in.data[i];
	return (int64_t)number;
}

static void
put_real(struct bytes in, struct json_writer *w)
{
	uint64_t bits = (uint64_t)integer(in);
	uint32_t half = (uint32_t)bits;
	char text[40];
	double wide;
	float single;

	if (in.size == 8) {
		memcpy(&wide, &bits, sizeof(wide));
		json_writer_double(w, wide);
		return;
	}
	memcpy(&single, &half, sizeof(single));
	snprintf(text, sizeof(text), "%.9g", (double)single);
	if (strpbrk(text, "in"))
		json_writer_string(w, bytes_of(text));
	else
		json_writer_word(w, text);
}

static void
put_decimal(struct bytes in, struct json_writer *w)
{
	char text[48];

	if (in.size < 5 || in.size > 12) {
		put_hex(in, w);
		return;
	}
	snprintf(text, sizeof(text), "%llde%lld",
		 (long long)integer(bytes_from(in, 4)),
		 (long long)-integer(bytes_first(in, 4)));
	json_writer_string(w, bytes_of(text));
}

static void
put_uuid(struct bytes in, struct json_writer *w)
{
	char text[40], *at = text;

	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		at += snprintf(at, 3, "%02x", in.data[i]);
	}
	json_writer_string(w, bytes_make(text, (size_t)(at - text)));
}

static void
put_address(struct bytes in, struct json_writer *w)
{
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(in.size == 4 ? AF_INET : AF_INET6, in.data, text,
		      sizeof(text)))
		json_writer_string(w, bytes_of(text));
}

/* Sizes that values of a type have; 0: any. */
static size_t
size_of(uint32_t type)
{
	static const uint8_t sizes[] = {
		[TYPE_BIGINT] = 8,    [TYPE_BOOLEAN] = 1, [TYPE_COUNTER] = 8,
		[TYPE_DOUBLE] = 8,    [TYPE_FLOAT] = 4,	  [TYPE_INT] = 4,
		[TYPE_TIMESTAMP] = 8, [TYPE_UUID] = 16,	  [TYPE_TIMEUUID] = 16,
		[TYPE_DATE] = 4,      [TYPE_TIME] = 8,	  [TYPE_SMALLINT] = 2,
		[TYPE_TINYINT] = 1,   [TYPE_DURATION] = 0,
	};

	return type < sizeof(sizes) ? sizes[type] : 0;
}

static void
put_scalar(uint32_t type, struct bytes in, struct json_writer *w)
{
	size_t size = size_of(type);

	if (size && in.size != size) {
		put_hex(in, w);
		return;
	}
	if (type == TYPE_ASCII || type == TYPE_VARCHAR || type == 0x0a)
		json_writer_string(w, in);
	else if (type == TYPE_BOOLEAN)
		json_writer_word(w, in.data[0] ? "true" : "false");
	else if (type == TYPE_DOUBLE || type == TYPE_FLOAT)
		put_real(in, w);
	else if (type == TYPE_UUID || type == TYPE_TIMEUUID)
		put_uuid(in, w);
	else if (type == TYPE_DATE) /* days, 1970 in the middle */
		json_writer_number(w, (int64_t)(uint32_t)integer(in) -
					      (INT64_C(1) << 31));
	else if (size || (type == TYPE_VARINT && in.size && in.size <= 8))
		json_writer_number(w, integer(in));
	else if (type == TYPE_DECIMAL)
		put_decimal(in, w);
	else if (type == TYPE_INET && (in.size == 4 || in.size == 16))
		put_address(in, w);
	else if (type == CQL_TYPE_NONE && text_is_plain(in))
		json_writer_string(w, in);
	else
		put_hex(in, w);
}

static void
put_items(uint32_t type, struct bytes in, struct json_writer *w)
{
	bool map = (type & 0xff) == TYPE_MAP;
	struct reader r = reader_make(in);
	uint32_t count = reader_be32(&r);
	struct bytes item;
	bool null;

	json_writer_open(w, '[');
	for (uint32_t i = 0; i < count && !json_writer_is_full(w); i++) {
		item = cql_value_bytes(&r, &null);
		if (r.failed)
			break;
		if (map)
			json_writer_open(w, '[');
		put_scalar(type >> 8 & 0xff, item, w);
		if (map) {
			item = cql_value_bytes(&r, &null);
			if (null)
				json_writer_word(w, "null");
			else
				put_scalar(type >> 16 & 0xff, item, w);
			json_writer_close(w, ']');
		}
	}
	json_writer_close(w, ']');
}

void
cql_value_json(uint32_t type, struct bytes value, struct json_writer *w)
{
	uint32_t outer = type & 0xff;

	if (type != CQL_TYPE_NONE && outer >= TYPE_LIST && outer <= TYPE_SET)
		put_items(type, value, w);
	else
		put_scalar(type, value, w);
}

void
cql_say_value(struct sink *sink, const char *name, uint32_t type,
	      struct bytes value, bool null)
{
	bool text = type == TYPE_ASCII || type == TYPE_VARCHAR || type == 0x0a ||
		    type == CQL_TYPE_NONE;
	struct json_writer w;
	struct buf out;

	if (!null && text && text_is_plain(value)) {
		sink_header(sink, bytes_of(name),
			    bytes_first(value, VALUE_LIMIT));
		if (value.size > VALUE_LIMIT)
			sink_truncated(sink);
		return;
	}
	if (null) {
		sink_header(sink, bytes_of(name), bytes_of("null"));
		return;
	}
	buf_init(&out, VALUE_LIMIT);
	json_writer_to(&w, &out);
	cql_value_json(type, value, &w);
	json_writer_flush(&w);
	/* Text is not in quotation marks. */
	if (out.size > 1 && out.data[0] == '"')
		sink_header(sink, bytes_of(name),
			    bytes_make(out.data + 1, out.size - 2));
	else
		sink_header(sink, bytes_of(name), buf_view(&out));
	buf_free(&out);
}

void
cql_say_hex(struct sink *sink, const char *name, struct bytes in)
{
	char text[2 * BINARY_SHOWN + 8];

	if (in.size)
		sink_header(sink, bytes_of(name),
			    bytes_from(hexadecimal(in, text), 2));
}

void
cql_say_number(struct sink *sink, const char *name, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)number);
	sink_header(sink, bytes_of(name), bytes_of(text));
}

void
cql_say_text(struct sink *sink, const char *name, struct bytes text)
{
	if (text.size)
		sink_header(sink, bytes_of(name), text);
}
