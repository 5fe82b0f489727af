/* SPDX-License-Identifier: Apache-2.0 */
/* What a client of PostgreSQL sends. */
#include <stdio.h>

#include "dissect/proto/postgresql_parts.h"

enum { CODE_CANCEL = 80877102, CODE_SSL = 80877103, CODE_GSS = 80877104 };

/* What the response finds with its request: which statement it is about, and
 * whether its columns are binary. */
static void
note(const struct statement *statement, bool binary, struct sink *sink)
{
	sink_note(sink, (statement ? statement->serial << 1 : 0) | binary);
}

static struct bytes
name_of(const struct postgresql_name *name)
{
	return bytes_make(name->text, name->size);
}

static void
set_name(struct postgresql_name *name, struct bytes text)
{
	text = bytes_first(text, sizeof(name->text));
	if (text.size)
		memcpy(name->text, text.data, text.size);
	name->size = (uint8_t)text.size;
}

static void
begin(struct postgresql_conn *conn, struct sink *sink)
{
	sink_begin(sink);
	sink_field(sink, FIELD_HOST, name_of(&conn->database));
	sink_field(sink, FIELD_USER_AGENT, name_of(&conn->application));
	conn->open = true;
	conn->described = conn->copying = conn->simple = false;
	conn->executed = 0;
	conn->last = 0;
	conn->what = NULL;
}

static void
end(struct postgresql_conn *conn, size_t size, bool synced, struct sink *sink)
{
	sink_end(sink, size);
	conn->open = false;
	conn->synced = synced;
}

/* Says what a request is about: its first statement. */
static void
describe(struct postgresql_conn *conn, struct bytes sql, const char *method,
	 struct sink *sink)
{
	char summary[SQL_SUMMARY_SIZE];
	struct sql_text text;
	size_t size;

	if (conn->described)
		return;
	sql_text_read(sql, &text);
	sink_field(sink, FIELD_METHOD,
		   bytes_of(method ? method : text.method));
	sink_field(sink, FIELD_PATH, bytes_of(text.table));
	size = sql_text_summary(sql, summary);
	sink_field(sink, FIELD_SUMMARY, bytes_make(summary, size));
	conn->copying |= text.copies_in;
	conn->described = true;
}

static void
add_sql(struct postgresql_conn *conn, struct bytes sql, struct sink *sink)
{
	if (conn->executed++ && sql.size)
		sink_body(sink, bytes_of(";\n"));
	sink_body(sink, sql);
}

/* Q: one text, maybe of several statements. */
static struct step
simple_query(struct postgresql_conn *conn,
	     const struct postgresql_message *message, struct sink *sink)
{
	struct reader r = reader_make(message->content);
	struct bytes sql = reader_text(&r);

	if (r.failed)
		sql = message->content;
	describe(conn, sql, NULL, sink);
	if (!sql.size)
		sink_field(sink, FIELD_SUMMARY, bytes_of("(empty query)"));
	add_sql(conn, sql, sink);
	note(NULL, false, sink);
	conn->simple = true;
	if (conn->copying)
		sink_body(sink, bytes_of("\n"));
	else
		end(conn, message->size, false, sink);
	return step_done(message->size);
}

/* P: name, SQL, types of parameters. */
static void
parse(struct postgresql_conn *conn, struct bytes content, struct sink *sink)
{
	struct reader r = reader_make(content);
	struct bytes name = reader_text(&r), sql = reader_text(&r);
	uint16_t count = reader_be16(&r);
	struct statement *statement;

	if (r.failed)
		return;
	conn->what = "PREPARE";
	if (name.size)
		sink_header(sink, bytes_of("prepare"), name);
	statement = statements_add(&conn->statements, statements_name(name),
				   sql, sink);
	if (!statement)
		return;
	for (uint16_t i = 0; i < count && i < STATEMENT_TYPES; i++) {
		statement->parameters[i] = reader_be32(&r);
		statement->parameter_count = (uint16_t)(i + 1);
	}
}

static struct postgresql_portal *
portal_of(struct postgresql_conn *conn, uint64_t key, bool make)
{
	struct postgresql_portal *oldest = conn->portals;

	for (unsigned i = 0; i < POSTGRESQL_PORTALS; i++) {
		struct postgresql_portal *portal = &conn->portals[i];

		if (portal->used && portal->key == key) {
			portal->used = ++conn->portal_clock;
			return portal;
		}
		if (portal->used < oldest->used)
			oldest = portal;
	}
	if (!make)
		return NULL;
	*oldest = (struct postgresql_portal){ .key = key,
					      .used = ++conn->portal_clock };
	return oldest;
}

/* The i-th of `count` formats: none is text, one is for all. */
static bool
is_binary(struct bytes formats, unsigned count, unsigned i)
{
	unsigned at = count == 1 ? 0 : i;

	return at < count && at * 2 + 1 < formats.size &&
	       formats.data[at * 2 + 1] == 1;
}

static void
parameters(struct reader *r, const struct statement *statement,
	   struct sink *sink)
{
	unsigned formats = reader_be16(r);
	struct bytes codes = reader_take(r, formats * (size_t)2);
	unsigned count = reader_be16(r);

	for (unsigned i = 0; i < count && !r->failed; i++) {
		uint32_t size = reader_be32(r), type = 0;
		struct bytes value;

		if (statement && i < statement->parameter_count)
			type = statement->parameters[i];
		if (size == UINT32_MAX) {
			sink_header(sink, bytes_of("parameter"),
				    bytes_of("\\N"));
			continue;
		}
		value = reader_take(r, size);
		if (!r->failed)
			postgresql_parameter(value, type,
					     is_binary(codes, formats, i),
					     sink);
	}
}

/* B: portal, statement, parameters, formats of results. */
static void
bind(struct postgresql_conn *conn, struct bytes content, struct sink *sink)
{
	struct reader r = reader_make(content);
	struct bytes portal_name = reader_text(&r);
	struct bytes name = reader_text(&r);
	struct statement *statement = statements_find(
		&conn->statements, statements_name(name));
	struct postgresql_portal *portal;
	unsigned formats;

	if (name.size)
		sink_header(sink, bytes_of("statement"), name);
	parameters(&r, statement, sink);
	formats = reader_be16(&r);
	if (r.failed)
		return;
	portal = portal_of(conn, statements_name(portal_name), true);
	portal->statement = statement ? statement->serial : 0;
	portal->binary = formats && is_binary(bytes_make(r.at, reader_left(&r)),
					      formats, 0);
}

/* E: what was bound is what the request is about. */
static void
execute(struct postgresql_conn *conn, struct bytes content, struct sink *sink)
{
	struct reader r = reader_make(content);
	struct bytes name = reader_text(&r);
	struct postgresql_portal *portal =
		portal_of(conn, statements_name(name), false);
	struct statement *statement =
		portal ? statements_by_serial(&conn->statements,
					      portal->statement)
		       : NULL;
	struct bytes sql = statement_sql(statement);

	if (name.size)
		sink_header(sink, bytes_of("portal"), name);
	if (!conn->executed) {
		note(statement, portal && portal->binary, sink);
		describe(conn, sql, statement ? NULL : "EXECUTE", sink);
		if (!statement)
			sink_field(sink, FIELD_SUMMARY,
				   bytes_of("(a statement prepared before)"));
	}
	/* A statement that is executed again and again is shown once. */
	if (statement && conn->last == statement->serial)
		sql.size = 0;
	conn->last = statement ? statement->serial : 0;
	add_sql(conn, sql, sink);
}

/* D and C: of a statement or portal, by name. */
static void
named(struct postgresql_conn *conn, const struct postgresql_message *message,
      struct sink *sink)
{
	struct reader r = reader_make(message->content);
	bool statement = reader_u8(&r) == 'S';
	struct bytes name = reader_text(&r);
	uint64_t key = statements_name(name);

	if (!conn->what)
		conn->what = message->type == 'C' ? "CLOSE" : "DESCRIBE";
	if (message->type == 'C' && name.size)
		sink_header(sink, bytes_of("close"), name);
	if (message->type == 'C' && statement && !r.failed)
		statements_remove(&conn->statements, key, sink);
	if (message->type == 'D' && statement && !conn->executed)
		note(statements_find(&conn->statements, key), false, sink);
}

/* S: ends the request; what was not executed was only prepared. */
static struct step
synchronise(struct postgresql_conn *conn,
	    const struct postgresql_message *message, struct sink *sink)
{
	const struct statement *statement = NULL;
	char text[16];

	if (conn->what && strcmp(conn->what, "PREPARE") == 0)
		statement = statements_by_serial(&conn->statements,
						 conn->statements.serial);
	if (!conn->described) {
		struct bytes sql = statement_sql(statement);

		describe(conn, sql, conn->what ? conn->what : "SYNC", sink);
		sink_body(sink, sql);
	}
	if (conn->executed > 1) {
		snprintf(text, sizeof(text), "%u", conn->executed);
		sink_header(sink, bytes_of("executions"), bytes_of(text));
	}
	end(conn, message->size, true, sink);
	return step_done(message->size);
}

/* Data of COPY that belongs to no request that is open: what asked for it was
 * ended by Sync (which the server passes over), or was not known as COPY. */
static void
begin_data(struct postgresql_conn *conn, struct sink *sink)
{
	bool synced = conn->synced;

	begin(conn, sink);
	sink_flags(sink, MESSAGE_NO_RESPONSE);
	sink_field(sink, FIELD_METHOD, bytes_of("COPY DATA"));
	conn->described = conn->copying = true;
	conn->simple = !synced;
}

static struct step
copy_data(struct postgresql_conn *conn,
	  const struct postgresql_message *message, struct sink *sink)
{
	conn->copying = true;
	if (message->type == 'd') {
		sink_body(sink, message->content);
		return step_done(message->size);
	}
	if (message->type == 'f') {
		struct reader r = reader_make(message->content);

		sink_header(sink, bytes_of("copy-failed"), reader_text(&r));
	}
	conn->copying = false;
	if (conn->simple)
		end(conn, message->size, false, sink);
	return step_done(message->size);
}

static struct step
dispatch(struct postgresql_conn *conn,
	 const struct postgresql_message *message, struct sink *sink)
{
	switch (message->type) {
	case 'Q':
		return simple_query(conn, message, sink);
	case 'P':
		parse(conn, message->content, sink);
		break;
	case 'B':
		bind(conn, message->content, sink);
		break;
	case 'E':
		execute(conn, message->content, sink);
		break;
	case 'D':
	case 'C':
		named(conn, message, sink);
		break;
	case 'S':
		return synchronise(conn, message, sink);
	case 'F':
		describe(conn, bytes_make(NULL, 0), "FUNCTION CALL", sink);
		end(conn, message->size, false, sink);
		break;
	default: /* H */
		break;
	}
	return step_done(message->size);
}

/* The rest of a long message is body of the request. */
static struct step
long_message(struct postgresql_conn *conn,
	     const struct postgresql_message *message, struct sink *sink)
{
	char size[48];

	if (message->type == 'Q') {
		describe(conn, message->content, NULL, sink);
		conn->executed++;
		conn->simple = true;
	} else if (message->type == 'P') {
		struct reader r = reader_make(message->content);

		reader_text(&r);
		describe(conn, bytes_make(r.at, reader_left(&r)), NULL, sink);
	} else if (message->type != 'd') {
		snprintf(size, sizeof(size), "(%zu bytes, in the body)",
			 message->size - 5);
		sink_header(sink, bytes_of("parameters"), bytes_of(size));
	}
	conn->client_skip = message->size - 5;
	conn->copying = message->type == 'd' || (message->type == 'Q' &&
						 conn->copying);
	conn->skip_ends = message->type == 'Q' && !conn->copying;
	return step_done(5);
}

static bool
is_data(uint8_t type)
{
	return type == 'd' || type == 'c' || type == 'f';
}

/* Whether a message has a place in a request; begins one where none is open. */
static bool
place(struct postgresql_conn *conn, const struct postgresql_message *message,
      struct sink *sink)
{
	uint8_t type = message->type;

	if (type == 'p' || type == 'X')
		return false;
	/* A COPY that the server refused ended without its data's end. */
	if (conn->open && conn->copying && !is_data(type) && type != 'H' &&
	    type != 'S')
		end(conn, 0, false, sink);
	if (conn->open)
		return true;
	if (type == 'H' || (is_data(type) && !conn->copy_in && type != 'd'))
		return false;
	if (is_data(type))
		begin_data(conn, sink);
	else
		begin(conn, sink);
	return true;
}

static struct step
typed(struct postgresql_conn *conn, struct bytes in, struct sink *sink)
{
	struct postgresql_message message;
	enum verdict verdict = postgresql_message(SIDE_CLIENT, in, &message);
	bool data;

	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO ? step_bad()
					     : step_more(5);
	if (message.size <= POSTGRESQL_HELD && in.size < message.size)
		return step_more(message.size);
	if (message.size > POSTGRESQL_HELD && in.size < 4096)
		return step_more(4096);
	message.content = bytes_first(message.content,
				      message.size > POSTGRESQL_HELD
					      ? 4096 - 5
					      : message.size);
	if (!place(conn, &message, sink)) {
		if (message.size > POSTGRESQL_HELD)
			return step_bad();
		return step_done(message.size);
	}
	data = is_data(message.type);
	if (message.size > POSTGRESQL_HELD)
		return long_message(conn, &message, sink);
	if (data)
		return copy_data(conn, &message, sink);
	return dispatch(conn, &message, sink);
}

/* user, database, application_name …; passwords come later. */
static void
startup_parameters(struct postgresql_conn *conn, struct bytes in,
		   struct sink *sink)
{
	struct reader r = reader_make(in);
	struct bytes name, value, user = { NULL, 0 };
	char summary[POSTGRESQL_NAME * 2 + 32];

	while ((name = reader_text(&r)).size) {
		value = reader_text(&r);
		sink_header(sink, name, value);
		if (bytes_equal(name, bytes_of("user")))
			user = value;
		if (bytes_equal(name, bytes_of("database")))
			set_name(&conn->database, value);
		if (bytes_equal(name, bytes_of("application_name")))
			set_name(&conn->application, value);
	}
	if (!conn->database.size)
		set_name(&conn->database, user);
	sink_field(sink, FIELD_HOST, name_of(&conn->database));
	sink_field(sink, FIELD_USER_AGENT, name_of(&conn->application));
	sink_field(sink, FIELD_PATH, user);
	user = bytes_first(user, POSTGRESQL_NAME);
	snprintf(summary, sizeof(summary), "CONNECT %.*s as %.*s",
		 (int)conn->database.size, conn->database.text,
		 (int)user.size, user.size ? (const char *)user.data : "");
	sink_field(sink, FIELD_SUMMARY, bytes_of(summary));
}

static void
cancel(struct bytes in, struct sink *sink)
{
	struct reader r = reader_make(bytes_from(in, 8));
	char text[48];

	snprintf(text, sizeof(text), "%u", reader_be32(&r));
	sink_field(sink, FIELD_METHOD, bytes_of("CANCEL"));
	sink_header(sink, bytes_of("backend"), bytes_of(text));
	snprintf(text, sizeof(text), "CANCEL what backend %u does",
		 reader_be32(&(struct reader){ in.data + 8,
					       in.data + in.size, false }));
	sink_field(sink, FIELD_SUMMARY, bytes_of(text));
	sink_flags(sink, MESSAGE_NO_RESPONSE);
}

static struct step
startup(struct postgresql_conn *conn, struct bytes in, struct sink *sink)
{
	uint32_t code;
	enum verdict verdict = postgresql_startup(in, &code);
	struct reader r = reader_make(in);
	size_t size = reader_be32(&r);

	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO ? step_bad()
		       : in.size < 8	     ? step_more(8)
					     : step_more(size);
	in = bytes_first(in, size);
	if (conn->open)
		end(conn, 0, false, sink);
	begin(conn, sink);
	if (code == CODE_SSL || code == CODE_GSS) {
		const char *name = code == CODE_SSL ? "SSL REQUEST"
						    : "GSS REQUEST";

		sink_field(sink, FIELD_METHOD, bytes_of(name));
		sink_field(sink, FIELD_SUMMARY, bytes_of(name));
		conn->encryption_asked = true;
	} else if (code == CODE_CANCEL) {
		cancel(in, sink);
	} else {
		sink_field(sink, FIELD_METHOD, bytes_of("CONNECT"));
		startup_parameters(conn, bytes_from(in, 8), sink);
	}
	end(conn, size, false, sink);
	return step_done(size);
}

struct step
postgresql_request(struct postgresql_conn *conn, struct bytes in,
		   struct sink *sink)
{
	if (conn->client_skip) {
		uint64_t size = conn->client_skip;

		conn->client_skip = 0;
		conn->skipped = true;
		return step_skip(size);
	}
	if (conn->skipped) {
		conn->skipped = false;
		if (conn->skip_ends)
			end(conn, 0, false, sink);
		conn->skip_ends = false;
	}
	if (!in.size)
		return step_more(1);
	return in.data[0] ? typed(conn, in, sink) : startup(conn, in, sink);
}
