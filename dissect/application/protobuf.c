/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/protobuf.h"

#define NUMBER_MAX ((1u << 29) - 1)

/* The key of a field; false when it is none. */
static bool
next_key(struct reader *r, struct protobuf_field *field)
{
	uint64_t key = reader_varint(r);

	if (r->failed || key >> 3 == 0 || key >> 3 > NUMBER_MAX ||
	    (key & 7) > PROTOBUF_FIXED32) {
		r->failed = true;
		return false;
	}
	field->number = (uint32_t)(key >> 3);
	field->wire = (enum protobuf_wire)(key & 7);
	return true;
}

static void
next_value(struct reader *r, struct protobuf_field *field)
{
	field->value = 0;
	field->bytes = bytes_make(NULL, 0);
	switch (field->wire) {
	case PROTOBUF_VARINT:
		field->value = reader_varint(r);
		break;
	case PROTOBUF_FIXED64:
		field->value = reader_le64(r);
		break;
	case PROTOBUF_FIXED32:
		field->value = reader_le32(r);
		break;
	case PROTOBUF_BYTES:
		field->bytes = reader_string(r);
		break;
	case PROTOBUF_GROUP:
	case PROTOBUF_GROUP_END:
		break;
	}
}

/* Passes what is inside of a group, up to its end and with it. */
static void
pass_group(struct reader *r, struct protobuf_field *group)
{
	const uint8_t *start = r->at, *end = r->at;
	struct protobuf_field field;
	unsigned depth = 1;

	while (depth && next_key(r, &field)) {
		if (field.wire == PROTOBUF_GROUP)
			depth++;
		else if (field.wire == PROTOBUF_GROUP_END)
			depth--;
		else
			next_value(r, &field);
		if (depth)
			end = r->at;
	}
	if (!r->failed && field.number != group->number)
		r->failed = true;
	group->bytes = bytes_make(start, (size_t)(end - start));
}

bool
protobuf_next(struct reader *r, struct protobuf_field *field)
{
	if (!reader_left(r) || !next_key(r, field))
		return false;
	next_value(r, field);
	if (field->wire == PROTOBUF_GROUP)
		pass_group(r, field);
	else if (field->wire == PROTOBUF_GROUP_END)
		r->failed = true;
	return !r->failed;
}

bool
protobuf_is_message(struct bytes in)
{
	struct reader r = reader_make(in);
	struct protobuf_field field;
	bool any = false;

	while (protobuf_next(&r, &field))
		any = true;
	return any && !r.failed;
}
