/* SPDX-License-Identifier: Apache-2.0 */
/* Values that go with a statement: parameters of executions, and attributes of
 * queries. */
#include "dissect/proto/mysql_parts.h"
#include "dissect/proto/sql_value.h"

#define PARAMETERS_MAX 65535
#define FLAG_COUNTED 0x08 /* of an execution: how many parameters is said */

struct values {
	uint64_t count;
	struct bytes nulls;
	bool typed, named;
	struct reader types;      /* a type each, and a name */
	struct statement *statement;
	struct sink *sink;        /* NULL: only passed over */
};

/* Passes over the types, which stand before the values. */
static void
take_types(struct values *v, struct reader *r)
{
	const uint8_t *from;

	if (!v->typed)
		return;
	from = r->at;
	for (uint64_t i = 0; i < v->count && !r->failed; i++) {
		uint16_t type = reader_le16(r);

		if (v->named)
			mysql_string(r);
		if (v->statement && i < STATEMENT_TYPES)
			v->statement->parameters[i] = type;
	}
	if (v->statement)
		v->statement->parameter_count =
			v->count < STATEMENT_TYPES ? (uint16_t)v->count
						   : STATEMENT_TYPES;
	if (!r->failed)
		v->types = reader_make(bytes_make(from,
						  (size_t)(r->at - from)));
}

/* The type of the next value; false when it is not known. */
static bool
next_type(struct values *v, uint64_t at, uint16_t *type, struct bytes *name)
{
	*name = bytes_make(NULL, 0);
	if (v->typed) {
		*type = reader_le16(&v->types);
		if (v->named)
			*name = mysql_string(&v->types);
		return !v->types.failed;
	}
	if (!v->statement || at >= v->statement->parameter_count)
		return false;
	*type = (uint16_t)v->statement->parameters[at];
	return true;
}

static void
say(const struct values *v, struct bytes name, struct bytes value, bool binary)
{
	if (!v->sink)
		return;
	if (name.size)
		sink_header(v->sink, name, bytes_first(value, MYSQL_PIECE));
	else
		sql_value_parameter(value, binary, v->sink);
}

/* Whether the value was sent before, in pieces. */
static bool
was_sent(const struct values *v, uint64_t at)
{
	return v->statement && at < STATEMENT_TYPES &&
	       v->statement->sent_before >> at & 1;
}

static void
walk(struct values *v, struct reader *r)
{
	for (uint64_t i = 0; i < v->count && !r->failed; i++) {
		char text[MYSQL_VALUE_TEXT];
		struct bytes name, value;
		uint16_t type;
		bool binary;

		if (!next_type(v, i, &type, &name)) {
			say(v, bytes_make(NULL, 0), bytes_of("…"), false);
			return;
		}
		if (v->nulls.data[i / 8] >> i % 8 & 1) {
			say(v, name, bytes_of("\\N"), false);
			continue;
		}
		if (was_sent(v, i)) {
			say(v, name, bytes_of("(sent before)"), false);
			continue;
		}
		value = mysql_value(r, type, text, &binary);
		if (!r->failed)
			say(v, name, value, binary);
	}
}

void
mysql_parameters(const struct mysql_conn *conn, struct statement *statement,
		 uint8_t flags, struct reader *r, struct sink *sink)
{
	struct values v = { .statement = statement, .sink = sink };
	bool attributes = conn->capabilities & MYSQL_CAN_QUERY_ATTRIBUTES;

	v.count = statement ? statement->asked : 0;
	if (attributes && flags & FLAG_COUNTED)
		v.count = mysql_number(r);
	if (!v.count || v.count > PARAMETERS_MAX)
		return;
	v.named = attributes;
	v.nulls = reader_take(r, (size_t)(v.count + 7) / 8);
	v.typed = reader_u8(r) == 1;
	take_types(&v, r);
	if (!r->failed)
		walk(&v, r);
	if (statement)
		statement->sent_before = 0;
}

size_t
mysql_query_start(struct bytes content, struct sink *sink)
{
	struct reader r = reader_make(content);
	struct values v = { .named = true, .sink = sink };

	/* No text begins with such a byte, but a count does. */
	if (!content.size || content.data[0] >= '\t')
		return 0;
	v.count = mysql_number(&r);
	if (mysql_number(&r) != 1)
		return 0;
	if (v.count) {
		v.nulls = reader_take(&r, (size_t)(v.count + 7) / 8);
		v.typed = reader_u8(&r) == 1;
		take_types(&v, &r);
		if (!r.failed)
			walk(&v, &r);
	}
	return r.failed ? 0 : (size_t)(r.at - content.data);
}
