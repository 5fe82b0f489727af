/* SPDX-License-Identifier: Apache-2.0 */
/* What a dissector says becomes messages of its stream. */
#include "dissect/sink.h"

#include <assert.h>

#include "dissect/stream_parts.h"
#include "dissect/stream_shared.h"

static struct lane *
lane_of(struct sink *s)
{
	return &s->stream->lanes[s->side];
}

static struct message *
open_message(struct sink *s)
{
	struct message *m = lane_of(s)->open;

	assert(m);
	return m;
}

/* The request that the open message answers, or NULL. */
static const struct message *
request_of(const struct sink *s)
{
	if (!s->channel)
		return s->stream->lanes[s->side].open->peer;
	return s->role == SIDE_SERVER ? s->channel->halves[SIDE_CLIENT] : NULL;
}

/* A message at the front of what is fed. */
static struct message *
begin(struct sink *s)
{
	struct stream *stream = s->stream;
	struct lane *lane = lane_of(s);
	const struct mark *mark = lane_mark(lane, lane->position);
	struct message *m = message_new(stream->context);

	m->start = m->end = lane->position;
	m->first_ns = m->last_ns = mark->time_ns;
	m->packet = mark->packet;
	m->acknowledged = m->acknowledged_last = mark->acknowledged;
	m->acknowledged_before = mark->before;
	m->has_before = mark->has_before;
	m->broken_before = lane->broken;
	m->side = (uint8_t)s->side;
	m->breaks = lane->breaks;
	lane->open = m;
	stream->settled = true;
	return m;
}

void
sink_begin(struct sink *s)
{
	const struct message *request;
	struct stream *stream = s->stream;
	struct lane *lane = lane_of(s);
	struct message *m;

	assert(!lane->open);
	m = begin(s);
	lane->broken = false;
	if (s->channel)
		stream_channel_begin(s, m);
	else
		pair_begin(&stream->pair, m, s->side);
	request = request_of(s);
	if (request && request->interim_size)
		message_add_header(stream->context, m, bytes_of(":interim"),
				   bytes_make(request->interim,
					      request->interim_size));
}

void
sink_begin_alone(struct sink *s)
{
	struct lane *lane = lane_of(s);
	struct message *outer = lane->open;

	assert(!lane->outer && (s->side == SIDE_SERVER || !outer));
	begin(s)->alone = true;
	if (s->channel) {
		assert(!outer && s->role == SIDE_SERVER);
		lane->broken = false;
		stream_channel_begin(s, lane->open);
		return;
	}
	lane->outer = outer;
}

bool
sink_is_awaited(const struct sink *s)
{
	const struct lane *lane = &s->stream->lanes[s->side];
	const struct message *request =
		s->channel ? s->channel->halves[SIDE_CLIENT]
			   : s->stream->pair.first;

	/* What was sent before a request answers something else. */
	return request && lane_mark(lane, lane->position)->acknowledged >
				  request->start;
}

bool
sink_is_from_start(const struct sink *s)
{
	return !s->stream->identity.midstream;
}

void
sink_field(struct sink *s, enum field field, struct bytes value)
{
	message_set_field(s->stream->context, open_message(s), field, value);
}

void
sink_status(struct sink *s, int32_t status)
{
	open_message(s)->status = status;
}

void
sink_header(struct sink *s, struct bytes name, struct bytes value)
{
	message_add_header(s->stream->context, open_message(s), name, value);
}

void
sink_headers(struct sink *s, const struct header_pair *headers, size_t count)
{
	message_add_headers(s->stream->context, open_message(s), headers,
			    count);
}

void
sink_body(struct sink *s, struct bytes data)
{
	struct lane *lane = lane_of(s);

	message_add_body(s->stream->context, open_message(s), data,
			 lane->now.time_ns);
}

void
sink_timed(struct sink *s)
{
	open_message(s)->timed = true;
}

void
sink_encoding(struct sink *s, enum encoding encoding)
{
	open_message(s)->encoding = encoding;
}

void
sink_flags(struct sink *s, unsigned message_flags)
{
	open_message(s)->flags |= message_flags;
}

void
sink_id(struct sink *s, uint64_t id)
{
	open_message(s)->id = id;
	open_message(s)->has_id = true;
}

void
sink_truncated(struct sink *s)
{
	open_message(s)->truncated = true;
}

void
sink_end(struct sink *s, size_t consumed)
{
	struct stream *stream = s->stream;
	struct lane *lane = lane_of(s);
	struct message *m = open_message(s);

	m->end = lane->position + consumed;
	m->end_known = true;
	if (consumed) {
		const struct mark *mark = lane_mark(lane, m->end - 1);

		m->last_ns = mark->time_ns;
		m->acknowledged_last = mark->acknowledged;
	}
	lane->open = lane->outer;
	lane->outer = NULL;
	if (s->channel) {
		stream->upgrade |= (m->flags & MESSAGE_UPGRADE) != 0;
		stream_channel_end(s, m);
		return;
	}
	stream->messages++;
	if (s->side == SIDE_SERVER)
		stream->lanes[SIDE_CLIENT].kick = true;
	stream->upgrade = m->flags & MESSAGE_UPGRADE;
	if (stream->upgrade && stream->next.channel && m->peer &&
	    m->peer->ended) {
		stream->next.request = m->peer;
		pair_interim(&stream->pair, m->peer, m);
		return;
	}
	pair_end(&stream->pair, m, s->side);
}

bool
sink_body_is_full(const struct sink *s)
{
	return s->stream->lanes[s->side].open->truncated;
}

bool
sink_is_open(const struct sink *s)
{
	return s->stream->lanes[s->side].open != NULL;
}

void
sink_incomplete(struct sink *s)
{
	open_message(s)->incomplete = true;
}

void
sink_protocol(struct sink *s, const char *name)
{
	open_message(s)->protocol = (uint8_t)registry_find(bytes_of(name));
}

struct bytes
sink_value(const struct sink *s, enum field field)
{
	return message_field(s->stream->lanes[s->side].open, field);
}

void
sink_upgrade(struct sink *s, const char *protocol, struct bytes settings,
	     uint64_t channel)
{
	struct stream *stream = s->stream;
	enum protocol next = registry_find(bytes_of(protocol));

	if (!(stream->context->options.protocols >> next & 1))
		return;
	stream->next.protocol = next;
	stream->next.channel = channel;
	buf_reset(&stream->next.settings);
	buf_bytes(&stream->next.settings, settings);
}

void
sink_memory(struct sink *s, size_t bytes)
{
	struct stream *stream = s->stream;

	stream->context->buffered += bytes;
	stream->context->buffered -= stream->kept;
	stream->kept = bytes;
}

struct bytes
sink_request_value(struct sink *s, enum field field)
{
	const struct message *request = request_of(s);

	if (s->side != SIDE_SERVER || !request)
		return bytes_make(NULL, 0);
	return message_field(request, field);
}

struct bytes
sink_request_method(struct sink *s)
{
	return sink_request_value(s, FIELD_METHOD);
}

void *
sink_shared(struct sink *s)
{
	struct stream *stream = s->stream;

	return stream_shared(stream->context, stream->protocol,
			     stream->dissector->shared_size);
}

void
sink_note(struct sink *s, uint64_t note)
{
	open_message(s)->note = note;
}

uint64_t
sink_request_note(struct sink *s)
{
	const struct message *request = request_of(s);

	return s->side == SIDE_SERVER && request ? request->note : 0;
}

bool
sink_keep(struct sink *s, size_t size)
{
	struct stream_context *context = s->stream->context;

	if (context->buffered + size > context->buffered_limit)
		return false;
	context->buffered += size;
	s->stream->kept += size;
	return true;
}

void
sink_give_back(struct sink *s, size_t size)
{
	assert(size <= s->stream->kept);
	s->stream->context->buffered -= size;
	s->stream->kept -= size;
}

void
sink_undissected(struct sink *s, size_t bytes)
{
	lane_of(s)->undissected += bytes;
}

void
sink_name(struct sink *s, const uint8_t ip[16], struct bytes name)
{
	const struct event_sink *events = &s->stream->context->events;
	struct name_event event = {
		.name = name,
		.time_ns = lane_of(s)->now.time_ns,
	};

	memcpy(event.ip, ip, sizeof(event.ip));
	if (events->name)
		events->name(events->context, &event);
}

enum transport
sink_transport(const struct sink *s)
{
	return stream_transport(s->stream);
}
