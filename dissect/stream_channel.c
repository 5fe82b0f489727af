/* SPDX-License-Identifier: Apache-2.0 */
/* Several open messages of a side: the channels of a multiplexed connection. */
#include <assert.h>

#include "dissect/sink.h"
#include "dissect/stream_parts.h"

/* Gives the halves (of which one may be NULL) to the pair. */
static void
emit(struct stream *s, struct message *request, struct message *response,
     enum call_reason reason)
{
	for (int side = 0; side < 2; side++)
		if (s->lanes[side].open && (s->lanes[side].open == request ||
					    s->lanes[side].open == response))
			s->lanes[side].open = NULL;
	pair_emit(&s->pair, request, response, reason);
}

/* Emits what is ended and waits for nothing. */
static void
settle(struct stream *s, struct channel *c)
{
	struct message *request = c->halves[SIDE_CLIENT];
	struct message *response = c->halves[SIDE_SERVER];

	if (s->dissector->pairing == PAIR_NONE) {
		for (int role = 0; role < 2; role++) {
			struct message *m = c->halves[role];

			if (!m || !m->ended)
				continue;
			c->halves[role] = NULL;
			emit(s, role ? NULL : m, role ? m : NULL,
			     CALL_REASON_NONE);
		}
		return;
	}
	if (response && response->ended && response->alone) {
		c->halves[SIDE_SERVER] = NULL;
		emit(s, NULL, response, CALL_REASON_NONE);
	} else if (request && request->ended &&
		   request->flags & MESSAGE_NO_RESPONSE) {
		c->halves[SIDE_CLIENT] = NULL;
		emit(s, request, NULL, CALL_REASON_NONE);
	} else if (request && request->ended && response && response->ended) {
		c->halves[SIDE_CLIENT] = c->halves[SIDE_SERVER] = NULL;
		emit(s, request, response, CALL_REASON_NONE);
	}
}

static void
end_half(struct stream *s, struct channel *c, enum side role)
{
	struct message *m = c->halves[role];

	m->ended = true;
	m->incomplete |= m->breaks != s->lanes[m->side].breaks;
	s->messages++;
	if (role == SIDE_SERVER && m->flags & MESSAGE_INFORMATIONAL &&
	    c->halves[SIDE_CLIENT]) {
		c->halves[role] = NULL;
		pair_interim(&s->pair, c->halves[SIDE_CLIENT], m);
		return;
	}
	settle(s, c);
}

void
stream_channel_begin(struct sink *s, struct message *m)
{
	struct channel *c = s->channel;
	struct message *before = c->halves[s->role];

	if (before) {
		c->halves[s->role] = NULL;
		emit(s->stream, s->role ? NULL : before,
		     s->role ? before : NULL, CALL_REASON_NO_RESPONSE);
	}
	c->halves[s->role] = m;
	m->framed = true;
}

void
stream_channel_end(struct sink *s, struct message *m)
{
	assert(s->channel->halves[s->role] == m);
	end_half(s->stream, s->channel, s->role);
}

static bool
is_open_of(const struct message *m, enum side side)
{
	return m && !m->ended && m->side == side;
}

void
stream_channels_end(struct stream *s, enum side side)
{
	struct channel *next;

	for (struct channel *c = s->channels.oldest; c; c = next) {
		next = c->newer;
		for (int role = 0; role < 2; role++) {
			if (!is_open_of(c->halves[role], side))
				continue;
			c->halves[role]->incomplete = true;
			end_half(s, c, (enum side)role);
		}
	}
}

static void
close_channel(struct stream *s, struct channel *c, enum call_reason reason)
{
	struct message *request = c->halves[SIDE_CLIENT];
	struct message *response = c->halves[SIDE_SERVER];

	for (int role = 0; role < 2; role++) {
		struct message *m = c->halves[role];

		if (!m || m->ended)
			continue;
		m->incomplete = true;
		m->ended = true;
	}
	if (request || response)
		emit(s, request, response, reason);
	if (s->sink.channel == c)
		s->sink.channel = NULL;
	channel_remove(&s->channels, s->context, c);
}

void
stream_channels_flush(struct stream *s, enum call_reason reason)
{
	while (s->channels.oldest)
		close_channel(s, s->channels.oldest, reason);
}

/* Makes room for one more. */
static void
evict(struct stream *s)
{
	const struct stream_context *context = s->context;

	while (s->channels.oldest &&
	       (channel_count(&s->channels) >= context->options.pending_limit ||
		context->buffered > context->buffered_limit))
		close_channel(s, s->channels.oldest, CALL_REASON_EVICTED);
}

void
stream_channel_carry(struct stream *s, uint64_t id, struct message *m)
{
	struct channel *c = channel_find(&s->channels, id);

	if (!c)
		c = channel_add(&s->channels, s->context, id);
	m->claimed = false;
	m->peer = NULL;
	m->framed = true;
	m->wire_bytes = m->end - m->start;
	c->halves[SIDE_CLIENT] = m;
}

void *
sink_channel(struct sink *s, uint64_t id, enum side role, bool create)
{
	struct stream *stream = s->stream;
	struct lane *lane = &stream->lanes[s->side];
	struct channel *c = channel_find(&stream->channels, id);

	if (!c && create) {
		evict(stream);
		c = channel_add(&stream->channels, stream->context, id);
	}
	s->channel = c;
	s->role = role;
	lane->open = c && c->halves[role] && !c->halves[role]->ended
			     ? c->halves[role]
			     : NULL;
	return c ? c->state : NULL;
}

void
sink_wire(struct sink *s, uint64_t bytes)
{
	struct message *m = s->stream->lanes[s->side].open;

	if (m)
		m->wire_bytes += bytes;
}

void
sink_seen(struct sink *s)
{
	const struct lane *lane = &s->stream->lanes[s->side];

	if (lane->open)
		lane->open->last_ns = lane->now.time_ns;
}

void
sink_fail(struct sink *s, struct bytes error)
{
	struct message *m;

	if (!s->channel)
		return;
	m = s->channel->halves[SIDE_SERVER];
	if (!m)
		m = s->channel->halves[SIDE_CLIENT];
	if (!m)
		return;
	message_set_field(s->stream->context, m, FIELD_ERROR, error);
	m->flags |= MESSAGE_IS_ERROR;
}

static void
set_doubt(struct sink *s, enum call_reason reason)
{
	struct message *request =
		s->channel ? s->channel->halves[SIDE_CLIENT] : NULL;

	if (request)
		request->reason = reason;
}

void
sink_uncertain(struct sink *s, bool by_order)
{
	set_doubt(s, by_order ? CALL_REASON_PIPELINED_HOLE
			      : CALL_REASON_HOLE_BEFORE);
}

void
sink_certain(struct sink *s)
{
	set_doubt(s, CALL_REASON_NONE);
}

void
sink_channel_close(struct sink *s, bool reset)
{
	if (s->channel)
		close_channel(s->stream, s->channel,
			      reset ? CALL_REASON_STREAM_RESET
				    : CALL_REASON_NO_RESPONSE);
}

uint64_t
sink_channel_next(const struct sink *s, uint64_t id)
{
	const struct channels *channels = &s->stream->channels;
	const struct channel *before = id ? channel_find(channels, id) : NULL;
	const struct channel *next = before ? before->newer : channels->oldest;

	return next ? next->id : 0;
}
