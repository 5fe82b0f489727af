/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of one number are one member, an array where there are several.  Work
 * is bounded: a level is read once to see that it is one, once to sort its
 * fields, and there are DEPTH_MAX of them.
 */
#include "dissect/application/protobuf_json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/text.h"

#define DEPTH_MAX    24
#define FIELDS_MAX   4096 /* of one level; what is beyond is counted */
#define STRING_MAX   4096 /* bytes of a text; what is beyond is left out */
#define BYTES_MAX    1024 /* the same of other bytes */
#define PACKED_GUESS 64   /* bytes that are tried as packed varints */

struct view {
	const struct descriptors *descriptors;
	struct json_writer *out;
	size_t limit; /* of out->out: nothing is begun behind it */
};

static bool
is_full(const struct view *v)
{
	return v->out->out->size + v->out->size > v->limit;
}

static int
compare_fields(const void *left, const void *right)
{
	const struct protobuf_field *a = left, *b = right;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return a->index < b->index ? -1 : 1;
}

/* The fields of a message by number, and the count of those left out. */
static struct protobuf_field *
sorted_fields(struct bytes in, size_t *count, size_t *left_out)
{
	struct reader r = reader_make(in);
	struct protobuf_field field, *out;
	size_t all = 0;

	while (protobuf_next(&r, &field))
		all++;
	*count = all < FIELDS_MAX ? all : FIELDS_MAX;
	*left_out = all - *count;
	out = alloc_zero(*count + 1, sizeof(*out));
	r = reader_make(in);
	for (size_t i = 0; i < *count; i++) {
		protobuf_next(&r, &out[i]);
		out[i].index = (uint32_t)i;
	}
	qsort(out, *count, sizeof(*out), compare_fields);
	return out;
}

static void put_message(struct view *v, struct bytes in, uint32_t type,
			unsigned depth);

/* Values. */

static void
put_unsigned(struct view *v, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	json_writer_word(v->out, text);
}

/* As short as it can be and still be the same number. */
static void
put_real(struct view *v, double value, bool single)
{
	char text[40];

	if (!isfinite(value)) {
		json_writer_string(v->out, bytes_of(isnan(value) ? "NaN"
						    : value > 0  ? "Infinity"
								: "-Infinity"));
		return;
	}
	for (int digits = single ? 6 : 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (single ? strtof(text, NULL) == (float)value
			   : strtod(text, NULL) == value)
			break;
	}
	json_writer_word(v->out, text);
}

static double
as_double(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static float
as_float(uint64_t bits)
{
	uint32_t low = (uint32_t)bits;
	float value;

	memcpy(&value, &low, sizeof(value));
	return value;
}

static void
put_name(struct view *v, const char *name)
{
	json_writer_name(v->out, bytes_of(name));
}

/* Text, cut between characters. */
static void
put_text(struct view *v, struct bytes in)
{
	size_t size = in.size < STRING_MAX ? in.size : STRING_MAX;

	while (size < in.size && size && (in.data[size] & 0xc0) == 0x80)
		size--;
	json_writer_string(v->out, bytes_first(in, size));
}

static void
put_binary(struct view *v, struct bytes in)
{
	json_writer_open(v->out, '{');
	if (in.size > BYTES_MAX) {
		put_name(v, "size");
		put_unsigned(v, in.size);
	}
	put_name(v, "base64");
	json_writer_base64(v->out, bytes_first(in, BYTES_MAX));
	json_writer_close(v->out, '}');
}

/* Guesses. */

/* Text as people write it. */
static bool
is_plain_text(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if (in.data[i] == 0x7f ||
		    (in.data[i] < ' ' && in.data[i] != '\n' &&
		     in.data[i] != '\r' && in.data[i] != '\t'))
			return false;
	return text_is_utf8(in);
}

static bool
is_packed(struct bytes in)
{
	struct reader r = reader_make(in);
	unsigned count = 0;

	if (in.size > PACKED_GUESS)
		return false;
	while (reader_left(&r) && count < PACKED_GUESS) {
		reader_varint(&r);
		count++;
	}
	return count > 1 && !r.failed;
}

static void
put_packed_guess(struct view *v, struct bytes in)
{
	struct reader r = reader_make(in);

	json_writer_open(v->out, '{');
	put_name(v, "base64");
	json_writer_base64(v->out, in);
	put_name(v, "packed");
	json_writer_open(v->out, '[');
	while (reader_left(&r))
		put_unsigned(v, reader_varint(&r));
	json_writer_close(v->out, ']');
	json_writer_close(v->out, '}');
}

/*
 * Bytes of unknown type: text, a message, or else.  What begins with a line
 * feed or a tab is rather a message, whose first field is number 1.
 */
static void
guess_bytes(struct view *v, struct bytes in, unsigned depth)
{
	bool text = is_plain_text(in);
	bool control = in.size && in.data[0] < ' ';

	if (text && (!control || !protobuf_is_message(in)))
		put_text(v, in);
	else if (depth < DEPTH_MAX && protobuf_is_message(in))
		put_message(v, in, DESCRIPTORS_NONE, depth + 1);
	else if (is_packed(in))
		put_packed_guess(v, in);
	else
		put_binary(v, in);
}

/* Numbers of unknown type: every reading that differs. */
static void
guess_number(struct view *v, const struct protobuf_field *f)
{
	uint64_t value = f->value;
	bool single = f->wire == PROTOBUF_FIXED32;

	if (f->wire == PROTOBUF_VARINT && value <= INT64_MAX) {
		put_unsigned(v, value);
		return;
	}
	json_writer_open(v->out, '{');
	if (f->wire == PROTOBUF_VARINT) {
		put_name(v, "uint64");
		put_unsigned(v, value);
		put_name(v, "int64");
		json_writer_number(v->out, (int64_t)value);
		put_name(v, "sint64");
		json_writer_number(v->out, protobuf_unzigzag(value));
	} else {
		put_name(v, single ? "fixed32" : "fixed64");
		put_unsigned(v, value);
		put_name(v, single ? "float" : "double");
		put_real(v, single ? (double)as_float(value) : as_double(value),
			 single);
	}
	json_writer_close(v->out, '}');
}

static void
guess(struct view *v, const struct protobuf_field *f, unsigned depth)
{
	if (f->wire == PROTOBUF_BYTES)
		guess_bytes(v, f->bytes, depth);
	else if (f->wire != PROTOBUF_GROUP)
		guess_number(v, f);
	else if (depth < DEPTH_MAX)
		put_message(v, f->bytes, DESCRIPTORS_NONE, depth + 1);
	else
		put_binary(v, f->bytes);
}

/* Known types. */

static void
put_enum(struct view *v, const struct descriptor_field *known, uint64_t value)
{
	struct bytes name = descriptors_enum_name(v->descriptors, known->type,
						  (int32_t)value);

	if (name.size)
		json_writer_string(v->out, name);
	else
		json_writer_number(v->out, (int32_t)value);
}

static void
put_number(struct view *v, const struct descriptor_field *known, uint64_t value)
{
	switch (known->kind) {
	case DESCRIPTOR_DOUBLE:
		put_real(v, as_double(value), false);
		break;
	case DESCRIPTOR_FLOAT:
		put_real(v, (double)as_float(value), true);
		break;
	case DESCRIPTOR_INT64:
	case DESCRIPTOR_SFIXED64:
		json_writer_number(v->out, (int64_t)value);
		break;
	case DESCRIPTOR_INT32:
	case DESCRIPTOR_SFIXED32:
		json_writer_number(v->out, (int32_t)value);
		break;
	case DESCRIPTOR_SINT32:
	case DESCRIPTOR_SINT64:
		json_writer_number(v->out, protobuf_unzigzag(value));
		break;
	case DESCRIPTOR_BOOL:
		json_writer_word(v->out, value ? "true" : "false");
		break;
	case DESCRIPTOR_ENUM:
		put_enum(v, known, value);
		break;
	case DESCRIPTOR_UINT64:
	case DESCRIPTOR_UINT32:
	case DESCRIPTOR_FIXED64:
	case DESCRIPTOR_FIXED32:
	case DESCRIPTOR_STRING:
	case DESCRIPTOR_BYTES:
	case DESCRIPTOR_MESSAGE:
	case DESCRIPTOR_GROUP:
	case DESCRIPTOR_KINDS:
		put_unsigned(v, value);
		break;
	}
}

static enum protobuf_wire
wire_of(enum descriptor_kind kind)
{
	static const enum protobuf_wire wires[DESCRIPTOR_KINDS] = {
		[DESCRIPTOR_DOUBLE] = PROTOBUF_FIXED64,
		[DESCRIPTOR_FIXED64] = PROTOBUF_FIXED64,
		[DESCRIPTOR_SFIXED64] = PROTOBUF_FIXED64,
		[DESCRIPTOR_FLOAT] = PROTOBUF_FIXED32,
		[DESCRIPTOR_FIXED32] = PROTOBUF_FIXED32,
		[DESCRIPTOR_SFIXED32] = PROTOBUF_FIXED32,
		[DESCRIPTOR_STRING] = PROTOBUF_BYTES,
		[DESCRIPTOR_BYTES] = PROTOBUF_BYTES,
		[DESCRIPTOR_MESSAGE] = PROTOBUF_BYTES,
		[DESCRIPTOR_GROUP] = PROTOBUF_GROUP,
	};

	return wires[kind]; /* else PROTOBUF_VARINT, which is 0 */
}

/* Numbers one behind the other, as elements of the open array.  Returns how
 * many there is no room for. */
static size_t
put_packed(struct view *v, const struct descriptor_field *known,
	   struct bytes in)
{
	struct reader r = reader_make(in);
	enum protobuf_wire wire = wire_of(known->kind);
	size_t left_out = 0;

	while (reader_left(&r)) {
		uint64_t value = wire == PROTOBUF_VARINT    ? reader_varint(&r)
				 : wire == PROTOBUF_FIXED32 ? reader_le32(&r)
							    : reader_le64(&r);

		if (r.failed)
			break;
		if (is_full(v))
			left_out++;
		else
			put_number(v, known, value);
	}
	return left_out;
}

static bool
may_be_packed(const struct descriptor_field *known,
	      const struct protobuf_field *f)
{
	enum protobuf_wire wire = wire_of(known->kind);

	return known->repeated && f->wire == PROTOBUF_BYTES &&
	       wire != PROTOBUF_BYTES && wire != PROTOBUF_GROUP;
}

/* One value of a field whose type is known, of the wire type that it has. */
static void
put_known(struct view *v, const struct descriptor_field *known,
	  const struct protobuf_field *f, unsigned depth)
{
	bool nested = known->kind == DESCRIPTOR_MESSAGE ||
		      known->kind == DESCRIPTOR_GROUP;
	struct reader r = reader_make(f->bytes);
	struct protobuf_field inner;

	if (known->kind == DESCRIPTOR_STRING && text_is_utf8(f->bytes)) {
		put_text(v, f->bytes);
	} else if (!nested && f->wire != PROTOBUF_BYTES) {
		put_number(v, known, f->value);
	} else if (!nested || depth >= DEPTH_MAX) {
		put_binary(v, f->bytes);
	} else {
		while (protobuf_next(&r, &inner))
			;
		if (r.failed)
			put_binary(v, f->bytes);
		else
			put_message(v, f->bytes, known->type, depth + 1);
	}
}

/* Messages. */

/* The values of one number: `count` fields from `f` on.  Returns how many there
 * is no room for; one that has a name only is written whatever it takes. */
static size_t
put_values(struct view *v, const struct descriptor_field *known,
	   const struct protobuf_field *f, size_t count, unsigned depth)
{
	bool array = known ? known->repeated : count > 1;
	size_t left_out = 0;

	if (array)
		json_writer_open(v->out, '[');
	/* Without an array the last one wins. */
	for (size_t i = array ? 0 : count - 1; i < count; i++) {
		if (array && is_full(v))
			left_out++;
		else if (!known)
			guess(v, &f[i], depth);
		else if (may_be_packed(known, &f[i]))
			left_out += put_packed(v, known, f[i].bytes);
		else
			put_known(v, known, &f[i], depth);
	}
	if (array)
		json_writer_close(v->out, ']');
	return left_out;
}

static void
put_field_name(struct view *v, const struct descriptor_field *known,
	       uint32_t number)
{
	char text[16];

	if (known) {
		json_writer_name(v->out, known->name);
		return;
	}
	snprintf(text, sizeof(text), "%u", number);
	put_name(v, text);
}

static const struct descriptor_field *
known_field(const struct view *v, uint32_t type, const struct protobuf_field *f)
{
	const struct descriptor_field *known = NULL;

	if (v->descriptors && type != DESCRIPTORS_NONE)
		known = descriptors_field(v->descriptors, type, f->number);
	if (known && f->wire != wire_of(known->kind) &&
	    !may_be_packed(known, f))
		return NULL;
	return known;
}

static void
put_message(struct view *v, struct bytes in, uint32_t type, unsigned depth)
{
	size_t count, left_out, next;
	struct protobuf_field *fields = sorted_fields(in, &count, &left_out);

	json_writer_open(v->out, '{');
	for (size_t i = 0; i < count && !is_full(v); i = next) {
		const struct descriptor_field *known =
			known_field(v, type, &fields[i]);

		for (next = i + 1; next < count; next++)
			if (fields[next].number != fields[i].number ||
			    known_field(v, type, &fields[next]) != known)
				break;
		put_field_name(v, known, fields[i].number);
		left_out += put_values(v, known, &fields[i], next - i, depth);
		if (is_full(v))
			left_out += count - next;
	}
	if (left_out) {
		put_name(v, "...");
		put_unsigned(v, left_out);
	}
	json_writer_close(v->out, '}');
	free(fields);
}

bool
protobuf_json(struct bytes in, const struct descriptors *descriptors,
	      uint32_t type, struct json_writer *out)
{
	struct view view = {
		.descriptors = descriptors,
		.out = out,
	};

	assert(out->out);
	view.limit = out->out->size + out->size + PROTOBUF_JSON_BUDGET;
	if (in.size && !protobuf_is_message(in))
		return false;
	put_message(&view, in, type, 0);
	return true;
}
