/* SPDX-License-Identifier: Apache-2.0 */
/* What answers what in AMQP 1.0: each exchange is a channel of the stream. */
#include "dissect/proto/amqp1_parts.h"

uint64_t
amqp1_exchange_new(struct amqp1_conn *conn)
{
	return ++conn->exchanges;
}

/* What waits stays without an answer. */
static void
forget(struct sink *sink, struct amqp1_waiting *w, struct bytes error)
{
	sink_channel(sink, w->exchange, SIDE_CLIENT, false);
	if (error.size)
		sink_fail(sink, error);
	sink_channel_close(sink, false);
	w->type = 0;
}

static void
say_performative(struct amqp1_frame *f)
{
	sink_wire(f->sink, f->size);
	amqp1_say_begin(f, amqp1_name(f->type));
	amqp1_say_fields(f);
}

/* The node of the link that the frame is about. */
static void
say_node(struct amqp1_frame *f)
{
	struct amqp1_value handle =
		amqp1_field(&f->body, f->type == AMQP1_FLOW	? 4
				      : f->type == AMQP1_ATTACH ? 1
								: 0);
	const struct amqp1_link *link = NULL;

	if (handle.kind == AMQP1_UNSIGNED &&
	    (f->type == AMQP1_ATTACH || f->type == AMQP1_DETACH ||
	     f->type == AMQP1_FLOW))
		link = amqp1_link_of(f, (uint32_t)handle.number);
	amqp1_say_path(f, link ? bytes_make(link->address, link->address_size)
			       : bytes_make(NULL, 0));
}

void
amqp1_ask(struct amqp1_frame *f, uint64_t name, uint32_t session)
{
	struct amqp1_conn *conn = f->conn;
	struct amqp1_waiting *w =
		&conn->waiting[conn->next_waiting++ % AMQP1_WAITING];

	if (w->type)
		forget(f->sink, w, bytes_make(NULL, 0));
	*w = (struct amqp1_waiting){
		.exchange = amqp1_exchange_new(conn),
		.name = name,
		.session = session,
		.type = (uint8_t)f->type,
		.side = f->side,
	};
	sink_channel(f->sink, w->exchange, SIDE_CLIENT, true);
	sink_begin(f->sink);
	say_performative(f);
	say_node(f);
	sink_end(f->sink, f->size);
}

struct amqp1_waiting *
amqp1_asked(struct amqp1_frame *f, uint8_t type, uint64_t name, uint32_t session)
{
	struct amqp1_conn *conn = f->conn;

	for (unsigned i = 0; i < AMQP1_WAITING; i++) {
		struct amqp1_waiting *w =
			&conn->waiting[(conn->next_waiting + i) %
				       AMQP1_WAITING];

		if (w->type == type && w->side != f->side && w->name == name &&
		    (!session || w->session == session))
			return w;
	}
	return NULL;
}

void
amqp1_answer(struct amqp1_frame *f, struct amqp1_waiting *w)
{
	uint64_t exchange = w ? w->exchange : amqp1_exchange_new(f->conn);

	sink_channel(f->sink, exchange, SIDE_SERVER, true);
	sink_begin(f->sink);
	if (w && w->lost[f->side] && !w->name) /* it may be the second */
		sink_uncertain(f->sink, false);
	say_performative(f);
	say_node(f);
	if (!sink_value(f->sink, FIELD_STATUS_TEXT).size)
		sink_field(f->sink, FIELD_STATUS_TEXT, bytes_of("ok"));
	sink_end(f->sink, f->size);
	sink_channel_close(f->sink, false);
	if (w)
		w->type = 0;
}

void
amqp1_single(struct amqp1_frame *f)
{
	sink_channel(f->sink, amqp1_exchange_new(f->conn), f->side, true);
	if (f->side == SIDE_SERVER) {
		sink_begin_alone(f->sink);
	} else {
		sink_begin(f->sink);
		sink_flags(f->sink, MESSAGE_NO_RESPONSE);
	}
	say_performative(f);
	say_node(f);
	sink_end(f->sink, f->size);
	sink_channel_close(f->sink, false);
}

void
amqp1_note_hole(struct amqp1_conn *conn, enum side side, struct sink *sink)
{
	conn->sides[side].holes++;
	for (unsigned i = 0; i < AMQP1_WAITING; i++) {
		struct amqp1_waiting *w = &conn->waiting[i];

		if (!w->type)
			continue;
		w->lost[side] = true;
		/* Its answer may be lost, and another request with it. */
		if (w->lost[0] && w->lost[1])
			forget(sink, w, bytes_make(NULL, 0));
	}
}

static void
fail_delivery(struct amqp1_frame *f, uint32_t i, struct bytes error)
{
	uint64_t exchange = f->conn->unsettled[i].exchange;

	sink_channel(f->sink, exchange, SIDE_CLIENT, false);
	sink_fail(f->sink, error);
	sink_channel_close(f->sink, false);
	amqp1_unsettled_remove(f->conn, exchange);
}

void
amqp1_fail(struct amqp1_frame *f, uint32_t session, uint64_t name,
	   struct bytes error)
{
	struct amqp1_conn *conn = f->conn;

	for (unsigned i = 0; i < AMQP1_WAITING; i++) {
		struct amqp1_waiting *w = &conn->waiting[i];

		if (w->type && w->side != f->side &&
		    (!session || w->session == session) &&
		    (!name || w->name == name))
			forget(f->sink, w, error);
	}
	for (uint32_t i = conn->unsettled_count; !name && i-- > 0;)
		if (!session || conn->unsettled[i].session == session)
			fail_delivery(f, i, error);
}

/* Dispositions. */

/* Whether the session may be another by now, of which the number is the same. */
static bool
is_stale(const struct amqp1_conn *conn, const struct amqp1_unsettled *u)
{
	return u->holes[0] != conn->sides[0].holes &&
	       u->holes[1] != conn->sides[1].holes;
}

/* Whether a state may have been told before, to which that of a range that is
 * told later says nothing (§2.6.12). */
static bool
may_be_settled(const struct amqp1_frame *f, const struct amqp1_unsettled *u)
{
	struct amqp1_value first = amqp1_field(&f->body, 1);
	struct amqp1_value last = amqp1_field(&f->body, 2);

	return u->holes[f->side] != f->conn->sides[f->side].holes &&
	       last.kind != AMQP1_NULL && last.number != first.number;
}

/* The state of a delivery; `wire` bytes are counted as its. */
static void
settle(struct amqp1_frame *f, const struct amqp1_unsettled *u,
       const struct amqp1_value *state, size_t wire)
{
	struct amqp1_value settled = amqp1_field(&f->body, 3);
	bool open;

	if (!sink_channel(f->sink, u->exchange, SIDE_CLIENT, false))
		return;
	sink_channel(f->sink, u->exchange, SIDE_SERVER, false);
	sink_begin(f->sink);
	if (may_be_settled(f, u))
		sink_uncertain(f->sink, false);
	sink_wire(f->sink, wire);
	amqp1_say_begin(f, u->side == SIDE_CLIENT ? "transfer" : "deliver");
	amqp1_say_state(f, state, u->side);
	if (!state->described)
		sink_field(f->sink, FIELD_STATUS_TEXT, bytes_of("settled"));
	amqp1_say(f->sink, "", bytes_of("settled"), &settled);
	sink_end(f->sink, f->size);
	/* A delivery that is not over yet stays for its rest. */
	open = sink_channel(f->sink, u->exchange, SIDE_CLIENT, false) &&
	       sink_is_open(f->sink);
	if (!open)
		sink_channel_close(f->sink, false);
}

/* Of the sender: it will be told no state any more. */
static void
give_up(struct amqp1_frame *f, uint64_t exchange)
{
	sink_channel(f->sink, exchange, SIDE_CLIENT, false);
	if (!sink_is_open(f->sink))
		sink_channel_close(f->sink, false);
}

void
amqp1_disposition(struct amqp1_frame *f)
{
	struct amqp1_conn *conn = f->conn;
	bool receiver = amqp1_field(&f->body, 0).number != 0;
	enum side sender = receiver ? side_other(f->side) : f->side;
	struct amqp1_value first = amqp1_field(&f->body, 1);
	struct amqp1_value last = amqp1_field(&f->body, 2);
	bool settled = amqp1_field(&f->body, 3).number != 0;
	struct amqp1_value state = amqp1_field(&f->body, 4);
	uint32_t session = amqp1_session_of(f);
	uint32_t count = last.kind == AMQP1_NULL
				 ? 0
				 : (uint32_t)(last.number - first.number);
	unsigned found = 0;

	if (!settled && !amqp1_is_final(&state))
		return;
	for (uint32_t i = 0; i < conn->unsettled_count;) {
		struct amqp1_unsettled u = conn->unsettled[i];

		if (u.side != sender || u.session != session ||
		    (uint32_t)(u.delivery - first.number) > count ||
		    is_stale(conn, &u)) {
			i++;
			continue;
		}
		if (receiver)
			settle(f, &u, &state, found ? 0 : f->size);
		else
			give_up(f, u.exchange);
		found++;
		amqp1_unsettled_remove(conn, u.exchange);
	}
	if (!found && receiver)
		amqp1_single(f);
}
