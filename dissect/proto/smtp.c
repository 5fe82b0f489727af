/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMTP with its extensions, and LMTP (RFC 5321, 2033): a call for each command
 * with what follows it, from DATA to the dot.  See smtp.md.
 */
#include "dissect/proto/smtp_parts.h"
#include "dissect/registry.h"

#define PROBE_LINE 2048

/* Detection. */

static const char *const hellos[] = { "EHLO", "HELO", "LHLO", NULL };

static enum verdict
probe_client(struct bytes in)
{
	struct bytes line;
	size_t size;

	if (line_take(in, PROBE_LINE, &line, &size) == VERDICT_YES) {
		if (!smtp_is_command(line))
			return VERDICT_NO;
		for (const char *const *word = hellos; *word; word++)
			if (line_may_begin(line, *word))
				return VERDICT_YES;
		return line_may_begin(line, "MAIL") ||
				       line_may_begin(line, "RCPT")
			       ? VERDICT_YES
			       : VERDICT_MAYBE;
	}
	if (in.size >= PROBE_LINE)
		return VERDICT_NO;
	for (const char *const *word = hellos; *word; word++)
		if (line_may_begin(in, *word))
			return VERDICT_MAYBE;
	return line_may_begin(in, "MAIL") || line_may_begin(in, "RCPT")
		       ? VERDICT_MAYBE
		       : VERDICT_NO;
}

/* A greeting: those of FTP look the same, unless it says more. */
static enum verdict
probe_server(struct bytes in)
{
	struct bytes line;
	enum verdict verdict = line_greeting(in, PROBE_LINE, &line);
	uint16_t code;

	if (verdict != VERDICT_YES)
		return verdict;
	code = line_reply_code(line);
	if (!line_is_text(line) || (code != 220 && code != 421 && code != 554))
		return VERDICT_NO;
	return line_says(line, "SMTP") || line_says(line, "LMTP")
		       ? VERDICT_YES
		       : VERDICT_MAYBE;
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	enum verdict greeting;

	(void)transport;
	greeting = server.size ? probe_server(server) : VERDICT_MAYBE;
	if (!client.size || greeting == VERDICT_YES)
		return greeting;
	return probe_client(client);
}

/* Whether a packet is lines of replies from its first to its last byte. */
static enum verdict
whole_replies(struct bytes in)
{
	struct bytes line;
	size_t size;

	while (in.size) {
		enum verdict verdict = line_take(in, SMTP_LINE, &line, &size);

		if (verdict != VERDICT_YES)
			return verdict;
		if (!line_reply_code(line) || !line_is_text(line))
			return VERDICT_NO;
		in = bytes_from(in, size);
	}
	return VERDICT_YES;
}

static enum verdict
resync(enum side side, struct bytes in)
{
	return side == SIDE_SERVER ? whole_replies(in) : smtp_command_here(in);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	return side == SIDE_CLIENT ? smtp_request(state, in, sink)
				   : smtp_response(state, in, sink);
}

/* Holes. */

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct smtp_conn *conn = state;

	(void)missing;
	if (side == SIDE_SERVER) {
		conn->reply = (struct line_reply){ 0 };
		conn->answering = false;
		conn->greeted = true;
		return false;
	}
	/* A mail goes on until a dot, or until something else is said. */
	if ((conn->open == SMTP_HEAD || conn->open == SMTP_CONTENT) &&
	    sink_is_open(sink)) {
		sink_body(sink, pending);
		conn->open = SMTP_CONTENT;
		conn->place = LINE_START;
		conn->lost = true;
		return true;
	}
	conn->open = SMTP_CLOSED;
	return false;
}

static void
finish(void *state, enum side side, struct bytes pending, bool clean,
       struct sink *sink)
{
	struct smtp_conn *conn = state;

	(void)pending;
	if (side == SIDE_CLIENT && clean && sink_is_open(sink) &&
	    ((conn->open == SMTP_ASKED && conn->answer == SMTP_FINAL) ||
	     conn->open == SMTP_PROOF)) {
		conn->open = SMTP_CLOSED;
		sink_end(sink, 0);
	}
}

static const uint16_t ports[] = { 25, 587, 24, 2525, 1025, 0 };

const struct dissector dissector_smtp = {
	.name = "smtp",
	.title = "SMTP",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_IN_ORDER,
	.conn_size = sizeof(struct smtp_conn),
	.strict = true,
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
	.finish = finish,
};
