/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/quic_streams.h"

#include <stdlib.h>

#include "base/alloc.h"

struct quic_streams *
quic_streams_new(uint64_t *channels, struct bytes label, struct sink *sink)
{
	struct quic_streams *s;

	if (!sink_keep(sink, sizeof(*s)))
		return NULL;
	s = alloc_zero(1, sizeof(*s));
	s->by_id = map_new(sizeof(uint64_t), sizeof(struct quic_stream *),
			   QUIC_STREAMS);
	http3_begin(&s->http, channels, label);
	return s;
}

/* The table. */

static struct quic_stream *
find(const struct quic_streams *s, uint64_t id)
{
	struct quic_stream **place = map_get(s->by_id, &id);

	return place ? *place : NULL;
}

static void
set_waiting(struct quic_streams *s, struct quic_stream *stream,
	    enum side side, int64_t since)
{
	if (!stream->since[side] == !since)
		return;
	s->waiting += since ? 1u : -1u;
	stream->since[side] = since;
	if (since && (s->waiting == 1 || since < s->earliest))
		s->earliest = since;
}

static void
forget(struct quic_streams *s, struct quic_stream *stream, struct sink *sink)
{
	map_remove(s->by_id, &stream->http.id);
	*(stream->older ? &stream->older->newer : &s->oldest) = stream->newer;
	*(stream->newer ? &stream->newer->older : &s->newest) = stream->older;
	for (int side = 0; side < 2; side++) {
		set_waiting(s, stream, (enum side)side, 0);
		s->bytes -= stream->halves[side].bytes;
		quic_half_drop(&stream->halves[side], sink);
	}
	http3_forget(&stream->http, sink);
	if (sink)
		sink_give_back(sink, sizeof(*stream));
	free(stream);
}

/* What is done with one direction of a stream. */
struct direction {
	struct quic_streams *streams;
	struct quic_stream *stream;
	struct quic_half *half;
	struct http3_feed feed;
};

static struct direction
direction_of(struct quic_streams *s, struct quic_stream *stream,
	     enum side side, struct sink *sink)
{
	return (struct direction){
		.streams = s,
		.stream = stream,
		.half = &stream->halves[side],
		.feed = { .http = &s->http,
			  .stream = &stream->http,
			  .side = side,
			  .sink = sink },
	};
}

/* Whether the stream begins now; those whose beginning was seen before are
 * over when they are not in the table. */
static bool
begins(struct quic_begun *b, uint64_t number)
{
	uint64_t behind;

	if (number >= b->count) {
		uint64_t shift = number + 1 - b->count;

		for (; shift >= 64 && shift <= QUIC_WINDOW; shift -= 64) {
			memmove(b->bits + 1, b->bits,
				sizeof(b->bits) - sizeof(*b->bits));
			b->bits[0] = 0;
		}
		if (shift > QUIC_WINDOW)
			memset(b->bits, 0, sizeof(b->bits));
		else if (shift)
			for (size_t i = QUIC_WINDOW / 64; i-- > 0;)
				b->bits[i] = b->bits[i] << shift |
					     (i ? b->bits[i - 1] >>
							     (64 - shift)
						: 0);
		b->count = number + 1;
		b->bits[0] |= 1;
		return true;
	}
	behind = b->count - 1 - number;
	if (behind >= QUIC_WINDOW || b->bits[behind / 64] >> behind % 64 & 1)
		return false;
	b->bits[behind / 64] |= UINT64_C(1) << behind % 64;
	return true;
}

/* Gives up the oldest stream that no other depends on; false: there is none. */
static bool
make_room(struct quic_streams *s, struct sink *sink)
{
	struct quic_stream *at = s->oldest;
	struct direction d;

	while (at && (at->http.kind == HTTP3_CONTROL ||
		      at->http.kind == HTTP3_ENCODER))
		at = at->newer;
	if (!at)
		return false;
	d = direction_of(s, at, SIDE_CLIENT, sink);
	http3_close(&d.feed);
	forget(s, at, sink);
	return true;
}

static struct quic_stream *
add(struct quic_streams *s, uint64_t id, struct sink *sink)
{
	struct quic_stream *stream;
	bool added;

	if ((map_count(s->by_id) >= QUIC_STREAMS && !make_room(s, sink)) ||
	    !sink_keep(sink, sizeof(*stream)))
		return NULL;
	stream = alloc_zero(1, sizeof(*stream));
	stream->http.id = id;
	stream->older = s->newest;
	*(s->newest ? &s->newest->newer : &s->oldest) = stream;
	s->newest = stream;
	*(struct quic_stream **)map_put(s->by_id, &id, &added) = stream;
	quic_half_init(&stream->halves[SIDE_CLIENT]);
	quic_half_init(&stream->halves[SIDE_SERVER]);
	http3_open(&s->http, &stream->http);
	return stream;
}

/* The stream that `side` says something in; NULL when it is over, is not the
 * side's to speak in, or there is no memory. */
static struct quic_stream *
stream_of(struct quic_streams *s, enum side side, uint64_t id,
	  struct sink *sink)
{
	enum side opener = id & 1 ? SIDE_SERVER : SIDE_CLIENT;
	struct quic_stream *stream = find(s, id);

	if (stream || (id & 2 && opener != side) ||
	    !begins(&s->begun[id % 4], id / 4))
		return stream;
	return add(s, id, sink);
}

/* Content. */

static void
give_pieces(struct direction *d, bool late)
{
	struct sink *sink = d->feed.sink;
	struct quic_piece *piece;

	while ((piece = quic_half_take(d->half))) {
		d->streams->bytes -= piece->data.size;
		if (late)
			sink_set_moment(sink, &piece->moment);
		http3_data(&d->feed, buf_view(&piece->data));
		quic_half_free_piece(piece, sink);
	}
}

/* Gives up the next gap; false when there is none. */
static bool
skip_gap(struct direction *d)
{
	uint64_t missing;

	if (d->stream->http.halves[d->feed.side].waits) {
		d->feed.force = true;
		http3_resume(&d->feed);
		d->feed.force = false;
	}
	missing = quic_half_skip(d->half);
	if (missing) {
		http3_gap(&d->feed, missing);
		give_pieces(d, true);
	}
	return missing > 0;
}

static void
end_if_over(struct direction *d)
{
	if (quic_half_is_over(d->half) &&
	    !d->stream->http.halves[d->feed.side].over)
		http3_over(&d->feed);
}

/* Whether the direction has to wait for something. */
static bool
must_wait(const struct direction *d)
{
	return d->half->pieces ||
	       d->stream->http.halves[d->feed.side].waits ||
	       (d->half->final != QUIC_SIZE_UNKNOWN &&
		!quic_half_is_over(d->half));
}

/* Says since when the direction waits, and forgets the stream when it is
 * over; then false. */
static bool
settle(struct direction *d)
{
	enum side side = d->feed.side;
	struct quic_streams *s = d->streams;

	if (http3_is_done(&d->stream->http)) {
		forget(s, d->stream, d->feed.sink);
		return false;
	}
	set_waiting(s, d->stream, side,
		    must_wait(d) ? d->stream->came[side].time_ns : 0);
	return true;
}

/* Sections that waited for what the encoder stream, or SETTINGS, said. */
static void
resume(struct quic_streams *s, enum side side, struct sink *sink)
{
	struct quic_stream *next;

	s->http.woken[side] = false;
	for (struct quic_stream *at = s->oldest; at; at = next) {
		struct direction d = direction_of(s, at, side, sink);

		next = at->newer;
		if (!at->http.halves[side].waits)
			continue;
		http3_resume(&d.feed);
		settle(&d);
	}
}

/* What a control stream said concerns others. */
static void
react(struct quic_streams *s, struct sink *sink)
{
	struct quic_stream *next;

	while (s->http.woken[SIDE_CLIENT] || s->http.woken[SIDE_SERVER]) {
		enum side side = s->http.woken[SIDE_CLIENT] ? SIDE_CLIENT
							    : SIDE_SERVER;

		if (s->waiting)
			resume(s, side, sink);
		s->http.woken[side] = false;
	}
	if (s->http.refused == UINT64_MAX)
		return;
	for (struct quic_stream *at = s->oldest; at; at = next) {
		struct direction d = direction_of(s, at, SIDE_SERVER, sink);

		next = at->newer;
		if (at->http.kind != HTTP3_REQUEST ||
		    at->http.id < s->http.refused)
			continue;
		http3_fail(&d.feed, "not processed, the server goes away");
		forget(s, at, sink);
	}
	s->http.refused = UINT64_MAX;
}

/* What is missing in the direction is given up. */
static void
give_up(struct direction *d)
{
	struct sink *sink = d->feed.sink;
	struct sink_moment now = sink_moment(sink);

	sink_set_moment(sink, &d->stream->came[d->feed.side]);
	while (skip_gap(d))
		;
	end_if_over(d);
	sink_set_moment(sink, &now);
}

/* More waits than may: gaps are given up, not the end. */
static void
make_way(struct direction *d)
{
	struct sink_moment now = sink_moment(d->feed.sink);

	while (d->half->pieces && skip_gap(d))
		;
	sink_set_moment(d->feed.sink, &now);
}

/* A server that answers has the head of the request: what is missing of it was
 * not captured. */
static void
give_up_head(struct quic_streams *s, struct quic_stream *stream,
	     struct sink *sink)
{
	struct direction d = direction_of(s, stream, SIDE_CLIENT, sink);
	struct http3_half *request = &stream->http.halves[SIDE_CLIENT];

	if (stream->http.kind != HTTP3_REQUEST || request->begun)
		return;
	if (d.half->pieces)
		give_up(&d);
	if (!request->begun && request->held.size)
		http3_gap(&d.feed, 0);
	set_waiting(s, stream, SIDE_CLIENT, 0);
}

/* Gives what can be given with the chunk; false when there is no room to keep
 * it. */
static bool
take_chunk(struct direction *d, const struct quic_chunk *chunk)
{
	size_t before = d->half->bytes;
	struct bytes ready;
	bool full;

	ready = quic_half_add(d->half, chunk->offset, chunk->data,
			      d->feed.sink, &full);
	d->streams->bytes += d->half->bytes - before;
	if (ready.size) {
		set_waiting(d->streams, d->stream, d->feed.side, 0);
		http3_data(&d->feed, ready);
		give_pieces(d, false);
	}
	return !full;
}

void
quic_streams_data(struct quic_streams *s, enum side side,
		  const struct quic_chunk *chunk, struct sink *sink)
{
	struct quic_stream *stream = stream_of(s, side, chunk->stream, sink);
	struct direction d;

	if (!stream)
		return;
	d = direction_of(s, stream, side, sink);
	if (side == SIDE_SERVER)
		give_up_head(s, stream, sink);
	stream->came[side] = sink_moment(sink);
	if (chunk->last)
		quic_half_end(d.half, chunk->offset + chunk->data.size);
	if (!take_chunk(&d, chunk)) {
		make_way(&d);
		take_chunk(&d, chunk);
	}
	if (s->bytes > QUIC_STREAMS_BYTES)
		make_way(&d);
	end_if_over(&d);
	settle(&d);
	react(s, sink);
}

void
quic_streams_reset(struct quic_streams *s, enum side side, uint64_t id,
		   uint64_t code, struct sink *sink)
{
	struct quic_stream *stream = stream_of(s, side, id, sink);
	struct direction d;

	if (!stream)
		return;
	d = direction_of(s, stream, side, sink);
	s->bytes -= d.half->bytes;
	quic_half_drop(d.half, sink);
	d.half->final = d.half->next;
	http3_reset(&d.feed, code);
	settle(&d);
	react(s, sink);
}

/* Gives up all that waits since before `time_ns`. */
static void
expire(struct quic_streams *s, enum side side, int64_t time_ns,
       struct sink *sink)
{
	struct quic_stream *next;

	for (struct quic_stream *at = s->oldest; at; at = next) {
		struct direction d = direction_of(s, at, side, sink);
		int64_t since = at->since[side];

		next = at->newer;
		if (since && since <= time_ns) {
			give_up(&d);
			settle(&d);
		} else if (since && since < s->earliest) {
			s->earliest = since;
		}
	}
}

static void
expire_both(struct quic_streams *s, int64_t time_ns, struct sink *sink)
{
	s->earliest = INT64_MAX;
	expire(s, SIDE_CLIENT, time_ns, sink);
	expire(s, SIDE_SERVER, time_ns, sink);
	react(s, sink);
}

void
quic_streams_tick(struct quic_streams *s, struct sink *sink)
{
	int64_t now = sink_moment(sink).time_ns;

	if (s->waiting && now - s->earliest > QUIC_WAIT_NS)
		expire_both(s, now - QUIC_WAIT_NS, sink);
}

void
quic_streams_flush(struct quic_streams *s, struct sink *sink)
{
	if (s->waiting)
		expire_both(s, INT64_MAX, sink);
}

void
quic_streams_close(struct quic_streams *s, const char *error,
		   struct sink *sink)
{
	quic_streams_flush(s, sink);
	while (s->oldest) {
		struct direction d = direction_of(s, s->oldest, SIDE_SERVER,
						  sink);

		if (error && d.stream->http.kind == HTTP3_REQUEST)
			http3_fail(&d.feed, error);
		else
			http3_close(&d.feed);
		forget(s, s->oldest, sink);
	}
}

void
quic_streams_free(struct quic_streams *s, struct sink *sink)
{
	if (!s)
		return;
	if (sink)
		quic_streams_close(s, NULL, sink);
	while (s->oldest)
		forget(s, s->oldest, NULL);
	http3_end(&s->http, sink);
	map_free(s->by_id);
	if (sink)
		sink_give_back(sink, sizeof(*s));
	free(s);
}
