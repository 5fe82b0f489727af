/* SPDX-License-Identifier: Apache-2.0 */
/* What a PostgreSQL server sends. */
#include <stdio.h>

#include "base/text.h"
#include "dissect/proto/postgresql_parts.h"

#define ERROR_SIZE 1024
/* Of a long row this much is looked at, and the rest passed. */
#define LONG_PIECE 5

static void
begin(struct postgresql_conn *conn, struct sink *sink)
{
	uint64_t note;

	sink_begin(sink);
	note = sink_request_note(sink);
	conn->answering = true;
	conn->failed = conn->fatal = conn->named = false;
	conn->rows = conn->streamed = 0;
	conn->columns = 0;
	conn->statement = note >> 1;
	conn->binary = note & 1;
}

static void
end(struct postgresql_conn *conn, size_t size, struct sink *sink)
{
	char text[24];

	conn->rows += conn->streamed;
	if (conn->rows) {
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)conn->rows);
		sink_header(sink, bytes_of("rows"), bytes_of(text));
	}
	if (!conn->failed)
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of("OK"));
	sink_end(sink, size);
	conn->answering = conn->copy_in = false;
}

/* T: names, types and formats; said as a header and above the rows. */
static void
columns(struct postgresql_conn *conn, struct bytes content, struct sink *sink)
{
	struct statement *statement =
		statements_by_serial(&conn->statements, conn->statement);
	struct reader r = reader_make(content);
	unsigned count = reader_be16(&r);
	struct buf names;

	buf_init(&names, 8192);
	conn->columns = 0;
	for (unsigned i = 0; i < count && !r.failed; i++) {
		struct bytes name = reader_text(&r);
		uint32_t type;

		reader_skip(&r, 6);
		type = reader_be32(&r);
		reader_skip(&r, 6);
		if (i < POSTGRESQL_COLUMNS) {
			conn->types[i] = type;
			conn->formats[i] = (uint8_t)reader_be16(&r);
			conn->columns = (uint16_t)(i + 1);
		} else {
			reader_skip(&r, 2);
		}
		if (statement && i < STATEMENT_TYPES) {
			statement->columns[i] = type;
			statement->column_count = (uint16_t)(i + 1);
		}
		if (i)
			buf_u8(&names, '\t');
		buf_bytes(&names, name);
	}
	sink_header(sink, bytes_of("columns"), buf_view(&names));
	buf_free(&names);
}

/* D: a line of the body. */
static void
row(struct postgresql_conn *conn, struct bytes content, struct sink *sink)
{
	const struct statement *statement = NULL;
	struct reader r = reader_make(content);
	unsigned count = reader_be16(&r);

	if (!conn->columns && conn->binary)
		statement = statements_by_serial(&conn->statements,
						 conn->statement);
	for (unsigned i = 0; i < count && !r.failed; i++) {
		uint32_t size = reader_be32(&r), type = 0;
		bool binary = conn->binary;

		if (i < conn->columns) {
			type = conn->types[i];
			binary = conn->formats[i] == 1 || conn->binary;
		} else if (statement && i < statement->column_count) {
			type = statement->columns[i];
		}
		if (i)
			sink_body(sink, bytes_of("\t"));
		if (size == UINT32_MAX)
			sink_body(sink, bytes_of("\\N"));
		else
			postgresql_value(reader_take(&r, size), type, binary,
					 sink);
	}
	sink_body(sink, bytes_of("\n"));
	conn->streamed++;
}

/* C: "INSERT 0 5". */
static void
completed(struct postgresql_conn *conn, struct bytes content, struct sink *sink)
{
	struct reader r = reader_make(content);
	struct bytes tag = reader_text(&r), number = tag;
	uint64_t rows;

	sink_header(sink, bytes_of("result"), tag);
	for (size_t i = 0; i < tag.size; i++)
		if (tag.data[i] == ' ')
			number = bytes_from(tag, i + 1);
	/* A portal's last part is told without those before it. */
	if (!text_u64(number, &rows) || rows < conn->streamed)
		rows = conn->streamed;
	if (rows < UINT32_MAX)
		conn->rows += rows;
	conn->streamed = 0;
}

/* E and N: fields by letter. */
struct report {
	struct bytes severity, code, message, detail, hint, position;
};

static struct report
read_report(struct bytes content)
{
	struct report report = { .severity = { NULL, 0 } };
	struct reader r = reader_make(content);
	uint8_t field;

	while ((field = reader_u8(&r)) != 0) {
		struct bytes text = reader_text(&r);

		if (field == 'V' || (field == 'S' && !report.severity.size))
			report.severity = text;
		else if (field == 'C')
			report.code = text;
		else if (field == 'M')
			report.message = text;
		else if (field == 'D')
			report.detail = text;
		else if (field == 'H')
			report.hint = text;
		else if (field == 'P')
			report.position = text;
	}
	return report;
}

static void
report_text(const struct report *report, struct buf *out)
{
	buf_bytes(out, report->severity);
	buf_text(out, ": ");
	buf_bytes(out, bytes_first(report->message, ERROR_SIZE - 64));
}

static void
optional_header(const char *name, struct bytes value, struct sink *sink)
{
	if (value.size)
		sink_header(sink, bytes_of(name), value);
}

static void
notice(struct bytes content, struct sink *sink)
{
	struct report report = read_report(content);
	struct buf text;

	buf_init(&text, ERROR_SIZE);
	report_text(&report, &text);
	sink_header(sink, bytes_of("notice"), buf_view(&text));
	buf_free(&text);
}

static void
failure(struct postgresql_conn *conn, struct bytes content, struct sink *sink)
{
	struct report report = read_report(content);
	struct buf text;

	conn->fatal = bytes_equal(report.severity, bytes_of("FATAL")) ||
		      bytes_equal(report.severity, bytes_of("PANIC"));
	if (conn->failed)
		return;
	conn->failed = true;
	buf_init(&text, ERROR_SIZE);
	report_text(&report, &text);
	sink_field(sink, FIELD_ERROR, buf_view(&text));
	sink_field(sink, FIELD_STATUS_TEXT, report.code);
	sink_flags(sink, MESSAGE_IS_ERROR);
	optional_header("detail", report.detail, sink);
	optional_header("hint", report.hint, sink);
	optional_header("position", report.position, sink);
	buf_free(&text);
}

/* R: how the client is to prove who it is. */
static void
authentication(struct bytes content, struct sink *sink)
{
	static const char *const names[] = {
		[2] = "Kerberos V5", [3] = "password", [5] = "MD5",
		[7] = "GSSAPI", [9] = "SSPI",
	};
	struct reader r = reader_make(content);
	uint32_t kind = reader_be32(&r);

	if (kind == 10)
		sink_header(sink, bytes_of("authentication"),
			    reader_text(&r));
	else if (kind < sizeof(names) / sizeof(*names) && names[kind])
		sink_header(sink, bytes_of("authentication"),
			    bytes_of(names[kind]));
}

/* S: a parameter of the session. */
static void
parameter_status(struct bytes content, struct sink *sink)
{
	struct reader r = reader_make(content);
	struct bytes name = reader_text(&r), value = reader_text(&r);

	if (!r.failed)
		sink_header(sink, name, value);
}

static void
backend_key(struct bytes content, struct sink *sink)
{
	struct reader r = reader_make(content);
	char text[16];

	snprintf(text, sizeof(text), "%u", reader_be32(&r));
	sink_header(sink, bytes_of("backend"), bytes_of(text));
}

/* Z: the end, and what state the transaction is in. */
static void
ready(struct bytes content, struct sink *sink)
{
	if (content.size && content.data[0] != 'I')
		sink_header(sink, bytes_of("transaction"),
			    bytes_of(content.data[0] == 'E' ? "failed"
							    : "open"));
}

/* A: another session's NOTIFY, at any time. */
static void
notification(const struct postgresql_message *message, struct sink *sink)
{
	struct reader r = reader_make(bytes_from(message->content, 4));
	struct bytes channel = reader_text(&r);

	sink_begin_alone(sink);
	sink_field(sink, FIELD_METHOD, bytes_of("NOTIFICATION"));
	sink_field(sink, FIELD_PATH, channel);
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of("OK"));
	sink_body(sink, reader_text(&r));
	sink_end(sink, message->size);
}

/* What comes while nobody waits: a notice, or why the server ends. */
static void
unasked(struct postgresql_conn *conn, const struct postgresql_message *message,
	struct sink *sink)
{
	bool notice_only = message->type == 'N';

	sink_begin_alone(sink);
	sink_field(sink, FIELD_METHOD,
		   bytes_of(notice_only ? "NOTICE" : "TERMINATE"));
	conn->failed = false;
	if (notice_only)
		notice(message->content, sink);
	else
		failure(conn, message->content, sink);
	sink_end(sink, message->size);
	conn->failed = false;
}

static void
dispatch(struct postgresql_conn *conn, const struct postgresql_message *message,
	 struct sink *sink)
{
	struct bytes content = message->content;

	switch (message->type) {
	case 'T':
		columns(conn, content, sink);
		break;
	case 'D':
		row(conn, content, sink);
		break;
	case 'C':
		completed(conn, content, sink);
		break;
	case 'E':
		failure(conn, content, sink);
		break;
	case 'N':
		notice(content, sink);
		break;
	case 'R':
		authentication(content, sink);
		break;
	case 'S':
		parameter_status(content, sink);
		break;
	case 'K':
		backend_key(content, sink);
		break;
	case 's':
		sink_header(sink, bytes_of("result"), bytes_of("suspended"));
		break;
	case 'G':
	case 'W':
		conn->copy_in = true;
		break;
	case 'd':
		sink_body(sink, content);
		break;
	case 'Z':
		ready(content, sink);
		break;
	default: /* 1 2 3 n t I H c V v */
		break;
	}
}

/* One byte: S or G, and all that follows is encrypted; N: it is not. */
static struct step
encryption(struct postgresql_conn *conn, struct bytes in, struct sink *sink)
{
	bool accepted = in.data[0] == 'S' || in.data[0] == 'G';

	conn->encryption_asked = false;
	if (in.data[0] == 'E')
		return step_done(0);
	if (!accepted && in.data[0] != 'N')
		return step_bad();
	sink_begin(sink);
	sink_field(sink, FIELD_STATUS_TEXT,
		   bytes_of(accepted ? "accepted" : "refused"));
	if (accepted)
		sink_flags(sink, MESSAGE_UPGRADE);
	sink_end(sink, 1);
	return step_done(1);
}

/* Between responses: true when the message was not the begin of one. */
static bool
is_between(struct postgresql_conn *conn,
	   const struct postgresql_message *message, struct sink *sink)
{
	if (message->type == 'A') {
		notification(message, sink);
		return true;
	}
	if (conn->answering || sink_is_awaited(sink))
		return false;
	if (message->type == 'N' || message->type == 'E')
		unasked(conn, message, sink);
	return message->type == 'N' || message->type == 'E' ||
	       message->type == 'S';
}

static struct step
one_message(struct postgresql_conn *conn, struct bytes in, bool first,
	    size_t taken, struct sink *sink)
{
	struct postgresql_message message;
	enum verdict verdict = postgresql_message(SIDE_SERVER, in, &message);
	bool is_long;

	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO ? step_bad()
					     : step_more(5);
	is_long = message.size > POSTGRESQL_HELD;
	if (!is_long && in.size < message.size)
		return step_more(message.size);
	if (!first && (message.type == 'A' || !conn->answering || is_long))
		return step_more(1); /* to be at the front of what is fed */
	if (!is_long && is_between(conn, &message, sink))
		return step_done(message.size);
	if (!conn->answering)
		begin(conn, sink);
	if (is_long) {
		conn->server_skip = message.size - LONG_PIECE;
		conn->streamed += message.type == 'D';
		return step_done(LONG_PIECE);
	}
	dispatch(conn, &message, sink);
	if (message.type == 'Z' || conn->fatal)
		end(conn, taken + message.size, sink);
	return step_done(message.size);
}

struct step
postgresql_response(struct postgresql_conn *conn, struct bytes in,
		    struct sink *sink)
{
	size_t taken = 0;

	if (conn->server_skip) {
		uint64_t size = conn->server_skip;

		conn->server_skip = 0;
		return step_skip(size);
	}
	if (!in.size)
		return step_more(1);
	if (conn->encryption_asked && !conn->answering) {
		struct step step = encryption(conn, in, sink);

		if (step.kind != STEP_DONE || step.n)
			return step;
	}
	do {
		struct step step = one_message(conn, bytes_from(in, taken),
					       taken == 0, taken, sink);

		if (step.kind != STEP_DONE)
			return taken && step.kind == STEP_MORE ? step_done(taken)
							       : step;
		taken += (size_t)step.n;
	} while (conn->answering && !conn->server_skip && taken < in.size);
	return step_done(taken);
}
