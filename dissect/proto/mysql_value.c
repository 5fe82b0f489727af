/* SPDX-License-Identifier: Apache-2.0 */
/* Values and rows of MySQL. */
#include <inttypes.h>
#include <stdio.h>

#include "dissect/proto/mysql_parts.h"
#include "dissect/proto/sql_value.h"

enum type {
	TYPE_TINY = 1,
	TYPE_SHORT = 2,
	TYPE_LONG = 3,
	TYPE_FLOAT = 4,
	TYPE_DOUBLE = 5,
	TYPE_NULL = 6,
	TYPE_TIMESTAMP = 7,
	TYPE_LONGLONG = 8,
	TYPE_INT24 = 9,
	TYPE_DATE = 10,
	TYPE_TIME = 11,
	TYPE_DATETIME = 12,
	TYPE_YEAR = 13,
};

/* Whole numbers of 1, 2, 4 or 8 bytes. */
static int
print_integer(uint64_t value, size_t size, bool positive,
	      char out[MYSQL_VALUE_TEXT])
{
	unsigned bits = (unsigned)size * 8;

	if (positive)
		return snprintf(out, MYSQL_VALUE_TEXT, "%" PRIu64, value);
	if (bits < 64 && value >> (bits - 1))
		value |= UINT64_MAX << bits;
	return snprintf(out, MYSQL_VALUE_TEXT, "%" PRId64, (int64_t)value);
}

static uint64_t
read_integer(struct reader *r, size_t size)
{
	switch (size) {
	case 1:
		return reader_u8(r);
	case 2:
		return reader_le16(r);
	case 4:
		return reader_le32(r);
	default:
		return reader_le64(r);
	}
}

static int
print_float(uint64_t bits, size_t size, char out[MYSQL_VALUE_TEXT])
{
	double wide;

	if (size == 4) {
		uint32_t half = (uint32_t)bits;
		float narrow;

		memcpy(&narrow, &half, sizeof(narrow));
		return snprintf(out, MYSQL_VALUE_TEXT, "%.9g", (double)narrow);
	}
	memcpy(&wide, &bits, sizeof(wide));
	return snprintf(out, MYSQL_VALUE_TEXT, "%.17g", wide);
}

/* A size, and as much of year, month, day, time and microseconds. */
static int
print_date(struct reader *r, uint16_t type, char out[MYSQL_VALUE_TEXT])
{
	size_t size = reader_u8(r);
	struct reader in = reader_make(reader_take(r, size));
	unsigned year = reader_le16(&in), month = reader_u8(&in);
	unsigned day = reader_u8(&in), hour = reader_u8(&in);
	unsigned minute = reader_u8(&in), second = reader_u8(&in);
	unsigned micro = reader_le32(&in);

	if (type == TYPE_DATE)
		return snprintf(out, MYSQL_VALUE_TEXT, "%04u-%02u-%02u", year,
				month, day);
	return snprintf(out, MYSQL_VALUE_TEXT,
			micro ? "%04u-%02u-%02u %02u:%02u:%02u.%06u"
			      : "%04u-%02u-%02u %02u:%02u:%02u",
			year, month, day, hour, minute, second, micro);
}

static int
print_time(struct reader *r, char out[MYSQL_VALUE_TEXT])
{
	size_t size = reader_u8(r);
	struct reader in = reader_make(reader_take(r, size));
	const char *sign = reader_u8(&in) ? "-" : "";
	uint64_t hours = reader_le32(&in) * UINT64_C(24);
	unsigned minute, second, micro;

	hours += reader_u8(&in);
	minute = reader_u8(&in);
	second = reader_u8(&in);
	micro = reader_le32(&in);
	return snprintf(out, MYSQL_VALUE_TEXT,
			micro ? "%s%02" PRIu64 ":%02u:%02u.%06u"
			      : "%s%02" PRIu64 ":%02u:%02u",
			sign, hours, minute, second, micro);
}

static size_t
integer_size(unsigned type)
{
	switch (type) {
	case TYPE_TINY:
		return 1;
	case TYPE_SHORT:
	case TYPE_YEAR:
		return 2;
	case TYPE_LONG:
	case TYPE_INT24:
		return 4;
	case TYPE_LONGLONG:
		return 8;
	default:
		return 0;
	}
}

struct bytes
mysql_value(struct reader *r, uint16_t type, char text[MYSQL_VALUE_TEXT],
	    bool *binary)
{
	unsigned code = type & 0xff;
	size_t size = integer_size(code);
	int written;

	*binary = false;
	if (size) {
		written = print_integer(read_integer(r, size), size,
					type & MYSQL_UNSIGNED, text);
	} else if (code == TYPE_FLOAT || code == TYPE_DOUBLE) {
		size = code == TYPE_FLOAT ? 4 : 8;
		written = print_float(read_integer(r, size), size, text);
	} else if (code == TYPE_DATE || code == TYPE_DATETIME ||
		   code == TYPE_TIMESTAMP) {
		written = print_date(r, (uint16_t)code, text);
	} else if (code == TYPE_TIME) {
		written = print_time(r, text);
	} else if (code == TYPE_NULL) {
		return bytes_of("\\N");
	} else {
		*binary = true;
		return mysql_string(r);
	}
	return bytes_make(text, (size_t)written);
}

void
mysql_text_row(struct bytes content, struct sink *sink)
{
	struct reader r = reader_make(content);
	bool first = true;

	while (reader_left(&r)) {
		bool null = *r.at == 0xfb;
		struct bytes value;

		if (!first)
			sink_body(sink, bytes_of("\t"));
		first = false;
		if (null) {
			reader_skip(&r, 1);
			sink_body(sink, bytes_of("\\N"));
			continue;
		}
		value = mysql_string(&r);
		sql_value_row(value, true, sink);
	}
	sink_body(sink, bytes_of("\n"));
}

/* The type of a column of the rows, as described in this answer or before. */
static bool
type_of(const struct mysql_conn *conn, const struct statement *statement,
	uint32_t at, uint16_t *type)
{
	if (at < conn->described && at < MYSQL_COLUMNS)
		*type = conn->types[at];
	else if (statement && at < statement->column_count)
		*type = (uint16_t)statement->columns[at];
	else
		return false;
	return true;
}

/* A zero, a bit for each null behind two unused ones, and values. */
void
mysql_binary_row(const struct mysql_conn *conn, struct bytes content,
		 struct sink *sink)
{
	const struct statement *statement =
		conn->described ? NULL
				: statements_by_serial(&conn->statements,
						       conn->statement);
	struct reader r = reader_make(bytes_from(content, 1));
	struct bytes nulls = reader_take(&r, (conn->columns + 7 + 2) / 8);

	for (uint32_t i = 0; i < conn->columns && !r.failed; i++) {
		char text[MYSQL_VALUE_TEXT];
		struct bytes value;
		uint16_t type;
		bool binary;

		if (i)
			sink_body(sink, bytes_of("\t"));
		if (nulls.data[(i + 2) / 8] >> (i + 2) % 8 & 1) {
			sink_body(sink, bytes_of("\\N"));
			continue;
		}
		if (!type_of(conn, statement, i, &type)) {
			sink_body(sink, bytes_of("…"));
			break;
		}
		value = mysql_value(&r, type, text, &binary);
		sql_value_row(value, binary, sink);
	}
	sink_body(sink, bytes_of("\n"));
}
