/* SPDX-License-Identifier: Apache-2.0 */
/* What SMTP's server says. */
#include "dissect/proto/smtp_parts.h"

enum { CODE_READY = 220, CODE_CHALLENGE = 334, CODE_START_MAIL = 354,
       CODE_CLOSING = 421, FIRST_FAILURE = 400 };

static enum smtp_kind
kind_of(const struct smtp_conn *conn)
{
	return (enum smtp_kind)(conn->note & 0xff);
}

/* Whether the reply is to the request that is still open. */
static bool
is_to_open(const struct smtp_conn *conn)
{
	return conn->open && (uint32_t)(conn->note >> 8) == conn->serial;
}

/* "220 name text": whom the client talks to. */
static void
greet(struct smtp_conn *conn, struct bytes line, struct sink *sink)
{
	struct bytes text = bytes_from(line, 4), name;

	sink_begin_alone(sink);
	line_method(bytes_of("GREETING"), sink);
	if (line_reply_code(line) != CODE_READY)
		return;
	name = bytes_first(line_word(&text), sizeof(conn->host.text));
	conn->host.size = (uint8_t)name.size;
	if (name.size)
		memcpy(conn->host.text, name.data, name.size);
	sink_field(sink, FIELD_HOST, name);
}

static void
begin(struct smtp_conn *conn, struct bytes line, struct sink *sink)
{
	uint16_t code = line_reply_code(line);
	bool awaited = sink_is_awaited(sink);

	conn->note = 0;
	conn->worst = 0;
	if (!conn->greeted && (code == CODE_READY || !awaited) &&
	    sink_is_from_start(sink)) {
		greet(conn, line, sink);
	} else if (code == CODE_CLOSING && !awaited) {
		sink_begin_alone(sink);
		line_method(bytes_of("CLOSING"), sink);
	} else {
		sink_begin(sink);
		conn->note = sink_request_note(sink);
	}
	conn->greeted = true;
	conn->left = 1;
	if (conn->lmtp && code != CODE_START_MAIL && conn->accepted &&
	    (kind_of(conn) == SMTP_LAST ||
	     (kind_of(conn) == SMTP_DATA && code < FIRST_FAILURE)))
		conn->left = conn->accepted;
	conn->answering = true;
}

/* "2.1.5 text": the status of RFC 3463. */
static void
enhanced(struct sink *sink)
{
	struct bytes text = sink_value(sink, FIELD_STATUS_TEXT);
	struct bytes word = line_word(&text);
	unsigned dots = 0;

	for (size_t i = 0; i < word.size; i++) {
		if (word.data[i] == '.')
			dots++;
		else if (word.data[i] < '0' || word.data[i] > '9')
			return;
	}
	if (dots == 2 && word.size >= 5 && word.data[1] == '.')
		line_header("enhanced-status", word, sink);
}

/* What a reply changes. */
static void
take_note(struct smtp_conn *conn, uint16_t code, struct sink *sink)
{
	enum smtp_kind kind = kind_of(conn);
	bool interim = (kind == SMTP_DATA && code == CODE_START_MAIL) ||
		       (kind == SMTP_AUTH && code == CODE_CHALLENGE);

	if (is_to_open(conn))
		conn->answer = interim ? SMTP_GO_ON : SMTP_FINAL;
	if (interim)
		sink_flags(sink, MESSAGE_INFORMATIONAL);
	else if (kind == SMTP_STARTTLS && code == CODE_READY)
		sink_flags(sink, MESSAGE_UPGRADE);
	if (kind == SMTP_RCPT && code < 300)
		conn->accepted++;
	else if (kind == SMTP_MAIL ||
		 (!interim && (kind == SMTP_DATA || kind == SMTP_LAST)))
		conn->accepted = 0;
}

struct step
smtp_response(struct smtp_conn *conn, struct bytes in, struct sink *sink)
{
	struct bytes line;
	size_t size;
	enum verdict verdict = line_take(in, SMTP_LINE, &line, &size);

	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO ? step_bad()
					     : step_more(in.size + 1);
	if (!line_reply_code(line))
		return step_bad();
	if (!conn->answering)
		begin(conn, line, sink);
	verdict = line_reply_add(&conn->reply, line, false, sink);
	if (verdict == VERDICT_NO)
		return step_bad();
	if (verdict == VERDICT_MAYBE)
		return step_done(size);
	enhanced(sink);
	if (conn->reply.code > conn->worst)
		conn->worst = conn->reply.code;
	if (conn->left > 1) { /* of another recipient (RFC 2033 §4.2) */
		conn->left--;
		return step_done(size);
	}
	sink_status(sink, conn->worst);
	take_note(conn, conn->worst, sink);
	conn->answering = false;
	sink_end(sink, size);
	return step_done(size);
}
