/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POP3 (RFC 1939, 2449, 2595, 5034): a call for each command with its answer,
 * of one line or of several up to a dot.  See pop3.md.
 */
#include "dissect/proto/line.h"
#include "dissect/registry.h"

#define LINE_SIZE (16u << 10) /* RFC 2449 §4 says 255; base64 is longer */
#define PROBE_LINE 1024
#define SUMMARY_SIZE 200

/* What a request is, for what answers it. */
enum kind {
	KIND_PLAIN = 1, /* 0: the request was not seen */
	KIND_LISTED,    /* lines follow an answer that is no error */
	KIND_AUTH,
	KIND_STLS,
};

/* What the server said to AUTH so far. */
enum answer { ANSWER_NOTHING, ANSWER_GO_ON, ANSWER_FINAL };

struct pop3_conn {
	/* The client. */
	bool proving;    /* AUTH is open: lines are not kept */
	enum answer answer;
	uint32_t serial;

	/* The server. */
	bool greeted;
	bool listing;    /* a block of lines is being read … */
	bool lost;       /* … of which some are missing */
	enum line_place place;
	uint64_t note;
};

static const struct word {
	const char *name;
	uint8_t least, most; /* arguments */
	enum kind kind;
	bool telling;        /* others do not have it */
} words[] = {
	{ "USER", 1, 8, KIND_PLAIN, true },
	{ "PASS", 1, 8, KIND_PLAIN, true },
	{ "APOP", 2, 2, KIND_PLAIN, true },
	{ "AUTH", 0, 2, KIND_AUTH, false },
	{ "CAPA", 0, 0, KIND_LISTED, true },
	{ "STLS", 0, 0, KIND_STLS, true },
	{ "STAT", 0, 0, KIND_PLAIN, true },
	{ "LIST", 0, 1, KIND_LISTED, false },
	{ "UIDL", 0, 1, KIND_LISTED, true },
	{ "RETR", 1, 1, KIND_LISTED, false },
	{ "TOP", 2, 2, KIND_LISTED, false },
	{ "DELE", 1, 1, KIND_PLAIN, false },
	{ "NOOP", 0, 0, KIND_PLAIN, false },
	{ "RSET", 0, 0, KIND_PLAIN, false },
	{ "QUIT", 0, 0, KIND_PLAIN, false },
	{ "UTF8", 0, 1, KIND_PLAIN, false },
	{ "LANG", 0, 1, KIND_LISTED, false },
};

/* The command of a line, or NULL when its arguments are not as they must be. */
static const struct word *
command_of(struct bytes line)
{
	struct bytes rest = line, name = line_word(&rest);
	const struct word *word = NULL;
	unsigned count = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words) && !word; i++)
		if (bytes_equal_nocase(name, bytes_of(words[i].name)))
			word = &words[i];
	while (line_word(&rest).size)
		count++;
	return word && line_is_text(line) && count >= word->least &&
			       count <= word->most
		       ? word
		       : NULL;
}

/* Detection. */

/* "+OK text" or "-ERR text". */
static bool
is_status(struct bytes line)
{
	return line_is_text(line) && (line_may_begin(line, "+OK") ||
				      line_may_begin(line, "-ERR"));
}

static bool
may_be_status(struct bytes in)
{
	return line_may_begin(in, "+OK") || line_may_begin(in, "-ERR");
}

static enum verdict
status_here(struct bytes in)
{
	struct bytes line;
	size_t size;

	if (line_take(in, PROBE_LINE, &line, &size) == VERDICT_YES)
		return is_status(line) ? VERDICT_YES : VERDICT_NO;
	return in.size < PROBE_LINE && may_be_status(in) ? VERDICT_MAYBE
							 : VERDICT_NO;
}

static enum verdict
command_here(struct bytes in, const struct word **word)
{
	struct bytes line;
	size_t size;

	*word = NULL;
	if (line_take(in, PROBE_LINE, &line, &size) == VERDICT_YES) {
		*word = command_of(line);
		return *word ? VERDICT_YES : VERDICT_NO;
	}
	if (in.size >= PROBE_LINE)
		return VERDICT_NO;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (line_may_begin(in, words[i].name))
			return VERDICT_MAYBE;
	return VERDICT_NO;
}

/* Redis says +OK as well: to commands of its own, and without a text. */
static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	const struct word *word;
	enum verdict status, command;

	(void)transport;
	status = server.size ? status_here(server) : VERDICT_MAYBE;
	if (status == VERDICT_NO || !client.size)
		return status == VERDICT_NO ? VERDICT_NO : VERDICT_MAYBE;
	command = command_here(client, &word);
	if (command != VERDICT_YES || status != VERDICT_YES)
		return command == VERDICT_NO ? VERDICT_NO : VERDICT_MAYBE;
	return word->telling || !bytes_starts_with(server, "+OK\r\n")
		       ? VERDICT_YES
		       : VERDICT_NO;
}

static enum verdict
resync(enum side side, struct bytes in)
{
	const struct word *word;

	return side == SIDE_SERVER ? status_here(in)
				   : command_here(in, &word);
}

/* Requests. */

static void
describe(const struct word *word, struct bytes line, struct sink *sink)
{
	struct bytes rest = line, name = line_word(&rest);
	struct bytes path = line_word(&rest);
	bool secret = bytes_equal(bytes_of(word->name), bytes_of("PASS"));

	line_method(name, sink);
	if (secret) {
		line_header("password",
			    bytes_from(line, (size_t)(path.data - line.data)),
			    sink);
		sink_field(sink, FIELD_SUMMARY, name);
		return;
	}
	if (word->kind == KIND_AUTH)
		path = line_mechanism(path);
	sink_field(sink, FIELD_PATH, path);
	/* What AUTH and APOP prove stands behind their first argument. */
	if (word->kind == KIND_AUTH ||
	    bytes_equal(bytes_of(word->name), bytes_of("APOP")))
		line = path.size ? bytes_first(line,
					       (size_t)(path.data - line.data) +
						       path.size)
				 : name;
	sink_field(sink, FIELD_SUMMARY, bytes_first(line, SUMMARY_SIZE));
}

/* Whether lines follow the answer to a command. */
static enum kind
kind_of(const struct word *word, struct bytes line)
{
	struct bytes rest = line;

	line_word(&rest);
	/* LIST 2, UIDL 2 and LANG de are answered by a line. */
	if (word->kind == KIND_LISTED && !word->least && word->most &&
	    bytes_trim(rest).size)
		return KIND_PLAIN;
	/* AUTH alone lists mechanisms, where a server knows that. */
	if (word->kind == KIND_AUTH && !bytes_trim(rest).size)
		return KIND_LISTED;
	return word->kind;
}

static struct step
request(struct pop3_conn *conn, struct bytes in, struct sink *sink)
{
	const struct word *word;
	struct bytes line;
	size_t size;
	enum verdict verdict;
	enum kind kind = KIND_PLAIN;

	if (conn->proving && (conn->answer == ANSWER_FINAL ||
			      command_here(in, &word) == VERDICT_YES)) {
		conn->proving = false;
		sink_end(sink, 0);
	}
	verdict = line_take(in, LINE_SIZE, &line, &size);
	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO ? step_bad()
					     : step_more(in.size + 1);
	if (conn->proving)
		return step_done(size);
	if (!line_is_text(line))
		return step_bad();
	word = command_of(line);
	sink_begin(sink);
	conn->serial++;
	if (word) {
		kind = kind_of(word, line);
		describe(word, line, sink);
	} else {
		line_method(bytes_of("UNKNOWN"), sink);
	}
	sink_note(sink, (uint64_t)kind | (uint64_t)conn->serial << 8);
	conn->proving = kind == KIND_AUTH;
	conn->answer = ANSWER_NOTHING;
	if (!conn->proving)
		sink_end(sink, size);
	return step_done(size);
}

/* Responses. */

static void
begin_answer(struct pop3_conn *conn, struct sink *sink)
{
	conn->note = 0;
	if (!conn->greeted && sink_is_from_start(sink) &&
	    !sink_is_awaited(sink)) {
		sink_begin_alone(sink);
		line_method(bytes_of("GREETING"), sink);
	} else {
		sink_begin(sink);
		conn->note = sink_request_note(sink);
	}
	conn->greeted = true;
}

/* "[IN-USE] text": the response code of RFC 2449 §8. */
static void
say_code(struct bytes text, struct sink *sink)
{
	const uint8_t *end = text.size && text.data[0] == '['
				     ? memchr(text.data, ']', text.size)
				     : NULL;

	if (end)
		line_header("code",
			    bytes_make(text.data + 1,
				       (size_t)(end - text.data) - 1),
			    sink);
}

static struct step
answer(struct pop3_conn *conn, struct bytes line, size_t size,
       struct sink *sink)
{
	bool failed = line.data[0] == '-';
	struct bytes text = line;
	enum kind kind;

	line_word(&text);
	text = bytes_trim(text);
	begin_answer(conn, sink);
	kind = (enum kind)(conn->note & 0xff);
	if (conn->proving && (uint32_t)(conn->note >> 8) == conn->serial)
		conn->answer = ANSWER_FINAL;
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of(failed ? "ERR" : "OK"));
	if (text.size)
		line_header("text", text, sink);
	if (failed) {
		sink_flags(sink, MESSAGE_IS_ERROR);
		sink_field(sink, FIELD_ERROR,
			   text.size ? text : bytes_of("-ERR"));
		say_code(text, sink);
	}
	if (kind == KIND_STLS && !failed)
		sink_flags(sink, MESSAGE_UPGRADE);
	conn->listing = kind == KIND_LISTED && !failed;
	conn->place = LINE_START;
	if (!conn->listing)
		sink_end(sink, size);
	return step_done(size);
}

/* "+ challenge" to AUTH, and whatever was not asked for. */
static struct step
challenge(struct pop3_conn *conn, size_t size, struct sink *sink)
{
	sink_begin(sink);
	conn->note = sink_request_note(sink);
	if (conn->proving && (uint32_t)(conn->note >> 8) == conn->serial)
		conn->answer = ANSWER_GO_ON;
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of("+"));
	sink_flags(sink, MESSAGE_INFORMATIONAL);
	sink_end(sink, size);
	return step_done(size);
}

static void
end_listing(struct pop3_conn *conn, size_t size, struct sink *sink)
{
	conn->listing = conn->lost = false;
	sink_end(sink, size);
}

/* Whether the dot of a block was in a hole: another command waits, and what
 * is here answers it. */
static bool
is_over(const struct pop3_conn *conn, struct bytes in, struct sink *sink)
{
	return conn->listing && conn->lost && conn->place == LINE_START &&
	       sink_is_awaited(sink) && status_here(in) == VERDICT_YES;
}

static struct step
listing(struct pop3_conn *conn, struct bytes in, struct sink *sink)
{
	struct step step;
	bool ended;

	if (conn->lost && conn->place == LINE_START && in.size &&
	    status_here(in) == VERDICT_MAYBE)
		return step_more(in.size + 1);
	step = line_block(&conn->place, conn->lost ? line_first(in) : in,
			  &ended, sink);
	if (ended)
		end_listing(conn, (size_t)step.n, sink);
	return step;
}

static struct step
response(struct pop3_conn *conn, struct bytes in, struct sink *sink)
{
	struct bytes line;
	size_t size;
	enum verdict verdict;

	if (is_over(conn, in, sink))
		end_listing(conn, 0, sink);
	if (conn->listing)
		return listing(conn, in, sink);
	if (!in.size)
		return step_more(1);
	verdict = line_take(in, LINE_SIZE, &line, &size);
	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO ? step_bad()
					     : step_more(in.size + 1);
	if (line.size && line.data[0] == '+' &&
	    (line.size == 1 || line.data[1] == ' '))
		return challenge(conn, size, sink);
	if (!is_status(line))
		return step_bad();
	return answer(conn, line, size, sink);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	return side == SIDE_CLIENT ? request(state, in, sink)
				   : response(state, in, sink);
}

/* Holes. */

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct pop3_conn *conn = state;

	(void)missing;
	if (side == SIDE_CLIENT) {
		conn->proving = false;
		return false;
	}
	conn->greeted = true;
	/* A mail goes on until its dot; what follows is told by its line. */
	if (conn->listing && sink_is_open(sink)) {
		sink_body(sink, pending);
		conn->place = LINE_START;
		conn->lost = true;
		return true;
	}
	conn->listing = false;
	return false;
}

static void
finish(void *state, enum side side, struct bytes pending, bool clean,
       struct sink *sink)
{
	struct pop3_conn *conn = state;

	(void)pending;
	if (side == SIDE_CLIENT && conn->proving && clean &&
	    sink_is_open(sink)) {
		conn->proving = false;
		sink_end(sink, 0);
	}
}

static const uint16_t ports[] = { 110, 0 };

const struct dissector dissector_pop3 = {
	.name = "pop3",
	.title = "POP3",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_IN_ORDER,
	.conn_size = sizeof(struct pop3_conn),
	.strict = true,
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
	.finish = finish,
};
