/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of MySQL and the answers that all commands share. */
#include <stdio.h>

#include "dissect/proto/mysql_parts.h"

enum verdict
mysql_packet(struct bytes in, struct mysql_packet *packet)
{
	struct reader r = reader_make(in);
	size_t length = reader_le16(&r);

	length |= (size_t)reader_u8(&r) << 16;
	packet->sequence = reader_u8(&r);
	if (r.failed)
		return VERDICT_MAYBE;
	packet->size = MYSQL_HEADER + length;
	packet->content = bytes_first(bytes_from(in, MYSQL_HEADER), length);
	return VERDICT_YES;
}

uint64_t
mysql_number(struct reader *r)
{
	uint8_t first = reader_u8(r);
	uint64_t value;

	switch (first) {
	case 0xfb:
		return MYSQL_NULL;
	case 0xfc:
		return reader_le16(r);
	case 0xfd:
		value = reader_le16(r);
		return value | (uint64_t)reader_u8(r) << 16;
	case 0xfe:
		return reader_le64(r);
	case 0xff:
		r->failed = true;
		return 0;
	default:
		return first;
	}
}

struct bytes
mysql_string(struct reader *r)
{
	uint64_t size = mysql_number(r);

	if (size > reader_left(r)) {
		r->failed = true;
		return bytes_make(NULL, 0);
	}
	return reader_take(r, (size_t)size);
}

struct bytes
mysql_text(struct reader *r)
{
	size_t left = reader_left(r);
	const uint8_t *end = left ? memchr(r->at, 0, left) : NULL;
	struct bytes text = reader_take(r, end ? (size_t)(end - r->at) : left);

	if (end)
		reader_skip(r, 1);
	return text;
}

void
mysql_set_name(struct mysql_name *name, struct bytes text)
{
	text = bytes_first(text, sizeof(name->text));
	if (text.size)
		memcpy(name->text, text.data, text.size);
	name->size = (uint8_t)text.size;
}

void
mysql_number_header(const char *name, uint64_t value, struct sink *sink)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	sink_header(sink, bytes_of(name), bytes_of(text));
}

/* What changed in the session: a list of types, each with a text. */
static struct bytes
tracked_schema(struct reader *r)
{
	struct bytes schema = { NULL, 0 };
	struct reader changes = reader_make(mysql_string(r));

	while (reader_left(&changes)) {
		uint8_t type = reader_u8(&changes);
		struct reader change = reader_make(mysql_string(&changes));

		if (type == 1)
			schema = mysql_string(&change);
	}
	return schema;
}

#define STATUS_CHANGED 0x4000

bool
mysql_ok(struct bytes content, uint64_t capabilities, struct mysql_ok *ok)
{
	struct reader r = reader_make(content), rest;
	uint8_t header = reader_u8(&r);

	*ok = (struct mysql_ok){ .affected = mysql_number(&r) };
	ok->insert_id = mysql_number(&r);
	ok->status = reader_le16(&r);
	ok->warnings = reader_le16(&r);
	if (r.failed || (header != 0 && header != 0xfe))
		return false;
	rest = r;
	ok->info = mysql_string(&rest);
	/* Without the tracking of sessions it is the rest of the packet. */
	if (rest.failed || (capabilities && !(capabilities & MYSQL_CAN_TRACK)) ||
	    (!capabilities && reader_left(&rest) &&
	     !(ok->status & STATUS_CHANGED)))
		ok->info = reader_take(&r, reader_left(&r));
	else if (ok->status & STATUS_CHANGED)
		ok->schema = tracked_schema(&rest);
	return true;
}

bool
mysql_eof(struct bytes content, struct mysql_ok *ok)
{
	struct reader r = reader_make(content);
	uint8_t header = reader_u8(&r);

	*ok = (struct mysql_ok){ .warnings = reader_le16(&r) };
	ok->status = reader_le16(&r);
	return header == 0xfe && !r.failed && !reader_left(&r);
}

static bool
is_state(struct bytes state)
{
	for (size_t i = 0; i < state.size; i++) {
		uint8_t c = state.data[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z'))
			return false;
	}
	return state.size == 5;
}

bool
mysql_failure(struct bytes content, struct mysql_failure *failure)
{
	struct reader r = reader_make(content);
	uint8_t header = reader_u8(&r);

	*failure = (struct mysql_failure){ .code = reader_le16(&r) };
	if (header != 0xff || r.failed)
		return false;
	if (reader_left(&r) >= 6 && *r.at == '#' &&
	    is_state(bytes_make(r.at + 1, 5))) {
		reader_skip(&r, 1);
		failure->state = reader_take(&r, 5);
	}
	failure->message = reader_take(&r, reader_left(&r));
	return true;
}

#define FLAG_UNSIGNED 0x20

bool
mysql_column(struct bytes content, struct bytes *name, uint16_t *type)
{
	struct reader r = reader_make(content);
	uint8_t code;

	for (int i = 0; i < 4; i++) /* catalog, schema, table, its own name */
		mysql_string(&r);
	*name = mysql_string(&r);
	mysql_string(&r);
	/* MariaDB may describe the type further. */
	if (reader_left(&r) && *r.at != 0x0c)
		mysql_string(&r);
	reader_skip(&r, 7); /* size of what follows, character set, length */
	code = reader_u8(&r);
	*type = (uint16_t)(code |
			   (reader_le16(&r) & FLAG_UNSIGNED ? MYSQL_UNSIGNED
							    : 0));
	return !r.failed;
}

#define COLUMNS_MAX 4096

uint32_t
mysql_column_count(struct bytes content, uint64_t capabilities, bool *described)
{
	struct reader r = reader_make(content);
	bool before = capabilities & MYSQL_CAN_SKIP_METADATA;
	uint64_t count;

	*described = true;
	if (before)
		*described = reader_u8(&r) != 0;
	count = mysql_number(&r);
	if (!before && reader_left(&r) == 1)
		*described = reader_u8(&r) != 0;
	if (r.failed || reader_left(&r) || count > COLUMNS_MAX)
		return 0;
	return (uint32_t)count;
}
