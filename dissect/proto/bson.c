/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/bson.h"

#include <math.h>
#include <stdio.h>

#include "base/reader.h"

enum type {
	TYPE_DOUBLE = 0x01,
	TYPE_STRING = 0x02,
	TYPE_DOCUMENT = 0x03,
	TYPE_ARRAY = 0x04,
	TYPE_BINARY = 0x05,
	TYPE_UNDEFINED = 0x06,
	TYPE_OBJECT_ID = 0x07,
	TYPE_BOOLEAN = 0x08,
	TYPE_DATE = 0x09,
	TYPE_NULL = 0x0a,
	TYPE_REGEX = 0x0b,
	TYPE_POINTER = 0x0c,
	TYPE_CODE = 0x0d,
	TYPE_SYMBOL = 0x0e,
	TYPE_SCOPED = 0x0f,
	TYPE_INT32 = 0x10,
	TYPE_TIMESTAMP = 0x11,
	TYPE_INT64 = 0x12,
	TYPE_DECIMAL = 0x13,
	TYPE_MAX = 0x7f,
	TYPE_MIN = 0xff,
};

#define EMPTY_SIZE 5
#define HEX_SHOWN 16 /* of an object id, of a decimal */

size_t
bson_size(struct bytes in)
{
	struct reader r = reader_make(in);
	uint32_t size = reader_le32(&r);

	if (r.failed || size < EMPTY_SIZE || size > in.size ||
	    in.data[size - 1] != 0)
		return 0;
	return size;
}

struct bytes
bson_inside(struct bytes document)
{
	size_t size = bson_size(document);

	return size ? bytes_make(document.data + 4, size - EMPTY_SIZE)
		    : bytes_make(NULL, 0);
}

/* A size, and `extra` bytes beside what it counts. */
static void
skip_sized(struct reader *r, size_t extra)
{
	uint32_t size = reader_le32(r);

	reader_skip(r, (size_t)size + extra);
}

static void
skip_document(struct reader *r)
{
	size_t size = bson_size(bytes_make(r->at, reader_left(r)));

	r->failed |= !size;
	reader_skip(r, size);
}

static void
skip_value(struct reader *r, uint8_t type)
{
	switch (type) {
	case TYPE_DOUBLE:
	case TYPE_DATE:
	case TYPE_TIMESTAMP:
	case TYPE_INT64:
		reader_skip(r, 8);
		break;
	case TYPE_STRING:
	case TYPE_CODE:
	case TYPE_SYMBOL:
		skip_sized(r, 0);
		break;
	case TYPE_DOCUMENT:
	case TYPE_ARRAY:
	case TYPE_SCOPED:
		skip_document(r);
		break;
	case TYPE_BINARY:
		skip_sized(r, 1);
		break;
	case TYPE_OBJECT_ID:
		reader_skip(r, 12);
		break;
	case TYPE_BOOLEAN:
		reader_skip(r, 1);
		break;
	case TYPE_REGEX:
		reader_text(r);
		reader_text(r);
		break;
	case TYPE_POINTER:
		skip_sized(r, 12);
		break;
	case TYPE_INT32:
		reader_skip(r, 4);
		break;
	case TYPE_DECIMAL:
		reader_skip(r, 16);
		break;
	case TYPE_UNDEFINED:
	case TYPE_NULL:
	case TYPE_MIN:
	case TYPE_MAX:
		break;
	default:
		r->failed = true;
		break;
	}
}

bool
bson_next(struct bytes *at, struct bson_element *element)
{
	struct reader r = reader_make(*at);
	const uint8_t *from;

	if (!at->size)
		return false;
	element->type = reader_u8(&r);
	element->name = reader_text(&r);
	if (r.failed)
		return false;
	from = r.at;
	skip_value(&r, element->type);
	if (r.failed)
		return false;
	element->value = bytes_make(from, (size_t)(r.at - from));
	*at = bytes_make(r.at, reader_left(&r));
	return true;
}

struct bytes
bson_text(const struct bson_element *element)
{
	if (element->type != TYPE_STRING || element->value.size < 5)
		return bytes_make(NULL, 0);
	return bytes_make(element->value.data + 4, element->value.size - 5);
}

double
bson_number(const struct bson_element *element)
{
	struct reader r = reader_make(element->value);
	uint64_t bits;
	double value;

	switch (element->type) {
	case TYPE_DOUBLE:
		bits = reader_le64(&r);
		memcpy(&value, &bits, sizeof(value));
		return value;
	case TYPE_INT32:
		return (int32_t)reader_le32(&r);
	case TYPE_INT64:
		return (double)(int64_t)reader_le64(&r);
	case TYPE_BOOLEAN:
		return reader_u8(&r);
	default:
		return 0;
	}
}

int64_t
bson_integer(const struct bson_element *element)
{
	struct reader r = reader_make(element->value);
	double value;

	if (element->type == TYPE_INT64)
		return (int64_t)reader_le64(&r);
	value = bson_number(element);
	return value >= 0x1p63	   ? INT64_MAX
	       : value <= -0x1p63  ? INT64_MIN
	       : value == value    ? (int64_t)value
				   : 0;
}

/* JSON. */

/* {"$name":"text"} */
static void
put_text(struct json_writer *w, const char *name, struct bytes text)
{
	json_writer_open(w, '{');
	json_writer_name(w, bytes_of(name));
	json_writer_string(w, text);
	json_writer_close(w, '}');
}

static void
put_hex(struct json_writer *w, const char *name, struct bytes in)
{
	char text[2 * HEX_SHOWN + 1] = "";

	for (size_t i = 0; i < in.size && i < HEX_SHOWN; i++)
		snprintf(text + 2 * i, 3, "%02x", in.data[i]);
	put_text(w, name, bytes_of(text));
}

static void
put_member(struct json_writer *w, const char *name, int64_t value)
{
	json_writer_name(w, bytes_of(name));
	json_writer_number(w, value);
}

static void
put_double(struct json_writer *w, double value)
{
	if (isfinite(value)) {
		json_writer_double(w, value);
		return;
	}
	json_writer_open(w, '{');
	json_writer_name(w, bytes_of("$numberDouble"));
	json_writer_double(w, value);
	json_writer_close(w, '}');
}

static void
put_binary(struct json_writer *w, struct reader *r)
{
	uint32_t size = reader_le32(r);
	char kind[3];

	snprintf(kind, sizeof(kind), "%02x", reader_u8(r));
	json_writer_open(w, '{');
	json_writer_name(w, bytes_of("$binary"));
	json_writer_open(w, '{');
	json_writer_name(w, bytes_of("base64"));
	json_writer_base64(w, reader_take(r, size));
	json_writer_name(w, bytes_of("subType"));
	json_writer_string(w, bytes_of(kind));
	json_writer_close(w, '}');
	json_writer_close(w, '}');
}

static void
put_timestamp(struct json_writer *w, struct reader *r)
{
	uint32_t increment = reader_le32(r);

	json_writer_open(w, '{');
	json_writer_name(w, bytes_of("$timestamp"));
	json_writer_open(w, '{');
	put_member(w, "t", reader_le32(r));
	put_member(w, "i", increment);
	json_writer_close(w, '}');
	json_writer_close(w, '}');
}

static void
put_regex(struct json_writer *w, struct reader *r)
{
	json_writer_open(w, '{');
	json_writer_name(w, bytes_of("$regex"));
	json_writer_string(w, reader_text(r));
	json_writer_name(w, bytes_of("$options"));
	json_writer_string(w, reader_text(r));
	json_writer_close(w, '}');
}

/* What JSON has no word for. */
static void
put_special(struct json_writer *w, const struct bson_element *element)
{
	struct reader r = reader_make(element->value);
	bool date = element->type == TYPE_DATE;

	switch (element->type) {
	case TYPE_OBJECT_ID:
		put_hex(w, "$oid", element->value);
		break;
	case TYPE_TIMESTAMP:
		put_timestamp(w, &r);
		break;
	case TYPE_REGEX:
		put_regex(w, &r);
		break;
	case TYPE_BINARY:
		put_binary(w, &r);
		break;
	case TYPE_DECIMAL:
		put_hex(w, "$decimal128", element->value);
		break;
	default:
		json_writer_open(w, '{');
		put_member(w, date ? "$date" : "$type",
			   date ? (int64_t)reader_le64(&r) : element->type);
		json_writer_close(w, '}');
		break;
	}
}

static void
put_value(struct json_writer *w, const struct bson_element *element)
{
	struct reader r = reader_make(element->value);

	switch (element->type) {
	case TYPE_DOUBLE:
		put_double(w, bson_number(element));
		break;
	case TYPE_INT32:
		json_writer_number(w, (int32_t)reader_le32(&r));
		break;
	case TYPE_INT64:
		json_writer_number(w, (int64_t)reader_le64(&r));
		break;
	case TYPE_STRING:
		json_writer_string(w, bson_text(element));
		break;
	case TYPE_BOOLEAN:
		json_writer_word(w, reader_u8(&r) ? "true" : "false");
		break;
	case TYPE_NULL:
	case TYPE_UNDEFINED:
		json_writer_word(w, "null");
		break;
	default:
		put_special(w, element);
		break;
	}
}

struct level {
	struct bytes rest;
	bool array;
};

static struct level
open_level(struct bytes document, bool array, struct json_writer *w)
{
	json_writer_open(w, array ? '[' : '{');
	return (struct level){ bson_inside(document), array };
}

bool
bson_json(struct bytes document, const char *hidden, struct json_writer *w)
{
	struct level levels[BSON_DEPTH];
	struct bson_element element;
	bool sound = bson_size(document) != 0;
	unsigned depth = 1;

	levels[0] = open_level(document, false, w);
	while (depth && !json_writer_is_full(w)) {
		struct level *level = &levels[depth - 1];
		bool nested;

		if (!bson_next(&level->rest, &element)) {
			sound &= !level->rest.size;
			json_writer_close(w, level->array ? ']' : '}');
			depth--;
			continue;
		}
		if (hidden && bytes_equal(element.name, bytes_of(hidden)))
			continue;
		if (!level->array)
			json_writer_name(w, element.name);
		nested = element.type == TYPE_DOCUMENT ||
			 element.type == TYPE_ARRAY;
		if (nested && depth == BSON_DEPTH)
			json_writer_string(w, bytes_of("…"));
		else if (nested)
			levels[depth++] =
				open_level(element.value,
					   element.type == TYPE_ARRAY, w);
		else
			put_value(w, &element);
	}
	return sound;
}
