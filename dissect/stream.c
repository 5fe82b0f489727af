/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/stream.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "dissect/detect.h"
#include "dissect/pair.h"
#include "dissect/stream_parts.h"
#include "dissect/stream_shared.h"

/* What one packet may add to a head that is still within its limit. */
#define PACKET_ROOM (256u << 10)
/* What is kept of what an upgrade says of the next protocol. */
#define UPGRADE_SETTINGS 1024

struct stream *
stream_new(struct stream_context *context,
	   const struct stream_identity *identity)
{
	struct stream *s = alloc_zero(1, sizeof(*s));
	struct exchange_place place = { .context = context,
					.identity = &s->identity };

	s->context = context;
	s->identity = *identity;
	s->sink.stream = s;
	for (int side = 0; side < 2; side++) {
		lane_init(&s->lanes[side],
			  (size_t)context->options.head_limit + PACKET_ROOM);
		s->lanes[side].broken = identity->midstream;
	}
	buf_init(&s->next.settings, UPGRADE_SETTINGS);
	pair_init(&s->pair, &place, s->lanes);
	context->streams++;
	return s;
}

/* It is given whole datagrams, which are not bytes of a sequence. */
static bool
has_datagrams(const struct stream *s)
{
	return stream_transport(s) != TRANSPORT_TCP;
}

static struct detect_hint
hint_of(const struct stream *s, bool last)
{
	return (struct detect_hint){
		.transport = stream_transport(s),
		.protocols = s->dissector ? UINT64_C(1) << s->protocol
					  : s->context->options.protocols,
		.ports = { s->identity.client.port, s->identity.server.port },
		.known = s->dissector != NULL,
		.last = last,
	};
}

static struct bytes
held(const struct lane *lane)
{
	return buf_view(&lane->held);
}

/* Moves over bytes that nobody understands. */
static void
pass_over(struct lane *lane, size_t size)
{
	lane->undissected += size;
	lane->position += size;
}

static void
drop_held(struct stream *s, struct lane *lane)
{
	size_t size = lane->held.size;

	pass_over(lane, size);
	lane_drop(lane, s->context, size);
}

/* Ends a message whose rest will not come; those of channels may go on. */
static void
end_open(struct stream *s, enum side side)
{
	struct lane *lane = &s->lanes[side];
	struct message *m;

	if (stream_has_channels(s)) {
		lane->open = NULL;
		lane->breaks++;
		return;
	}
	while ((m = lane->open) != NULL) {
		lane->open = lane->outer;
		lane->outer = NULL;
		m->incomplete = true;
		m->end = lane->position > m->start ? lane->position : m->start;
		pair_end(&s->pair, m, side);
	}
}

static void
look_for_message(struct lane *lane, bool passed_over)
{
	lane->state = LANE_SEARCH;
	lane->broken = true;
	lane->passed_over = passed_over;
	lane->skip = 0;
	lane->skipped = false;
	lane->wanted = 0;
}

static void
adopt(struct stream *s, enum protocol protocol)
{
	const char *calls;

	s->protocol = protocol;
	s->dissector = registry_dissector(protocol);
	s->messages = 0;
	s->conn = s->dissector->conn_size
			  ? alloc_zero(1, s->dissector->conn_size)
			  : NULL;
	s->channels.state_size = s->dissector->channel_size;
	calls = s->dissector->calls;
	pair_start(&s->pair, calls ? registry_find(bytes_of(calls)) : protocol,
		   s->dissector->pairing);
}

/* Ends what is inside, and forgets what the dissector knew. */
static void
drop_state(struct stream *s, enum call_reason reason)
{
	inner_free(s->inner, reason);
	s->inner = NULL;
	if (s->conn && s->dissector->release)
		s->dissector->release(s->conn, &s->sink);
	free(s->conn);
	s->conn = NULL;
	s->context->buffered -= s->kept;
	s->kept = 0;
}

/* Back to a stream of unknown protocol. */
static void
abandon(struct stream *s, enum lane_state state)
{
	for (int side = 0; side < 2; side++) {
		struct lane *lane = &s->lanes[side];
		bool whole = state == LANE_DETECT && lane->state == LANE_RUN;

		end_open(s, (enum side)side);
		look_for_message(lane, false);
		lane->state = state;
		lane->broken = !whole;
		lane->kick = true;
	}
	stream_channels_flush(s, CALL_REASON_NO_RESPONSE);
	pair_flush(&s->pair, CALL_REASON_NO_RESPONSE);
	if (s->dissector)
		drop_state(s, CALL_REASON_NO_RESPONSE);
	s->dissector = NULL;
}

/* Behind an upgrade that says what follows. */
void
stream_adopt_next(struct stream *s)
{
	adopt(s, s->next.protocol);
	s->next.protocol = PROTOCOL_UNKNOWN;
	if (s->dissector->upgraded)
		s->dissector->upgraded(s->conn, buf_view(&s->next.settings),
				       &s->sink);
	if (s->next.request)
		stream_channel_carry(s, s->next.channel, s->next.request);
	s->next.request = NULL;
	for (int side = 0; side < 2; side++) {
		s->lanes[side].kick = true;
		if (s->lanes[side].state == LANE_DETECT)
			s->lanes[side].state = LANE_RUN;
	}
}

static void
exchange_sides(struct stream *s)
{
	struct lane lane = s->lanes[0];
	struct endpoint endpoint = s->identity.client;

	s->lanes[0] = s->lanes[1];
	s->lanes[1] = lane;
	s->identity.client = s->identity.server;
	s->identity.server = endpoint;
	s->reversed = !s->reversed;
}

/* A direction that was only guessed may be guessed wrong. */
static bool
may_exchange(const struct stream *s)
{
	return s->identity.midstream && !s->dissector && !s->settled;
}

static void
run_lane(struct stream *s, enum side side, struct detect_hint *hint,
	 struct bytes in)
{
	struct lane *lane = &s->lanes[side];

	lane->kick = true;
	if (lane->state != LANE_DETECT)
		return;
	lane->state = LANE_RUN;
	if (!s->identity.midstream || !in.size)
		return;
	if (detect_resume(hint, side == SIDE_CLIENT, in).verdict == VERDICT_NO)
		look_for_message(lane, true);
}

/* LANE_DETECT: returns the side that `in` belongs to. */
static enum side
detect(struct stream *s, enum side side, struct bytes in, bool last)
{
	struct lane *other = &s->lanes[side_other(side)];
	struct detect_hint hint = hint_of(s, last);
	struct bytes sides[2] = { { NULL, 0 }, { NULL, 0 } };
	struct detect_result result;

	if (s->next.protocol) {
		stream_adopt_next(s);
		return side;
	}
	sides[side] = in;
	if (other->state == LANE_DETECT)
		sides[side_other(side)] = held(other);
	result = detect_start(&hint, sides[0], sides[1]);
	if (result.verdict == VERDICT_NO && may_exchange(s)) {
		result = detect_start(&hint, sides[1], sides[0]);
		if (result.verdict == VERDICT_YES) {
			exchange_sides(s);
			other = &s->lanes[side];
			side = side_other(side);
			sides[side_other(side)] = sides[side];
			sides[side] = in;
		}
	}
	if (result.verdict == VERDICT_MAYBE)
		return side;
	if (result.verdict == VERDICT_NO) {
		look_for_message(&s->lanes[side], true);
		if (other->state == LANE_DETECT)
			look_for_message(other, other->held.size > 0);
		return side;
	}
	adopt(s, result.protocol);
	hint = hint_of(s, false);
	run_lane(s, SIDE_CLIENT, &hint, sides[0]);
	run_lane(s, SIDE_SERVER, &hint, sides[1]);
	return side;
}

/* A message was found at the position of `side`, behind a hole or in the
 * middle of a connection. */
static void
resume(struct stream *s, enum side side, enum protocol protocol)
{
	struct lane *other = &s->lanes[side_other(side)];

	s->lanes[side].state = LANE_RUN;
	if (s->dissector)
		return;
	adopt(s, protocol);
	s->pair.chain = CHAIN_LOST;
	if (other->state == LANE_DETECT && !s->identity.midstream)
		other->state = LANE_RUN;
	else
		look_for_message(other, other->held.size && other->passed_over);
	other->kick = true;
}

/* LANE_SEARCH: returns how much of `in` is certainly no message. */
static size_t
search(struct stream *s, enum side side, struct bytes in)
{
	struct lane *lane = &s->lanes[side];
	struct detect_hint hint = hint_of(s, lane->last);
	size_t taken = 0;

	while (taken < in.size) {
		struct bytes rest = bytes_from(in, taken);
		struct detect_result result = { VERDICT_NO, PROTOCOL_UNKNOWN };
		uint64_t boundary, size;

		if (!lane->passed_over)
			result = detect_resume(&hint, side == SIDE_CLIENT,
					       rest);
		lane->passed_over = false;
		if (result.verdict == VERDICT_YES)
			resume(s, side, result.protocol);
		if (result.verdict != VERDICT_NO)
			break;
		boundary = lane_boundary(lane, lane->position);
		size = boundary - lane->position;
		if (size > rest.size)
			size = rest.size;
		pass_over(lane, (size_t)size);
		taken += (size_t)size;
	}
	return taken;
}

/* Notes in the open message that the bytes up to `end` belong to it. */
static void
touch(struct lane *lane, uint64_t end)
{
	const struct mark *mark = lane_mark(lane, end - 1);

	if (!lane->open)
		return;
	lane->open->last_ns = mark->time_ns;
	lane->open->acknowledged_last = mark->acknowledged;
}

static size_t
pass_body(struct stream *s, struct lane *lane, struct bytes in)
{
	size_t size = lane->skip < in.size ? (size_t)lane->skip : in.size;

	if (!size)
		return 0;
	if (lane->open)
		message_add_body(s->context, lane->open, bytes_first(in, size),
				 lane_mark(lane, lane->position)->time_ns);
	if (lane->skip != UINT64_MAX)
		lane->skip -= size;
	lane->skipped = lane->skip == 0;
	touch(lane, lane->position + size);
	lane->position += size;
	return size;
}

/* The dissector lost the thread at the position of `side`. */
static void
lost(struct stream *s, enum side side)
{
	s->context->coverage->bad_messages++;
	if (s->messages == 0 && !s->lanes[0].open && !s->lanes[1].open &&
	    !s->channels.oldest) {
		abandon(s, LANE_SEARCH);
		s->lanes[side].passed_over = true;
		if (!s->settled)
			s->protocol = PROTOCOL_UNKNOWN;
		return;
	}
	inner_hole(s->inner, side, s->lanes[side].position);
	s->dissector->gap(s->conn, side, bytes_make(NULL, 0), 0, &s->sink);
	end_open(s, side);
	look_for_message(&s->lanes[side], true);
}

/* Returns false when nothing more can be fed for now. */
static bool
apply(struct stream *s, enum side side, struct step step, struct bytes in,
      size_t *taken)
{
	struct lane *lane = &s->lanes[side];

	switch (step.kind) {
	case STEP_MORE:
		lane->wanted = step.n > in.size ? (size_t)step.n : in.size + 1;
		if (lane->wanted > s->context->options.head_limit)
			lost(s, side);
		return false;
	case STEP_DONE:
		assert(step.n > 0 && step.n <= in.size);
		touch(lane, lane->position + step.n);
		lane->position += step.n;
		*taken += (size_t)step.n;
		lane->wanted = 0;
		if (s->upgrade) {
			s->upgrade = false;
			abandon(s, LANE_DETECT);
			return false;
		}
		return true;
	case STEP_SKIP:
		assert(step.n > 0);
		lane->skip = step.n;
		lane->wanted = 0;
		return true;
	case STEP_BAD:
		break;
	}
	lost(s, side);
	return false;
}

/* LANE_RUN: returns how much of `in` was consumed. */
static size_t
run(struct stream *s, enum side side, struct bytes in)
{
	struct lane *lane = &s->lanes[side];
	size_t head_limit = s->context->options.head_limit;
	size_t taken = 0;

	for (;;) {
		struct bytes rest;
		struct step step;

		if (lane->skip) {
			taken += pass_body(s, lane, bytes_from(in, taken));
			if (lane->skip)
				return taken;
		}
		rest = bytes_first(bytes_from(in, taken), head_limit);
		if (!lane->skipped && (!rest.size || rest.size < lane->wanted))
			return taken;
		lane->skipped = false;
		s->sink.side = side;
		stream_deselect(s, lane);
		step = s->dissector->feed(s->conn, side, rest, &s->sink);
		if (!apply(s, side, step, rest, &taken))
			return taken;
	}
}

static void give_up(struct stream *s, enum side side, struct bytes in);

/* Keeps what is left of `in`, which is either held or just arrived. */
static void
settle(struct stream *s, enum side side, struct bytes in, size_t taken)
{
	struct lane *lane = &s->lanes[side];

	if (lane->held.size)
		lane_drop(lane, s->context, taken);
	else if (taken < in.size &&
		 !lane_hold(lane, s->context, bytes_from(in, taken)))
		give_up(s, side, bytes_from(in, taken));
}

/* Whether something new is known about bytes that `side` holds. */
static bool
is_kicked(const struct stream *s, enum side side)
{
	return s->lanes[side].kick && s->lanes[side].held.size;
}

/*
 * Takes `in` as far as possible, from state to state, and holds the rest.  The
 * server's bytes that tell the protocol wait until the client's were parsed.
 */
static void
advance_side(struct stream *s, enum side side, struct bytes in)
{
	size_t taken = 0;
	bool waits = false;

	for (;;) {
		struct lane *lane = &s->lanes[side];
		enum lane_state state = lane->state;
		struct bytes rest = bytes_from(in, taken);

		if (state == LANE_DETECT && rest.size) {
			side = detect(s, side, rest, false);
			lane = &s->lanes[side];
			waits = side == SIDE_SERVER &&
				lane->state != LANE_DETECT &&
				is_kicked(s, SIDE_CLIENT);
		} else if (state == LANE_RUN) {
			taken += run(s, side, rest);
		} else if (state == LANE_SEARCH) {
			taken += search(s, side, rest);
		}
		if (lane->state == state || waits)
			break;
	}
	s->lanes[side].kick = waits;
	settle(s, side, in, taken);
}

/* Parses what the sides hold for as long as one tells the other something.
 * Never from within advance_side, whose bytes are still held. */
static void
take_turns(struct stream *s)
{
	while (is_kicked(s, SIDE_CLIENT) || is_kicked(s, SIDE_SERVER)) {
		enum side side = is_kicked(s, SIDE_CLIENT) ? SIDE_CLIENT
							   : SIDE_SERVER;

		s->lanes[side].wanted = 0;
		advance_side(s, side, held(&s->lanes[side]));
	}
}

static void
advance(struct stream *s, enum side side, struct bytes in)
{
	advance_side(s, side, in);
	take_turns(s);
}

/* Tells the dissector of a hole that the stream cannot bridge. */
static void
break_off(struct stream *s, enum side side, uint64_t missing)
{
	struct lane *lane = &s->lanes[side];

	s->sink.side = side;
	stream_deselect(s, lane);
	if (s->dissector->gap(s->conn, side, held(lane), missing, &s->sink)) {
		if (lane->open) {
			lane->open->incomplete = true;
			lane->broken = true; /* its end may be guessed */
		}
		lane->position += lane->held.size;
		lane_drop(lane, s->context, lane->held.size);
		lane->wanted = 0;
		return;
	}
	lane->position += lane->held.size;
	if (lane->open)
		touch(lane, lane->position);
	lane_drop(lane, s->context, lane->held.size);
	end_open(s, side);
	look_for_message(lane, false);
}

static void
force_detection(struct stream *s)
{
	for (int side = 0; side < 2; side++) {
		struct lane *lane = &s->lanes[side];

		if (lane->state != LANE_DETECT || !lane->held.size)
			continue;
		detect(s, (enum side)side, held(lane), true);
		take_turns(s);
	}
}

/* What `side` holds is all there will be before a hole or the end: the search
 * does not wait for more of what may be a message. */
static void
force_search(struct stream *s, enum side side)
{
	struct lane *lane = &s->lanes[side];

	if (lane->state != LANE_SEARCH || !lane->held.size)
		return;
	lane->kick = lane->last = true;
	take_turns(s);
	s->lanes[SIDE_CLIENT].last = s->lanes[SIDE_SERVER].last = false;
}

/* Bytes that cannot be held, to stay within memory. */
static void
give_up(struct stream *s, enum side side, struct bytes in)
{
	struct lane *lane = &s->lanes[side];

	s->context->coverage->bytes_given_up += in.size + lane->held.size;
	force_detection(s);
	inner_hole(s->inner, side, lane->position);
	if (lane->state == LANE_RUN)
		break_off(s, side, 0);
	drop_held(s, lane);
	pass_over(lane, in.size);
	end_open(s, side);
	look_for_message(lane, false);
}

/* The body being passed has a hole; false when it reaches behind the body,
 * and then `*missing` is how far. */
static bool
bridge(struct stream *s, enum side side, uint64_t *missing)
{
	struct lane *lane = &s->lanes[side];
	uint64_t size = *missing < lane->skip ? *missing : lane->skip;

	if (!lane->skip)
		return false;
	if (lane->open) {
		lane->open->incomplete = true;
		lane->open->body_wire_bytes += size;
	}
	if (lane->skip == UINT64_MAX)
		return true;
	if (!*missing)
		return false;
	lane->skip -= size;
	lane->position += size;
	*missing -= size;
	if (lane->skip)
		return true;
	lane->skipped = true;
	advance(s, side, bytes_make(NULL, 0));
	return *missing == 0;
}

void
stream_gap(struct stream *s, enum side side, uint64_t missing,
	   const struct stream_at *at)
{
	stream_hole(s, side, missing, at->position, at->position + missing);
}

void
stream_hole(struct stream *s, enum side side, uint64_t missing,
	    uint64_t position, uint64_t behind)
{
	struct lane *lane;
	uint64_t left = missing;

	side = s->reversed ? side_other(side) : side;
	lane = &s->lanes[side];
	if (has_datagrams(s))
		return;
	if (!lane->started) {
		lane->started = true;
		lane->origin = lane->position = position;
	}
	inner_hole(s->inner, side, position);
	lane->holes++;
	lane->hole_end = lane->arrived = behind;
	if (lane->state == LANE_DETECT)
		force_detection(s);
	force_search(s, side);
	if (lane->state == LANE_DETECT)
		look_for_message(lane, false);
	if (lane->state == LANE_RUN && !bridge(s, side, &left) &&
	    lane->state == LANE_RUN)
		break_off(s, side, left);
	if (lane->state == LANE_SEARCH) {
		drop_held(s, lane);
		look_for_message(lane, false);
	}
	if (!lane->held.size)
		lane->position = lane->arrived;
}

/* One whole datagram. */
static void
datagram(struct stream *s, enum side side, struct bytes data)
{
	struct lane *lane = &s->lanes[side];
	struct bytes none = bytes_make(NULL, 0);
	struct step step;

	if (!s->dissector) {
		struct detect_hint hint = hint_of(s, true);
		struct detect_result result =
			detect_start(&hint, side == SIDE_CLIENT ? data : none,
				     side == SIDE_SERVER ? data : none);

		if (result.verdict == VERDICT_YES)
			adopt(s, result.protocol);
	}
	if (!s->dissector) {
		lane->undissected += data.size;
		return;
	}
	s->sink.side = side;
	stream_deselect(s, lane);
	step = s->dissector->feed(s->conn, side, data, &s->sink);
	if (step.kind == STEP_DONE) {
		touch(lane, lane->position + data.size);
		return;
	}
	s->context->coverage->bad_messages++;
	lane->undissected += data.size;
	end_open(s, side);
	if (!s->messages && !s->channels.oldest) {
		drop_state(s, CALL_REASON_NO_RESPONSE);
		s->dissector = NULL;
		s->protocol = PROTOCOL_UNKNOWN;
	}
}

void
stream_data(struct stream *s, enum side side, struct bytes data,
	    const struct stream_at *at)
{
	struct lane *lane;

	if (!data.size)
		return;
	if (has_datagrams(s)) {
		lane_arrive(&s->lanes[side], data, at);
		datagram(s, side, data);
		return;
	}
	lane = &s->lanes[s->reversed ? side_other(side) : side];
	if (lane->started && at->position > lane->arrived)
		stream_gap(s, side, at->position - lane->arrived,
			   &(struct stream_at){ .position = lane->arrived });
	side = s->reversed ? side_other(side) : side;
	lane = &s->lanes[side];
	lane_arrive(lane, data, at);
	if (lane->closed) {
		pass_over(lane, data.size);
		return;
	}
	if (!lane->held.size) {
		advance(s, side, data);
		return;
	}
	if (lane_hold(lane, s->context, data))
		advance(s, side, held(lane));
	else
		give_up(s, side, data);
}

/* Tells the dissector that a side has ended. */
static void
close_side(struct stream *s, enum side side)
{
	struct lane *lane = &s->lanes[side];

	if (lane->closed)
		return;
	lane->closed = true;
	if ((lane->state == LANE_RUN || has_datagrams(s)) && s->dissector &&
	    s->dissector->finish) {
		s->sink.side = side;
		stream_deselect(s, lane);
		s->dissector->finish(s->conn, side, held(lane), lane->clean,
				     &s->sink);
	}
	if (lane->state == LANE_RUN && lane->open) {
		lane->position += lane->held.size;
		lane_drop(lane, s->context, lane->held.size);
		touch(lane, lane->position);
	}
	inner_finish(s->inner, side, lane->clean);
	end_open(s, side);
	stream_channels_end(s, side);
	drop_held(s, lane);
	look_for_message(lane, false);
}

void
stream_finish(struct stream *s, enum side side, bool clean)
{
	struct lane *lane;

	side = s->reversed ? side_other(side) : side;
	lane = &s->lanes[side];
	lane->finished = true;
	lane->clean = clean;
	if (lane->state == LANE_DETECT)
		return;
	force_search(s, side);
	close_side(s, side);
}

void
stream_settle(struct stream *s)
{
	force_search(s, SIDE_CLIENT);
	force_search(s, SIDE_SERVER);
}

void
stream_free(struct stream *s, enum call_reason reason)
{
	struct stream_context *context;

	if (!s)
		return;
	context = s->context;
	force_detection(s);
	stream_settle(s);
	close_side(s, SIDE_CLIENT);
	close_side(s, SIDE_SERVER);
	stream_channels_flush(s, reason);
	channels_free(&s->channels);
	if (s->next.request)
		pair_emit(&s->pair, s->next.request, NULL, reason);
	pair_flush(&s->pair, reason);
	if (s->dissector)
		drop_state(s, reason);
	lane_free(&s->lanes[0], context);
	lane_free(&s->lanes[1], context);
	buf_free(&s->next.settings);
	free(s);
	if (--context->streams == 0) {
		message_free_spare(context);
		stream_shared_free(context);
	}
}
