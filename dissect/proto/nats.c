/* SPDX-License-Identifier: Apache-2.0 */
/* The client protocol of NATS.  See nats.md. */
#include "base/hash.h"
#include "dissect/proto/nats_parts.h"
#include "dissect/registry.h"

/* Channels: what is not answered, by who sends it; what the server says
 * unasked; CONNECT; pings of either
 * side one by one; requests by where the reply goes. */
#define CHANNEL_SINGLE 1
#define CHANNEL_ALONE 3
#define CHANNEL_CONNECT 4
#define CHANNEL_PING (UINT64_C(1) << 40)
#define CHANNEL_REPLY (UINT64_C(1) << 62)
#define PINGS 16
/* Headers come whole, with the line. */
#define HEADERS_HELD (128u << 10)
/* Answers of JetStream are looked into, up to this size. */
#define ANSWER_HELD (64u << 10)

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	enum verdict verdict = nats_line_probe(client, SIDE_CLIENT);

	(void)transport;
	if (verdict == VERDICT_MAYBE)
		verdict = nats_line_probe(server, SIDE_SERVER);
	return verdict;
}

static enum verdict
resync(enum side side, struct bytes in)
{
	struct nats_line line;

	return nats_line_read(in, side, &line);
}

/* Exchanges. */

static uint64_t
reply_channel(enum side asks, struct bytes subject)
{
	uint64_t hash = hash_bytes((struct hash_key){ 0 }, subject);

	return (hash >> 2 << 1 | (asks == SIDE_SERVER)) | CHANNEL_REPLY;
}

/* What is asked may be something else by now: bytes of both sides are
 * missing since. */
static bool
is_stale(const struct nats_conn *conn, const struct nats_asked *asked)
{
	return asked->holes[0] != conn->sides[0].holes &&
	       asked->holes[1] != conn->sides[1].holes;
}

static void
note_asked(const struct nats_conn *conn, struct nats_asked *asked)
{
	asked->holes[0] = conn->sides[0].holes;
	asked->holes[1] = conn->sides[1].holes;
}

/* Opens the request of a channel; what waits there stays without an answer. */
static struct nats_asked *
ask(struct nats_frame *f, uint64_t id)
{
	struct nats_asked *asked =
		sink_channel(f->sink, id, SIDE_CLIENT, false);

	if (asked && id >= CHANNEL_CONNECT)
		sink_channel_close(f->sink, false);
	asked = sink_channel(f->sink, id, SIDE_CLIENT, true);
	note_asked(f->conn, asked);
	sink_begin(f->sink);
	sink_wire(f->sink, f->wire);
	return asked;
}

static void
begin_single(struct nats_frame *f)
{
	ask(f, CHANNEL_SINGLE);
	sink_flags(f->sink, MESSAGE_NO_RESPONSE);
}

/* What the server says unasked. */
static void
begin_alone(struct nats_frame *f)
{
	sink_channel(f->sink, CHANNEL_ALONE, SIDE_SERVER, true);
	sink_begin_alone(f->sink);
	sink_wire(f->sink, f->wire);
}

/* Opens the answer of a channel, if something waits there. */
static const struct nats_asked *
begin_answer(struct nats_frame *f, uint64_t id)
{
	const struct nats_asked *asked =
		sink_channel(f->sink, id, SIDE_SERVER, false);

	if (asked && is_stale(f->conn, asked)) {
		sink_channel_close(f->sink, false);
		return NULL;
	}
	if (!asked || sink_is_open(f->sink))
		return NULL;
	sink_begin(f->sink);
	/* The answer may be lost, and this what came after it. */
	if (asked->holes[f->side] != f->conn->sides[f->side].holes)
		sink_uncertain(f->sink, false);
	return asked;
}

static void
end_answer(struct nats_frame *f, size_t consumed)
{
	sink_end(f->sink, consumed);
	sink_channel_close(f->sink, false);
}

/* Lines without a message. */

/* What the server says to CONNECT, or to the PING behind it. */
static bool
answer_connect(struct nats_frame *f, bool good)
{
	if (!begin_answer(f, CHANNEL_CONNECT))
		return false;
	sink_wire(f->sink, f->wire);
	if (good)
		sink_field(f->sink, FIELD_STATUS_TEXT, bytes_of("OK"));
	else
		nats_say_error(f);
	end_answer(f, f->head);
	return true;
}

static uint64_t
ping_channel(enum side asks, uint32_t number)
{
	return CHANNEL_PING + ((uint64_t)(asks == SIDE_SERVER) << 32) + number;
}

static void
ping(struct nats_frame *f)
{
	struct nats_side *side = &f->conn->sides[f->side];

	if (side->pings - side->answered == PINGS) {
		sink_channel(f->sink, ping_channel(f->side, side->answered++),
			     SIDE_CLIENT, false);
		sink_channel_close(f->sink, false);
	}
	ask(f, ping_channel(f->side, side->pings++));
	nats_say_method(f, f->side == SIDE_CLIENT ? "PING" : "SERVER.PING");
	sink_end(f->sink, f->head);
}

/* In order; where a hole may have taken some, only the latest is certain. */
static void
pong(struct nats_frame *f)
{
	enum side asks = side_other(f->side);
	struct nats_side *side = &f->conn->sides[asks];
	uint32_t holes = f->conn->sides[f->side].holes;

	if (asks == SIDE_CLIENT)
		answer_connect(f, true);
	while (side->answered != side->pings) {
		const struct nats_asked *asked = sink_channel(
			f->sink, ping_channel(asks, side->answered),
			SIDE_SERVER, false);

		if (asked && (asked->holes[f->side] == holes ||
			      side->answered + 1 == side->pings))
			break;
		sink_channel_close(f->sink, false);
		side->answered++;
	}
	if (side->answered == side->pings)
		return;
	if (begin_answer(f, ping_channel(asks, side->answered++))) {
		sink_wire(f->sink, f->wire);
		end_answer(f, f->head);
	}
}

static void
short_line(struct nats_frame *f)
{
	switch (f->line.verb) {
	case NATS_PING:
		ping(f);
		return;
	case NATS_PONG:
		pong(f);
		return;
	case NATS_OK: /* of every line, where the client wants it */
		answer_connect(f, true);
		return;
	case NATS_ERR:
		if (answer_connect(f, false))
			return;
		begin_alone(f);
		nats_say_method(f, "-ERR");
		nats_say_error(f);
		break;
	case NATS_CONNECT:
		ask(f, CHANNEL_CONNECT);
		nats_say_connect(f);
		break;
	case NATS_INFO:
		begin_alone(f);
		nats_say_info(f);
		break;
	case NATS_SUB:
	case NATS_UNSUB:
		begin_single(f);
		nats_say_subscription(f);
		break;
	case NATS_PUB:
	case NATS_HPUB:
	case NATS_MSG:
	case NATS_HMSG:
		return;
	}
	sink_end(f->sink, f->head);
}

/* Messages. */

/* The end of a message: it is selected. */
static void
end_message(struct nats_frame *f, size_t consumed)
{
	struct nats_side *side = &f->conn->sides[f->side];

	side->state = NATS_AT_LINE;
	if (!sink_channel(f->sink, side->channel, side->role, false) ||
	    !sink_is_open(f->sink))
		return;
	if (side->role == SIDE_SERVER)
		end_answer(f, consumed);
	else
		sink_end(f->sink, consumed);
}

static void
begin_message(struct nats_frame *f)
{
	struct nats_side *side = &f->conn->sides[f->side];
	const struct nats_line *line = &f->line;
	uint64_t id = reply_channel(side_other(f->side), line->subject);
	const struct nats_asked *asked = begin_answer(f, id);
	struct nats_asked *waits;

	side->role = asked ? SIDE_SERVER : SIDE_CLIENT;
	side->channel = asked ? id
			: line->reply.size
				? reply_channel(f->side, line->reply)
				: CHANNEL_SINGLE + (uint64_t)f->side;
	f->jetstream = asked && asked->jetstream;
	if (asked) {
		sink_wire(f->sink, f->wire);
		nats_say_answer(f);
		return;
	}
	waits = ask(f, side->channel);
	if (!line->reply.size)
		sink_flags(f->sink, MESSAGE_NO_RESPONSE);
	waits->jetstream = nats_say_message(f);
}

/* Whether the payload is to be waited for, to be looked into. */
static bool
is_looked_into(struct nats_frame *f)
{
	uint64_t id = reply_channel(side_other(f->side), f->line.subject);
	const struct nats_asked *asked =
		sink_channel(f->sink, id, SIDE_SERVER, false);

	return asked && asked->jetstream && f->line.total <= ANSWER_HELD;
}

static struct step
message(struct nats_frame *f, struct bytes in)
{
	struct nats_side *side = &f->conn->sides[f->side];
	const struct nats_line *line = &f->line;
	size_t whole = line->size + line->total + 2;

	f->wire = whole;
	f->head = line->size + line->headers;
	if (line->headers > HEADERS_HELD)
		return step_bad();
	if (is_looked_into(f) && in.size < whole)
		return step_more(whole);
	if (in.size < f->head)
		return step_more(f->head);
	f->headers = bytes_first(bytes_from(in, line->size), line->headers);
	f->payload = line->total - line->headers;
	begin_message(f);
	side->left = f->payload;
	side->state = side->left ? NATS_AT_PAYLOAD : NATS_AT_END;
	if (f->jetstream && in.size >= whole)
		nats_say_jetstream(f, bytes_first(bytes_from(in, f->head),
						  f->payload));
	return step_done(f->head);
}

/* At the payload, and at the end of line behind it. */
static struct step
payload(struct nats_frame *f, struct bytes in)
{
	struct nats_side *side = &f->conn->sides[f->side];

	sink_channel(f->sink, side->channel, side->role, false);
	if (side->state == NATS_AT_PAYLOAD) {
		side->state = NATS_AT_END;
		return step_skip(side->left);
	}
	if (in.size && in.data[0] == '\n') {
		end_message(f, 1);
		return step_done(1);
	}
	if (in.size < 2)
		return step_more(2);
	if (in.data[0] != '\r' || in.data[1] != '\n')
		return step_bad();
	end_message(f, 2);
	return step_done(2);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct nats_conn *conn = state;
	struct nats_frame f = { .conn = conn, .sink = sink, .side = side };
	enum verdict verdict;

	/* What was asked until here may have been answered unread. */
	conn->sides[side].holes += conn->sides[side].lost;
	conn->sides[side].lost = false;
	if (conn->sides[side].state != NATS_AT_LINE)
		return payload(&f, in);
	verdict = nats_line_read(in, side, &f.line);
	if (verdict == VERDICT_NO)
		return step_bad();
	if (verdict == VERDICT_MAYBE)
		return step_more(in.size + 1);
	if (nats_has_message(&f.line))
		return message(&f, in);
	f.head = f.wire = f.line.size;
	short_line(&f);
	return step_done(f.head);
}

static bool
gap(void *state, enum side which, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct nats_conn *conn = state;
	struct nats_side *side = &conn->sides[which];
	struct nats_frame f = { .conn = conn, .sink = sink, .side = which };

	(void)pending;
	side->holes++;
	if (side->state == NATS_AT_PAYLOAD && missing && missing <= side->left) {
		side->left -= (uint32_t)missing;
		if (sink_channel(sink, side->channel, side->role, false) &&
		    sink_is_open(sink))
			sink_incomplete(sink);
		if (!side->left)
			side->state = NATS_AT_END;
		return true;
	}
	if (side->state != NATS_AT_LINE) {
		if (sink_channel(sink, side->channel, side->role, false) &&
		    sink_is_open(sink))
			sink_incomplete(sink);
		end_message(&f, 0);
	}
	side->lost = true;
	return false;
}

static const uint16_t ports[] = { 4222, 0 };

const struct dissector dissector_nats = {
	.name = "nats",
	.title = "NATS",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_BY_CHANNEL,
	.conn_size = sizeof(struct nats_conn),
	.channel_size = sizeof(struct nats_asked),
	.strict = true,
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
};
