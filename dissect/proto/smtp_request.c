/* SPDX-License-Identifier: Apache-2.0 */
/* What SMTP's client says: commands, and the mail behind some of them. */
#include <stdio.h>

#include "base/text.h"
#include "dissect/proto/smtp_parts.h"

#define SUMMARY_SIZE 200
#define PARAMETERS_SHOWN 16
/* Of a mail's header: a longer field, and what follows, is body alone. */
#define FIELD_SIZE (8u << 10)
#define HEAD_SIZE (64u << 10)
#define VALUE_SIZE 1024

static const struct word {
	const char *name;
	const char *argument; /* begins with; "": any; NULL: none or any */
	enum smtp_kind kind;
	bool alone;           /* nothing stands behind it */
} words[] = {
	{ "EHLO", "", SMTP_PLAIN, false },
	{ "HELO", "", SMTP_PLAIN, false },
	{ "LHLO", "", SMTP_PLAIN, false },
	{ "MAIL", "FROM:", SMTP_MAIL, false },
	{ "RCPT", "TO:", SMTP_RCPT, false },
	{ "DATA", NULL, SMTP_DATA, true },
	{ "BDAT", "", SMTP_BDAT, false },
	{ "RSET", NULL, SMTP_PLAIN, true },
	{ "NOOP", NULL, SMTP_PLAIN, false },
	{ "QUIT", NULL, SMTP_PLAIN, true },
	{ "AUTH", "", SMTP_AUTH, false },
	{ "STARTTLS", NULL, SMTP_STARTTLS, true },
	{ "VRFY", "", SMTP_PLAIN, false },
	{ "EXPN", "", SMTP_PLAIN, false },
	{ "HELP", NULL, SMTP_PLAIN, false },
	{ "ETRN", "", SMTP_PLAIN, false },
	{ "TURN", NULL, SMTP_PLAIN, true },
	{ "BURL", "", SMTP_PLAIN, false },
	{ "XCLIENT", "", SMTP_PLAIN, false },
	{ "XFORWARD", "", SMTP_PLAIN, false },
};

static const struct word *
word_of(struct bytes name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (bytes_equal_nocase(name, bytes_of(words[i].name)))
			return &words[i];
	return NULL;
}

static bool
begins_with(struct bytes in, const char *text)
{
	struct bytes word = bytes_of(text);

	return bytes_equal_nocase(bytes_first(in, word.size), word);
}

bool
smtp_is_command(struct bytes line)
{
	struct bytes rest = line;
	const struct word *word = word_of(line_word(&rest));

	rest = bytes_trim(rest);
	if (!word || !line_is_text(line) || (word->alone && rest.size))
		return false;
	return !word->argument ||
	       (rest.size && begins_with(rest, word->argument));
}

enum verdict
smtp_command_here(struct bytes in)
{
	struct bytes line;
	size_t size;
	enum verdict verdict = line_take(in, SMTP_LINE, &line, &size);

	if (verdict == VERDICT_YES)
		return smtp_is_command(line) ? VERDICT_YES : VERDICT_NO;
	if (verdict == VERDICT_NO)
		return VERDICT_NO;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (line_may_begin(in, words[i].name))
			return VERDICT_MAYBE;
	return VERDICT_NO;
}

/* Transactions. */

static void
keep_name(struct smtp_name *name, struct bytes text)
{
	text = bytes_first(text, sizeof(name->text));
	name->size = (uint8_t)text.size;
	if (text.size)
		memcpy(name->text, text.data, text.size);
}

static struct bytes
name_view(const struct smtp_name *name)
{
	return bytes_make(name->text, name->size);
}

static void
forget_transaction(struct smtp_conn *conn)
{
	conn->from.size = conn->to.size = 0;
	conn->named = 0;
}

/* <address> or what stands in its place; `*rest` is left behind it. */
static struct bytes
address_of(struct bytes *rest)
{
	const uint8_t *end;
	struct bytes address;

	*rest = bytes_trim(*rest);
	end = rest->size && rest->data[0] == '<'
		      ? memchr(rest->data, '>', rest->size)
		      : NULL;
	if (!end)
		return line_word(rest);
	address = bytes_make(rest->data + 1,
			     (size_t)(end - rest->data) - 1);
	*rest = bytes_from(*rest, address.size + 2);
	return address;
}

/* MAIL FROM:<address> parameters, and RCPT TO. */
static void
envelope(struct smtp_conn *conn, enum smtp_kind kind, struct bytes rest,
	 struct sink *sink)
{
	const uint8_t *colon = rest.size ? memchr(rest.data, ':', rest.size)
					 : NULL;
	struct bytes address, parameter;

	if (colon)
		rest = bytes_from(rest, (size_t)(colon - rest.data) + 1);
	address = address_of(&rest);
	sink_field(sink, FIELD_PATH, address);
	for (int i = 0; i < PARAMETERS_SHOWN; i++) {
		parameter = line_word(&rest);
		if (!parameter.size)
			break;
		line_header("parameter", parameter, sink);
	}
	if (kind == SMTP_MAIL) {
		forget_transaction(conn);
		keep_name(&conn->from, address);
	} else if (!conn->named++) {
		keep_name(&conn->to, address);
	}
}

/* Whose mail DATA or BDAT sends, and to whom. */
static void
say_envelope(const struct smtp_conn *conn, struct bytes command,
	     struct sink *sink)
{
	char text[2 * SMTP_NAME + 80], more[24] = "";
	int size;

	if (!conn->named)
		return;
	if (conn->named > 1)
		snprintf(more, sizeof(more), " and %u more",
			 (unsigned)conn->named - 1);
	size = snprintf(text, sizeof(text), "%.*s from <%.*s> to <%.*s>%s",
			(int)bytes_first(command, 24).size,
			(const char *)command.data, (int)conn->from.size,
			conn->from.text, (int)conn->to.size, conn->to.text,
			more);
	sink_field(sink, FIELD_SUMMARY, bytes_make(text, (size_t)size));
	sink_field(sink, FIELD_PATH, name_view(&conn->to));
	line_header("sender", name_view(&conn->from), sink);
	line_header("recipient", name_view(&conn->to), sink);
}

/* What the mail's header says. */

static size_t
field_end(struct bytes in)
{
	size_t at = 0;

	do {
		const uint8_t *end = memchr(in.data + at, '\n', in.size - at);

		if (!end)
			return 0;
		at = (size_t)(end - in.data) + 1;
		if (at == in.size)
			return 0;
	} while (in.data[at] == ' ' || in.data[at] == '\t');
	return at;
}

static void
say_field(struct bytes field, struct sink *sink)
{
	static const char *const shown[] = { "From", "To", "Cc", "Subject",
					     "Date", "Message-ID",
					     "Content-Type", NULL };
	const uint8_t *colon = memchr(field.data, ':', field.size);
	struct bytes name, rest;
	char value[VALUE_SIZE];
	size_t size = 0;

	if (!colon)
		return;
	name = bytes_make(field.data, (size_t)(colon - field.data));
	rest = bytes_from(field, name.size + 1);
	for (size_t i = 0; i < rest.size && size < sizeof(value); i++)
		if (rest.data[i] != '\r' && rest.data[i] != '\n')
			value[size++] = (char)rest.data[i];
	rest = bytes_trim(bytes_make(value, size));
	for (const char *const *s = shown; *s; s++)
		if (bytes_equal_nocase(bytes_trim(name), bytes_of(*s)))
			line_header(*s, rest, sink);
	if (bytes_equal_nocase(bytes_trim(name), bytes_of("Content-Type")))
		sink_field(sink, FIELD_CONTENT_TYPE, rest);
}

/* Takes one field of the header.  STEP_SKIP: it has ended, or is none. */
static struct step
head(struct smtp_conn *conn, struct bytes in, struct sink *sink)
{
	size_t size;

	if (in.data[0] == '.' || in.data[0] == '\n' ||
	    bytes_starts_with(in, "\r\n"))
		return step_skip(0);
	size = field_end(in);
	if (!size)
		return in.size > FIELD_SIZE ? step_skip(0)
					    : step_more(in.size + 1);
	conn->head += size;
	if (conn->head > HEAD_SIZE)
		return step_skip(0);
	say_field(bytes_first(in, size), sink);
	sink_body(sink, bytes_first(in, size));
	if (in.data[size - 2] != '\r') {
		conn->open = SMTP_CONTENT;
		conn->place = LINE_INSIDE;
	}
	return step_done(size);
}

/* What follows requests. */

static void
end(struct smtp_conn *conn, size_t size, struct sink *sink)
{
	if (conn->open >= SMTP_ASKED && conn->open <= SMTP_CONTENT)
		forget_transaction(conn);
	conn->open = SMTP_CLOSED;
	conn->lost = false;
	sink_end(sink, size);
}

static struct step
content(struct smtp_conn *conn, struct bytes in, struct sink *sink)
{
	struct step step;
	bool ended;

	if (conn->open == SMTP_HEAD) {
		step = head(conn, in, sink);
		if (step.kind != STEP_SKIP)
			return step;
		conn->open = SMTP_CONTENT;
	}
	if (conn->lost && conn->place == LINE_START &&
	    smtp_command_here(in) == VERDICT_MAYBE)
		return step_more(in.size + 1);
	/* Of a mail with a hole one line: the next may be a command. */
	step = line_block(&conn->place, conn->lost ? line_first(in) : in,
			  &ended, sink);
	if (ended)
		end(conn, (size_t)step.n, sink);
	return step;
}

/* A line that proves who the client is: not kept. */
static struct step
proof(struct bytes in)
{
	struct bytes line;
	size_t size;
	enum verdict verdict = line_take(in, SMTP_LINE, &line, &size);

	if (verdict == VERDICT_YES)
		return step_done(size);
	return verdict == VERDICT_NO ? step_bad() : step_more(in.size + 1);
}

/* BDAT size [LAST] (RFC 3030 §2). */
static bool
begin_chunk(struct smtp_conn *conn, struct bytes rest, uint64_t *note)
{
	if (!text_u64(line_word(&rest), &conn->chunk) ||
	    conn->chunk > INT64_MAX)
		return false;
	rest = bytes_trim(rest);
	if (bytes_equal_nocase(rest, bytes_of("LAST")))
		*note = SMTP_LAST;
	return !rest.size || *note == SMTP_LAST;
}

/* What a command with a mail, or lines, behind it begins. */
static void
open_request(struct smtp_conn *conn, enum smtp_kind kind, struct bytes rest,
	     uint64_t *note)
{
	if (kind == SMTP_DATA) {
		conn->open = SMTP_ASKED;
		conn->place = LINE_START;
		conn->head = 0;
	} else if (kind == SMTP_AUTH) {
		conn->open = SMTP_PROOF;
	} else if (kind == SMTP_BDAT && begin_chunk(conn, rest, note)) {
		conn->open = SMTP_CHUNK;
	}
	conn->answer = SMTP_NOTHING;
}

static void
describe(struct smtp_conn *conn, const struct word *word, struct bytes line,
	 struct bytes rest, struct sink *sink)
{
	struct bytes what = bytes_trim(rest);

	line_method(bytes_of(word->name), sink);
	sink_field(sink, FIELD_SUMMARY, bytes_first(line, SUMMARY_SIZE));
	if (word->kind == SMTP_AUTH) { /* the mechanism alone */
		what = line_mechanism(what);
		line = bytes_first(line, what.size
					 ? (size_t)(what.data - line.data) +
						   what.size
					 : 4);
		sink_field(sink, FIELD_SUMMARY,
			   bytes_first(line, SUMMARY_SIZE));
	}
	if (word->kind == SMTP_MAIL || word->kind == SMTP_RCPT)
		envelope(conn, word->kind, rest, sink);
	else if (word->kind == SMTP_DATA || word->kind == SMTP_BDAT)
		say_envelope(conn, line, sink);
	else
		sink_field(sink, FIELD_PATH, what);
	if (word->kind == SMTP_PLAIN && word->argument &&
	    begins_with(bytes_from(line, 1), "HLO"))
		conn->lmtp = line.data[0] == 'L' || line.data[0] == 'l';
	if (bytes_equal(bytes_of(word->name), bytes_of("RSET")))
		forget_transaction(conn);
}

static struct step
command(struct smtp_conn *conn, struct bytes in, struct sink *sink)
{
	struct bytes line, rest;
	size_t size;
	enum verdict verdict = line_take(in, SMTP_LINE, &line, &size);
	const struct word *word;
	uint64_t note;

	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO ? step_bad()
					     : step_more(in.size + 1);
	if (!line_is_text(line))
		return step_bad();
	rest = line;
	word = word_of(line_word(&rest));
	note = word ? word->kind : SMTP_PLAIN;
	sink_begin(sink);
	conn->serial++;
	sink_field(sink, FIELD_HOST, name_view(&conn->host));
	if (word) {
		describe(conn, word, line, rest, sink);
		open_request(conn, word->kind, rest, &note);
	} else { /* a typing error, or a secret that is out of place */
		line_method(bytes_of("UNKNOWN"), sink);
	}
	sink_note(sink, note | (uint64_t)conn->serial << 8);
	if (note == SMTP_LAST)
		forget_transaction(conn);
	if (!conn->open)
		end(conn, size, sink);
	return step_done(size);
}

/* Whether the request that is open has ended without what could follow. */
static bool
is_over(const struct smtp_conn *conn, struct bytes in)
{
	bool final = conn->answer == SMTP_FINAL;

	switch (conn->open) {
	case SMTP_ASKED:
		return final;
	case SMTP_PROOF:
		return final || smtp_command_here(in) == VERDICT_YES;
	case SMTP_HEAD:
	case SMTP_CONTENT:
		return conn->lost &&
		       (final || (conn->place == LINE_START &&
				  smtp_command_here(in) == VERDICT_YES));
	case SMTP_CHUNKED:
		return true;
	case SMTP_CLOSED:
	case SMTP_CHUNK:
		break;
	}
	return false;
}

struct step
smtp_request(struct smtp_conn *conn, struct bytes in, struct sink *sink)
{
	if (conn->open == SMTP_CHUNK) {
		conn->open = SMTP_CHUNKED;
		if (conn->chunk)
			return step_skip(conn->chunk);
	}
	if (conn->open && is_over(conn, in))
		end(conn, 0, sink);
	if (!in.size)
		return step_more(1);
	if (conn->open == SMTP_ASKED)
		conn->open = SMTP_HEAD;
	if (conn->open == SMTP_HEAD || conn->open == SMTP_CONTENT)
		return content(conn, in, sink);
	return conn->open == SMTP_PROOF ? proof(in)
					: command(conn, in, sink);
}
