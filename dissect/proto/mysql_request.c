/* SPDX-License-Identifier: Apache-2.0 */
/* What a client of MySQL sends. */
#include <stdio.h>

#include "dissect/proto/mysql_parts.h"
#include "dissect/proto/sql_text.h"

/* Until the server says the number of a statement, it has one of these. */
#define UNNUMBERED (UINT64_C(1) << 32)
/* MariaDB: the statement prepared last, whatever its number will be. */
#define LAST_STATEMENT UINT32_MAX

#define NOTE_COMMAND_BITS 10

uint64_t
mysql_note(unsigned command, bool changes_database, uint64_t serial)
{
	return command | (uint64_t)changes_database << NOTE_COMMAND_BITS |
	       serial << (NOTE_COMMAND_BITS + 1);
}

static void
begin(const struct mysql_conn *conn, struct sink *sink)
{
	sink_begin(sink);
	sink_field(sink, FIELD_HOST, mysql_name(&conn->database));
	sink_field(sink, FIELD_USER_AGENT, mysql_name(&conn->program));
}

/* What a statement is about; true when it changes the database. */
static bool
describe(struct mysql_conn *conn, struct bytes sql, const char *method,
	 struct sink *sink)
{
	char summary[SQL_SUMMARY_SIZE];
	struct sql_text text;
	size_t size = sql_text_summary(sql, summary);
	bool use;

	sql_text_read(sql, &text);
	use = !method && strcmp(text.method, "USE") == 0;
	if (use)
		mysql_set_name(&conn->database_next, bytes_of(text.table));
	sink_field(sink, FIELD_METHOD,
		   bytes_of(method ? method : text.method));
	sink_field(sink, FIELD_PATH, bytes_of(text.table));
	sink_field(sink, FIELD_SUMMARY, bytes_make(summary, size));
	return use;
}

static void
query(struct mysql_conn *conn, struct bytes sql, struct sink *sink)
{
	bool use = describe(conn, sql, NULL, sink);

	if (!sql.size)
		sink_field(sink, FIELD_SUMMARY, bytes_of("(empty query)"));
	sink_note(sink, mysql_note(MYSQL_QUERY, use, 0));
}

static void
prepare(struct mysql_conn *conn, struct bytes sql, struct sink *sink)
{
	uint64_t key = UNNUMBERED | conn->statements.serial;
	struct statement *statement =
		statements_add(&conn->statements, key, sql, sink);
	uint64_t serial = statement ? statement->serial : 0;

	describe(conn, sql, "PREPARE", sink);
	conn->last_prepared = serial;
	sink_note(sink, mysql_note(MYSQL_PREPARE, false, serial));
}

/* By the number at the front of what follows the command; said as well. */
static struct statement *
statement_of(struct mysql_conn *conn, struct reader *r, struct sink *sink)
{
	uint32_t number = reader_le32(r);

	if (number == LAST_STATEMENT)
		return statements_by_serial(&conn->statements,
					    conn->last_prepared);
	mysql_number_header("statement", number, sink);
	return statements_find(&conn->statements, number);
}

/* An execution, or another command about a statement that is known. */
static void
about_statement(struct mysql_conn *conn, uint8_t command,
		const struct statement *statement, struct sink *sink)
{
	bool runs = command == MYSQL_EXECUTE || command == MYSQL_BULK_EXECUTE;
	struct bytes sql = statement_sql(statement);
	bool use = describe(conn, sql,
			    runs && statement ? NULL
					      : mysql_command_name(command),
			    sink);

	if (!statement)
		sink_field(sink, FIELD_SUMMARY,
			   bytes_of("(a statement prepared before)"));
	if (runs)
		sink_body(sink, sql);
	sink_note(sink, mysql_note(command, use,
				   statement ? statement->serial : 0));
}

static void
long_data(struct statement *statement, struct reader *r, struct sink *sink)
{
	uint16_t at = reader_le16(r);

	mysql_number_header("parameter_number", at, sink);
	if (statement && at < STATEMENT_TYPES)
		statement->sent_before |= UINT32_C(1) << at;
	sink_flags(sink, MESSAGE_NO_RESPONSE);
	sink_body(sink, reader_take(r, reader_left(r)));
}

static void
parameters_in_body(size_t size, struct sink *sink)
{
	char text[48];

	snprintf(text, sizeof(text), "(%zu bytes, in the body)", size);
	sink_header(sink, bytes_of("parameters"), bytes_of(text));
}

/* Commands that begin with the number of a statement. */
static void
statement_command(struct mysql_conn *conn, const struct mysql_packet *packet,
		  struct sink *sink)
{
	uint8_t command = packet->content.data[0];
	struct reader r = reader_make(bytes_from(packet->content, 1));
	struct statement *statement = statement_of(conn, &r, sink);
	uint8_t flags;

	about_statement(conn, command, statement, sink);
	if (command == MYSQL_LONG_DATA) {
		long_data(statement, &r, sink);
	} else if (command == MYSQL_CLOSE) {
		sink_flags(sink, MESSAGE_NO_RESPONSE);
		if (statement)
			statements_remove(&conn->statements, statement->key,
					  sink);
	} else if (packet->size > MYSQL_HELD ||
		   command == MYSQL_BULK_EXECUTE) {
		parameters_in_body(packet->size, sink);
	} else if (command == MYSQL_EXECUTE) {
		flags = reader_u8(&r);
		reader_skip(&r, 4); /* how often: once */
		mysql_parameters(conn, statement, flags, &r, sink);
	}
}

static void
named(struct mysql_conn *conn, uint8_t command, struct bytes name,
      struct sink *sink)
{
	const char *method = mysql_command_name(command);
	char summary[160];

	name = bytes_first(name, 128);
	sink_field(sink, FIELD_METHOD, bytes_of(method));
	sink_field(sink, FIELD_PATH, name);
	snprintf(summary, sizeof(summary), "%s%s%.*s", method,
		 name.size ? " " : "", (int)name.size,
		 name.size ? (const char *)name.data : "");
	sink_field(sink, FIELD_SUMMARY, bytes_of(summary));
	if (command == MYSQL_INIT_DB)
		mysql_set_name(&conn->database_next, name);
	sink_note(sink, mysql_note(command, command == MYSQL_INIT_DB, 0));
}

/* The rest: a few of them name something. */
static void
other(struct mysql_conn *conn, const struct mysql_packet *packet,
      struct sink *sink)
{
	uint8_t command = packet->content.data[0];
	struct bytes content = bytes_from(packet->content, 1);
	struct reader r = reader_make(content);
	struct bytes name = { NULL, 0 };
	char number[16];

	if (command == MYSQL_CHANGE_USER) {
		mysql_read_change_user(conn, content, sink);
		sink_note(sink, mysql_note(command, false, 0));
		return;
	}
	if (command == MYSQL_KILL) {
		snprintf(number, sizeof(number), "%u", reader_le32(&r));
		name = bytes_of(number);
	} else if (command == MYSQL_FIELD_LIST) {
		name = mysql_text(&r);
	} else if (command == MYSQL_INIT_DB || command == 0x05 ||
		   command == 0x06) {
		name = content;
	} else if (command == MYSQL_BINLOG_DUMP) {
		reader_skip(&r, 10);
		name = reader_take(&r, reader_left(&r));
	}
	named(conn, command, name, sink);
}

static bool
is_about_statement(uint8_t command)
{
	return (command >= MYSQL_EXECUTE && command <= 0x1a) ||
	       command == MYSQL_FETCH || command == MYSQL_BULK_EXECUTE;
}

/* How much of a long command is not its body. */
static size_t
long_head(const struct mysql_packet *packet)
{
	uint8_t command = packet->content.data[0];
	size_t head = MYSQL_HEADER + 1;

	if (command == MYSQL_QUERY)
		head += mysql_query_start(bytes_from(packet->content, 1), NULL);
	else if (command == MYSQL_LONG_DATA)
		return MYSQL_HEADER + packet->content.size;
	return head;
}

/* The rest of a long packet passes by as body of the message that is open. */
static struct step
pass_rest(struct mysql_conn *conn, const struct mysql_packet *packet,
	  size_t head, struct sink *sink)
{
	conn->client_skip = packet->size - head;
	conn->client_continues = packet->size ==
				 MYSQL_PACKET_MAX + MYSQL_HEADER;
	if (!conn->client_skip) /* an empty one is the last */
		sink_end(sink, head);
	return step_done(head);
}

/* The SQL of a command that has one, behind its attributes. */
static struct bytes
sql_of(const struct mysql_packet *packet, struct sink *sink)
{
	struct bytes content = bytes_from(packet->content, 1);

	if (packet->content.data[0] != MYSQL_QUERY)
		return content;
	return bytes_from(content, mysql_query_start(content, sink));
}

static struct step
command(struct mysql_conn *conn, const struct mysql_packet *packet,
	struct sink *sink)
{
	bool is_long = packet->size > MYSQL_HELD;
	uint8_t code;

	if (mysql_command(packet) == VERDICT_NO)
		return step_bad();
	code = packet->content.data[0];
	if (sink_is_open(sink))
		sink_end(sink, 0);
	conn->login = conn->infile = false;
	if (code == MYSQL_QUIT)
		return step_done(packet->size);
	begin(conn, sink);
	if (code == MYSQL_QUERY || code == MYSQL_PREPARE) {
		struct bytes sql = sql_of(packet, sink);

		if (code == MYSQL_QUERY)
			query(conn, sql, sink);
		else
			prepare(conn, sql, sink);
		if (!is_long)
			sink_body(sink, sql);
	} else if (is_about_statement(code)) {
		statement_command(conn, packet, sink);
	} else {
		other(conn, packet, sink);
	}
	if (is_long)
		return pass_rest(conn, packet, long_head(packet), sink);
	sink_end(sink, packet->size);
	return step_done(packet->size);
}

/* A file that the server asked for, in packets of which an empty one is the
 * last. */
static struct step
file_data(struct mysql_conn *conn, const struct mysql_packet *packet,
	  struct sink *sink)
{
	if (!sink_is_open(sink)) {
		begin(conn, sink);
		sink_flags(sink, MESSAGE_NO_RESPONSE);
		sink_field(sink, FIELD_METHOD, bytes_of("FILE DATA"));
		sink_field(sink, FIELD_PATH, mysql_name(&conn->file));
	}
	if (packet->size > MYSQL_HELD) {
		conn->client_skip = packet->size - MYSQL_HEADER;
		return step_done(MYSQL_HEADER);
	}
	sink_body(sink, packet->content);
	if (packet->size == MYSQL_HEADER) {
		conn->infile = false;
		sink_end(sink, packet->size);
	}
	return step_done(packet->size);
}

/* A packet that is no command: it answers the server. */
static struct step
reply(struct mysql_conn *conn, const struct mysql_packet *packet,
      struct sink *sink)
{
	if (conn->infile)
		return file_data(conn, packet, sink);
	if (packet->size > MYSQL_HELD)
		return step_bad();
	if (conn->login || conn->capabilities ||
	    mysql_login(packet) != VERDICT_YES)
		return step_done(packet->size); /* proof of who it is */
	begin(conn, sink);
	sink_note(sink, mysql_note(MYSQL_LOGIN, false, 0));
	if (mysql_read_login(conn, packet, sink))
		sink_flags(sink, MESSAGE_NO_RESPONSE | MESSAGE_UPGRADE);
	sink_end(sink, packet->size);
	return step_done(packet->size);
}

/* What follows a packet of the largest size. */
static struct step
continuation(struct mysql_conn *conn, const struct mysql_packet *packet,
	     struct sink *sink)
{
	if (!sink_is_open(sink))
		return step_bad();
	return pass_rest(conn, packet, MYSQL_HEADER, sink);
}

struct step
mysql_request(struct mysql_conn *conn, struct bytes in, struct sink *sink)
{
	struct mysql_packet packet;
	size_t wanted;

	if (conn->client_skip) {
		uint64_t size = conn->client_skip;

		conn->client_skip = 0;
		conn->client_skipped = true;
		return step_skip(size);
	}
	if (conn->client_skipped) {
		conn->client_skipped = false;
		if (!conn->client_continues && !conn->infile &&
		    sink_is_open(sink))
			sink_end(sink, 0);
	}
	if (mysql_packet(in, &packet) != VERDICT_YES)
		return step_more(MYSQL_HEADER);
	wanted = packet.size > MYSQL_HELD ? MYSQL_PIECE : packet.size;
	if (in.size < wanted)
		return step_more(wanted);
	packet.content = bytes_first(packet.content, wanted - MYSQL_HEADER);
	if (conn->client_continues)
		return continuation(conn, &packet, sink);
	/* The numbers of a file's packets begin again at 0. */
	return packet.sequence || conn->infile
		       ? reply(conn, &packet, sink)
		       : command(conn, &packet, sink);
}
