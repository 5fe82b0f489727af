/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memcached: the text protocol with its meta commands, and the binary one.  One
 * call is a command, or quiet commands up to one that is answered.  See
 * memcached.md.
 */
#include <stdio.h>

#include "dissect/proto/memcached_parts.h"
#include "dissect/registry.h"

#define PROBE_LINE 2048
#define NOTE_COUNT_BITS 4
#define NOTE_MARK_BITS 32
#define NOTE_COUNT_MAX 0xfffffu

/* Detection. */

/* Lines of commands that nobody else types. */
static enum verdict
probe_command(struct bytes in)
{
	struct memcached_command command;
	struct bytes line;
	size_t size;

	if (line_take(in, PROBE_LINE, &line, &size) !=
	    VERDICT_YES) {
		if (in.size >= PROBE_LINE || !memcached_begins_command(in))
			return VERDICT_NO;
		return VERDICT_MAYBE;
	}
	if (!memcached_command(line, &command) || !command.known)
		return VERDICT_NO;
	if (command.answer == MEMCACHED_LINE_ANSWER && command.has_data &&
	    line.size + 2 == size)
		return VERDICT_YES;
	return VERDICT_MAYBE;
}

static enum verdict
probe_answer(struct bytes in)
{
	struct bytes line;
	size_t size;

	if (line_take(in, PROBE_LINE, &line, &size) !=
	    VERDICT_YES)
		return in.size >= PROBE_LINE || !memcached_begins_answer(in)
			       ? VERDICT_NO
			       : VERDICT_MAYBE;
	return line.size + 2 == size ? memcached_answer(line) : VERDICT_NO;
}

static bool
is_line(struct bytes in)
{
	struct bytes line;
	size_t size;

	return line_take(in, MEMCACHED_LINE, &line, &size) == VERDICT_YES;
}

/* A command that others have as well is one with its answer. */
static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	enum verdict verdict;

	(void)transport;
	if (client.size && client.data[0] == 0x80)
		return memcached_is_binary(SIDE_CLIENT, client);
	if (!client.size && server.size && server.data[0] == 0x81)
		return memcached_is_binary(SIDE_SERVER, server);
	if (!client.size)
		return probe_answer(server);
	verdict = probe_command(client);
	if (verdict == VERDICT_MAYBE && is_line(client) && is_line(server))
		return probe_answer(server) == VERDICT_NO ? VERDICT_NO
							  : VERDICT_YES;
	return verdict;
}

static enum verdict
resync(enum side side, struct bytes in)
{
	enum verdict verdict;

	if (in.data[0] == (side == SIDE_CLIENT ? 0x80 : 0x81))
		return memcached_is_binary(side, in);
	verdict = side == SIDE_CLIENT ? probe_command(in) : probe_answer(in);
	return verdict == VERDICT_MAYBE && is_line(in) ? VERDICT_YES : verdict;
}

/* What both protocols share. */

uint64_t
memcached_note(enum memcached_answer answer, uint32_t commands, uint32_t mark)
{
	if (commands > NOTE_COUNT_MAX)
		commands = NOTE_COUNT_MAX;
	return (uint64_t)answer | (uint64_t)commands << NOTE_COUNT_BITS |
	       (uint64_t)mark << NOTE_MARK_BITS;
}

void
memcached_begin_answer(struct memcached_conn *conn, struct sink *sink)
{
	uint64_t note;

	sink_begin(sink);
	note = sink_request_note(sink);
	conn->answering = true;
	conn->failed = false;
	conn->answers = conn->hits = 0;
	conn->answer = (enum memcached_answer)(note & 15);
	conn->commands = (uint32_t)(note >> NOTE_COUNT_BITS) & NOTE_COUNT_MAX;
	conn->mark = (uint32_t)(note >> NOTE_MARK_BITS);
}

void
memcached_end_answer(struct memcached_conn *conn, size_t size,
		     struct sink *sink)
{
	char text[16];

	if (conn->hits > 1) {
		snprintf(text, sizeof(text), "%u", conn->hits);
		sink_header(sink, bytes_of("hits"), bytes_of(text));
	}
	if (conn->hits && !conn->failed &&
	    !sink_value(sink, FIELD_STATUS_TEXT).size)
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of("HIT"));
	sink_end(sink, size);
	conn->answering = false;
}

void
memcached_value(struct memcached_conn *conn, struct bytes what,
		struct sink *sink)
{
	if (conn->hits++)
		sink_body(sink, bytes_of("\n"));
	sink_header(sink, bytes_of("value"), what);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct memcached_conn *conn = state;
	struct memcached_side *half = &conn->sides[side];

	if (half->state == MEMCACHED_DATA) {
		half->state = MEMCACHED_TAIL;
		if (half->left)
			return step_skip(half->left);
	}
	if (half->state == MEMCACHED_START) {
		if (!in.size)
			return step_more(1);
		conn->binary = in.data[0] ==
			       (side == SIDE_CLIENT ? 0x80 : 0x81);
	}
	if (conn->binary)
		return side == SIDE_CLIENT
			       ? memcached_binary_request(conn, in, sink)
			       : memcached_binary_response(conn, in, sink);
	return side == SIDE_CLIENT ? memcached_text_request(conn, in, sink)
				   : memcached_text_response(conn, in, sink);
}

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct memcached_conn *conn = state;

	(void)pending;
	(void)missing;
	(void)sink;
	conn->sides[side].state = MEMCACHED_START;
	if (side == SIDE_CLIENT)
		conn->quiet = 0;
	else
		conn->answering = false;
	return false;
}

static const uint16_t ports[] = { 11211, 11212, 11213, 22122, 0 };

const struct dissector dissector_memcached = {
	.name = "memcached",
	.title = "memcached",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_IN_ORDER,
	.conn_size = sizeof(struct memcached_conn),
	.strict = true,
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
};
