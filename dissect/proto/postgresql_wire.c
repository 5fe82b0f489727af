/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of PostgreSQL: framing, soundness, values. */
#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "dissect/proto/postgresql_parts.h"
#include "dissect/proto/sql_value.h"

#define LENGTH_LIMIT (1u << 30)
#define STARTUP_LIMIT 10000

enum { CODE_CANCEL = 80877102, CODE_SSL = 80877103, CODE_GSS = 80877104 };

enum verdict
postgresql_message(enum side side, struct bytes in,
		   struct postgresql_message *message)
{
	const char *types = side == SIDE_CLIENT ? "QPBDESHCFdcfpX"
						: "RKSZTDCENA123ntIsGHWcdVv";
	struct reader r = reader_make(in);
	uint32_t length;

	message->type = reader_u8(&r);
	if (in.size && (!message->type || !strchr(types, message->type)))
		return VERDICT_NO;
	if (in.size < 5)
		return VERDICT_MAYBE;
	length = reader_be32(&r);
	if (length < 4 || length > LENGTH_LIMIT)
		return VERDICT_NO;
	message->size = (size_t)length + 1;
	message->content = bytes_first(bytes_from(in, 5), length - 4);
	return VERDICT_YES;
}

/* Values, each with its length; -1 is null. */
static void
walk_values(struct reader *r)
{
	unsigned count = reader_be16(r);

	while (count-- && !r->failed) {
		uint32_t size = reader_be32(r);

		if (size != UINT32_MAX)
			reader_skip(r, size);
	}
}

static void
walk_columns(struct reader *r)
{
	unsigned count = reader_be16(r);

	while (count-- && !r->failed) {
		reader_text(r);
		reader_skip(r, 18);
	}
}

/* Severity and the like: a letter and a text each, ended by a zero. */
static void
walk_fields(struct reader *r)
{
	for (;;) {
		uint8_t field = reader_u8(r);

		if (!field || r->failed)
			return;
		r->failed |= field < 'A' || field > 'z';
		reader_text(r);
	}
}

static bool
is_sound_server(uint8_t type, struct reader *r)
{
	uint8_t state;

	switch (type) {
	case 'Z':
		state = reader_u8(r);
		return state == 'I' || state == 'T' || state == 'E';
	case 'T':
		walk_columns(r);
		return true;
	case 'D':
		walk_values(r);
		return true;
	case 'E':
	case 'N':
		walk_fields(r);
		return true;
	case 'C': {
		struct bytes tag = reader_text(r);

		for (size_t i = 0; i < tag.size; i++)
			if (tag.data[i] < ' ' || tag.data[i] > 'z')
				return false;
		return tag.size > 1;
	}
	case 'S':
		reader_text(r);
		reader_text(r);
		return true;
	case 't':
		reader_skip(r, reader_be16(r) * (size_t)4);
		return true;
	default:
		return false;
	}
}

static bool
is_sound_client(uint8_t type, struct reader *r)
{
	uint8_t kind;

	switch (type) {
	case 'Q':
		return text_is_utf8(reader_text(r));
	case 'P':
		reader_text(r);
		if (!text_is_utf8(reader_text(r)))
			return false;
		reader_skip(r, reader_be16(r) * (size_t)4);
		return true;
	case 'B':
		reader_text(r);
		reader_text(r);
		reader_skip(r, reader_be16(r) * (size_t)2);
		walk_values(r);
		reader_skip(r, reader_be16(r) * (size_t)2);
		return true;
	case 'D':
	case 'C':
		kind = reader_u8(r);
		reader_text(r);
		return kind == 'S' || kind == 'P';
	case 'E':
		reader_text(r);
		reader_skip(r, 4);
		return true;
	default:
		return false;
	}
}

bool
postgresql_is_sound(enum side side, const struct postgresql_message *message)
{
	struct reader r = reader_make(message->content);
	bool sound = side == SIDE_CLIENT
			     ? is_sound_client(message->type, &r)
			     : is_sound_server(message->type, &r);

	return sound && !r.failed && !reader_left(&r);
}

enum verdict
postgresql_startup(struct bytes in, uint32_t *code)
{
	struct reader r = reader_make(in);
	uint32_t length = reader_be32(&r);
	struct bytes name;
	bool user = false;

	*code = reader_be32(&r);
	if (in.size < 8)
		return in.size && in.data[0] ? VERDICT_NO : VERDICT_MAYBE;
	if (*code == CODE_SSL || *code == CODE_GSS)
		return length == 8 ? VERDICT_YES : VERDICT_NO;
	if (length < 8 || length > STARTUP_LIMIT ||
	    (*code != CODE_CANCEL && *code >> 16 != 3))
		return VERDICT_NO;
	if (in.size < length)
		return VERDICT_MAYBE;
	if (*code == CODE_CANCEL)
		return length >= 16 && length <= 268 ? VERDICT_YES
						      : VERDICT_NO;
	r = reader_make(bytes_first(bytes_from(in, 8), length - 8));
	while ((name = reader_text(&r)).size) {
		reader_text(&r);
		user |= bytes_equal(name, bytes_of("user"));
	}
	return user && !r.failed ? VERDICT_YES : VERDICT_NO;
}

/* Values. */

enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT2 = 21,
       OID_INT4 = 23, OID_OID = 26, OID_FLOAT4 = 700, OID_FLOAT8 = 701,
       OID_TIMESTAMP = 1114, OID_TIMESTAMPTZ = 1184, OID_UUID = 2950,
       OID_JSONB = 3802 };

#define VALUE_TEXT 48

static uint64_t
number_of(struct bytes in)
{
	uint64_t value = 0;

	for (size_t i = 0; i < in.size && i < 8; i++)
		value = value << 8 | in.data[i];
	return value;
}

static int
print_float(struct bytes in, char out[VALUE_TEXT])
{
	uint64_t bits = number_of(in);
	double wide;

	if (in.size == 4) {
		uint32_t half = (uint32_t)bits;
		float narrow;

		memcpy(&narrow, &half, sizeof(narrow));
		return snprintf(out, VALUE_TEXT, "%.9g", (double)narrow);
	}
	memcpy(&wide, &bits, sizeof(wide));
	return snprintf(out, VALUE_TEXT, "%.17g", wide);
}

static int
print_uuid(struct bytes in, char out[VALUE_TEXT])
{
	uint64_t high = number_of(in), low = number_of(bytes_from(in, 8));

	return snprintf(out, VALUE_TEXT,
			"%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64
			"-%012" PRIx64,
			high >> 32, high >> 16 & 0xffff, high & 0xffff,
			low >> 48, low & UINT64_C(0xffffffffffff));
}

/* A binary value of a type that is known; 0: of another. */
static int
print_binary(struct bytes in, uint32_t type, char out[VALUE_TEXT])
{
	size_t bits = in.size * 8;
	uint64_t value = number_of(in);

	switch (type) {
	case OID_BOOL:
		return in.size == 1 ? snprintf(out, VALUE_TEXT, "%c",
					       value ? 't' : 'f')
				    : 0;
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
		if (in.size != 2 && in.size != 4 && in.size != 8)
			return 0;
		if (bits < 64 && value >> (bits - 1))
			value |= UINT64_MAX << bits;
		return snprintf(out, VALUE_TEXT, "%" PRId64, (int64_t)value);
	case OID_OID:
		return in.size == 4 ? snprintf(out, VALUE_TEXT, "%" PRIu64,
					       value)
				    : 0;
	case OID_FLOAT4:
	case OID_FLOAT8:
		return in.size == 4 || in.size == 8 ? print_float(in, out) : 0;
	case OID_UUID:
		return in.size == 16 ? print_uuid(in, out) : 0;
	default:
		return 0;
	}
}

void
postgresql_value(struct bytes value, uint32_t type, bool binary,
		 struct sink *sink)
{
	char text[VALUE_TEXT];
	int size = binary ? print_binary(value, type, text) : 0;

	if (binary && type == OID_JSONB && value.size)
		value = bytes_from(value, 1); /* its version */
	if (size > 0)
		sink_body(sink, bytes_make(text, (size_t)size));
	else
		sql_value_row(value, binary, sink);
}

void
postgresql_parameter(struct bytes value, uint32_t type, bool binary,
		     struct sink *sink)
{
	char text[VALUE_TEXT];
	int size = binary ? print_binary(value, type, text) : 0;

	if (size > 0)
		value = bytes_make(text, (size_t)size);
	sql_value_parameter(value, binary, sink);
}
