/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FTP's control connection (RFC 959, 2228, 2389, 2428, 3659, 4217): a call for
 * each command with its reply.  See ftp.md.
 */
#include <stdio.h>

#include "base/text.h"
#include "dissect/proto/line.h"
#include "dissect/registry.h"

#define LINE_SIZE (16u << 10)
#define PROBE_LINE 2048
#define SUMMARY_SIZE 200
#define ENDPOINT 64
#define TELNET_IAC 0xff

enum { CODE_PASSIVE = 227, CODE_EXTENDED_PASSIVE = 229, CODE_SECURE = 234,
       CODE_CLOSING = 421 };

enum kind {
	KIND_PLAIN,
	KIND_SECRET,   /* an argument that is kept as a password */
	KIND_HIDDEN,   /* one that is not kept */
	KIND_AUTH,
	KIND_TRANSFER, /* over a data connection */
	KIND_PORT,     /* the client names one */
	KIND_EPRT,
};

/* How much a command says for FTP. */
enum proof { PROOF_NONE, PROOF_GREETED, PROOF_ALONE };

struct ftp_conn {
	bool greeted, answering;
	struct line_reply reply;
	uint64_t note;
	uint8_t endpoint_size; /* of the last data connection announced */
	char endpoint[ENDPOINT];
};

static const struct word {
	const char *name;
	enum kind kind;
	enum proof proof;
} words[] = {
	{ "USER", KIND_PLAIN, PROOF_GREETED },
	{ "PASS", KIND_SECRET, PROOF_GREETED },
	{ "ACCT", KIND_SECRET, PROOF_GREETED },
	{ "ADAT", KIND_HIDDEN, PROOF_GREETED },
	{ "MIC", KIND_HIDDEN, PROOF_NONE },
	{ "CONF", KIND_HIDDEN, PROOF_NONE },
	{ "ENC", KIND_HIDDEN, PROOF_NONE },
	{ "AUTH", KIND_AUTH, PROOF_GREETED },
	{ "PORT", KIND_PORT, PROOF_GREETED },
	{ "EPRT", KIND_EPRT, PROOF_GREETED },
	{ "PASV", KIND_PLAIN, PROOF_ALONE },
	{ "EPSV", KIND_PLAIN, PROOF_ALONE },
	{ "RETR", KIND_TRANSFER, PROOF_GREETED },
	{ "STOR", KIND_TRANSFER, PROOF_GREETED },
	{ "STOU", KIND_TRANSFER, PROOF_GREETED },
	{ "APPE", KIND_TRANSFER, PROOF_GREETED },
	{ "LIST", KIND_TRANSFER, PROOF_NONE },
	{ "NLST", KIND_TRANSFER, PROOF_GREETED },
	{ "MLSD", KIND_TRANSFER, PROOF_GREETED },
	{ "MLST", KIND_PLAIN, PROOF_GREETED },
	{ "TYPE", KIND_PLAIN, PROOF_GREETED },
	{ "STRU", KIND_PLAIN, PROOF_GREETED },
	{ "MODE", KIND_PLAIN, PROOF_GREETED },
	{ "SYST", KIND_PLAIN, PROOF_GREETED },
	{ "FEAT", KIND_PLAIN, PROOF_GREETED },
	{ "OPTS", KIND_PLAIN, PROOF_GREETED },
	{ "HOST", KIND_PLAIN, PROOF_GREETED },
	{ "CLNT", KIND_PLAIN, PROOF_GREETED },
	{ "PBSZ", KIND_PLAIN, PROOF_GREETED },
	{ "PROT", KIND_PLAIN, PROOF_GREETED },
	{ "CCC", KIND_PLAIN, PROOF_NONE },
	{ "CWD", KIND_PLAIN, PROOF_GREETED },
	{ "CDUP", KIND_PLAIN, PROOF_GREETED },
	{ "PWD", KIND_PLAIN, PROOF_GREETED },
	{ "XPWD", KIND_PLAIN, PROOF_GREETED },
	{ "XMKD", KIND_PLAIN, PROOF_GREETED },
	{ "XRMD", KIND_PLAIN, PROOF_GREETED },
	{ "XCUP", KIND_PLAIN, PROOF_GREETED },
	{ "MKD", KIND_PLAIN, PROOF_GREETED },
	{ "RMD", KIND_PLAIN, PROOF_GREETED },
	{ "DELE", KIND_PLAIN, PROOF_NONE },
	{ "RNFR", KIND_PLAIN, PROOF_GREETED },
	{ "RNTO", KIND_PLAIN, PROOF_GREETED },
	{ "SIZE", KIND_PLAIN, PROOF_GREETED },
	{ "MDTM", KIND_PLAIN, PROOF_GREETED },
	{ "MFMT", KIND_PLAIN, PROOF_GREETED },
	{ "REST", KIND_PLAIN, PROOF_GREETED },
	{ "ALLO", KIND_PLAIN, PROOF_GREETED },
	{ "SITE", KIND_PLAIN, PROOF_GREETED },
	{ "REIN", KIND_PLAIN, PROOF_GREETED },
	{ "SMNT", KIND_PLAIN, PROOF_GREETED },
	{ "ABOR", KIND_PLAIN, PROOF_NONE },
	{ "STAT", KIND_PLAIN, PROOF_NONE },
	{ "HELP", KIND_PLAIN, PROOF_NONE },
	{ "LANG", KIND_PLAIN, PROOF_NONE },
	{ "NOOP", KIND_PLAIN, PROOF_NONE },
	{ "QUIT", KIND_PLAIN, PROOF_NONE },
};

/* A line without Telnet's signals, which some send before ABOR. */
static struct bytes
without_signals(struct bytes line)
{
	while (line.size && line.data[0] >= 0xf0)
		line = bytes_from(line, 1);
	return line;
}

static const struct word *
command_of(struct bytes line)
{
	struct bytes name;

	line = without_signals(line);
	name = line_word(&line);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (bytes_equal_nocase(name, bytes_of(words[i].name)))
			return &words[i];
	return NULL;
}

/* Detection. */

static enum verdict
command_here(struct bytes in, const struct word **word)
{
	struct bytes line;
	size_t size;

	*word = NULL;
	if (line_take(in, PROBE_LINE, &line, &size) == VERDICT_YES) {
		*word = line_is_text(line) ? command_of(line) : NULL;
		return *word ? VERDICT_YES : VERDICT_NO;
	}
	if (in.size >= PROBE_LINE)
		return VERDICT_NO;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (line_may_begin(in, words[i].name))
			return VERDICT_MAYBE;
	return in.data[0] == TELNET_IAC && in.size < 8 ? VERDICT_MAYBE
						       : VERDICT_NO;
}

/* A greeting; MAYBE: it may be one, of FTP or of another. */
static enum verdict
greeting_here(struct bytes in)
{
	struct bytes line;
	enum verdict verdict = line_greeting(in, PROBE_LINE, &line);
	uint16_t code;

	if (verdict != VERDICT_YES)
		return verdict;
	code = line_reply_code(line);
	if (code == CODE_PASSIVE || code == CODE_EXTENDED_PASSIVE)
		return memchr(line.data, '(', line.size) ? VERDICT_YES
							 : VERDICT_NO;
	if (!line_is_text(line) || code != 220)
		return VERDICT_NO;
	return line_says(line, "FTP") ? VERDICT_YES : VERDICT_MAYBE;
}

/* YES for a command that nobody else has; others need the greeting. */
static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	enum verdict greeting, command;
	const struct word *word;

	(void)transport;
	greeting = server.size ? greeting_here(server) : VERDICT_MAYBE;
	if (!client.size || greeting == VERDICT_NO)
		return greeting;
	command = command_here(client, &word);
	if (command != VERDICT_YES)
		return command == VERDICT_NO || greeting == VERDICT_YES
			       ? command
			       : VERDICT_MAYBE;
	if (greeting == VERDICT_YES || word->proof == PROOF_ALONE)
		return VERDICT_YES;
	return server.size && word->proof == PROOF_GREETED ? VERDICT_YES
							   : VERDICT_MAYBE;
}

static enum verdict
resync(enum side side, struct bytes in)
{
	const struct word *word;
	struct bytes line;
	size_t size;
	enum verdict verdict;

	if (side == SIDE_CLIENT)
		return command_here(in, &word);
	verdict = line_take(in, PROBE_LINE, &line, &size);
	if (verdict != VERDICT_YES)
		return verdict;
	return line_reply_code(line) && line_is_text(line) ? VERDICT_YES
							   : VERDICT_NO;
}

/* Data connections. */

static void
keep_endpoint(struct ftp_conn *conn, const char *text, int size,
	      struct sink *sink)
{
	if (size <= 0 || size >= ENDPOINT)
		return;
	memcpy(conn->endpoint, text, (size_t)size);
	conn->endpoint_size = (uint8_t)size;
	line_header("data-endpoint", bytes_make(text, (size_t)size), sink);
}

/* "10,0,0,1,200,21" at the front: an address and a port. */
static void
numbers(struct ftp_conn *conn, struct bytes in, struct sink *sink)
{
	unsigned values[6] = { 0 }, count = 0;
	bool digits = false;
	char text[ENDPOINT];
	int size;

	for (size_t i = 0; i < in.size && count < 6; i++) {
		if (in.data[i] >= '0' && in.data[i] <= '9') {
			values[count] = values[count] * 10 + in.data[i] - '0';
			digits = true;
			if (values[count] > 255)
				return;
		} else if (digits && (in.data[i] == ',' || count == 5)) {
			count++;
			digits = false;
		} else {
			return;
		}
	}
	if (count + digits != 6)
		return;
	size = snprintf(text, sizeof(text), "%u.%u.%u.%u:%u", values[0],
			values[1], values[2], values[3],
			values[4] << 8 | values[5]);
	keep_endpoint(conn, text, size, sink);
}

/* The fields of "|2|::1|6446|" or "|||6446|" (RFC 2428). */
static void
fields(struct ftp_conn *conn, struct bytes in, struct sink *sink)
{
	struct bytes parts[3] = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
	bool wide;
	char text[ENDPOINT];
	uint64_t port;
	int size;

	for (int i = 0; i < 3; i++) {
		const uint8_t *end;

		if (in.size < 2)
			return;
		end = memchr(in.data + 1, in.data[0], in.size - 1);
		if (!end)
			return;
		parts[i] = bytes_make(in.data + 1,
				      (size_t)(end - in.data) - 1);
		in = bytes_from(in, parts[i].size + 1);
	}
	if (!text_u64(parts[2], &port) || port > UINT16_MAX ||
	    parts[1].size > 45)
		return;
	wide = parts[1].size && memchr(parts[1].data, ':', parts[1].size);
	size = snprintf(text, sizeof(text), "%s%.*s%s:%u", wide ? "[" : "",
			(int)parts[1].size, (const char *)parts[1].data,
			wide ? "]" : "", (unsigned)port);
	keep_endpoint(conn, text, size, sink);
}

/* What a reply announces, between brackets. */
static void
announced(struct ftp_conn *conn, struct sink *sink)
{
	struct bytes text = sink_value(sink, FIELD_STATUS_TEXT);
	const uint8_t *open = text.size ? memchr(text.data, '(', text.size)
					: NULL;
	char copy[ENDPOINT * 2];
	size_t size;

	if (!open)
		return;
	text = bytes_from(text, (size_t)(open - text.data) + 1);
	size = text.size < sizeof(copy) ? text.size : sizeof(copy);
	if (!size)
		return;
	memcpy(copy, text.data, size);
	text = bytes_make(copy, size);
	if (conn->reply.code == CODE_PASSIVE)
		numbers(conn, text, sink);
	else
		fields(conn, text, sink);
}

/* Requests. */

static void
describe(struct ftp_conn *conn, const struct word *word, struct bytes line,
	 struct sink *sink)
{
	struct bytes rest = line, name = line_word(&rest);

	rest = bytes_trim(rest);
	line_method(name, sink);
	sink_field(sink, FIELD_SUMMARY, bytes_first(line, SUMMARY_SIZE));
	switch (word->kind) {
	case KIND_SECRET:
		line_header("password", rest, sink);
		sink_field(sink, FIELD_SUMMARY, name);
		return;
	case KIND_HIDDEN:
		sink_field(sink, FIELD_SUMMARY, name);
		return;
	case KIND_PORT:
		numbers(conn, rest, sink);
		break;
	case KIND_EPRT:
		fields(conn, rest, sink);
		break;
	case KIND_TRANSFER:
		if (conn->endpoint_size)
			line_header("data-endpoint",
				    bytes_make(conn->endpoint,
					       conn->endpoint_size),
				    sink);
		break;
	case KIND_PLAIN:
	case KIND_AUTH:
		break;
	}
	sink_field(sink, FIELD_PATH, rest);
}

static struct step
request(struct ftp_conn *conn, struct bytes in, struct sink *sink)
{
	const struct word *word;
	struct bytes line;
	size_t size;
	enum verdict verdict = line_take(in, LINE_SIZE, &line, &size);

	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO ? step_bad()
					     : step_more(in.size + 1);
	if (!line_is_text(line))
		return step_bad();
	line = without_signals(line);
	word = command_of(line);
	sink_begin(sink);
	if (word)
		describe(conn, word, line, sink);
	else
		line_method(bytes_of("UNKNOWN"), sink);
	sink_note(sink, word ? (uint64_t)word->kind : KIND_PLAIN);
	sink_end(sink, size);
	return step_done(size);
}

/* Replies. */

static void
begin_reply(struct ftp_conn *conn, struct bytes line, struct sink *sink)
{
	bool awaited = sink_is_awaited(sink);

	conn->note = KIND_PLAIN;
	if (!conn->greeted && !awaited && sink_is_from_start(sink)) {
		sink_begin_alone(sink);
		line_method(bytes_of("GREETING"), sink);
	} else if (line_reply_code(line) == CODE_CLOSING && !awaited) {
		sink_begin_alone(sink);
		line_method(bytes_of("CLOSING"), sink);
	} else {
		sink_begin(sink);
		conn->note = sink_request_note(sink);
	}
	conn->greeted = conn->answering = true;
}

static struct step
response(struct ftp_conn *conn, struct bytes in, struct sink *sink)
{
	struct bytes line;
	size_t size;
	enum verdict verdict = line_take(in, LINE_SIZE, &line, &size);

	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO ? step_bad()
					     : step_more(in.size + 1);
	if (!conn->answering) {
		if (!line_reply_code(line))
			return step_bad();
		begin_reply(conn, line, sink);
	}
	verdict = line_reply_add(&conn->reply, line, true, sink);
	if (verdict != VERDICT_YES)
		return step_done(size);
	if (conn->reply.code < 200 && conn->note != KIND_AUTH)
		sink_flags(sink, MESSAGE_INFORMATIONAL);
	if (conn->reply.code == CODE_PASSIVE ||
	    conn->reply.code == CODE_EXTENDED_PASSIVE)
		announced(conn, sink);
	if (conn->note == KIND_AUTH && conn->reply.code == CODE_SECURE)
		sink_flags(sink, MESSAGE_UPGRADE);
	conn->answering = false;
	sink_end(sink, size);
	return step_done(size);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	return side == SIDE_CLIENT ? request(state, in, sink)
				   : response(state, in, sink);
}

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct ftp_conn *conn = state;

	(void)pending;
	(void)missing;
	(void)sink;
	if (side == SIDE_SERVER) {
		conn->reply = (struct line_reply){ 0 };
		conn->answering = false;
		conn->greeted = true;
	}
	conn->endpoint_size = 0;
	return false;
}

static const uint16_t ports[] = { 21, 2121, 0 };

const struct dissector dissector_ftp = {
	.name = "ftp",
	.title = "FTP",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_IN_ORDER,
	.conn_size = sizeof(struct ftp_conn),
	.strict = true,
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
};
