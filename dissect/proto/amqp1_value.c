/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/amqp1_value.h"

#include <stdio.h>

#include "base/text.h"

/* Values that describe a value that describes a value … */
#define DESCRIBED_LIMIT 4
/* Elements without any bytes of an array that are read. */
#define EMPTY_ELEMENTS 64
/* Bytes that are no text of a header's value. */
#define BINARY_SHOWN 64

/* Symbols of the standard's descriptors; brokers use the numbers. */
static const struct {
	const char *name;
	uint8_t type;
} symbols[] = {
	{ "amqp:open:list", AMQP1_OPEN },
	{ "amqp:begin:list", AMQP1_BEGIN },
	{ "amqp:attach:list", AMQP1_ATTACH },
	{ "amqp:flow:list", AMQP1_FLOW },
	{ "amqp:transfer:list", AMQP1_TRANSFER },
	{ "amqp:disposition:list", AMQP1_DISPOSITION },
	{ "amqp:detach:list", AMQP1_DETACH },
	{ "amqp:end:list", AMQP1_END },
	{ "amqp:close:list", AMQP1_CLOSE },
	{ "amqp:error:list", AMQP1_ERROR },
	{ "amqp:received:list", AMQP1_RECEIVED },
	{ "amqp:accepted:list", AMQP1_ACCEPTED },
	{ "amqp:rejected:list", AMQP1_REJECTED },
	{ "amqp:released:list", AMQP1_RELEASED },
	{ "amqp:modified:list", AMQP1_MODIFIED },
	{ "amqp:source:list", AMQP1_SOURCE },
	{ "amqp:target:list", AMQP1_TARGET },
	{ "amqp:coordinator:list", AMQP1_COORDINATOR },
	{ "amqp:declare:list", AMQP1_DECLARE },
	{ "amqp:discharge:list", AMQP1_DISCHARGE },
	{ "amqp:declared:list", AMQP1_DECLARED },
	{ "amqp:transactional-state:list", AMQP1_TRANSACTIONAL },
	{ "amqp:sasl-mechanisms:list", AMQP1_SASL_MECHANISMS },
	{ "amqp:sasl-init:list", AMQP1_SASL_INIT },
	{ "amqp:sasl-challenge:list", AMQP1_SASL_CHALLENGE },
	{ "amqp:sasl-response:list", AMQP1_SASL_RESPONSE },
	{ "amqp:sasl-outcome:list", AMQP1_SASL_OUTCOME },
	{ "amqp:header:list", AMQP1_HEADER },
	{ "amqp:delivery-annotations:map", AMQP1_DELIVERY_ANNOTATIONS },
	{ "amqp:message-annotations:map", AMQP1_MESSAGE_ANNOTATIONS },
	{ "amqp:properties:list", AMQP1_PROPERTIES },
	{ "amqp:application-properties:map", AMQP1_APPLICATION_PROPERTIES },
	{ "amqp:data:binary", AMQP1_DATA },
	{ "amqp:amqp-sequence:list", AMQP1_SEQUENCE },
	{ "amqp:amqp-value:*", AMQP1_VALUE },
	{ "amqp:footer:map", AMQP1_FOOTER },
};

static uint64_t
type_of_symbol(struct bytes name)
{
	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++)
		if (bytes_equal(name, bytes_of(symbols[i].name)))
			return symbols[i].type;
	return AMQP1_UNNAMED;
}

/* Primitive values. */

static const struct {
	uint8_t code, kind;
	uint8_t fixed; /* the value of those without bytes */
} primitives[] = {
	{ 0x40, AMQP1_NULL, 0 },     { 0x41, AMQP1_BOOLEAN, 1 },
	{ 0x42, AMQP1_BOOLEAN, 0 },  { 0x43, AMQP1_UNSIGNED, 0 },
	{ 0x44, AMQP1_UNSIGNED, 0 }, { 0x45, AMQP1_LIST, 0 },
	{ 0x50, AMQP1_UNSIGNED, 0 }, { 0x51, AMQP1_SIGNED, 0 },
	{ 0x52, AMQP1_UNSIGNED, 0 }, { 0x53, AMQP1_UNSIGNED, 0 },
	{ 0x54, AMQP1_SIGNED, 0 },   { 0x55, AMQP1_SIGNED, 0 },
	{ 0x56, AMQP1_BOOLEAN, 0 },  { 0x60, AMQP1_UNSIGNED, 0 },
	{ 0x61, AMQP1_SIGNED, 0 },   { 0x70, AMQP1_UNSIGNED, 0 },
	{ 0x71, AMQP1_SIGNED, 0 },   { 0x72, AMQP1_FLOAT, 0 },
	{ 0x73, AMQP1_CHARACTER, 0 }, { 0x74, AMQP1_DECIMAL, 0 },
	{ 0x80, AMQP1_UNSIGNED, 0 }, { 0x81, AMQP1_SIGNED, 0 },
	{ 0x82, AMQP1_DOUBLE, 0 },   { 0x83, AMQP1_TIME, 0 },
	{ 0x84, AMQP1_DECIMAL, 0 },  { 0x94, AMQP1_DECIMAL, 0 },
	{ 0x98, AMQP1_UUID, 0 },     { 0xa0, AMQP1_BINARY, 0 },
	{ 0xa1, AMQP1_STRING, 0 },   { 0xa3, AMQP1_SYMBOL, 0 },
	{ 0xb0, AMQP1_BINARY, 0 },   { 0xb1, AMQP1_STRING, 0 },
	{ 0xb3, AMQP1_SYMBOL, 0 },   { 0xc0, AMQP1_LIST, 0 },
	{ 0xc1, AMQP1_MAP, 0 },	     { 0xd0, AMQP1_LIST, 0 },
	{ 0xd1, AMQP1_MAP, 0 },	     { 0xe0, AMQP1_ARRAY, 0 },
	{ 0xf0, AMQP1_ARRAY, 0 },
};

/* Bytes of a value of fixed size, by the upper half of its code. */
static unsigned
width_of(uint8_t code)
{
	return code < 0x50 ? 0 : 1u << ((code >> 4) - 5);
}

static uint64_t
unsigned_of(struct bytes in)
{
	uint64_t number = 0;

	for (size_t i = 0; i < in.size; i++)
		number = number << 8 | in.data[i];
	return number;
}

static void
read_fixed(struct reader *r, uint8_t code, struct amqp1_value *value)
{
	unsigned width = width_of(code), unused;

	value->bytes = reader_take(r, width);
	if (!width || width > 8)
		return;
	value->number = unsigned_of(value->bytes);
	unused = 64 - 8 * width;
	if (value->kind == AMQP1_SIGNED)
		value->number = (uint64_t)((int64_t)(value->number << unused) >>
					   unused);
}

static void
read_sized(struct reader *r, uint8_t code, struct amqp1_value *value)
{
	bool wide = code & 0x10; /* 0xb0, 0xd0, 0xf0 */
	struct reader in;

	value->bytes =
		reader_take(r, wide ? reader_be32(r) : reader_u8(r));
	if (code < 0xc0)
		return;
	in = reader_make(value->bytes);
	value->count = wide ? reader_be32(&in) : reader_u8(&in);
	r->failed |= in.failed;
	value->bytes = bytes_from(value->bytes, wide ? 4 : 1);
}

/* The value of that constructor. */
static void
read_primitive(struct reader *r, uint8_t code, struct amqp1_value *value)
{
	for (size_t i = 0; i < sizeof(primitives) / sizeof(*primitives); i++) {
		if (primitives[i].code != code)
			continue;
		value->kind = primitives[i].kind;
		value->number = primitives[i].fixed;
		if (code < 0xa0)
			read_fixed(r, code, value);
		else
			read_sized(r, code, value);
		return;
	}
	r->failed = true;
}

/* Reads what describes a value, behind the octet that says so. */
static void
read_descriptor(struct reader *r, struct amqp1_value *value)
{
	uint8_t code = reader_u8(r);
	struct amqp1_value by = { .kind = AMQP1_NULL };

	read_primitive(r, code, &by);
	if (value->described)
		return; /* what describes it first, names it */
	value->described = true;
	value->descriptor = AMQP1_UNNAMED;
	if (by.kind == AMQP1_UNSIGNED)
		value->descriptor = by.number;
	if (by.kind != AMQP1_SYMBOL)
		return;
	value->descriptor = type_of_symbol(by.bytes);
	value->name = by.bytes;
}

bool
amqp1_read(struct reader *r, struct amqp1_value *value)
{
	uint8_t code = reader_u8(r);

	*value = (struct amqp1_value){ .kind = AMQP1_NULL };
	for (int i = 0; i < DESCRIBED_LIMIT && !code && !r->failed; i++) {
		read_descriptor(r, value);
		code = reader_u8(r);
	}
	if (!r->failed)
		read_primitive(r, code, value);
	if (!r->failed && value->kind == AMQP1_ARRAY) {
		struct reader in = reader_make(value->bytes);

		value->element = reader_u8(&in);
		r->failed = in.failed;
		value->bytes = bytes_from(value->bytes, 1);
	}
	return !r->failed;
}

struct amqp1_items
amqp1_items(const struct amqp1_value *value)
{
	struct amqp1_items items = { .in = reader_make(value->bytes) };
	struct amqp1_value skipped = { .kind = AMQP1_NULL };

	if (value->kind < AMQP1_LIST)
		return items;
	items.left = value->count;
	if (value->kind != AMQP1_ARRAY)
		return items;
	items.element = value->element;
	/* Elements that are described are so all alike. */
	for (int i = 0; i < DESCRIBED_LIMIT && !items.element; i++) {
		read_descriptor(&items.in, &skipped);
		items.element = reader_u8(&items.in);
	}
	if (!items.element)
		items.in.failed = true;
	if (items.element < 0x50 && items.left > EMPTY_ELEMENTS)
		items.left = EMPTY_ELEMENTS;
	return items;
}

bool
amqp1_next(struct amqp1_items *items, struct amqp1_value *value)
{
	if (!items->left || items->in.failed)
		return false;
	items->left--;
	if (!items->element)
		return amqp1_read(&items->in, value);
	*value = (struct amqp1_value){ .kind = AMQP1_NULL };
	read_primitive(&items->in, items->element, value);
	if (!items->in.failed && value->kind == AMQP1_ARRAY) {
		struct reader in = reader_make(value->bytes);

		value->element = reader_u8(&in);
		value->bytes = bytes_from(value->bytes, 1);
	}
	return !items->in.failed;
}

struct amqp1_extent
amqp1_extent(struct bytes in)
{
	struct reader r = reader_make(in);
	uint8_t code = reader_u8(&r);
	struct amqp1_extent extent = { .code = code };

	if (r.failed)
		return extent;
	if (code < 0xa0)
		extent.size = width_of(code);
	else
		extent.size = code & 0x10 ? reader_be32(&r) : reader_u8(&r);
	extent.head = r.failed ? 0 : (size_t)(r.at - in.data);
	return extent;
}

size_t
amqp1_descriptor(struct bytes in, uint64_t *descriptor)
{
	struct reader r = reader_make(in);
	struct amqp1_value value = { .kind = AMQP1_NULL };

	*descriptor = AMQP1_UNNAMED;
	if (in.size && in.data[0])
		return 1;
	reader_skip(&r, 1);
	read_descriptor(&r, &value);
	if (r.failed)
		return 0;
	*descriptor = value.descriptor;
	return (size_t)(r.at - in.data);
}

/* Values as text. */

static void
uuid_text(struct bytes in, char out[37])
{
	char *at = out;

	for (size_t i = 0; i < in.size && i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		at += snprintf(at, 3, "%02x", in.data[i]);
	}
	*at = 0;
}

/* UTF-8 of a character; what is none as its number. */
static struct bytes
character_text(uint64_t number, char out[12])
{
	uint8_t *at = (uint8_t *)out;
	size_t size;

	if (number < 0x80) {
		at[0] = (uint8_t)number;
		size = 1;
	} else if (number < 0x800) {
		at[0] = (uint8_t)(0xc0 | number >> 6);
		size = 2;
	} else if (number < 0x10000) {
		at[0] = (uint8_t)(0xe0 | number >> 12);
		size = 3;
	} else {
		at[0] = (uint8_t)(0xf0 | (number >> 18 & 7));
		size = 4;
	}
	for (size_t i = 1; i < size; i++)
		at[i] = (uint8_t)(0x80 | (number >> (6 * (size - 1 - i)) & 0x3f));
	return bytes_make(out, size);
}

static double
real_of(const struct amqp1_value *value)
{
	uint32_t bits = (uint32_t)value->number;
	double wide;
	float single;

	if (value->kind == AMQP1_DOUBLE) {
		memcpy(&wide, &value->number, sizeof(wide));
		return wide;
	}
	memcpy(&single, &bits, sizeof(single));
	return (double)single;
}

static void
hexadecimal(struct bytes in, char out[40])
{
	char *at = out;

	*at++ = '0';
	*at++ = 'x';
	for (size_t i = 0; i < in.size && i < 16; i++)
		at += snprintf(at, 3, "%02x", in.data[i]);
	*at = 0;
}

static void
json_scalar(const struct amqp1_value *value, struct json_writer *w)
{
	char text[40];

	switch (value->kind) {
	case AMQP1_NULL:
		json_writer_word(w, "null");
		return;
	case AMQP1_BOOLEAN:
		json_writer_word(w, value->number ? "true" : "false");
		return;
	case AMQP1_UNSIGNED:
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)value->number);
		json_writer_word(w, text);
		return;
	case AMQP1_SIGNED:
	case AMQP1_TIME:
		json_writer_number(w, (int64_t)value->number);
		return;
	case AMQP1_FLOAT:
		snprintf(text, sizeof(text), "%.9g", real_of(value));
		if (strpbrk(text, "in"))
			json_writer_string(w, bytes_of(text));
		else
			json_writer_word(w, text);
		return;
	case AMQP1_DOUBLE:
		json_writer_double(w, real_of(value));
		return;
	case AMQP1_CHARACTER:
		json_writer_string(w, character_text(value->number, text));
		return;
	case AMQP1_DECIMAL:
		hexadecimal(value->bytes, text);
		json_writer_string(w, bytes_of(text));
		return;
	case AMQP1_UUID:
		uuid_text(value->bytes, text);
		json_writer_string(w, bytes_of(text));
		return;
	case AMQP1_BINARY:
	case AMQP1_STRING:
	case AMQP1_SYMBOL:
	case AMQP1_LIST:
	case AMQP1_MAP:
	case AMQP1_ARRAY:
		break;
	}
	json_writer_string(w, value->bytes);
}

static void json_value(const struct amqp1_value *value, struct json_writer *w,
		       unsigned depth);

/* The key of a map as the name of a member. */
static void
json_name(const struct amqp1_value *key, struct json_writer *w)
{
	struct buf name;

	if (key->kind >= AMQP1_BINARY && key->kind <= AMQP1_SYMBOL) {
		json_writer_name(w, key->bytes);
		return;
	}
	buf_init(&name, 64);
	if (key->kind < AMQP1_LIST)
		amqp1_text(key, &name);
	json_writer_name(w, buf_view(&name));
	buf_free(&name);
}

static void
json_items(const struct amqp1_value *value, struct json_writer *w,
	   unsigned depth)
{
	struct amqp1_items items = amqp1_items(value);
	bool map = value->kind == AMQP1_MAP;
	struct amqp1_value item;

	json_writer_open(w, map ? '{' : '[');
	while (!json_writer_is_full(w) && amqp1_next(&items, &item)) {
		if (map) {
			json_name(&item, w);
			if (!amqp1_next(&items, &item)) {
				json_writer_word(w, "null");
				break;
			}
		}
		json_value(&item, w, depth + 1);
	}
	json_writer_close(w, map ? '}' : ']');
}

static void
json_value(const struct amqp1_value *value, struct json_writer *w,
	   unsigned depth)
{
	char name[24];

	if (value->described) {
		snprintf(name, sizeof(name), "%llu",
			 (unsigned long long)value->descriptor);
		json_writer_open(w, '{');
		json_writer_name(w, value->name.size ? value->name
						     : bytes_of(name));
	}
	if (value->kind < AMQP1_LIST)
		json_scalar(value, w);
	else if (depth < AMQP1_DEPTH)
		json_items(value, w, depth);
	else
		json_writer_string(w, bytes_of("…"));
	if (value->described)
		json_writer_close(w, '}');
}

void
amqp1_json(const struct amqp1_value *value, struct json_writer *w)
{
	json_value(value, w, 0);
}

/* Bytes that are text, or hexadecimal. */
static void
binary_text(struct bytes in, struct buf *out)
{
	bool printable = text_is_utf8(in);

	for (size_t i = 0; printable && i < in.size; i++)
		printable = in.data[i] >= ' ' && in.data[i] != 0x7f;
	if (printable) {
		buf_bytes(out, bytes_first(in, out->limit));
		return;
	}
	buf_text(out, "0x");
	for (size_t i = 0; i < in.size && i < BINARY_SHOWN; i++)
		buf_format(out, "%02x", in.data[i]);
	if (in.size > BINARY_SHOWN)
		buf_text(out, "…");
}

void
amqp1_text(const struct amqp1_value *value, struct buf *out)
{
	struct json_writer w;
	char text[40];

	if (value->described || value->kind >= AMQP1_LIST) {
		json_writer_to(&w, out);
		amqp1_json(value, &w);
		json_writer_flush(&w);
	} else if (value->kind == AMQP1_BINARY) {
		binary_text(value->bytes, out);
	} else if (value->kind >= AMQP1_STRING) {
		buf_bytes(out, bytes_first(value->bytes, out->limit));
	} else if (value->kind == AMQP1_CHARACTER) {
		buf_bytes(out, character_text(value->number, text));
	} else if (value->kind == AMQP1_UUID) {
		uuid_text(value->bytes, text);
		buf_text(out, text);
	} else if (value->kind == AMQP1_DECIMAL) {
		hexadecimal(value->bytes, text);
		buf_text(out, text);
	} else {
		json_writer_to(&w, out);
		json_scalar(value, &w);
		json_writer_flush(&w);
	}
}
