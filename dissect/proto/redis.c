/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis and what speaks its protocol: RESP2, RESP3 and inline commands, with
 * pipelines, pushed messages, MONITOR and replication.  See redis.md.
 */
#include "dissect/proto/redis_command.h"
#include "dissect/proto/redis_reply.h"
#include "dissect/registry.h"

#include <ctype.h>
#include <stdio.h>

/* What may name a push. */
#define WORD_SIZE 4096
#define MARK_SIZE 40 /* ends a data set of unknown size */

enum request_state {
	REQUEST_START,
	REQUEST_NEXT, /* an argument follows */
	REQUEST_SKIP, /* before the bytes of a long one */
	REQUEST_TAIL, /* at the CRLF behind them */
};

struct redis_conn {
	enum request_state state;
	uint32_t arguments;    /* of the request that are to come */
	uint64_t argument;     /* size of the long one */
	uint32_t database, database_before;
	bool database_known;
	bool silent, silent_once; /* CLIENT REPLY OFF, SKIP */

	struct redis_reply reply;
	uint32_t confirmations; /* of one SUBSCRIBE, to come */
	bool alone;            /* the value being read is a message pushed */
	bool subscribed, monitor, replica;
	bool data_set;         /* the body is one: without CRLF behind it */
	bool marked;           /* it ends with `mark` */
	uint8_t mark[MARK_SIZE];
};

/* Detection. */

/* Commands that people type, and that no other text protocol has. */
static bool
is_typed(struct bytes name)
{
	static const char *const names[] = {
		"PING", "GET", "SET", "DEL", "INCR", "DECR", "INFO", "KEYS",
		"EXISTS", "HGETALL", "HGET", "HSET", "LRANGE", "LPUSH",
		"SUBSCRIBE", "PUBLISH", "SELECT", "MONITOR", "DBSIZE",
		"COMMAND", "CONFIG", "FLUSHALL", "MULTI", "EXPIRE", "TTL",
		"SCAN", "CLIENT", "ECHO", "MGET", "SYNC", "REPLCONF",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (bytes_equal_nocase(name, bytes_of(names[i])))
			return true;
	return false;
}

static enum verdict
probe_request(struct bytes in, struct bytes server)
{
	struct redis_request request;
	enum verdict verdict = redis_request(in, &request);
	struct redis_line line;

	if (verdict == VERDICT_NO)
		return VERDICT_NO;
	if (in.data[0] == '*')
		return request.seen ? VERDICT_YES : VERDICT_MAYBE;
	if (verdict == VERDICT_MAYBE || !request.total)
		return in.size < 512 && request.size < 512 ? VERDICT_MAYBE
							   : VERDICT_NO;
	if (!is_typed(request.args[0]))
		return VERDICT_NO;
	return redis_line(server, &line);
}

/* Whether `in` is whole values from its first to its last byte. */
static enum verdict
whole_values(struct bytes in)
{
	while (in.size) {
		struct redis_line line;
		struct bytes text;
		size_t size;

		if (redis_line(in, &line) != VERDICT_YES ||
		    redis_is_aggregate(line.type))
			return VERDICT_NO;
		if (redis_is_text(line.type) && line.number < 0)
			size = line.size;
		else if (!redis_string(in, &text, &size))
			return VERDICT_NO;
		in = bytes_from(in, size);
	}
	return VERDICT_YES;
}

/*
 * A value of the server.  Alone a short line says little, and behind a hole
 * what looks like a value may be one of an array: only when the packet is made
 * of whole ones it is rather not.
 */
static enum verdict
probe_reply(struct bytes in, bool known)
{
	struct redis_line line, next;
	enum verdict verdict = redis_line(in, &line);

	if (verdict != VERDICT_YES)
		return verdict;
	/* What is behind +OK there is POP3's; errors are in capitals, and lists
	 * of files are not ("-rw-r--r--"). */
	if (!known && (bytes_starts_with(in, "+OK ") ||
		       bytes_starts_with(in, "-r") ||
		       bytes_starts_with(in, "--")))
		return VERDICT_NO;
	if (redis_is_aggregate(line.type)) {
		if (line.number <= 0)
			return known ? VERDICT_YES : VERDICT_MAYBE;
		return redis_line(bytes_from(in, line.size), &next);
	}
	if (known && redis_is_text(line.type) && line.number > 0 &&
	    in.size < line.size + (uint64_t)line.number + 2)
		return VERDICT_YES;
	if (redis_is_text(line.type) && line.number >= 0)
		return whole_values(in) == VERDICT_YES ? VERDICT_YES
		       : known			       ? VERDICT_NO
						       : VERDICT_MAYBE;
	return known ? whole_values(in) : VERDICT_MAYBE;
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	(void)transport;
	if (client.size)
		return probe_request(client, server);
	return probe_reply(server, false);
}

static enum verdict
resync(enum side side, struct bytes in)
{
	struct redis_request request;

	if (side == SIDE_SERVER)
		return probe_reply(in, true);
	if (in.data[0] == '*' && redis_request(in, &request) != VERDICT_NO)
		return request.seen ? VERDICT_YES : VERDICT_MAYBE;
	return VERDICT_NO;
}

/* Requests. */

static uint64_t
note_of(enum redis_kind kind, uint32_t answers)
{
	return (uint64_t)kind | (uint64_t)answers << 8;
}

static bool
is_word(struct bytes in, const char *word)
{
	return bytes_equal_nocase(in, bytes_of(word));
}

/* CLIENT REPLY ON|OFF|SKIP; ON alone is answered. */
static void
set_reply(struct redis_conn *conn, struct bytes mode)
{
	conn->silent = is_word(mode, "OFF");
	conn->silent_once = is_word(mode, "SKIP");
}

static void
set_database(struct redis_conn *conn, struct bytes number)
{
	uint32_t value = 0;

	for (size_t i = 0; i < number.size && i < 6; i++)
		value = value * 10 + (number.data[i] - '0') % 10u;
	conn->database_before = conn->database;
	conn->database = value;
	conn->database_known = true;
}

static void
emit_database(const struct redis_conn *conn, struct sink *sink)
{
	char name[16];

	if (!conn->database_known && !sink_is_from_start(sink))
		return;
	snprintf(name, sizeof(name), "db%u", conn->database);
	sink_field(sink, FIELD_HOST, bytes_of(name));
}

/* Begins the message of a request of which some arguments are here. */
static void
begin_request(struct redis_conn *conn, const struct redis_request *request,
	      struct sink *sink)
{
	enum redis_kind kind = redis_kind(request);
	uint32_t answers = request->total > 1 ? request->total - 1 : 1;
	bool silent = conn->silent || conn->silent_once || conn->replica;

	sink_begin(sink);
	conn->silent_once = false;
	if (kind == REDIS_REPLY) {
		set_reply(conn, request->args[2]);
		silent = conn->silent || conn->silent_once;
	} else if (kind == REDIS_SELECT && request->count > 1) {
		set_database(conn, request->args[1]);
	} else if (kind == REDIS_RESET) {
		set_database(conn, bytes_of("0"));
	} else if (kind == REDIS_SUBSCRIBE) {
		conn->subscribed = true;
	}
	emit_database(conn, sink);
	redis_emit(request, sink);
	sink_note(sink, note_of(kind, answers));
	if (silent)
		sink_flags(sink, MESSAGE_NO_RESPONSE);
}

static struct step
next_argument(struct redis_conn *conn, struct bytes in, struct sink *sink)
{
	struct redis_line line;
	enum verdict verdict = redis_line(in, &line);
	size_t size;

	if (verdict == VERDICT_MAYBE)
		return step_more(in.size + 1);
	if (verdict == VERDICT_NO || line.type != '$' || line.number < 0)
		return step_bad();
	if (line.number > REDIS_ARGUMENT_SIZE) {
		redis_argument_in_body((uint64_t)line.number, sink);
		conn->argument = (uint64_t)line.number;
		conn->state = REQUEST_SKIP;
		return step_done(line.size);
	}
	size = line.size + (size_t)line.number + 2;
	if (in.size < size)
		return step_more(size);
	redis_argument(bytes_make(in.data + line.size, (size_t)line.number),
		       sink);
	if (--conn->arguments == 0) {
		sink_end(sink, size);
		conn->state = REQUEST_START;
	}
	return step_done(size);
}

static struct step
argument_end(struct redis_conn *conn, struct bytes in, struct sink *sink)
{
	if (in.size < 2)
		return step_more(2);
	if (in.data[0] != '\r' || in.data[1] != '\n')
		return step_bad();
	conn->state = REQUEST_NEXT;
	if (--conn->arguments == 0) {
		sink_end(sink, 2);
		conn->state = REQUEST_START;
	}
	return step_done(2);
}

static struct step
start_request(struct redis_conn *conn, struct bytes in, struct sink *sink)
{
	struct redis_request request;
	enum verdict verdict = redis_request(in, &request);

	if (verdict == VERDICT_NO)
		return step_bad();
	if (verdict == VERDICT_MAYBE &&
	    (!request.seen || request.wanted <= REDIS_REQUEST_HELD))
		return step_more((size_t)request.wanted);
	if (!request.total) /* an empty line, or none */
		return step_done(request.size);
	begin_request(conn, &request, sink);
	if (verdict == VERDICT_YES) {
		sink_end(sink, request.size);
		return step_done(request.size);
	}
	conn->arguments = request.total - request.seen;
	conn->state = REQUEST_NEXT;
	return step_done(request.size);
}

static struct step
feed_request(struct redis_conn *conn, struct bytes in, struct sink *sink)
{
	switch (conn->state) {
	case REQUEST_NEXT:
		return next_argument(conn, in, sink);
	case REQUEST_SKIP:
		conn->state = REQUEST_TAIL;
		return step_skip(conn->argument);
	case REQUEST_TAIL:
		return argument_end(conn, in, sink);
	case REQUEST_START:
		break;
	}
	return start_request(conn, in, sink);
}

/* Replies. */

/* What a value of the server is, by its first string. */
enum role {
	ROLE_UNKNOWN, /* more is needed to tell */
	ROLE_ANSWER,
	ROLE_MESSAGE, /* of a channel */
	ROLE_PUSH,    /* another notification, or a confirmation */
	ROLE_CHANGE,  /* a command for the replica */
};

static bool
ends_in_subscribe(struct bytes word)
{
	return word.size >= 9 &&
	       is_word(bytes_from(word, word.size - 9), "subscribe");
}

/* A string of reasonable size at the front of `in`; MAYBE: not whole. */
static enum verdict
first_word(struct bytes in, struct bytes *word, size_t *size)
{
	struct redis_line line;
	enum verdict verdict = redis_line(in, &line);

	if (verdict != VERDICT_YES)
		return verdict;
	if (redis_is_aggregate(line.type) ||
	    (redis_is_text(line.type) &&
	     (line.number < 0 || line.number > WORD_SIZE)))
		return VERDICT_NO;
	return redis_string(in, word, size) ? VERDICT_YES : VERDICT_MAYBE;
}

static enum role
role_of(const struct redis_conn *conn, struct bytes in,
	const struct sink *sink)
{
	bool awaited = sink_is_awaited(sink) || conn->confirmations;
	struct redis_line line;
	struct bytes word;
	size_t size;

	if (conn->monitor && in.data[0] == '+')
		return in.size < 2			? ROLE_UNKNOWN
		       : in.data[1] >= '0' && in.data[1] <= '9' ? ROLE_PUSH
								: ROLE_ANSWER;
	if (in.data[0] != '>' &&
	    (in.data[0] != '*' ||
	     (awaited && !conn->subscribed && !conn->replica)))
		return ROLE_ANSWER;
	if (redis_line(in, &line) == VERDICT_MAYBE)
		return ROLE_UNKNOWN;
	if (line.number <= 0 || line.type != in.data[0])
		return ROLE_ANSWER;
	if (conn->replica)
		return ROLE_CHANGE;
	switch (first_word(bytes_from(in, line.size), &word, &size)) {
	case VERDICT_NO:
		return line.type == '>' ? ROLE_PUSH : ROLE_ANSWER;
	case VERDICT_MAYBE:
		return ROLE_UNKNOWN;
	case VERDICT_YES:
		break;
	}
	if ((is_word(word, "message") || is_word(word, "smessage")) &&
	    line.number == 3)
		return ROLE_MESSAGE;
	if (is_word(word, "pmessage") && line.number == 4)
		return ROLE_MESSAGE;
	if (ends_in_subscribe(word))
		return awaited ? ROLE_ANSWER : ROLE_PUSH;
	return line.type == '>' ? ROLE_PUSH : ROLE_ANSWER;
}

/* Reads `count` strings behind a line; 0 when they are not whole, else how
 * many bytes all took. */
static size_t
read_words(struct bytes in, unsigned count, struct bytes *words)
{
	struct redis_line line;
	size_t at, size;

	if (redis_line(in, &line) != VERDICT_YES)
		return 0;
	at = line.size;
	for (unsigned i = 0; i < count; i++) {
		if (!redis_string(bytes_from(in, at), &words[i], &size))
			return 0;
		at += size;
	}
	return at;
}

static void
emit_method(struct bytes word, struct sink *sink)
{
	char name[32];
	size_t size = word.size < sizeof(name) ? word.size : sizeof(name);

	for (size_t i = 0; i < size; i++)
		name[i] = (char)toupper(word.data[i]);
	sink_field(sink, FIELD_METHOD, bytes_make(name, size));
}

/* A channel's message: what is published becomes the body. */
static struct step
begin_message(struct redis_conn *conn, struct bytes in, struct sink *sink)
{
	struct bytes words[3];
	struct redis_line line;
	bool pattern;
	size_t size;

	redis_line(in, &line);
	pattern = line.number == 4;
	size = read_words(in, pattern ? 3 : 2, words);
	if (!size)
		return in.size > REDIS_REQUEST_HELD
			       ? step_bad()
			       : step_more(in.size + 1);
	sink_begin_alone(sink);
	conn->alone = true;
	emit_method(words[0], sink);
	sink_field(sink, FIELD_PATH, words[pattern ? 2 : 1]);
	if (pattern)
		sink_header(sink, bytes_of("pattern"), words[1]);
	return step_done(size);
}

/* A command of somebody else, which is all in one line. */
static struct step
monitored(const struct redis_line *line, struct sink *sink)
{
	sink_begin_alone(sink);
	emit_method(bytes_of("MONITOR"), sink);
	sink_field(sink, FIELD_SUMMARY, line->text);
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of("OK"));
	sink_end(sink, line->size);
	return step_done(line->size);
}

/* The first words of a push name it; false when they are not here. */
static bool
begin_push(struct redis_conn *conn, struct bytes in, struct sink *sink)
{
	struct bytes words[2] = { { NULL, 0 }, { NULL, 0 } };
	struct redis_line line;
	size_t size;

	redis_line(in, &line);
	in = bytes_from(in, line.size);
	for (int i = 0; i < 2 && i < line.number; i++) {
		enum verdict verdict = first_word(in, &words[i], &size);

		if (verdict == VERDICT_MAYBE)
			return false;
		if (verdict == VERDICT_NO)
			break;
		in = bytes_from(in, size);
	}
	sink_begin_alone(sink);
	conn->alone = true;
	emit_method(words[0], sink);
	sink_field(sink, FIELD_PATH, words[1]);
	return true;
}

/* The data set of a replica: $SIZE, or $EOF: and a mark that ends it. */
static struct step
begin_data_set(struct redis_conn *conn, struct bytes in, struct sink *sink)
{
	struct redis_line line = { 0 };
	enum verdict verdict;

	conn->marked = in.size > 1 && in.data[1] == 'E';
	if (in.size < 2 || (conn->marked && in.size < 5 + MARK_SIZE + 2))
		return step_more(conn->marked ? 5 + MARK_SIZE + 2 : 2);
	verdict = conn->marked ? VERDICT_YES : redis_line(in, &line);
	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO
			       ? step_bad()
			       : step_more(in.size + 1);
	if (!conn->marked && line.number < 0)
		return step_bad();
	sink_begin_alone(sink);
	conn->alone = true;
	emit_method(bytes_of("RDB"), sink);
	conn->data_set = true;
	conn->reply.state = REPLY_BODY;
	conn->reply.left = (uint64_t)line.number;
	if (!conn->marked)
		return step_done(line.size);
	memcpy(conn->mark, in.data + 5, MARK_SIZE);
	return step_done(5 + MARK_SIZE + 2);
}

static void
end_reply(struct redis_conn *conn, size_t size, struct sink *sink)
{
	if (conn->confirmations && !conn->alone && --conn->confirmations) {
		sink_body(sink, bytes_of("\n"));
		conn->reply.state = REPLY_START;
		return;
	}
	conn->confirmations = conn->alone ? conn->confirmations : 0;
	conn->alone = false;
	sink_end(sink, size);
}

/* Up to the mark, of which the last bytes here may be a part. */
static struct step
marked_piece(struct redis_conn *conn, struct bytes in, struct sink *sink)
{
	const uint8_t *mark;
	size_t size;

	if (in.size < MARK_SIZE)
		return step_more(MARK_SIZE);
	mark = memmem(in.data, in.size, conn->mark, MARK_SIZE);
	size = mark ? (size_t)(mark - in.data) : in.size - (MARK_SIZE - 1);
	sink_body(sink, bytes_first(in, size));
	if (!mark)
		return step_done(size);
	conn->data_set = false;
	conn->reply.state = REPLY_START;
	end_reply(conn, size + MARK_SIZE, sink);
	return step_done(size + MARK_SIZE);
}

static struct step
feed_data_set(struct redis_conn *conn, struct bytes in, struct sink *sink)
{
	uint64_t size = conn->reply.left;

	if (conn->marked)
		return marked_piece(conn, in, sink);
	conn->reply.left = 0;
	if (size)
		return step_skip(size);
	conn->data_set = false;
	conn->reply.state = REPLY_START;
	end_reply(conn, 0, sink);
	return step_more(1);
}

/* What the answer to a request of that note changes. */
static void
take_note(struct redis_conn *conn, struct bytes in, uint64_t note)
{
	bool failed = in.data[0] == '-';

	switch ((enum redis_kind)(note & 0xff)) {
	case REDIS_SUBSCRIBE:
		conn->confirmations = failed ? 0 : (uint32_t)(note >> 8);
		break;
	case REDIS_MONITOR:
		conn->monitor = !failed;
		break;
	case REDIS_SYNC:
		conn->replica = !failed;
		break;
	case REDIS_SELECT:
		if (failed)
			conn->database = conn->database_before;
		break;
	case REDIS_RESET:
		conn->monitor = conn->subscribed = false;
		break;
	case REDIS_PLAIN:
	case REDIS_REPLY:
		break;
	}
}

/* Tells what begins at the front of `in` with `line`, and begins it. */
static struct step
start_reply(struct redis_conn *conn, struct bytes in,
	    const struct redis_line *line, struct sink *sink)
{
	enum role role;

	if (conn->replica && in.data[0] == '\n')
		return step_done(1); /* the master is alive */
	if (conn->replica && in.data[0] == '$')
		return begin_data_set(conn, in, sink);
	role = role_of(conn, in, sink);
	if (role == ROLE_UNKNOWN)
		return step_more(in.size + 1);
	conn->reply = (struct redis_reply){ .state = REPLY_START };
	if (role == ROLE_MESSAGE) {
		struct step step = begin_message(conn, in, sink);

		if (step.kind == STEP_DONE)
			conn->reply.state = REPLY_NEXT;
		return step;
	}
	if (role != ROLE_ANSWER && line->type == '+')
		return monitored(line, sink);
	if (role != ROLE_ANSWER) {
		if (!begin_push(conn, in, sink))
			return step_more(in.size + 1);
	} else if (!conn->confirmations) {
		sink_begin(sink);
		take_note(conn, in, sink_request_note(sink));
	}
	conn->reply.state = REPLY_NEXT;
	return step_done(0);
}

static struct step
feed_reply(struct redis_conn *conn, struct bytes in, struct sink *sink)
{
	struct redis_reply *reply = &conn->reply;
	struct step step;

	if (conn->data_set)
		return feed_data_set(conn, in, sink);
	if (reply->state == REPLY_START) {
		struct redis_line line = { .type = 0 };

		if (!in.size)
			return step_more(1);
		switch (redis_line(in, &line)) {
		case VERDICT_NO:
			if (!conn->replica)
				return step_bad();
			break;
		case VERDICT_MAYBE:
			return step_more(in.size + 1);
		case VERDICT_YES:
			break;
		}
		step = start_reply(conn, in, &line, sink);
		if (step.kind != STEP_DONE || step.n)
			return step;
	}
	step = redis_reply_read(reply, in, true, sink);
	if (step.kind == STEP_DONE && reply->state == REPLY_START)
		end_reply(conn, (size_t)step.n, sink);
	return step;
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct redis_conn *conn = state;

	return side == SIDE_CLIENT ? feed_request(conn, in, sink)
				   : feed_reply(conn, in, sink);
}

/* Holes. */

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct redis_conn *conn = state;
	struct redis_request request;

	(void)missing;
	if (side == SIDE_SERVER) {
		conn->reply = (struct redis_reply){ .state = REPLY_START };
		conn->confirmations = 0;
		conn->alone = conn->data_set = false;
		return false;
	}
	if (conn->state == REQUEST_START && pending.size &&
	    pending.data[0] == '*' &&
	    redis_request(pending, &request) != VERDICT_NO && request.seen)
		begin_request(conn, &request, sink);
	conn->state = REQUEST_START;
	conn->database_known = false;
	return false;
}

static void
finish(void *state, enum side side, struct bytes pending, bool clean,
       struct sink *sink)
{
	(void)clean;
	gap(state, side, pending, 0, sink);
}

static const uint16_t ports[] = { 6379, 6380, 26379, 0 };

const struct dissector dissector_redis = {
	.name = "redis",
	.title = "Redis",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_IN_ORDER,
	.conn_size = sizeof(struct redis_conn),
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
	.finish = finish,
};
