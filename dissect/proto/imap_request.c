/* SPDX-License-Identifier: Apache-2.0 */
/* What IMAP's client says: commands, and the literals inside of them. */
#include "dissect/proto/imap_parts.h"

#include <stdio.h>

#define SUMMARY_SIZE 200
#define QUERY_SIZE 2048

static const struct imap_command commands[] = {
	{ "CAPABILITY", IMAP_PLAIN, true },
	{ "NOOP", IMAP_PLAIN, true },
	{ "LOGOUT", IMAP_PLAIN, true },
	{ "STARTTLS", IMAP_UPGRADE, true },
	{ "COMPRESS", IMAP_UPGRADE, false },
	{ "AUTHENTICATE", IMAP_AUTHENTICATE, false },
	{ "LOGIN", IMAP_LOGIN, false },
	{ "ENABLE", IMAP_PLAIN, false },
	{ "ID", IMAP_PLAIN, false },
	{ "NAMESPACE", IMAP_PLAIN, true },
	{ "SELECT", IMAP_SELECT, false },
	{ "EXAMINE", IMAP_SELECT, false },
	{ "CREATE", IMAP_MAILBOX, false },
	{ "DELETE", IMAP_MAILBOX, false },
	{ "RENAME", IMAP_MAILBOX, false },
	{ "SUBSCRIBE", IMAP_MAILBOX, false },
	{ "UNSUBSCRIBE", IMAP_MAILBOX, false },
	{ "LIST", IMAP_PLAIN, false },
	{ "LSUB", IMAP_PLAIN, false },
	{ "XLIST", IMAP_PLAIN, false },
	{ "STATUS", IMAP_MAILBOX, false },
	{ "APPEND", IMAP_MAILBOX, false },
	{ "GETQUOTA", IMAP_PLAIN, false },
	{ "GETQUOTAROOT", IMAP_MAILBOX, false },
	{ "SETQUOTA", IMAP_PLAIN, false },
	{ "GETACL", IMAP_MAILBOX, false },
	{ "SETACL", IMAP_MAILBOX, false },
	{ "DELETEACL", IMAP_MAILBOX, false },
	{ "LISTRIGHTS", IMAP_MAILBOX, false },
	{ "MYRIGHTS", IMAP_MAILBOX, false },
	{ "GETMETADATA", IMAP_PLAIN, false },
	{ "SETMETADATA", IMAP_MAILBOX, false },
	{ "NOTIFY", IMAP_PLAIN, false },
	{ "IDLE", IMAP_IDLE, true },
	{ "CHECK", IMAP_SELECTED, true },
	{ "CLOSE", IMAP_CLOSE, true },
	{ "UNSELECT", IMAP_CLOSE, true },
	{ "EXPUNGE", IMAP_SELECTED, true },
	{ "SEARCH", IMAP_SELECTED, false },
	{ "SORT", IMAP_SELECTED, false },
	{ "THREAD", IMAP_SELECTED, false },
	{ "FETCH", IMAP_SELECTED, false },
	{ "STORE", IMAP_SELECTED, false },
	{ "COPY", IMAP_SELECTED, false },
	{ "MOVE", IMAP_SELECTED, false },
	{ "REPLACE", IMAP_SELECTED, false },
	{ "UID", IMAP_SELECTED, false },
};

const struct imap_command *
imap_command(struct bytes word)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (bytes_equal_nocase(word, bytes_of(commands[i].name)))
			return &commands[i];
	return NULL;
}

/* An argument in quotes, or up to a blank; `*rest` is left behind it.  A
 * literal is none. */
static struct bytes
argument(struct bytes *rest, char *room, size_t room_size)
{
	size_t size = 0, at = 1;
	struct bytes word;

	*rest = bytes_trim(*rest);
	if (!rest->size || rest->data[0] != '"') {
		word = line_word(rest);
		return word.size && word.data[0] == '{' ? bytes_make(NULL, 0)
							: word;
	}
	while (at < rest->size && rest->data[at] != '"') {
		if (rest->data[at] == '\\' && at + 1 < rest->size)
			at++;
		if (size < room_size)
			room[size++] = (char)rest->data[at];
		at++;
	}
	*rest = bytes_from(*rest, at + 1);
	return bytes_make(room, size);
}

static void
say_summary(const char *name, const char *blank, struct bytes rest,
	    struct sink *sink)
{
	char text[SUMMARY_SIZE];
	int size = snprintf(text, sizeof(text), "%s%s%.*s", name, blank,
			    (int)bytes_first(rest, sizeof(text)).size,
			    rest.size ? (const char *)rest.data : "");

	if (size >= (int)sizeof(text))
		size = sizeof(text) - 1;
	sink_field(sink, FIELD_SUMMARY, bytes_make(text, (size_t)size));
}

/* LOGIN user password, and AUTHENTICATE mechanism proof. */
static void
say_login(enum imap_kind kind, struct bytes rest, struct sink *sink)
{
	char user[IMAP_NAME], secret[IMAP_NAME];
	struct bytes who, password;

	if (kind == IMAP_AUTHENTICATE) {
		who = line_mechanism(bytes_trim(rest));
		sink_field(sink, FIELD_PATH, who);
		say_summary("AUTHENTICATE", who.size ? " " : "", who, sink);
		return;
	}
	who = argument(&rest, user, sizeof(user));
	sink_field(sink, FIELD_PATH, who);
	say_summary("LOGIN", who.size ? " " : "", who, sink);
	password = argument(&rest, secret, sizeof(secret));
	if (password.size)
		line_header("password", password, sink);
}

/* What a command is about. */
static void
say_path(struct imap_conn *conn, struct imap_exchange *exchange,
	 struct bytes rest, struct sink *sink)
{
	char room[512];
	struct bytes name;

	switch (exchange->kind) {
	case IMAP_SELECT:
	case IMAP_MAILBOX:
		name = argument(&rest, room, sizeof(room));
		sink_field(sink, FIELD_PATH, name);
		name = bytes_first(name, sizeof(exchange->name));
		exchange->name_size = (uint8_t)name.size;
		if (name.size)
			memcpy(exchange->name, name.data, name.size);
		break;
	case IMAP_SELECTED:
	case IMAP_CLOSE:
	case IMAP_IDLE:
		sink_field(sink, FIELD_PATH,
			   bytes_make(conn->name, conn->name_size));
		break;
	case IMAP_PLAIN:
	case IMAP_UPGRADE:
	case IMAP_LOGIN:
	case IMAP_AUTHENTICATE:
	case IMAP_UNKNOWN:
		break;
	}
	rest = bytes_first(bytes_trim(rest), QUERY_SIZE);
	if (rest.size)
		sink_field(sink, FIELD_QUERY, rest);
}

static void
describe(struct imap_conn *conn, struct imap_exchange *exchange,
	 struct bytes line, struct sink *sink)
{
	struct bytes rest = line, word = line_word(&rest);
	const struct imap_command *command = imap_command(word);
	char name[24];

	exchange->kind = command ? command->kind : IMAP_UNKNOWN;
	if (!command) { /* a typing error, or a secret out of place */
		line_method(bytes_of("UNKNOWN"), sink);
		return;
	}
	snprintf(name, sizeof(name), "%s", command->name);
	if (bytes_equal_nocase(word, bytes_of("UID"))) {
		word = line_word(&rest);
		command = imap_command(word);
		snprintf(name, sizeof(name), "UID%s%s", command ? " " : "",
			 command ? command->name : "");
	}
	line_method(bytes_of(name), sink);
	if (exchange->kind == IMAP_LOGIN ||
	    exchange->kind == IMAP_AUTHENTICATE) {
		say_login(exchange->kind, rest, sink);
		return;
	}
	rest = bytes_trim(rest);
	say_summary(name, rest.size ? " " : "", rest, sink);
	say_path(conn, exchange, rest, sink);
}

void
imap_end_request(struct imap_conn *conn, size_t size, struct sink *sink)
{
	if (conn->open && sink_channel(sink, conn->open, SIDE_CLIENT, false) &&
	    sink_is_open(sink)) {
		sink_end(sink, size);
		if (conn->answered)
			sink_channel_close(sink, false);
	}
	conn->open = 0;
	conn->answered = conn->announced = false;
	conn->place = IMAP_START;
}

/* Whether what a line ends with goes on behind it; `kind` is the command's. */
static void
go_on(struct imap_conn *conn, struct bytes piece, bool last, size_t size,
      struct sink *sink)
{
	conn->place = IMAP_INSIDE;
	if (!last)
		return;
	conn->announced = imap_literal(piece, &conn->literal, &conn->waits);
	if (!conn->announced)
		imap_end_request(conn, size, sink);
}

static struct imap_exchange *
open_channel(struct imap_conn *conn, uint64_t id, struct sink *sink)
{
	struct imap_exchange *exchange;

	/* The tag was another's, the end of whose answer was not seen. */
	if (sink_channel(sink, id, SIDE_CLIENT, false))
		sink_channel_close(sink, false);
	/* What was asked before a hole was answered in it. */
	conn->serial++;
	if (conn->holes != conn->holes_known) {
		conn->stale_before = conn->serial;
		conn->fresh = id;
	}
	conn->holes_known = conn->holes;
	exchange = sink_channel(sink, id, SIDE_CLIENT, true);
	*exchange = (struct imap_exchange){ .serial = conn->serial,
					    .holes = conn->holes };
	return exchange;
}

static struct step
command(struct imap_conn *conn, struct bytes in, struct sink *sink)
{
	struct imap_exchange *exchange;
	struct bytes piece, rest, tag;
	size_t size;
	bool last;

	if (imap_piece(in, &piece, &size, &last) == VERDICT_MAYBE)
		return step_more(in.size + 1);
	if (!piece.size)
		return step_done(size);
	rest = piece;
	tag = imap_tag(&rest);
	if (!tag.size || !line_is_text(piece))
		return step_bad();
	conn->open = imap_channel(tag);
	conn->answered = false;
	exchange = open_channel(conn, conn->open, sink);
	sink_begin(sink);
	sink_wire(sink, size);
	describe(conn, exchange, rest, sink);
	if (exchange->kind != IMAP_UNKNOWN)
		line_header("tag", tag, sink);
	conn->kept = exchange->kind != IMAP_LOGIN &&
		     exchange->kind != IMAP_AUTHENTICATE &&
		     exchange->kind != IMAP_UNKNOWN;
	if (last && exchange->kind == IMAP_AUTHENTICATE)
		conn->place = IMAP_PROOF;
	else if (last && exchange->kind == IMAP_IDLE)
		conn->place = IMAP_IDLING;
	else
		go_on(conn, piece, last, size, sink);
	return step_done(size);
}

/* Lines of a command that is not over. */
static struct step
more_lines(struct imap_conn *conn, struct bytes in, struct sink *sink)
{
	struct bytes piece;
	size_t size;
	bool last;

	if (imap_piece(in, &piece, &size, &last) == VERDICT_MAYBE)
		return step_more(in.size + 1);
	sink_channel(sink, conn->open, SIDE_CLIENT, false);
	sink_wire(sink, size);
	if (conn->place == IMAP_INSIDE)
		go_on(conn, piece, last, size, sink);
	else if (conn->place == IMAP_IDLING &&
		 bytes_equal_nocase(piece, bytes_of("DONE")))
		imap_end_request(conn, size, sink);
	return step_done(size);
}

/* Whether the command that goes on is over without what could follow. */
static bool
is_over(const struct imap_conn *conn, struct bytes in)
{
	bool telling;

	if (conn->place == IMAP_INSIDE)
		return conn->announced && conn->waits && conn->answered;
	if (conn->place == IMAP_IDLING && line_may_begin(in, "DONE"))
		return false;
	return conn->answered ||
	       imap_command_here(in, &telling) == VERDICT_YES;
}

struct step
imap_request(struct imap_conn *conn, struct bytes in, struct sink *sink)
{
	if (conn->open && is_over(conn, in))
		imap_end_request(conn, 0, sink);
	if (conn->announced) {
		conn->announced = false;
		conn->passing = conn->literal;
		if (conn->kept)
			sink_channel(sink, conn->open, SIDE_CLIENT, false);
		if (conn->literal)
			return step_skip(conn->literal);
	}
	if (conn->passing) {
		sink_channel(sink, conn->open, SIDE_CLIENT, false);
		sink_wire(sink, conn->passing);
		conn->passing = 0;
	}
	if (!in.size)
		return step_more(1);
	return conn->place == IMAP_START ? command(conn, in, sink)
					 : more_lines(conn, in, sink);
}
