/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and responses of memcached's text protocol. */
#include <stdio.h>

#include "base/text.h"
#include "dissect/proto/memcached_parts.h"

#define SUMMARY_SIZE 200
#define KEYS_SHOWN 100

/* Requests. */

static void
end_request(struct memcached_conn *conn, size_t size, struct sink *sink)
{
	sink_end(sink, size);
	conn->quiet = 0;
}

static void
say_keys(struct bytes keys, struct sink *sink)
{
	struct bytes key;

	line_word(&keys);
	for (int i = 0; i < KEYS_SHOWN; i++) {
		key = line_word(&keys);
		if (!key.size)
			return;
		sink_header(sink, bytes_of("key"), key);
	}
}

static void
begin_request(const struct memcached_command *command, struct bytes line,
	      struct sink *sink)
{
	sink_begin(sink);
	sink_field(sink, FIELD_METHOD, bytes_of(command->name));
	sink_field(sink, FIELD_PATH, command->key);
	sink_field(sink, FIELD_SUMMARY, bytes_first(line, SUMMARY_SIZE));
	say_keys(command->keys, sink);
}

static uint32_t
count_words(struct bytes line)
{
	uint32_t count = 0;

	while (line_word(&line).size)
		count++;
	return count;
}

/* The line of a command; its data, if it has some, is body. */
static struct step
request_line(struct memcached_conn *conn, struct bytes in, struct sink *sink)
{
	struct memcached_side *half = &conn->sides[SIDE_CLIENT];
	struct memcached_command command;
	struct bytes line;
	size_t size;
	enum verdict verdict = line_take(in, MEMCACHED_LINE, &line, &size);

	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO
			       ? step_bad()
			       : step_more(in.size + 1);
	if (!line.size)
		return step_done(size);
	if (!memcached_command(line, &command) && !command.known)
		return step_bad();
	if (conn->quiet)
		sink_header(sink, bytes_of("command"), line);
	else
		begin_request(&command, line, sink);
	if (command.silent)
		sink_flags(sink, MESSAGE_NO_RESPONSE);
	conn->quiet++;
	half->more = command.quiet && conn->quiet < MEMCACHED_GROUP;
	sink_note(sink, memcached_note(command.answer,
				       command.keys.size
					       ? count_words(command.keys)
					       : conn->quiet,
				       command.mark));
	if (command.has_data) {
		half->left = command.data;
		half->state = MEMCACHED_DATA;
	} else if (!half->more) {
		end_request(conn, size, sink);
	}
	return step_done(size);
}

/* The end of line behind data; what is there in its place is an error that
 * the server will tell. */
static struct step
request_tail(struct memcached_conn *conn, struct bytes in, struct sink *sink)
{
	struct memcached_side *half = &conn->sides[SIDE_CLIENT];

	if (in.size < 2)
		return step_more(2);
	if (in.data[0] != '\r' || in.data[1] != '\n')
		return step_bad();
	half->state = MEMCACHED_START;
	if (!half->more)
		end_request(conn, 2, sink);
	return step_done(2);
}

struct step
memcached_text_request(struct memcached_conn *conn, struct bytes in,
		       struct sink *sink)
{
	if (conn->sides[SIDE_CLIENT].state == MEMCACHED_TAIL)
		return request_tail(conn, in, sink);
	return request_line(conn, in, sink);
}

/* Responses. */

static bool
is(struct bytes word, const char *text)
{
	return bytes_equal(word, bytes_of(text));
}

static bool
is_failure(struct bytes word)
{
	return is(word, "ERROR") || is(word, "CLIENT_ERROR") ||
	       is(word, "SERVER_ERROR");
}

/* What the two letters of a meta answer mean. */
static const char *
meta_status(struct bytes word, struct bytes method)
{
	bool gets = is(method, "MG") || is(method, "ME");

	if (is(word, "HD") || is(word, "ME") || is(word, "VA"))
		return gets ? "HIT" : is(method, "MS") ? "STORED"
			     : is(method, "MD")	       ? "DELETED"
						       : "OK";
	return is(word, "EN")	? "MISS"
	       : is(word, "NS") ? "NOT_STORED"
	       : is(word, "EX") ? "EXISTS"
	       : is(word, "NF") ? "NOT_FOUND"
				: NULL;
}

static void
set_failure(struct memcached_conn *conn, struct bytes line, struct bytes word,
	    struct sink *sink)
{
	conn->failed = true;
	sink_field(sink, FIELD_STATUS_TEXT, word);
	sink_field(sink, FIELD_ERROR, line);
	sink_flags(sink, MESSAGE_IS_ERROR);
}

/* Whether an answer of a meta command is the last to those it answers: it has
 * the mark of the last, is one that quiet commands do not get, or all have
 * theirs. */
static bool
is_last(const struct memcached_conn *conn, struct bytes word,
	struct bytes flags)
{
	struct memcached_command answer;
	char text[MEMCACHED_LINE / 64];
	int size;

	if (conn->answer == MEMCACHED_NOOP)
		return is(word, "MN");
	if (conn->commands <= 1 || conn->answers >= conn->commands ||
	    is(word, "EN"))
		return true;
	if (!conn->mark)
		return false;
	/* Read as the flags of a command are. */
	size = snprintf(text, sizeof(text), "mg x %.*s",
			(int)bytes_first(flags, sizeof(text) - 8).size,
			flags.size ? (const char *)flags.data : "");
	return memcached_command(bytes_make(text, (size_t)size), &answer) &&
	       answer.mark == conn->mark;
}

/* VALUE key flags size, or VA size flags: data follows. */
static struct step
value_line(struct memcached_conn *conn, struct bytes rest, size_t size,
	   bool meta, struct sink *sink)
{
	struct memcached_side *half = &conn->sides[SIDE_SERVER];
	struct bytes what = bytes_trim(rest), number, flags;

	if (!meta) {
		line_word(&rest);
		line_word(&rest);
	}
	number = line_word(&rest);
	flags = rest;
	if (!text_u64(number, &half->left) || half->left > UINT32_MAX)
		return step_bad();
	memcached_value(conn, what, sink);
	half->state = MEMCACHED_DATA;
	half->more = !meta || !is_last(conn, bytes_of("VA"), flags);
	return step_done(size);
}

/* Lines of which more follow; false: it is none. */
static bool
listed(struct bytes word, struct bytes line, struct sink *sink)
{
	if (!is(word, "STAT") && !is(word, "ITEM"))
		return false;
	sink_body(sink, bytes_from(line, 5));
	sink_body(sink, bytes_of("\n"));
	return true;
}

static void
single(struct memcached_conn *conn, struct bytes word, struct bytes line,
       struct sink *sink)
{
	const char *meta = meta_status(word, sink_request_method(sink));

	if (is_failure(word)) {
		set_failure(conn, line, word, sink);
	} else if (is(word, "END")) {
		if (conn->answer == MEMCACHED_VALUES ||
		    conn->answer == MEMCACHED_UNKNOWN)
			word = bytes_of(conn->hits ? "HIT" : "MISS");
		if (conn->answer == MEMCACHED_STATS)
			word = bytes_of("OK");
		sink_field(sink, FIELD_STATUS_TEXT, word);
	} else if (is(word, "MN")) {
		if (!conn->hits)
			sink_field(sink, FIELD_STATUS_TEXT, bytes_of("OK"));
	} else if (meta) {
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of(meta));
		if (line.size > word.size)
			sink_header(sink, bytes_of("flags"),
				    bytes_from(line, word.size + 1));
	} else if (is(word, "VERSION") || word.data[0] <= '9') {
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of("OK"));
		sink_body(sink, line);
	} else {
		sink_field(sink, FIELD_STATUS_TEXT, word);
	}
}

/* What a server tells those who watch it. */
static struct step
watched(struct bytes line, size_t size, struct sink *sink)
{
	sink_begin_alone(sink);
	sink_field(sink, FIELD_METHOD, bytes_of("WATCH"));
	sink_field(sink, FIELD_SUMMARY, bytes_first(line, SUMMARY_SIZE));
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of("OK"));
	sink_body(sink, line);
	sink_end(sink, size);
	return step_done(size);
}

static struct step
response_line(struct memcached_conn *conn, struct bytes in, struct sink *sink)
{
	struct bytes line, rest, word;
	size_t size;
	enum verdict verdict = line_take(in, MEMCACHED_LINE, &line, &size);
	bool meta;

	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO
			       ? step_bad()
			       : step_more(in.size + 1);
	if (conn->watching)
		return watched(line, size, sink);
	if (memcached_answer(line) == VERDICT_NO &&
	    !bytes_starts_with(line, "ITEM "))
		return step_bad();
	if (!conn->answering)
		memcached_begin_answer(conn, sink);
	rest = line;
	word = line_word(&rest);
	conn->answers++;
	if (is(word, "VALUE") || is(word, "VA"))
		return value_line(conn, rest, size, is(word, "VA"), sink);
	if (listed(word, line, sink))
		return step_done(size);
	single(conn, word, line, sink);
	conn->watching = conn->answer == MEMCACHED_WATCH && is(word, "OK");
	meta = conn->answer == MEMCACHED_META || conn->answer == MEMCACHED_NOOP;
	if (!meta || is_failure(word) || is_last(conn, word, rest))
		memcached_end_answer(conn, size, sink);
	return step_done(size);
}

struct step
memcached_text_response(struct memcached_conn *conn, struct bytes in,
			struct sink *sink)
{
	struct memcached_side *half = &conn->sides[SIDE_SERVER];

	if (half->state != MEMCACHED_TAIL)
		return response_line(conn, in, sink);
	if (in.size < 2)
		return step_more(2);
	if (in.data[0] != '\r' || in.data[1] != '\n')
		return step_bad();
	half->state = MEMCACHED_START;
	if (!half->more)
		memcached_end_answer(conn, 2, sink);
	return step_done(2);
}
