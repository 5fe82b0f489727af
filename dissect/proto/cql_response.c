/* SPDX-License-Identifier: Apache-2.0 */
/* What responses of CQL say (§4.2 of the protocol). */
#include <stdio.h>

#include "dissect/proto/cql_parts.h"

#define COLUMNS 64
#define COLUMNS_TEXT 2048
#define COLUMNS_LIMIT 65535
#define ERROR_SIZE 600

enum metadata_flag {
	METADATA_GLOBAL = 1,
	METADATA_MORE = 2,
	METADATA_NONE = 4,
	METADATA_CHANGED = 8,
};

struct column {
	struct bytes name;
	uint32_t type;
};

/* Columns of a result, the first of them. */
struct columns {
	uint32_t count;   /* all */
	bool named;
	struct bytes table;
	struct column list[COLUMNS];
};

static const struct {
	uint16_t code;
	const char *name;
} errors[] = {
	{ 0x0000, "SERVER_ERROR" },	{ 0x000a, "PROTOCOL_ERROR" },
	{ 0x0100, "BAD_CREDENTIALS" },	{ 0x1000, "UNAVAILABLE" },
	{ 0x1001, "OVERLOADED" },	{ 0x1002, "IS_BOOTSTRAPPING" },
	{ 0x1003, "TRUNCATE_ERROR" },	{ 0x1100, "WRITE_TIMEOUT" },
	{ 0x1200, "READ_TIMEOUT" },	{ 0x1300, "READ_FAILURE" },
	{ 0x1400, "FUNCTION_FAILURE" }, { 0x1500, "WRITE_FAILURE" },
	{ 0x1600, "CDC_WRITE_FAILURE" }, { 0x1700, "CAS_WRITE_UNKNOWN" },
	{ 0x2000, "SYNTAX_ERROR" },	{ 0x2100, "UNAUTHORIZED" },
	{ 0x2200, "INVALID" },		{ 0x2300, "CONFIG_ERROR" },
	{ 0x2400, "ALREADY_EXISTS" },	{ 0x2500, "UNPREPARED" },
};

static const char *
error_name(uint32_t code)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].code == code)
			return errors[i].name;
	return "ERROR";
}

static void
say_number(struct cql_frame *f, const char *name)
{
	int32_t number = (int32_t)reader_be32(&f->in);

	if (!f->in.failed)
		cql_say_number(f->sink, name, number);
}

static void
say_string(struct cql_frame *f, const char *name)
{
	cql_say_text(f->sink, name, cql_string(&f->in));
}

/* How many answered, and how many had to. */
static void
say_replicas(struct cql_frame *f, uint32_t code)
{
	unsigned consistency = reader_be16(&f->in);

	if (f->in.failed)
		return;
	cql_say_text(f->sink, "consistency",
		     bytes_of(cql_consistency(consistency)));
	say_number(f, code == 0x1000 ? "required" : "received");
	say_number(f, code == 0x1000 ? "alive" : "required");
	if (code == 0x1100)
		say_string(f, "write-type");
}

static void
say_error(struct cql_frame *f)
{
	uint32_t code = reader_be32(&f->in);
	struct bytes text = cql_string(&f->in);
	char out[ERROR_SIZE];
	int size;

	sink_flags(f->sink, MESSAGE_IS_ERROR);
	if (f->in.failed)
		return;
	sink_status(f->sink, (int32_t)code);
	sink_field(f->sink, FIELD_STATUS_TEXT, bytes_of(error_name(code)));
	text = bytes_first(text, ERROR_SIZE - 60);
	size = snprintf(out, sizeof(out), "%s: %.*s", error_name(code),
			(int)text.size,
			text.size ? (const char *)text.data : "");
	sink_field(f->sink, FIELD_ERROR, bytes_make(out, (size_t)size));
	switch (code) {
	case 0x1000:
	case 0x1100:
	case 0x1200:
	case 0x1300:
	case 0x1500:
	case 0x1700:
		say_replicas(f, code);
		break;
	case 0x2400:
		say_string(f, "keyspace");
		say_string(f, "table");
		break;
	case 0x2500:
		cql_say_hex(f->sink, "statement", cql_string(&f->in));
		break;
	default:
		break;
	}
}

/* Results. */

static void
read_columns(struct cql_frame *f, struct columns *c, bool global)
{
	c->named = true;
	if (global) {
		cql_string(&f->in);
		c->table = cql_string(&f->in);
	}
	for (uint32_t i = 0; i < c->count && !f->in.failed; i++) {
		struct column column;

		if (!global) {
			cql_string(&f->in);
			c->table = cql_string(&f->in);
		}
		column.name = cql_string(&f->in);
		column.type = cql_type(&f->in, 0);
		if (i < COLUMNS)
			c->list[i] = column;
	}
}

/* The description of what follows; of version 4 on, `bound` variables tell
 * which are of the partition key. */
static void
read_metadata(struct cql_frame *f, struct columns *c, bool bound)
{
	uint32_t flags = reader_be32(&f->in), keys = 0;
	bool null;

	*c = (struct columns){ .count = reader_be32(&f->in) };
	if (c->count > COLUMNS_LIMIT)
		f->in.failed = true;
	if (bound && f->head.version >= 4)
		keys = reader_be32(&f->in);
	if (keys > COLUMNS_LIMIT)
		f->in.failed = true;
	reader_skip(&f->in, 2 * (size_t)keys);
	if (flags & METADATA_MORE) {
		cql_value_bytes(&f->in, &null);
		cql_say_text(f->sink, "more", bytes_of("true"));
	}
	if (flags & METADATA_CHANGED && f->head.version >= 5)
		cql_string(&f->in);
	if (!(flags & METADATA_NONE) && !f->in.failed)
		read_columns(f, c, flags & METADATA_GLOBAL);
}

static void
say_columns(struct cql_frame *f, const struct columns *c, const char *name)
{
	struct buf out;

	buf_init(&out, COLUMNS_TEXT);
	for (uint32_t i = 0; i < c->count && i < COLUMNS && c->named; i++) {
		if (i)
			buf_text(&out, ", ");
		buf_bytes(&out, c->list[i].name);
		buf_text(&out, " ");
		cql_type_name(c->list[i].type, &out);
	}
	cql_say_text(f->sink, name, buf_view(&out));
	buf_free(&out);
}

/* A row as an object, or as a list of values whose names are not known. */
static void
say_row(struct cql_frame *f, const struct columns *c, struct json_writer *w)
{
	json_writer_open(w, c->named ? '{' : '[');
	for (uint32_t i = 0; i < c->count && !f->in.failed; i++) {
		bool null;
		struct bytes value = cql_value_bytes(&f->in, &null);

		if (f->in.failed || i >= COLUMNS)
			continue;
		if (c->named)
			json_writer_name(w, c->list[i].name);
		if (null)
			json_writer_word(w, "null");
		else
			cql_value_json(c->list[i].type, value, w);
	}
	json_writer_close(w, c->named ? '}' : ']');
	json_writer_flush(w);
	w->comma = false;
}

static void
say_rows(struct cql_frame *f)
{
	const struct statement *statement = statements_by_serial(
		&f->conn->statements, f->asked->statement);
	struct json_writer w;
	struct columns c;
	uint32_t rows;

	read_metadata(f, &c, false);
	rows = reader_be32(&f->in);
	if (f->in.failed)
		return;
	for (uint32_t i = 0; !c.named && i < c.count && i < COLUMNS; i++)
		c.list[i].type = statement && i < statement->column_count
					 ? statement->columns[i]
					 : CQL_TYPE_NONE;
	cql_say_number(f->sink, "rows", rows);
	say_columns(f, &c, "columns");
	if (c.table.size)
		cql_say_text(f->sink, "table", c.table);
	json_writer_init(&w, f->sink, false);
	for (uint32_t i = 0; i < rows && c.count && !f->in.failed; i++) {
		if (sink_body_is_full(f->sink))
			return;
		if (i)
			sink_body(f->sink, bytes_of("\n"));
		say_row(f, &c, &w);
	}
}

/* The statement has its id from here on, and types. */
static void
say_prepared(struct cql_frame *f)
{
	struct bytes id = cql_string(&f->in);
	struct statement *statement = statements_by_serial(
		&f->conn->statements, f->asked->statement);
	struct columns bound, result;

	cql_say_hex(f->sink, "statement", id);
	if (f->head.version >= 5)
		cql_string(&f->in);
	read_metadata(f, &bound, true);
	if (f->in.failed)
		return;
	say_columns(f, &bound, "parameters");
	read_metadata(f, &result, false);
	say_columns(f, &result, "columns");
	if (!statement || f->asked->opcode != CQL_PREPARE)
		return;
	statement->parameter_count = statement->column_count = 0;
	statements_rename(&f->conn->statements, statement, statements_name(id),
			  f->sink);
	for (uint32_t i = 0; i < STATEMENT_TYPES; i++) {
		if (bound.named && i < bound.count)
			statement->parameters[statement->parameter_count++] =
				bound.list[i].type;
		if (result.named && i < result.count)
			statement->columns[statement->column_count++] =
				result.list[i].type;
	}
}

static void
say_keyspace(struct cql_frame *f)
{
	struct cql_conn *conn = f->conn;
	struct bytes name = bytes_first(cql_string(&f->in), sizeof(conn->host));

	if (f->in.failed)
		return;
	cql_say_text(f->sink, "keyspace", name);
	if (name.size)
		memcpy(conn->host, name.data, name.size);
	conn->host_size = (uint8_t)name.size;
	sink_field(f->sink, FIELD_HOST, name);
}

static void
say_schema_change(struct cql_frame *f)
{
	struct bytes target;

	say_string(f, "change");
	target = cql_string(&f->in);
	cql_say_text(f->sink, "target", target);
	say_string(f, "keyspace");
	if (!bytes_equal(target, bytes_of("KEYSPACE")))
		say_string(f, "name");
}

static void
say_result(struct cql_frame *f)
{
	static const char *const kinds[] = {
		"", "VOID", "ROWS", "SET_KEYSPACE", "PREPARED", "SCHEMA_CHANGE"
	};
	uint32_t kind = reader_be32(&f->in);

	if (f->in.failed || !kind || kind > 5) {
		f->in.failed = true;
		return;
	}
	cql_say_text(f->sink, "kind", bytes_of(kinds[kind]));
	if (kind == 2)
		say_rows(f);
	else if (kind == 3)
		say_keyspace(f);
	else if (kind == 4)
		say_prepared(f);
	else if (kind == 5)
		say_schema_change(f);
}

static void
say_event(struct cql_frame *f)
{
	struct bytes type = cql_string(&f->in);

	sink_field(f->sink, FIELD_METHOD, bytes_of("EVENT"));
	sink_field(f->sink, FIELD_PATH, type);
	if (bytes_equal(type, bytes_of("SCHEMA_CHANGE"))) {
		say_schema_change(f);
		return;
	}
	say_string(f, "change");
	reader_skip(&f->in, reader_u8(&f->in));
	say_number(f, "port");
}

static void
say_supported(struct cql_frame *f)
{
	unsigned count = reader_be16(&f->in);

	for (unsigned i = 0; i < count && !f->in.failed; i++) {
		struct bytes name = cql_string(&f->in);
		char key[80];

		snprintf(key, sizeof(key), "%.*s",
			 (int)(name.size < 64 ? name.size : 64),
			 name.size ? (const char *)name.data : "");
		cql_say_list(f, key);
	}
}

/* What comes before the body as the flags say. */
static void
say_preface(struct cql_frame *f)
{
	if (f->head.flags & CQL_TRACING)
		cql_say_hex(f->sink, "tracing", reader_take(&f->in, 16));
	if (f->head.flags & CQL_WARNING)
		cql_say_list(f, "warning");
	if (f->head.flags & CQL_PAYLOAD)
		cql_say_payload(f);
}

void
cql_say_response(struct cql_frame *f)
{
	static const char *const states[] = {
		[CQL_READY] = "READY",
		[CQL_AUTHENTICATE] = "AUTHENTICATE",
		[CQL_SUPPORTED] = "SUPPORTED",
		[CQL_RESULT] = "OK",
		[CQL_AUTH_CHALLENGE] = "AUTH_CHALLENGE",
		[CQL_AUTH_SUCCESS] = "AUTH_SUCCESS",
	};
	const char *state = states[f->head.opcode];

	say_preface(f);
	if (state)
		sink_field(f->sink, FIELD_STATUS_TEXT, bytes_of(state));
	if (f->head.opcode != CQL_ERROR && f->head.opcode != CQL_EVENT)
		sink_status(f->sink, 0);
	if (f->head.opcode == CQL_ERROR)
		say_error(f);
	else if (f->head.opcode == CQL_RESULT)
		say_result(f);
	else if (f->head.opcode == CQL_EVENT)
		say_event(f);
	else if (f->head.opcode == CQL_SUPPORTED)
		say_supported(f);
	else if (f->head.opcode == CQL_AUTHENTICATE)
		say_string(f, "authenticator");
}
