/* SPDX-License-Identifier: Apache-2.0 */
/* What requests of CQL say (§4 of the protocol). */
#include <stdio.h>

#include "dissect/proto/cql_parts.h"
#include "dissect/proto/sql_text.h"

#define LIST_LIMIT 64
/* Values of a request, and prepared statements of a batch, that are said: few
 * bytes that were compressed are very many of them. */
#define VALUES_LIMIT 4096
#define PREPARED_LIMIT 1024

static const char without_secret[] = "[a statement with a password]";

enum query_flag {
	QUERY_VALUES = 1,
	QUERY_SKIP_METADATA = 2,
	QUERY_PAGE_SIZE = 4,
	QUERY_PAGING = 8,
	QUERY_SERIAL = 16,
	QUERY_TIMESTAMP = 32,
	QUERY_NAMES = 64,
	QUERY_KEYSPACE = 128,
	QUERY_NOW = 256,
};

const char *
cql_consistency(unsigned number)
{
	static const char *const names[] = {
		"ANY", "ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_QUORUM",
		"EACH_QUORUM", "SERIAL", "LOCAL_SERIAL", "LOCAL_ONE",
	};

	return number < sizeof(names) / sizeof(*names) ? names[number]
						       : "UNKNOWN";
}

static void
say_consistency(struct cql_frame *f, const char *name)
{
	unsigned number = reader_be16(&f->in);

	if (!f->in.failed)
		cql_say_text(f->sink, name,
			     bytes_of(cql_consistency(number)));
}

void
cql_say_list(struct cql_frame *f, const char *name)
{
	unsigned count = reader_be16(&f->in);

	for (unsigned i = 0; i < count && !f->in.failed; i++) {
		struct bytes item = cql_string(&f->in);

		if (i < LIST_LIMIT)
			cql_say_text(f->sink, name, item);
	}
}

void
cql_say_payload(struct cql_frame *f)
{
	unsigned count = reader_be16(&f->in);
	bool null;

	for (unsigned i = 0; i < count && !f->in.failed; i++) {
		struct bytes name = cql_string(&f->in);

		cql_value_bytes(&f->in, &null);
		if (i < LIST_LIMIT)
			cql_say_text(f->sink, "payload", name);
	}
}

static bool
names_secret(struct bytes text)
{
	static const char word[] = "password";

	for (size_t i = 0; i + sizeof(word) - 1 <= text.size; i++)
		if (bytes_equal_nocase(bytes_make(text.data + i,
						  sizeof(word) - 1),
				       bytes_of(word)))
			return true;
	return false;
}

/* CREATE and ALTER of roles and users have their password in them; of what
 * begins with no word ("// …") it is not known whether it is one of those. */
static bool
has_secret(struct bytes text, const struct sql_text *read)
{
	return (!*read->method || strcmp(read->method, "CREATE") == 0 ||
		strcmp(read->method, "ALTER") == 0) &&
	       names_secret(text);
}

/* A statement of a batch, behind its first. */
static void
say_further(struct cql_frame *f, struct bytes text)
{
	struct sql_text read;

	sql_text_read(text, &read);
	sink_body(f->sink, has_secret(text, &read) ? bytes_of(without_secret)
						   : text);
}

void
cql_say_statement(struct cql_frame *f, const char *method, struct bytes text)
{
	char summary[SQL_SUMMARY_SIZE];
	struct sql_text read;

	sql_text_read(text, &read);
	sink_field(f->sink, FIELD_METHOD,
		   bytes_of(!method && *read.method ? read.method
			    : method		    ? method
						    : "QUERY"));
	sink_field(f->sink, FIELD_PATH, bytes_of(read.table));
	if (has_secret(text, &read))
		text = bytes_of(without_secret);
	sink_field(f->sink, FIELD_SUMMARY,
		   bytes_make(summary, sql_text_summary(text, summary)));
	sink_body(f->sink, text);
}

/* Requests. */

static void
say_values(struct cql_frame *f, const struct statement *statement, bool named)
{
	unsigned count = reader_be16(&f->in);

	for (unsigned i = 0; i < count && !f->in.failed; i++) {
		struct bytes name = named ? cql_string(&f->in)
					  : bytes_make(NULL, 0);
		uint32_t type = statement && i < statement->parameter_count
					? statement->parameters[i]
					: CQL_TYPE_NONE;
		char key[80] = "parameter";
		bool null;
		struct bytes value = cql_value_bytes(&f->in, &null);

		if (f->in.failed)
			break;
		if (f->values++ >= VALUES_LIMIT)
			continue;
		if (name.size)
			snprintf(key, sizeof(key), "parameter.%.*s",
				 (int)(name.size < 64 ? name.size : 64),
				 (const char *)name.data);
		cql_say_value(f->sink, key, type, value, null);
	}
}

static uint32_t
query_flags(struct cql_frame *f)
{
	return f->head.version >= 5 ? reader_be32(&f->in) : reader_u8(&f->in);
}

/* What follows the values. */
static void
say_options(struct cql_frame *f, uint32_t flags)
{
	bool null;

	if (flags & QUERY_PAGE_SIZE)
		cql_say_number(f->sink, "page-size",
			       (int32_t)reader_be32(&f->in));
	if (flags & QUERY_PAGING) {
		cql_value_bytes(&f->in, &null);
		cql_say_text(f->sink, "paging", bytes_of("continued"));
	}
	if (flags & QUERY_SERIAL)
		say_consistency(f, "serial-consistency");
	if (flags & QUERY_TIMESTAMP)
		cql_say_number(f->sink, "timestamp",
			       (int64_t)reader_be64(&f->in));
	if (flags & QUERY_KEYSPACE && f->head.version >= 5) {
		struct bytes keyspace = cql_string(&f->in);

		cql_say_text(f->sink, "keyspace", keyspace);
		sink_field(f->sink, FIELD_HOST, keyspace);
	}
	if (flags & QUERY_NOW && f->head.version >= 5)
		cql_say_number(f->sink, "now", (int32_t)reader_be32(&f->in));
}

static void
say_parameters(struct cql_frame *f, const struct statement *statement)
{
	uint32_t flags;

	say_consistency(f, "consistency");
	flags = query_flags(f);
	if (flags & QUERY_VALUES)
		say_values(f, statement, flags & QUERY_NAMES);
	say_options(f, flags & ~(uint32_t)QUERY_SKIP_METADATA);
}

static struct statement *
find_statement(struct cql_frame *f, struct bytes id)
{
	return statements_find(&f->conn->statements, statements_name(id));
}

/* A statement's text; of one that is cut what is there. */
static struct bytes
statement_text(struct cql_frame *f)
{
	uint32_t size = reader_be32(&f->in);
	size_t left = reader_left(&f->in);
	struct bytes text = reader_take(&f->in,
					f->cut && size > left ? left : size);

	if (text.size < size)
		f->in.failed = true;
	return text;
}

static void
say_execute(struct cql_frame *f)
{
	struct bytes id = cql_string(&f->in);
	struct statement *statement = find_statement(f, id);

	cql_say_hex(f->sink, "statement", id);
	if (f->head.version >= 5)
		cql_string(&f->in);
	if (statement) {
		cql_say_statement(f, NULL, statement_sql(statement));
		f->asked->statement = statement->serial;
	}
	say_parameters(f, statement);
}

/* It has a number of its own until the response says how it is called. */
static void
say_prepare(struct cql_frame *f)
{
	struct bytes text = statement_text(f);
	struct statement *statement;

	cql_say_statement(f, "PREPARE", text);
	if (f->head.version >= 5 && reader_be32(&f->in) & 1) {
		struct bytes keyspace = cql_string(&f->in);

		cql_say_text(f->sink, "keyspace", keyspace);
	}
	if (f->in.failed)
		return;
	statement = statements_add(&f->conn->statements,
				   (uint64_t)(uint16_t)f->head.stream, text,
				   f->sink);
	f->asked->statement = statement ? statement->serial : 0;
}

/* A prepared statement of a batch: often the same as the one before it. */
struct batch_prepared {
	struct bytes id;
	struct statement *statement;
	unsigned found;
};

static struct statement *
find_of_batch(struct cql_frame *f, struct batch_prepared *last, struct bytes id)
{
	if (last->found && bytes_equal(last->id, id))
		return last->statement;
	last->id = id;
	last->statement = last->found++ < PREPARED_LIMIT ? find_statement(f, id)
							 : NULL;
	return last->statement;
}

static void
say_batch(struct cql_frame *f)
{
	struct batch_prepared last = { .found = 0 };
	static const char *const kinds[] = { "logged", "unlogged", "counter" };
	unsigned kind = reader_u8(&f->in), count = reader_be16(&f->in);

	if (kind < 3)
		cql_say_text(f->sink, "batch", bytes_of(kinds[kind]));
	cql_say_number(f->sink, "statements", count);
	for (unsigned i = 0; i < count && !f->in.failed; i++) {
		bool prepared = reader_u8(&f->in);
		struct bytes text = prepared ? cql_string(&f->in)
					     : cql_long_string(&f->in);
		struct statement *statement =
			prepared ? find_of_batch(f, &last, text) : NULL;

		if (i)
			sink_body(f->sink, bytes_of("\n"));
		if (prepared && !statement)
			cql_say_hex(f->sink, "statement", text);
		else if (i && prepared)
			sink_body(f->sink, statement_sql(statement));
		else if (i)
			say_further(f, text);
		else
			cql_say_statement(f, "BATCH",
					  prepared ? statement_sql(statement)
						   : text);
		say_values(f, statement, false);
	}
	say_consistency(f, "consistency");
	say_options(f, query_flags(f) & ~(uint32_t)(QUERY_PAGE_SIZE |
						    QUERY_PAGING));
}

static void
say_startup(struct cql_frame *f)
{
	struct cql_conn *conn = f->conn;
	unsigned count = reader_be16(&f->in);

	for (unsigned i = 0; i < count && !f->in.failed; i++) {
		struct bytes name = cql_string(&f->in);
		struct bytes value = cql_string(&f->in);

		if (f->in.failed || i >= LIST_LIMIT)
			continue;
		sink_header(f->sink, name, value);
		if (bytes_equal(name, bytes_of("COMPRESSION")))
			conn->codec =
				bytes_equal_nocase(value, bytes_of("lz4"))
					? CQL_CODEC_LZ4
				: bytes_equal_nocase(value, bytes_of("snappy"))
					? CQL_CODEC_SNAPPY
					: CQL_CODEC_UNKNOWN;
		if (!bytes_equal(name, bytes_of("DRIVER_NAME")))
			continue;
		value = bytes_first(value, sizeof(conn->agent));
		if (value.size)
			memcpy(conn->agent, value.data, value.size);
		conn->agent_size = (uint8_t)value.size;
		sink_field(f->sink, FIELD_USER_AGENT, value);
	}
}

void
cql_say_request(struct cql_frame *f)
{
	if (f->head.flags & CQL_PAYLOAD)
		cql_say_payload(f);
	switch (f->head.opcode) {
	case CQL_STARTUP:
		say_startup(f);
		break;
	case CQL_QUERY:
		cql_say_statement(f, NULL, statement_text(f));
		say_parameters(f, NULL);
		break;
	case CQL_PREPARE:
		say_prepare(f);
		break;
	case CQL_EXECUTE:
		say_execute(f);
		break;
	case CQL_BATCH:
		say_batch(f);
		break;
	case CQL_REGISTER:
		cql_say_list(f, "event");
		break;
	default: /* what AUTH_RESPONSE proves is not kept */
		break;
	}
	if (f->values > VALUES_LIMIT)
		sink_truncated(f->sink);
}
