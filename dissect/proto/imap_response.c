/* SPDX-License-Identifier: Apache-2.0 */
/* What IMAP's server says: data, continuations, and results with a tag. */
#include "dissect/proto/imap_parts.h"

#include <ctype.h>

#include "dissect/proto/attribute.h"

#define SUMMARY_SIZE 200
/* Commands that are looked at for the one that is being answered. */
#define LOOKED_AT 64

/* Untagged responses; what others do not say as well. */
static const struct {
	const char *name;
	bool number;      /* stands before it */
	const char *next; /* what comes behind it; NULL: anything */
	bool telling;
} words[] = {
	{ "OK", false, NULL, false },
	{ "NO", false, NULL, false },
	{ "BAD", false, NULL, false },
	{ "BYE", false, NULL, false },
	{ "PREAUTH", false, NULL, false },
	{ "EXISTS", true, "", true },
	{ "RECENT", true, "", true },
	{ "EXPUNGE", true, "", true },
	{ "FETCH", true, "(", true },
	{ "FLAGS", false, "(", true },
	{ "LIST", false, "(", true },
	{ "LSUB", false, "(", true },
	{ "XLIST", false, "(", true },
	{ "CAPABILITY", false, "IMAP4", true },
	{ "STATUS", false, NULL, false },
	{ "SEARCH", false, NULL, false },
	{ "ESEARCH", false, NULL, false },
	{ "SORT", false, NULL, false },
	{ "THREAD", false, NULL, false },
	{ "ENABLED", false, NULL, false },
	{ "NAMESPACE", false, NULL, false },
	{ "ID", false, NULL, false },
	{ "QUOTA", false, NULL, false },
	{ "QUOTAROOT", false, NULL, false },
	{ "ACL", false, NULL, false },
	{ "LISTRIGHTS", false, NULL, false },
	{ "MYRIGHTS", false, NULL, false },
	{ "METADATA", false, NULL, false },
	{ "VANISHED", false, NULL, false },
};

enum { WORDS = sizeof(words) / sizeof(*words), FIRST_DATA = 5 };

_Static_assert(WORDS <= sizeof(((struct imap_exchange *)0)->counts) /
				sizeof(uint32_t),
	       "each is counted");

/* The response that a line behind "* " is: a number of `words`, or -1. */
static int
word_of(struct bytes rest)
{
	struct bytes word = line_word(&rest);
	bool number = word.size > 0;

	for (size_t i = 0; i < word.size; i++)
		number &= isdigit(word.data[i]) != 0;
	if (number)
		word = line_word(&rest);
	rest = bytes_trim(rest);
	for (int i = 0; i < WORDS; i++) {
		const char *next = words[i].next;

		if (!bytes_equal_nocase(word, bytes_of(words[i].name)))
			continue;
		if (words[i].number != number ||
		    (next && (*next ? !bytes_starts_with(rest, next)
				    : rest.size > 0)))
			return -1;
		return i;
	}
	return -1;
}

/* OK, NO or BAD behind a tag; NULL: neither. */
static const char *
result_of(struct bytes *rest)
{
	static const char *const results[] = { "OK", "NO", "BAD", NULL };
	struct bytes word = line_word(rest);

	for (const char *const *result = results; *result; result++)
		if (bytes_equal_nocase(word, bytes_of(*result)))
			return *result;
	return NULL;
}

static bool
is_continuation(struct bytes line)
{
	return line.size && line.data[0] == '+' &&
	       (line.size == 1 || line.data[1] == ' ');
}

static bool
is_response(struct bytes line, bool *telling)
{
	struct bytes rest = line;
	int word;

	*telling = false;
	if (!line_is_text(line))
		return false;
	if (is_continuation(line))
		return true;
	if (bytes_starts_with(line, "* ")) {
		word = word_of(bytes_from(line, 2));
		if (word < 0)
			return false;
		*telling = words[word].telling ||
			   (word < FIRST_DATA && line_says(line, "IMAP"));
		return true;
	}
	return imap_tag(&rest).size && result_of(&rest);
}

enum verdict
imap_response_here(struct bytes in, bool *telling)
{
	struct bytes line;
	size_t size;
	enum verdict verdict = line_take(in, IMAP_LINE, &line, &size);
	bool starred = in.size && (in.data[0] == '*' || in.data[0] == '+') &&
		       (in.size == 1 || in.data[1] == ' ' ||
			in.data[1] == '\r');

	*telling = false;
	if (verdict == VERDICT_YES)
		return is_response(line, telling) ? VERDICT_YES : VERDICT_NO;
	return verdict == VERDICT_MAYBE && (starred || imap_may_be_tagged(in))
		       ? VERDICT_MAYBE
		       : VERDICT_NO;
}

/* "[CODE argument] text" */
static void
say_text(struct bytes text, bool failed, struct sink *sink)
{
	const uint8_t *end;

	text = bytes_trim(text);
	if (failed) {
		sink_flags(sink, MESSAGE_IS_ERROR);
		sink_field(sink, FIELD_ERROR,
			   text.size ? text : bytes_of("failed"));
	}
	if (!text.size)
		return;
	line_header("text", text, sink);
	end = text.data[0] == '[' ? memchr(text.data, ']', text.size) : NULL;
	if (end)
		line_header("code",
			    bytes_make(text.data + 1,
				       (size_t)(end - text.data) - 1),
			    sink);
}

/* Where commands begin whose answers were not lost.  Those before it, which may
 * be many, need not be looked at. */
static uint64_t
oldest(const struct imap_conn *conn, struct sink *sink)
{
	const struct imap_exchange *exchange =
		sink_channel(sink, conn->fresh, SIDE_SERVER, false);

	return exchange && exchange->serial == conn->stale_before
		       ? conn->fresh
		       : sink_channel_next(sink, 0);
}

/* The channel that untagged data answers: that of the oldest command that the
 * server had and whose answer was not lost; 0: none. */
static uint64_t
answering(const struct imap_conn *conn, struct sink *sink)
{
	uint64_t id = oldest(conn, sink);

	for (int i = 0; i < LOOKED_AT && id; i++) {
		const struct imap_exchange *exchange =
			sink_channel(sink, id, SIDE_SERVER, false);

		if (id != IMAP_ALONE &&
		    exchange->serial >= conn->stale_before &&
		    (id != conn->open || !conn->answered))
			return sink_is_awaited(sink) ? id : 0;
		id = sink_channel_next(sink, id);
	}
	return 0;
}

/* Opens the response of the selected channel. */
static void
open_response(const struct imap_conn *conn,
	      const struct imap_exchange *exchange, struct sink *sink)
{
	if (sink_is_open(sink))
		return;
	sink_begin(sink);
	if (exchange->kind == IMAP_IDLE)
		sink_timed(sink);
	if (!exchange->serial)
		return;
	/* Some of it, or all and another command, may be in a hole since, or
	 * in what came before the first that was understood. */
	if (exchange->holes != conn->holes)
		sink_incomplete(sink);
	if (exchange->holes != conn->holes || !conn->in_step)
		sink_uncertain(sink, true);
}

/* Data without a command that waits for it. */
static void
open_alone(struct imap_conn *conn, int word, struct bytes line,
	   struct sink *sink)
{
	struct bytes rest = bytes_from(line, 2);

	/* What was cut by a hole. */
	if (sink_channel(sink, IMAP_ALONE, SIDE_SERVER, false))
		sink_channel_close(sink, false);
	sink_channel(sink, IMAP_ALONE, SIDE_SERVER, true);
	sink_begin_alone(sink);
	conn->serving = IMAP_ALONE;
	if (word < 0 || word >= FIRST_DATA) {
		line_method(bytes_of(word < 0 ? "UNKNOWN" : words[word].name),
			    sink);
		if (word >= 0)
			sink_field(sink, FIELD_SUMMARY,
				   bytes_first(line, SUMMARY_SIZE));
		sink_field(sink, FIELD_PATH,
			   bytes_make(conn->name, conn->name_size));
		return;
	}
	line_word(&rest);
	if (!conn->greeted && sink_is_from_start(sink)) {
		conn->in_step = true;
		line_method(bytes_of("GREETING"), sink);
	} else {
		line_method(bytes_of(words[word].name), sink);
	}
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of(words[word].name));
	say_text(rest, word != 0 && word != 4, sink);
}

/* Behind a line, or a piece of it, of untagged data. */
static void
go_on(struct imap_conn *conn, struct bytes piece, bool last, size_t size,
      struct sink *sink)
{
	bool waits;

	conn->inside = !last;
	if (last && imap_literal(piece, &conn->given_size, &waits)) {
		conn->inside = conn->given = true;
	} else if (last && conn->serving == IMAP_ALONE && sink_is_open(sink)) {
		sink_end(sink, size);
		sink_channel_close(sink, false);
	}
}

static struct step
untagged(struct imap_conn *conn, struct bytes raw, struct bytes piece,
	 bool last, struct sink *sink)
{
	int word = word_of(bytes_from(piece, 2));
	struct imap_exchange *exchange;
	uint64_t id = answering(conn, sink);

	exchange = id ? sink_channel(sink, id, SIDE_SERVER, false) : NULL;
	if (exchange) {
		conn->serving = id;
		open_response(conn, exchange, sink);
		if (word >= 0)
			exchange->counts[word]++;
		sink_body(sink, raw);
	} else {
		open_alone(conn, word, piece, sink);
		if (word < 0 || word >= FIRST_DATA)
			sink_body(sink, raw);
	}
	conn->greeted = true;
	sink_wire(sink, raw.size);
	/* A text may end as a literal does. */
	if (word >= 0 && word < FIRST_DATA)
		piece.size = 0;
	go_on(conn, piece, last, raw.size, sink);
	return step_done(raw.size);
}

/* "+ text": the client may go on.  Challenges are not kept. */
static struct step
continuation(struct imap_conn *conn, size_t size, struct sink *sink)
{
	if (conn->open && sink_channel(sink, conn->open, SIDE_SERVER, false) &&
	    !sink_is_open(sink) && !conn->answered) {
		sink_begin(sink);
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of("+"));
		sink_flags(sink, MESSAGE_INFORMATIONAL);
		sink_end(sink, size);
	}
	return step_done(size);
}

/* Commands that were asked before a hole, and others behind it are answered. */
static void
close_stale(struct imap_conn *conn, struct sink *sink)
{
	uint64_t id;

	while ((id = sink_channel_next(sink, 0)) != 0 && id != conn->open) {
		const struct imap_exchange *exchange =
			sink_channel(sink, id, SIDE_SERVER, false);

		if (exchange->serial >= conn->stale_before)
			return;
		sink_channel_close(sink, false);
	}
}

/* What the result of a command changes. */
static void
take_result(struct imap_conn *conn, const struct imap_exchange *exchange,
	    bool failed, struct sink *sink)
{
	if (exchange->kind == IMAP_UPGRADE && !failed)
		sink_flags(sink, MESSAGE_UPGRADE);
	if (exchange->kind == IMAP_SELECT ||
	    (exchange->kind == IMAP_CLOSE && !failed))
		conn->name_size = 0;
	if (exchange->kind == IMAP_SELECT && !failed) {
		conn->name_size = exchange->name_size;
		memcpy(conn->name, exchange->name, sizeof(conn->name));
	}
}

static struct step
tagged(struct imap_conn *conn, struct bytes line, size_t size,
       struct sink *sink)
{
	struct bytes tag = imap_tag(&line);
	const char *result = tag.size ? result_of(&line) : NULL;
	uint64_t id = imap_channel(tag);
	struct imap_exchange *exchange;
	bool failed, fresh;

	if (!result)
		return step_bad();
	failed = result[0] != 'O';
	exchange = sink_channel(sink, id, SIDE_SERVER, true);
	open_response(conn, exchange, sink);
	sink_certain(sink);
	for (int i = 0; i < WORDS; i++)
		if (exchange->counts[i])
			attribute_header(sink, "untagged", "%u %s",
					 exchange->counts[i], words[i].name);
	sink_wire(sink, size);
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of(result));
	say_text(line, failed, sink);
	take_result(conn, exchange, failed, sink);
	if (!conn->in_step && exchange->serial) { /* those before it are over */
		conn->stale_before = exchange->serial;
		conn->fresh = id;
	}
	fresh = exchange->serial >= conn->stale_before;
	conn->in_step = exchange->serial != 0;
	sink_end(sink, size);
	if (id == conn->open)
		conn->answered = true;
	else
		sink_channel_close(sink, false);
	conn->greeted = true;
	if (fresh)
		close_stale(conn, sink);
	return step_done(size);
}

struct step
imap_response(struct imap_conn *conn, struct bytes in, struct sink *sink)
{
	struct bytes piece;
	size_t size;
	bool last;

	/* What was passed over may be of what was asked since the hole. */
	conn->holes += conn->broken;
	conn->broken = false;
	if (conn->given) {
		conn->given = false;
		conn->passing_given = conn->given_size;
		sink_channel(sink, conn->serving, SIDE_SERVER, false);
		if (conn->given_size)
			return step_skip(conn->given_size);
	}
	if (conn->passing_given) {
		sink_channel(sink, conn->serving, SIDE_SERVER, false);
		sink_wire(sink, conn->passing_given);
		conn->passing_given = 0;
	}
	if (!in.size)
		return step_more(1);
	if (imap_piece(in, &piece, &size, &last) == VERDICT_MAYBE)
		return step_more(in.size + 1);
	if (conn->inside) {
		if (sink_channel(sink, conn->serving, SIDE_SERVER, false) &&
		    sink_is_open(sink)) {
			sink_wire(sink, size);
			sink_body(sink, bytes_first(in, size));
		}
		go_on(conn, piece, last, size, sink);
		return step_done(size);
	}
	if (!piece.size)
		return step_done(size);
	if (!line_is_text(piece))
		return step_bad();
	if (bytes_starts_with(piece, "* "))
		return untagged(conn, bytes_first(in, size), piece, last, sink);
	if (!last)
		return step_bad();
	return is_continuation(piece) ? continuation(conn, size, sink)
				      : tagged(conn, piece, size, sink);
}
