/* SPDX-License-Identifier: Apache-2.0 */
/* What a MySQL server sends. */
#include "dissect/proto/mysql_parts.h"

#define NAMES_SIZE 8192
#define ERROR_SIZE 1024
#define NOTE_COMMAND 0x3ffu
#define NOTE_DATABASE 0x400u
#define NOTE_SERIAL_BITS 11

static void
number_header(const char *name, uint64_t value, struct sink *sink)
{
	if (value)
		mysql_number_header(name, value, sink);
}

static void
begin(struct mysql_conn *conn, struct sink *sink)
{
	uint64_t note, statement = conn->statement;

	sink_begin(sink);
	note = sink_request_note(sink);
	conn->command = note & NOTE_COMMAND;
	conn->changes_database = note & NOTE_DATABASE;
	conn->statement = note >> NOTE_SERIAL_BITS;
	conn->binary = conn->command == MYSQL_EXECUTE ||
		       conn->command == MYSQL_BULK_EXECUTE ||
		       conn->command == MYSQL_FETCH;
	conn->answering = true;
	conn->failed = conn->headed = false;
	conn->rows = 0;
	conn->state = MYSQL_FIRST;
	if (conn->command == MYSQL_FETCH) {
		/* Its rows are of the columns told before. */
		conn->state = MYSQL_ROWS;
		conn->headed = true;
		if (statement == conn->statement)
			return;
	}
	conn->described = conn->columns = 0;
	if (conn->command == MYSQL_FIELD_LIST) {
		conn->state = MYSQL_COLUMN;
		conn->left = UINT32_MAX;
	}
}

static void
end(struct mysql_conn *conn, size_t size, struct sink *sink)
{
	number_header(conn->state == MYSQL_EVENTS ? "events" : "rows",
		      conn->rows, sink);
	if (!conn->failed) {
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of("OK"));
		sink_status(sink, 0);
		if (conn->changes_database)
			conn->database = conn->database_next;
	}
	sink_end(sink, size);
	conn->answering = conn->infile = false;
}

/* Packets that end something. */

/* Returns true when nothing follows. */
static bool
success(struct mysql_conn *conn, const struct mysql_ok *ok, struct sink *sink)
{
	if (ok->affected)
		number_header("affected", ok->affected, sink);
	number_header("insert_id", ok->insert_id, sink);
	number_header("warnings", ok->warnings, sink);
	if (ok->info.size)
		sink_header(sink, bytes_of("info"), ok->info);
	if (ok->schema.size)
		mysql_set_name(&conn->database, ok->schema);
	conn->state = MYSQL_FIRST;
	conn->headed = false;
	if (ok->status & MYSQL_STATUS_MORE)
		return false;
	if (ok->status & MYSQL_STATUS_TRANSACTION)
		sink_header(sink, bytes_of("transaction"), bytes_of("open"));
	return true;
}

/* Not the error of anything, but how far it is. */
#define CODE_PROGRESS 0xffff

static bool
failure(struct mysql_conn *conn, struct bytes content, struct sink *sink)
{
	struct mysql_failure report;
	struct buf text;

	if (!mysql_failure(content, &report) || report.code == CODE_PROGRESS)
		return false;
	if (!report.state.size)
		report.state = bytes_of("HY000");
	conn->failed = true;
	buf_init(&text, ERROR_SIZE);
	buf_format(&text, "ERROR %u (%.*s): ", report.code,
		   (int)report.state.size, (const char *)report.state.data);
	buf_bytes(&text, bytes_first(report.message, ERROR_SIZE - 64));
	sink_field(sink, FIELD_ERROR, buf_view(&text));
	sink_field(sink, FIELD_STATUS_TEXT, report.state);
	sink_status(sink, report.code);
	sink_flags(sink, MESSAGE_IS_ERROR);
	buf_free(&text);
	return true;
}

/* Columns. */

void
mysql_forget_names(struct mysql_conn *conn, struct sink *sink)
{
	buf_free(&conn->names);
	if (conn->names_kept)
		sink_give_back(sink, NAMES_SIZE);
	conn->names_kept = false;
}

static void
add_name(struct mysql_conn *conn, struct bytes name, struct sink *sink)
{
	if (!conn->names_kept) {
		if (!sink_keep(sink, NAMES_SIZE))
			return;
		conn->names_kept = true;
		buf_init(&conn->names, NAMES_SIZE);
	}
	if (conn->described > 1)
		buf_u8(&conn->names, '\t');
	buf_bytes(&conn->names, name);
}

static void
add_column(struct mysql_conn *conn, struct bytes content, struct sink *sink)
{
	struct statement *statement =
		statements_by_serial(&conn->statements, conn->statement);
	struct bytes name;
	uint16_t type;

	if (!mysql_column(content, &name, &type))
		return;
	if (conn->state == MYSQL_PARAMETER)
		return;
	if (conn->described < MYSQL_COLUMNS)
		conn->types[conn->described] = type;
	if (statement && conn->described < STATEMENT_TYPES) {
		statement->columns[conn->described] = type;
		statement->column_count = (uint16_t)(conn->described + 1);
	}
	conn->described++;
	add_name(conn, name, sink);
}

/* All are described: they become the header "columns". */
static void
say_columns(struct mysql_conn *conn, struct sink *sink)
{
	if (conn->names.size)
		sink_header(sink, bytes_of("columns"),
			    buf_view(&conn->names));
	mysql_forget_names(conn, sink);
}

/* Behind the last description: rows, or the end of a preparation, unless an
 * EOF is to come. */
static bool
columns_over(struct mysql_conn *conn, struct sink *sink)
{
	say_columns(conn, sink);
	if (conn->command != MYSQL_PREPARE) {
		conn->state = MYSQL_ROWS;
		return false;
	}
	return !conn->capabilities ||
	       conn->capabilities & MYSQL_CAN_DEPRECATE_EOF;
}

static bool
column(struct mysql_conn *conn, struct bytes content, struct sink *sink)
{
	struct mysql_ok ok;

	if (conn->command == MYSQL_FIELD_LIST && content.data[0] == 0xfe) {
		say_columns(conn, sink);
		return true;
	}
	if (!conn->left && conn->state == MYSQL_COLUMN)
		return true; /* the EOF behind them */
	if (!conn->left) { /* behind parameters */
		conn->state = MYSQL_COLUMN;
		conn->left = conn->columns_next;
		conn->columns_next = 0;
		if (!conn->left || mysql_eof(content, &ok))
			return conn->left == 0;
	}
	add_column(conn, content, sink);
	if (--conn->left ||
	    (conn->state == MYSQL_PARAMETER && conn->columns_next))
		return false;
	return columns_over(conn, sink);
}

/* 0: a statement was prepared. */
static bool
prepared(struct mysql_conn *conn, struct bytes content, struct sink *sink)
{
	struct statement *statement =
		statements_by_serial(&conn->statements, conn->statement);
	struct reader r = reader_make(bytes_from(content, 1));
	uint32_t number = reader_le32(&r);
	uint16_t columns = reader_le16(&r), parameters = reader_le16(&r);
	bool described = true;

	reader_skip(&r, 3); /* unused, warnings */
	if (reader_left(&r))
		described = reader_u8(&r) != 0;
	conn->command = MYSQL_PREPARE;
	if (statement) {
		statements_rename(&conn->statements, statement, number, sink);
		statement->asked = parameters;
	}
	number_header("statement", number, sink);
	number_header("parameters", parameters, sink);
	if (!described)
		return true;
	conn->described = 0;
	conn->columns_next = columns;
	conn->left = parameters ? parameters : columns;
	conn->state = parameters ? MYSQL_PARAMETER : MYSQL_COLUMN;
	return !conn->left;
}

static bool
result_begins(struct mysql_conn *conn, struct bytes content)
{
	bool described;

	conn->columns = mysql_column_count(content, conn->capabilities,
					   &described);
	conn->described = 0;
	conn->left = conn->columns;
	conn->state = described ? MYSQL_COLUMN : MYSQL_ROWS;
	return conn->columns != 0;
}

/* Login. */

static bool
authentication(struct mysql_conn *conn, struct bytes content, struct sink *sink)
{
	struct reader r = reader_make(bytes_from(content, 1));
	struct mysql_ok ok;

	if (content.data[0] == 0xfe) {
		sink_header(sink, bytes_of("authentication"),
			    content.size > 1
				    ? mysql_text(&r)
				    : bytes_of("mysql_old_password"));
		return false;
	}
	if (content.data[0] != 0) /* more of what is to be proved */
		return false;
	if (mysql_ok(content, conn->capabilities, &ok))
		success(conn, &ok, sink);
	conn->login = false;
	if (conn->command == MYSQL_LOGIN &&
	    conn->capabilities & (MYSQL_CAN_COMPRESS | MYSQL_CAN_ZSTD))
		conn->compression = MYSQL_COMPRESSED;
	return true;
}

/* Answers. */

enum outcome { OUTCOME_GOES_ON, OUTCOME_END, OUTCOME_BAD };

static enum outcome
outcome(bool ended)
{
	return ended ? OUTCOME_END : OUTCOME_GOES_ON;
}

static void
ask_for_file(struct mysql_conn *conn, struct bytes name, struct sink *sink)
{
	mysql_set_name(&conn->file, name);
	sink_header(sink, bytes_of("file"), name);
	conn->infile = true;
}

static bool
is_prepared(const struct mysql_conn *conn, struct bytes content)
{
	if (conn->command)
		return conn->command == MYSQL_PREPARE;
	return content.size == 12 && content.data[9] == 0 &&
	       content.data[1] && (content.data[5] || content.data[7]);
}

static enum outcome
first(struct mysql_conn *conn, struct bytes content, struct sink *sink)
{
	struct mysql_ok ok;

	switch (conn->command) {
	case MYSQL_LOGIN:
	case MYSQL_CHANGE_USER:
		return outcome(authentication(conn, content, sink));
	case MYSQL_STATISTICS:
		sink_body(sink, content);
		return OUTCOME_END;
	case MYSQL_BINLOG_DUMP:
	case MYSQL_BINLOG_DUMP_GTID:
		conn->state = MYSQL_EVENTS;
		conn->rows++;
		return OUTCOME_GOES_ON;
	default:
		break;
	}
	switch (content.data[0]) {
	case 0:
		if (is_prepared(conn, content))
			return outcome(prepared(conn, content, sink));
		if (!mysql_ok(content, conn->capabilities, &ok))
			return OUTCOME_BAD;
		return outcome(success(conn, &ok, sink));
	case 0xfb:
		ask_for_file(conn, bytes_from(content, 1), sink);
		return OUTCOME_GOES_ON;
	case 0xfe:
		if (!mysql_eof(content, &ok) &&
		    !mysql_ok(content, conn->capabilities, &ok))
			return OUTCOME_BAD;
		return outcome(success(conn, &ok, sink));
	default:
		return result_begins(conn, content) ? OUTCOME_GOES_ON
						    : OUTCOME_BAD;
	}
}

static enum outcome
row(struct mysql_conn *conn, struct bytes content, struct sink *sink)
{
	struct mysql_ok ok;

	if (content.data[0] == 0xfe && mysql_eof(content, &ok)) {
		/* One behind the columns, one behind the rows. */
		if (conn->headed || ok.status & MYSQL_STATUS_CURSOR)
			return outcome(conn->headed
					       ? success(conn, &ok, sink)
					       : true);
		conn->headed = true;
		return OUTCOME_GOES_ON;
	}
	if (content.data[0] == 0xfe &&
	    mysql_ok(content, conn->capabilities, &ok))
		return outcome(success(conn, &ok, sink));
	if (conn->binary)
		mysql_binary_row(conn, content, sink);
	else
		mysql_text_row(content, sink);
	conn->rows++;
	return OUTCOME_GOES_ON;
}

static enum outcome
dispatch(struct mysql_conn *conn, struct bytes content, struct sink *sink)
{
	if (content.data[0] == 0xff)
		return outcome(failure(conn, content, sink));
	switch (conn->state) {
	case MYSQL_FIRST:
		return first(conn, content, sink);
	case MYSQL_COLUMN:
	case MYSQL_PARAMETER:
		return outcome(column(conn, content, sink));
	case MYSQL_ROWS:
		return row(conn, content, sink);
	case MYSQL_EVENTS:
		conn->rows++;
		break;
	}
	return OUTCOME_GOES_ON;
}

/* Errors that end a session which asked nothing. */
static bool
is_farewell(struct bytes content)
{
	static const uint16_t codes[] = { 1053, 1080, 1927, 3032, 3169, 4031 };
	struct mysql_failure report;

	if (!mysql_failure(content, &report))
		return false;
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (report.code == codes[i])
			return true;
	return false;
}

/* Between answers: the greeting, and the last word of a session. */
static bool
is_between(struct mysql_conn *conn, const struct mysql_packet *packet,
	   struct sink *sink)
{
	bool greets = !packet->sequence && !sink_is_awaited(sink) &&
		      mysql_greeting(packet) == VERDICT_YES;
	bool refuses = packet->content.size && packet->content.data[0] == 0xff;
	struct mysql_ok ok;

	if (conn->answering)
		return false;
	if (greets || (!sink_is_awaited(sink) &&
		       is_farewell(packet->content))) {
		sink_begin_alone(sink);
		if (refuses) {
			sink_field(sink, FIELD_METHOD,
				   bytes_of(greets ? "GREETING" : "TERMINATE"));
			failure(conn, packet->content, sink);
		} else {
			mysql_read_greeting(conn, packet, sink);
		}
		sink_end(sink, packet->size);
		return true;
	}
	/* One that was not expected behind the columns of a preparation. */
	return packet->sequence > 2 && !sink_is_awaited(sink) &&
	       mysql_eof(packet->content, &ok);
}

/* Rows, and what else is too long to be held: all of it is body. */
static struct step
long_packet(struct mysql_conn *conn, const struct mysql_packet *packet)
{
	if (conn->state == MYSQL_FIRST || conn->state == MYSQL_COLUMN)
		return step_bad();
	conn->rows += !conn->server_continues;
	conn->server_skip = packet->size - MYSQL_HEADER;
	conn->server_continues = packet->size ==
				 MYSQL_PACKET_MAX + MYSQL_HEADER;
	return step_done(MYSQL_HEADER);
}

static struct step
one_packet(struct mysql_conn *conn, struct bytes in, size_t taken,
	   struct sink *sink)
{
	struct mysql_packet packet;
	bool is_long;

	if (mysql_packet(in, &packet) != VERDICT_YES)
		return step_more(MYSQL_HEADER);
	is_long = packet.size > MYSQL_HELD || conn->server_continues;
	if (!is_long && in.size < packet.size)
		return step_more(packet.size);
	if (taken && (!conn->answering || is_long))
		return step_more(1); /* to be at the front of what is fed */
	if (!is_long && is_between(conn, &packet, sink))
		return step_done(packet.size);
	if (!conn->answering && (is_long || packet.size == MYSQL_HEADER))
		return step_bad();
	if (!conn->answering)
		begin(conn, sink);
	if (is_long)
		return packet.size == MYSQL_HEADER
			       ? (conn->server_continues = false,
				  step_done(MYSQL_HEADER))
			       : long_packet(conn, &packet);
	if (packet.size == MYSQL_HEADER)
		return step_bad();
	switch (dispatch(conn, packet.content, sink)) {
	case OUTCOME_END:
		end(conn, taken + packet.size, sink);
		break;
	case OUTCOME_BAD:
		return step_bad();
	case OUTCOME_GOES_ON:
		break;
	}
	return step_done(packet.size);
}

struct step
mysql_response(struct mysql_conn *conn, struct bytes in, struct sink *sink)
{
	size_t taken = 0;

	if (conn->server_skip) {
		uint64_t size = conn->server_skip;

		conn->server_skip = 0;
		return step_skip(size);
	}
	if (!in.size)
		return step_more(MYSQL_HEADER);
	do {
		struct step step = one_packet(conn, bytes_from(in, taken),
					      taken, sink);

		if (step.kind != STEP_DONE)
			return taken ? step_done(taken) : step;
		taken += (size_t)step.n;
	} while (conn->answering && !conn->server_skip && taken < in.size);
	return step_done(taken);
}
