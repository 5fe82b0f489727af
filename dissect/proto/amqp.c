/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP 0-9-1, as RabbitMQ speaks it.  See amqp.md. */
#include <stdio.h>

#include "dissect/proto/amqp_frame.h"
#include "dissect/proto/amqp_method.h"
#include "dissect/registry.h"
#include "dissect/sink.h"

/* Frames that are waited for as a whole: all but those of bodies. */
#define FRAME_HELD (192u << 10)
#define VALUE_LIMIT 2048
#define PATH_SIZE 520
#define HOST_SIZE 128
#define WAITING 64
/* Ids of exchanges are above those of contents. */
#define EXCHANGE_ID (UINT64_C(1) << 40)

/* A request whose answer is to come. */
struct waiting {
	const struct amqp_method *method; /* NULL: unused */
	uint64_t id;
	uint16_t channel;
	bool lost[2]; /* bytes of that side have been missing since */
	bool crowded; /* others waited in its channel */
};

/* State of a channel of the stream: a content that is being read. */
struct content {
	uint64_t exchange; /* whose answer it is part of; 0: a call of its own */
	uint64_t left;     /* bytes of the body to come */
	uint32_t holes;    /* of its side when it began */
	bool open, sized;
};

struct amqp_side {
	enum { SIDE_FRAME, SIDE_BODY, SIDE_BODY_END } state;
	uint32_t body;     /* bytes of the frame's body */
	uint16_t channel;  /* whose frame it is */
	uint32_t holes;    /* so far */
	bool lost;         /* nothing was read since the last of them */
};

struct amqp_conn {
	struct amqp_side sides[2];
	struct waiting waiting[WAITING];
	unsigned next;
	uint64_t exchanges; /* so far */
	uint8_t host_size;
	char host[HOST_SIZE];
};

/* What is being read of a frame. */
struct frame {
	struct amqp_conn *conn;
	struct sink *sink;
	enum side side;
	unsigned type;
	uint16_t channel;
	size_t size;       /* with head and end */
	struct bytes payload;
};

/* Detection. */

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	(void)transport;
	return amqp_frame_start(client, server);
}

static enum verdict
resync(enum side side, struct bytes in)
{
	(void)side;
	return amqp_frame_probe(in, true);
}

/* Requests that wait. */

static void
remember(struct frame *f, const struct amqp_method *method, uint64_t id)
{
	struct waiting now = { .method = method, .id = id,
			       .channel = f->channel };

	for (unsigned i = 0; i < WAITING; i++) {
		const struct waiting *w = &f->conn->waiting[i];

		now.crowded |= w->method && w->channel == f->channel &&
			       !w->lost[SIDE_SERVER];
	}
	f->conn->waiting[f->conn->next++ % WAITING] = now;
}

static bool
answers(const struct amqp_method *request, uint32_t id)
{
	return request->answer == id ||
	       /* Secure may come first, and a queue may be empty. */
	       (id == AMQP_METHOD(10, 20) &&
		request->answer == AMQP_METHOD(10, 30)) ||
	       (id == AMQP_METHOD(60, 72) &&
		request->answer == AMQP_METHOD(60, 71));
}

/* It stays without an answer. */
static void
forget(struct frame *f, struct waiting *w)
{
	sink_channel(f->sink, w->id, SIDE_CLIENT, false);
	sink_channel_close(f->sink, false);
	w->method = NULL;
}

/* The answer that came is to `w`, if not to others that asked the same. */
static void
doubt(struct frame *f, const struct waiting *w)
{
	if (!w->crowded || !w->lost[SIDE_SERVER])
		return;
	sink_channel(f->sink, w->id, SIDE_CLIENT, false);
	sink_uncertain(f->sink, true);
}

/*
 * The request that a method of this channel answers, and those before it of
 * which the answer is missing are given up.  `id` 0: the oldest.
 */
static struct waiting *
find_waiting(struct frame *f, uint32_t id, bool any_channel)
{
	struct amqp_conn *conn = f->conn;
	struct waiting *found = NULL;

	for (unsigned i = 0; i < WAITING; i++) {
		struct waiting *w = &conn->waiting[(conn->next + i) % WAITING];

		if (!w->method || (w->channel != f->channel && !any_channel) ||
		    (id && !answers(w->method, id)))
			continue;
		if (found && !found->lost[SIDE_SERVER])
			break;
		if (found)
			forget(f, found);
		found = w;
	}
	if (found)
		doubt(f, found);
	return found;
}

static void
note_hole(struct amqp_conn *conn, enum side side, struct sink *sink)
{
	struct frame f = { .conn = conn, .sink = sink };

	conn->sides[side].holes++;
	for (unsigned i = 0; i < WAITING; i++) {
		struct waiting *w = &conn->waiting[i];

		if (!w->method)
			continue;
		w->lost[side] = true;
		/* Its answer may be lost, and another request with it. */
		if (w->lost[SIDE_CLIENT] && w->lost[SIDE_SERVER])
			forget(&f, w);
	}
}

/* Arguments. */

struct argument_state {
	unsigned bits; /* taken of the octet */
	uint8_t octet;
	int32_t code;
	struct bytes exchange, key, text;
	bool routed;
	bool no_wait;
};

static void
say_number(struct frame *f, struct bytes name, uint64_t value)
{
	char text[24];
	int size = snprintf(text, sizeof(text), "%llu",
			    (unsigned long long)value);

	sink_header(f->sink, name, bytes_make(text, (size_t)size));
}

static bool
take_bit(struct argument_state *state, struct reader *r)
{
	if (state->bits % 8 == 0)
		state->octet = reader_u8(r);
	return state->octet >> (state->bits++ % 8) & 1;
}

/* Entries of a table, as headers whose names begin with that of the table. */
static void
say_table(struct frame *f, struct bytes name, struct bytes table)
{
	struct reader r = reader_make(table);
	struct buf key, value;

	buf_init(&key, VALUE_LIMIT);
	buf_init(&value, VALUE_LIMIT);
	while (reader_left(&r)) {
		struct bytes entry = reader_take(&r, reader_u8(&r));
		bool good;

		buf_reset(&key);
		buf_reset(&value);
		buf_bytes(&key, name);
		buf_text(&key, ".");
		buf_bytes(&key, entry);
		good = !r.failed && amqp_value(&r, 0, &value);
		if (!good)
			break;
		sink_header(f->sink, buf_view(&key), buf_view(&value));
		if (value.failed)
			sink_truncated(f->sink);
		if (bytes_equal(buf_view(&key),
				bytes_of("client-properties.product")))
			sink_field(f->sink, FIELD_USER_AGENT, buf_view(&value));
	}
	if (r.failed || reader_left(&r))
		sink_incomplete(f->sink);
	buf_free(&key);
	buf_free(&value);
}

/* The user of PLAIN, without what follows it. */
static void
say_user(struct frame *f, struct bytes response)
{
	const uint8_t *end;
	struct bytes rest;

	if (response.size < 3 || response.data[0])
		return;
	rest = bytes_from(response, 1);
	end = memchr(rest.data, 0, rest.size);
	if (end && end > rest.data)
		sink_field(f->sink, FIELD_PATH,
			   bytes_make(rest.data, (size_t)(end - rest.data)));
}

static void
take_host(struct frame *f, struct bytes host)
{
	struct amqp_conn *conn = f->conn;
	struct bytes kept = bytes_first(host, sizeof(conn->host) - 1);

	if (kept.size)
		memcpy(conn->host, kept.data, kept.size);
	conn->host_size = (uint8_t)kept.size;
	sink_field(f->sink, FIELD_HOST, kept);
}

static void
take_string(struct frame *f, struct argument_state *state, char type,
	    struct bytes name, struct bytes value)
{
	switch (type) {
	case 'Q':
		if (value.size)
			sink_field(f->sink, FIELD_PATH, value);
		break;
	case 'X':
		state->exchange = value;
		break;
	case 'R':
		state->key = value;
		state->routed = true;
		break;
	case 'M':
		state->text = value;
		break;
	case 'V':
		take_host(f, value);
		break;
	default:
		break;
	}
	if (value.size)
		sink_header(f->sink, name, value);
}

static void
take_argument(struct frame *f, struct argument_state *state, char type,
	      struct bytes name, struct reader *r)
{
	struct bytes value;
	uint64_t number;
	bool bit;

	if (type == 'b' || type == 'n') {
		bit = take_bit(state, r);
		state->no_wait |= bit && type == 'n';
		if (bit && !r->failed)
			sink_header(f->sink, name, bytes_of("true"));
		return;
	}
	state->bits = 0;
	if (strchr("ohlLC", type)) {
		number = type == 'o'   ? reader_u8(r)
			 : type == 'l' ? reader_be32(r)
			 : type == 'L' ? reader_be64(r)
				       : reader_be16(r);
		if (type == 'C')
			state->code = (int32_t)number;
		if (!r->failed && !bytes_equal(name, bytes_of("ticket")))
			say_number(f, name, number);
		return;
	}
	value = reader_take(r, strchr("StK", type) ? reader_be32(r)
						   : reader_u8(r));
	if (r->failed)
		return;
	if (type == 't')
		say_table(f, name, value);
	else if (type == 'K')
		say_user(f, value);
	else
		take_string(f, state, type, name, value);
}

static void
say_route(struct frame *f, const struct argument_state *state)
{
	char path[PATH_SIZE];
	int size;

	if (sink_value(f->sink, FIELD_PATH).size)
		return;
	if (!state->exchange.size || !state->key.size) {
		sink_field(f->sink, FIELD_PATH,
			   state->key.size ? state->key : state->exchange);
		return;
	}
	size = snprintf(path, sizeof(path), "%.*s/%.*s",
			(int)state->exchange.size,
			(const char *)state->exchange.data,
			(int)state->key.size, (const char *)state->key.data);
	sink_field(f->sink, FIELD_PATH, bytes_make(path, (size_t)size));
}

static void
say_code(struct frame *f, const struct argument_state *state)
{
	char text[320];
	int size;

	sink_status(f->sink, state->code);
	sink_field(f->sink, FIELD_STATUS_TEXT, state->text);
	if (state->code < 300)
		return;
	size = snprintf(text, sizeof(text), "%d %.*s", (int)state->code,
			(int)state->text.size,
			(const char *)state->text.data);
	sink_field(f->sink, FIELD_ERROR, bytes_make(text, (size_t)size));
	sink_flags(f->sink, MESSAGE_IS_ERROR);
}

static void
say_summary(struct frame *f)
{
	struct bytes method = sink_value(f->sink, FIELD_METHOD);
	struct bytes path = sink_value(f->sink, FIELD_PATH);
	char text[PATH_SIZE + 64];
	int size = snprintf(text, sizeof(text), "%.*s%s%.*s",
			    (int)method.size, (const char *)method.data,
			    path.size ? " " : "",
			    (int)(path.size < PATH_SIZE ? path.size
							: PATH_SIZE),
			    path.size ? (const char *)path.data : "");

	sink_field(f->sink, FIELD_SUMMARY, bytes_make(text, (size_t)size));
}

/* Says the method of a message that has begun; true when no answer is wanted. */
static bool
say_method(struct frame *f, const struct amqp_method *m)
{
	struct argument_state state = { .code = -1 };
	struct reader r = reader_make(bytes_from(f->payload, 4));
	const char *at = m->arguments;

	sink_wire(f->sink, f->size);
	sink_field(f->sink, FIELD_METHOD, bytes_of(m->name));
	sink_field(f->sink, FIELD_HOST,
		   bytes_make(f->conn->host, f->conn->host_size));
	while (*at && !r.failed) {
		size_t size = strcspn(at, " ");

		take_argument(f, &state, *at, bytes_make(at + 1, size - 1), &r);
		at += size;
		at += *at == ' ';
	}
	if (r.failed)
		sink_incomplete(f->sink);
	say_route(f, &state);
	if (state.code >= 0)
		say_code(f, &state);
	if (m->id == AMQP_METHOD(60, 120) && f->side == SIDE_SERVER) {
		sink_field(f->sink, FIELD_ERROR,
			   bytes_of("the broker did not take the message"));
		sink_flags(f->sink, MESSAGE_IS_ERROR);
	}
	say_summary(f);
	return state.no_wait;
}

/* Methods. */

static uint64_t
new_exchange(struct frame *f)
{
	return EXCHANGE_ID + ++f->conn->exchanges;
}

static uint64_t
content_id(const struct frame *f)
{
	return (uint64_t)f->channel * 2 + (f->side == SIDE_SERVER) + 1;
}

/* A message without another half begins in the selected channel. */
static void
begin_single(struct frame *f)
{
	if (f->side == SIDE_SERVER) {
		sink_begin_alone(f->sink);
		return;
	}
	sink_begin(f->sink);
	sink_flags(f->sink, MESSAGE_NO_RESPONSE);
}

static void
single(struct frame *f, const struct amqp_method *m)
{
	sink_channel(f->sink, new_exchange(f), f->side, true);
	begin_single(f);
	say_method(f, m);
	sink_end(f->sink, f->size);
	sink_channel_close(f->sink, false);
}

static void
request(struct frame *f, const struct amqp_method *m)
{
	uint64_t id = new_exchange(f);

	if (f->conn->waiting[f->conn->next % WAITING].method)
		forget(f, &f->conn->waiting[f->conn->next % WAITING]);
	sink_channel(f->sink, id, SIDE_CLIENT, true);
	sink_begin(f->sink);
	if (say_method(f, m)) {
		sink_flags(f->sink, MESSAGE_NO_RESPONSE);
		sink_end(f->sink, f->size);
		sink_channel_close(f->sink, false);
		return;
	}
	sink_end(f->sink, f->size);
	remember(f, m, id);
}

static void
say_outcome(struct frame *f, const struct amqp_method *m)
{
	if (!sink_value(f->sink, FIELD_STATUS_TEXT).size)
		sink_field(f->sink, FIELD_STATUS_TEXT,
			   bytes_of(m->id == AMQP_METHOD(60, 72) ? "EMPTY"
								 : "OK"));
}

/* The answer to `w`, or to something that was not captured. */
static void
answer(struct frame *f, const struct amqp_method *m, struct waiting *w)
{
	sink_channel(f->sink, w ? w->id : new_exchange(f), SIDE_SERVER, true);
	sink_begin(f->sink);
	say_method(f, m);
	say_outcome(f, m);
	sink_end(f->sink, f->size);
	sink_channel_close(f->sink, false);
	if (w)
		w->method = NULL;
}

static void
end_content(struct frame *f, struct content *c, size_t consumed)
{
	uint64_t exchange = c->exchange;

	c->open = false;
	sink_end(f->sink, consumed);
	sink_channel_close(f->sink, false);
	if (exchange) {
		sink_channel(f->sink, content_id(f), f->side, false);
		sink_channel_close(f->sink, false);
	}
}

/* Selects the message of the content that is open in the frame's channel. */
static struct content *
select_content(struct frame *f)
{
	struct content *c =
		sink_channel(f->sink, content_id(f), f->side, false);

	if (!c || !c->open)
		return NULL;
	if (c->exchange)
		sink_channel(f->sink, c->exchange, SIDE_SERVER, false);
	if (!sink_is_open(f->sink))
		return NULL;
	/* Behind a hole a frame may be of the message after it. */
	if (c->holes != f->conn->sides[f->side].holes) {
		sink_incomplete(f->sink);
		end_content(f, c, 0);
		return NULL;
	}
	return c;
}

/* A message begins whose properties and body are to come. */
static void
begin_content(struct frame *f, const struct amqp_method *m)
{
	struct waiting *w = m->kind == AMQP_DELIVERY && f->side == SIDE_SERVER
				    ? find_waiting(f, m->id, false)
				    : NULL;
	struct content *c = select_content(f);

	if (c) {
		sink_incomplete(f->sink);
		end_content(f, c, 0);
	}
	c = sink_channel(f->sink, content_id(f), f->side, true);
	*c = (struct content){ .open = true,
				.holes = f->conn->sides[f->side].holes,
				.exchange = w ? w->id : 0 };
	if (w) {
		sink_channel(f->sink, w->id, SIDE_SERVER, true);
		sink_begin(f->sink);
		w->method = NULL;
	} else {
		begin_single(f);
	}
	say_method(f, m);
	if (w)
		say_outcome(f, m);
}

static void
server_request(struct frame *f, const struct amqp_method *m)
{
	bool all = m->id == AMQP_METHOD(10, 50);
	struct waiting *w = all || m->id == AMQP_METHOD(20, 40)
				    ? find_waiting(f, 0, all) : NULL;

	if (w && !w->lost[SIDE_SERVER]) {
		answer(f, m, w);
		return;
	}
	if (w) /* Its answer may be lost, and a message have closed it. */
		forget(f, w);
	single(f, m);
}

static void
method(struct frame *f)
{
	struct reader r = reader_make(f->payload);
	const struct amqp_method *m = amqp_method_find(reader_be32(&r));
	bool server = f->side == SIDE_SERVER;

	if (!m || r.failed)
		return;
	switch (m->kind) {
	case AMQP_REQUEST:
		if (server)
			server_request(f, m);
		else
			request(f, m);
		break;
	case AMQP_ANSWER:
		/* What the client confirms says nothing new. */
		if (server)
			answer(f, m, find_waiting(f, m->id, false));
		break;
	case AMQP_NOTICE:
		single(f, m);
		break;
	case AMQP_CONTENT:
	case AMQP_DELIVERY:
		begin_content(f, m);
		break;
	}
}

/* Contents. */

static void
property(struct frame *f, const char *name, char type, struct reader *r)
{
	struct bytes value;

	switch (type) {
	case 'o':
		say_number(f, bytes_of(name), reader_u8(r));
		return;
	case 'L':
		say_number(f, bytes_of(name), reader_be64(r));
		return;
	case 't':
		value = reader_take(r, reader_be32(r));
		if (!r->failed)
			say_table(f, bytes_of(name), value);
		return;
	default:
		value = reader_take(r, reader_u8(r));
		break;
	}
	if (r->failed)
		return;
	sink_header(f->sink, bytes_of(name), value);
	if (strcmp(name, "content-type") == 0)
		sink_field(f->sink, FIELD_CONTENT_TYPE, value);
	if (strcmp(name, "content-encoding") == 0 &&
	    bytes_equal_nocase(value, bytes_of("gzip")))
		sink_encoding(f->sink, ENCODING_GZIP);
}

static void
header(struct frame *f)
{
	static const struct {
		const char *name;
		char type;
	} properties[] = {
		{ "content-type", 's' },   { "content-encoding", 's' },
		{ "headers", 't' },	   { "delivery-mode", 'o' },
		{ "priority", 'o' },	   { "correlation-id", 's' },
		{ "reply-to", 's' },	   { "expiration", 's' },
		{ "message-id", 's' },	   { "timestamp", 'L' },
		{ "type", 's' },	   { "user-id", 's' },
		{ "app-id", 's' },	   { "cluster-id", 's' },
	};
	struct reader r = reader_make(f->payload);
	struct content *c = select_content(f);
	unsigned flags;

	if (!c)
		return;
	reader_skip(&r, 4);
	c->left = reader_be64(&r);
	c->sized = true;
	flags = reader_be16(&r);
	sink_wire(f->sink, f->size);
	for (size_t i = 0; i < sizeof(properties) / sizeof(*properties); i++)
		if (flags >> (15 - i) & 1 && !r.failed)
			property(f, properties[i].name, properties[i].type, &r);
	if (r.failed)
		sink_incomplete(f->sink);
	if (!c->left)
		end_content(f, c, f->size);
}

/* Frames. */

static struct step
whole_frame(struct frame *f, struct bytes in)
{
	if (f->size > FRAME_HELD)
		return step_bad();
	if (in.size < f->size)
		return step_more(f->size);
	if (in.data[f->size - 1] != AMQP_FRAME_END)
		return step_bad();
	f->payload = bytes_make(in.data + AMQP_FRAME_HEAD,
				f->size - AMQP_FRAME_HEAD - 1);
	if (f->type == AMQP_FRAME_METHOD)
		method(f);
	else if (f->type == AMQP_FRAME_HEADER)
		header(f);
	return step_done(f->size);
}

static struct step
start_frame(struct amqp_conn *conn, enum side side, struct bytes in,
	    struct sink *sink)
{
	struct amqp_side *s = &conn->sides[side];
	struct reader r = reader_make(in);
	struct frame f = { .conn = conn, .sink = sink, .side = side };
	uint32_t size;

	if (in.size && in.data[0] == 'A')
		return in.size < AMQP_PROTOCOL_HEADER ? step_more(8)
		       : bytes_starts_with(in, "AMQP") ? step_done(8)
						       : step_bad();
	f.type = reader_u8(&r);
	f.channel = reader_be16(&r);
	size = reader_be32(&r);
	if (in.size && (!f.type || (f.type > AMQP_FRAME_BODY &&
				    f.type != AMQP_FRAME_BEAT)))
		return step_bad();
	if (r.failed)
		return step_more(AMQP_FRAME_HEAD);
	if (size > AMQP_FRAME_LIMIT)
		return step_bad();
	f.size = (size_t)size + AMQP_FRAME_HEAD + 1;
	if (f.type != AMQP_FRAME_BODY || !size)
		return whole_frame(&f, in);
	s->channel = f.channel;
	s->body = size;
	s->state = SIDE_BODY;
	return step_done(AMQP_FRAME_HEAD);
}

/* At the body of a frame, and at the octet behind it. */
static struct step
body(struct amqp_conn *conn, enum side side, struct bytes in,
     struct sink *sink)
{
	struct amqp_side *s = &conn->sides[side];
	struct frame f = { .conn = conn, .sink = sink, .side = side,
			   .channel = s->channel };
	struct content *c = select_content(&f);

	if (s->state == SIDE_BODY) {
		s->state = SIDE_BODY_END;
		if (c)
			sink_wire(sink, s->body + AMQP_FRAME_HEAD + 1);
		return step_skip(s->body);
	}
	if (!in.size)
		return step_more(1);
	if (in.data[0] != AMQP_FRAME_END)
		return step_bad();
	s->state = SIDE_FRAME;
	if (c) {
		c->left = c->left > s->body ? c->left - s->body : 0;
		if (!c->left && c->sized)
			end_content(&f, c, 1);
	}
	return step_done(1);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct amqp_conn *conn = state;

	if (conn->sides[side].lost) /* some may have been answered unread */
		note_hole(conn, side, sink);
	conn->sides[side].lost = false;
	return conn->sides[side].state == SIDE_FRAME
		       ? start_frame(conn, side, in, sink)
		       : body(conn, side, in, sink);
}

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct amqp_conn *conn = state;

	(void)pending;
	(void)missing;
	conn->sides[side].state = SIDE_FRAME;
	conn->sides[side].lost = true;
	note_hole(conn, side, sink);
	return false;
}

static const uint16_t ports[] = { 5672, 5671, 0 };

const struct dissector dissector_amqp = {
	.name = "amqp",
	.title = "AMQP 0-9-1",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_BY_CHANNEL,
	.conn_size = sizeof(struct amqp_conn),
	.channel_size = sizeof(struct content),
	.strict = true,
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
};
