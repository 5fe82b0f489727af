/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/reassembly.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* A packet, or what was new in it, that waits. */
struct segment {
	uint64_t position, acknowledged;
	int64_t time_ns, queued_ns;
	struct packet_ref packet;
	uint32_t number; /* of the packet in its connection */
	uint32_t length; /* in sequence space: bytes sent and FIN */
	uint32_t size;   /* bytes at `data`; fewer when the capture cut them */
	bool fin;
	uint8_t data[];
};

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static struct segment *
side_front(const struct reassembly_side *s)
{
	return s->count ? s->queue[s->head] : NULL;
}

/* The same of a side that is known to wait. */
static struct segment *
side_first(const struct reassembly_side *s)
{
	assert(s->count > 0);
	return s->queue[s->head];
}

static void
segment_free(struct reassembly *r, struct reassembly_context *c,
	     struct segment *s)
{
	uint32_t cost = (uint32_t)sizeof(*s) + s->size;

	r->buffered -= cost;
	c->buffered -= cost;
	free(s);
}

static struct segment *
side_pop(struct reassembly_side *s)
{
	struct segment *front = s->queue[s->head++];

	if (--s->count == 0) {
		free(s->queue);
		s->queue = NULL;
		s->head = s->capacity = 0;
	}
	return front;
}

static void
side_clear(struct reassembly *r, struct reassembly_context *c,
	   struct reassembly_side *s)
{
	while (s->count)
		segment_free(r, c, side_pop(s));
}

/* Makes room for one more pointer at `index` (from the front). */
static void
side_open_slot(struct reassembly_side *s, uint32_t index)
{
	if (s->head + s->count == s->capacity) {
		if (s->head > s->capacity / 2) {
			memmove(s->queue, s->queue + s->head,
				s->count * sizeof(struct segment *));
			s->head = 0;
		} else {
			s->capacity = s->capacity ? s->capacity * 2 : 8;
			s->queue = alloc_resize(s->queue, s->capacity,
						sizeof(struct segment *));
		}
	}
	memmove(s->queue + s->head + index + 1, s->queue + s->head + index,
		(s->count - index) * sizeof(struct segment *));
	s->count++;
}

/* The first waiting segment that ends behind `position`. */
static uint32_t
side_search(const struct reassembly_side *s, uint64_t position)
{
	uint32_t low = 0, high = s->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct segment *q = s->queue[s->head + middle];

		if (q->position + q->length <= position)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
side_gap(struct reassembly *r, struct reassembly_context *c, enum side side,
	 uint64_t to, struct stream_at at)
{
	struct reassembly_side *s = &r->sides[side];
	uint64_t missing = to - s->next;

	assert(to > s->next);
	if (s->finished)
		return;
	at.position = s->next;
	at.acknowledged = min_u64(s->last_ack, r->sides[side_other(side)].next);
	s->holes += !s->after_gap;
	s->after_gap = true;
	s->missing_bytes += missing;
	s->next = to;
	if (s->highest < to)
		s->highest = to;
	c->gap(r->owner, side, missing, &at);
}

static void
side_finish(struct reassembly *r, struct reassembly_context *c, enum side side,
	    bool clean)
{
	struct reassembly_side *s = &r->sides[side];

	if (s->finished)
		return;
	s->finished = true;
	side_clear(r, c, s);
	c->finish(r->owner, side, clean);
}

static void
remember(struct reassembly_side *s, struct reassembly_context *c,
	 struct bytes data, uint64_t position)
{
	size_t offset = c->recent_at % REASSEMBLY_RECENT_SIZE;
	size_t size = data.size < REASSEMBLY_RECENT_SEGMENT
			      ? data.size
			      : REASSEMBLY_RECENT_SEGMENT;
	size_t skip = data.size - size;

	if (!c->recent)
		return;
	if (offset + size > REASSEMBLY_RECENT_SIZE) {
		c->recent_at += REASSEMBLY_RECENT_SIZE - offset;
		offset = 0;
	}
	/* For memcpy(3), whose bound it knows, gcc puts a slow `rep movs`. */
	memmove(c->recent + offset, data.data + skip, size);
	s->recent_position = position + skip;
	s->recent_size = (uint16_t)size;
	s->recent_at = c->recent_at;
	c->recent_at += size;
}

/* Does `p` carry other bytes than those last passed on, where it repeats
 * them?  (The byte of a keep-alive means nothing.) */
static bool
differs_from_recent(const struct reassembly_side *s,
		    const struct reassembly_context *c,
		    const struct reassembly_packet *p)
{
	uint64_t from = p->position, end = from + p->data.size;
	const uint8_t *recent;

	if (s->recent_size == 0 || end <= s->recent_position ||
	    from >= s->next || (p->length == 1 && end == s->next) ||
	    c->recent_at - s->recent_at > REASSEMBLY_RECENT_SIZE)
		return false;
	recent = c->recent + s->recent_at % REASSEMBLY_RECENT_SIZE;
	if (from < s->recent_position)
		from = s->recent_position;
	end = min_u64(end, s->recent_position + s->recent_size);
	return from < end &&
	       memcmp(recent + (from - s->recent_position),
		      p->data.data + (from - p->position), end - from) != 0;
}

/* Passes on `length` positions from `next` on: the bytes captured, the tail
 * that was not, the FIN. */
static void
side_deliver(struct reassembly *r, struct reassembly_context *c,
	     const struct reassembly_packet *p)
{
	struct reassembly_side *s = &r->sides[p->side];
	struct reassembly_side *other = &r->sides[side_other(p->side)];
	struct stream_at at = {
		.time_ns = p->time_ns,
		.packet = p->packet,
		.position = p->position,
		.acknowledged = min_u64(p->acknowledged, other->next),
	};

	assert(p->position == s->next);
	s->last_ack = at.acknowledged;
	s->tentative = false;
	if (p->data.size > 0) {
		s->next += p->data.size;
		s->after_gap = false;
		s->payload_bytes += p->data.size;
		remember(s, c, p->data, p->position);
		c->data(r->owner, p->side, p->data, &at);
	}
	if (p->length > p->data.size)
		side_gap(r, c, p->side, p->position + p->length, at);
	if (p->fin) {
		s->next++;
		side_finish(r, c, p->side, true);
	}
}

static bool
ack_covered(const struct reassembly *r, enum side side, uint64_t acknowledged)
{
	const struct reassembly_side *other = &r->sides[side_other(side)];

	return acknowledged <= other->next || !other->positioned ||
	       other->finished;
}

/* Removes and passes on the front, which is next on its side. */
static void
front_deliver(struct reassembly *r, struct reassembly_context *c,
	      enum side side)
{
	struct reassembly_side *s = &r->sides[side];
	struct segment *q = side_pop(s);
	struct reassembly_packet p = {
		.side = side,
		.fin = q->fin,
		.position = q->position,
		.acknowledged = q->acknowledged,
		.length = q->length - q->fin,
		.data = bytes_make(q->data, q->size),
		.time_ns = q->time_ns,
		.packet = q->packet,
	};

	assert(q->position == s->next);
	side_deliver(r, c, &p);
	segment_free(r, c, q);
}

static bool
front_ready(const struct reassembly *r, enum side side)
{
	const struct segment *q = side_front(&r->sides[side]);

	return q && q->position == r->sides[side].next &&
	       ack_covered(r, side, q->acknowledged);
}

/* Missing bytes before the front that the receiver does not have either. */
static bool
front_awaits_resend(const struct reassembly *r, enum side side)
{
	const struct reassembly_side *s = &r->sides[side];
	const struct reassembly_side *other = &r->sides[side_other(side)];

	return side_first(s)->position > s->next && s->acked <= s->next &&
	       other->seen;
}

static bool
front_expired(const struct reassembly *r, const struct reassembly_context *c,
	      enum side side)
{
	const struct segment *q = side_front(&r->sides[side]);
	int64_t waited;

	if (!q)
		return false;
	waited = c->now_ns - q->queued_ns;
	if (front_awaits_resend(r, side))
		return waited >= REASSEMBLY_RESEND_NS;
	return waited >= REASSEMBLY_PATIENCE_NS ||
	       r->packets - q->number >= REASSEMBLY_PATIENCE_PACKETS;
}

/* Both fronts are next and each acknowledges the other: one was sent again,
 * with a newer acknowledgement than its bytes had at first.  That is the one
 * captured last; its bytes come first. */
static void
resolve_deadlock(struct reassembly *r, struct reassembly_context *c)
{
	uint32_t client = side_first(&r->sides[SIDE_CLIENT])->number;
	uint32_t server = side_first(&r->sides[SIDE_SERVER])->number;

	front_deliver(r, c, client > server ? SIDE_CLIENT : SIDE_SERVER);
}

/* The front of `side` acknowledges bytes of the other side that have not
 * come. */
static void
resolve_acknowledgement(struct reassembly *r, struct reassembly_context *c,
			enum side side)
{
	enum side other = side_other(side);
	struct reassembly_side *o = &r->sides[other];
	const struct segment *q = side_first(&r->sides[side]);
	const struct segment *barrier = side_front(o);
	struct stream_at at = { .time_ns = q->time_ns, .packet = q->packet };
	uint64_t to = q->acknowledged;

	if (barrier && barrier->position < to)
		to = barrier->position;
	if (to <= o->next) {
		resolve_deadlock(r, c);
		return;
	}
	if (!o->seen)
		r->one_direction = true;
	if (q->fin && !barrier && to == o->next + 1) {
		o->next = to; /* one more than all bytes: a FIN not captured */
		side_finish(r, c, other, true);
		return;
	}
	side_gap(r, c, other, to, at);
}

/* Stops waiting for what the front of `side` waits for; unless `forced`, only
 * for what can no longer come. */
static void
front_resolve(struct reassembly *r, struct reassembly_context *c,
	      enum side side, bool forced)
{
	struct reassembly_side *s = &r->sides[side];
	struct segment *q = side_first(s);
	struct stream_at at = { .time_ns = q->time_ns, .packet = q->packet };

	if (q->position == s->next) {
		resolve_acknowledgement(r, c, side);
	} else if (q->position - s->next > REASSEMBLY_JUMP_LIMIT &&
		   front_awaits_resend(r, side)) {
		c->given_up += q->size;
		segment_free(r, c, side_pop(s));
	} else if (!forced && s->acked > s->next) {
		side_gap(r, c, side, min_u64(s->acked, q->position), at);
	} else {
		side_gap(r, c, side, q->position, at);
	}
}

/* Of two fronts the one to deal with first: by when it came. */
static enum side
older_front(const struct reassembly *r)
{
	const struct segment *client = side_front(&r->sides[SIDE_CLIENT]);
	const struct segment *server = side_front(&r->sides[SIDE_SERVER]);

	if (!client || !server)
		return client ? SIDE_CLIENT : SIDE_SERVER;
	return client->number <= server->number ? SIDE_CLIENT : SIDE_SERVER;
}

static bool
deliver_ready(struct reassembly *r, struct reassembly_context *c)
{
	enum side first = older_front(r);

	if (!front_ready(r, first))
		first = side_other(first);
	if (!front_ready(r, first))
		return false;
	front_deliver(r, c, first);
	return true;
}

static bool
resolve_expired(struct reassembly *r, struct reassembly_context *c)
{
	enum side first = older_front(r);

	if (!front_expired(r, c, first))
		first = side_other(first);
	if (!front_expired(r, c, first))
		return false;
	front_resolve(r, c, first, false);
	return true;
}

static bool
waiting(const struct reassembly *r)
{
	return r->sides[0].count + r->sides[1].count > 0;
}

static void
finish_reset(struct reassembly *r, struct reassembly_context *c)
{
	enum side side = r->reset_side ? SIDE_SERVER : SIDE_CLIENT;

	side_finish(r, c, side, false);
	side_finish(r, c, side_other(side), false);
}

static void
pump(struct reassembly *r, struct reassembly_context *c)
{
	while (waiting(r) && (deliver_ready(r, c) || resolve_expired(r, c)))
		;
	if (r->reset && !waiting(r) &&
	    r->sides[r->reset_side].next >= r->reset_at)
		finish_reset(r, c);
}

/* Ends the oldest wait whether or not it is over. */
static void
resolve_oldest(struct reassembly *r, struct reassembly_context *c)
{
	if (!deliver_ready(r, c))
		front_resolve(r, c, older_front(r), true);
	while (waiting(r) && deliver_ready(r, c))
		;
}

static bool
fits(const struct reassembly *r, const struct reassembly_context *c,
     enum side side)
{
	return r->buffered <= c->connection_limit && c->buffered <= c->limit &&
	       r->sides[side].count <= REASSEMBLY_SEGMENT_LIMIT;
}

/* Queues positions [from, to) of `p` at `index`. */
static void
queue_piece(struct reassembly *r, struct reassembly_context *c,
	    const struct reassembly_packet *p, uint32_t index,
	    const uint64_t span[2])
{
	struct reassembly_side *s = &r->sides[p->side];
	uint64_t end = p->position + p->length + p->fin;
	struct bytes data = bytes_first(
		bytes_from(p->data, span[0] - p->position), span[1] - span[0]);
	struct segment *q = alloc_zero(1, sizeof(*q) + data.size);
	uint32_t cost = (uint32_t)(sizeof(*q) + data.size);

	q->position = span[0];
	q->length = (uint32_t)(span[1] - span[0]);
	q->fin = p->fin && span[1] == end;
	q->acknowledged = p->acknowledged;
	q->time_ns = p->time_ns;
	q->queued_ns = c->now_ns;
	q->packet = p->packet;
	q->number = r->packets;
	q->size = (uint32_t)data.size;
	if (data.size)
		memcpy(q->data, data.data, data.size);
	side_open_slot(s, index);
	s->queue[s->head + index] = q;
	r->buffered += cost;
	c->buffered += cost;
}

/* Does `p` carry other bytes than `q` where both have some? */
static bool
differs(const struct segment *q, const struct reassembly_packet *p)
{
	uint64_t from = q->position > p->position ? q->position : p->position;
	uint64_t to =
		min_u64(q->position + q->size, p->position + p->data.size);

	return from < to &&
	       memcmp(q->data + (from - q->position),
		      p->data.data + (from - p->position), to - from) != 0;
}

/* Queues what of `p` is not waiting already. */
static void
queue_packet(struct reassembly *r, struct reassembly_context *c,
	     const struct reassembly_packet *p)
{
	struct reassembly_side *s = &r->sides[p->side];
	uint64_t at = p->position, end = at + p->length + p->fin;
	uint32_t index = side_search(s, at);
	bool differing = false;

	while (at < end) {
		const struct segment *q =
			index < s->count ? s->queue[s->head + index] : NULL;
		uint64_t span[2] = { at, end };

		if (q && q->position <= at) {
			differing |= differs(q, p);
			at = q->position + q->length;
		} else {
			if (q)
				span[1] = min_u64(end, q->position);
			queue_piece(r, c, p, index, span);
			at = span[1];
		}
		index++;
	}
	s->differing += differing;
}

/* Cuts what was passed on already.  False when nothing is left. */
static bool
trim_front(const struct reassembly_side *s, struct reassembly_packet *p)
{
	uint64_t old;

	if (p->position >= s->next)
		return true;
	old = s->next - p->position;
	if (old >= (uint64_t)p->length + p->fin)
		return false;
	p->data = bytes_from(p->data, old);
	p->length -= (uint32_t)min_u64(old, p->length);
	p->position = s->next;
	return true;
}

/* Passes on what of `p` is next and not waiting already; returns false when
 * the rest of it (now in `p`) must wait. */
static bool
deliver_now(struct reassembly *r, struct reassembly_context *c,
	    struct reassembly_packet *p)
{
	struct reassembly_side *s = &r->sides[p->side];
	const struct segment *front = side_front(s);
	struct reassembly_packet part = *p;
	uint64_t room;

	if (p->position != s->next || !ack_covered(r, p->side, p->acknowledged))
		return false;
	room = front ? front->position - s->next : UINT64_MAX;
	if (room == 0)
		return false;
	if (room < (uint64_t)p->length + p->fin) {
		part.fin = false;
		part.length = (uint32_t)min_u64(room, p->length);
		part.data = bytes_first(p->data, room);
	}
	side_deliver(r, c, &part);
	return s->finished || !trim_front(s, p);
}

static uint64_t
missing_bytes(const struct reassembly *r)
{
	return r->sides[0].missing_bytes + r->sides[1].missing_bytes;
}

/* Keeps `p` until its time comes; what has waited longest makes room. */
static void
wait_for_turn(struct reassembly *r, struct reassembly_context *c,
	      const struct reassembly_packet *p)
{
	uint64_t missing = missing_bytes(r);

	queue_packet(r, c, p);
	while (waiting(r) && !fits(r, c, p->side))
		resolve_oldest(r, c);
	c->given_up += missing_bytes(r) - missing;
}

/* Its positions were used already. */
static bool
side_begun(const struct reassembly_side *s)
{
	return s->payload_bytes > 0 || s->holes > 0 || s->count > 0 ||
	       s->finished;
}

void
reassembly_start(struct reassembly *r, enum side side, uint64_t position)
{
	struct reassembly_side *s = &r->sides[side];

	if (s->positioned && (s->next == position || side_begun(s)))
		return;
	s->next = s->highest = s->acked = position;
	s->positioned = true;
	s->tentative = false;
}

/* Notes what `p` acknowledges, and corrects what it cannot. */
static void
take_acknowledgement(struct reassembly *r, struct reassembly_context *c,
		     struct reassembly_packet *p)
{
	struct reassembly_side *o = &r->sides[side_other(p->side)];

	if (!p->has_ack) {
		p->acknowledged = 0;
		return;
	}
	if (!o->positioned) {
		reassembly_start(r, side_other(p->side), p->acknowledged);
		o->tentative = true;
	}
	if (p->acknowledged > o->highest + REASSEMBLY_JUMP_LIMIT)
		p->acknowledged = o->highest;
	if (p->acknowledged > o->acked)
		o->acked = p->acknowledged;
	if (r->one_direction && !o->seen && p->acknowledged > o->next) {
		struct stream_at at = { .time_ns = p->time_ns,
					.packet = p->packet };

		side_gap(r, c, side_other(p->side), p->acknowledged, at);
	}
}

static void
take_position(struct reassembly *r, const struct reassembly_packet *p)
{
	struct reassembly_side *s = &r->sides[p->side];
	uint64_t end = p->position + p->length + p->fin;

	s->seen = true;
	if (!s->positioned) {
		reassembly_start(r, p->side, p->position);
		s->tentative = end == p->position;
	}
	/* It was learned from a keep-alive, which repeats the byte before. */
	if (s->tentative && !side_begun(s) && end > p->position &&
	    p->position == s->next + 1)
		s->next = p->position;
	if (end > s->highest && end - s->highest <= REASSEMBLY_JUMP_LIMIT)
		s->highest = end;
}

void
reassembly_add(struct reassembly *r, struct reassembly_context *c,
	       const struct reassembly_packet *packet)
{
	struct reassembly_packet p = *packet;
	struct reassembly_side *s = &r->sides[p.side];

	assert(p.data.size <= p.length);
	r->packets++;
	take_position(r, &p);
	take_acknowledgement(r, c, &p);
	s->differing += differs_from_recent(s, c, &p);
	if (p.length + p.fin > 0 && !s->finished && trim_front(s, &p) &&
	    !deliver_now(r, c, &p))
		wait_for_turn(r, c, &p);
	if (waiting(r) || r->reset)
		pump(r, c);
}

void
reassembly_reset(struct reassembly *r, struct reassembly_context *c,
		 enum side side, uint64_t position)
{
	r->reset = true;
	r->reset_side = side == SIDE_SERVER;
	r->reset_at = position;
	pump(r, c);
}

bool
reassembly_expire(struct reassembly *r, struct reassembly_context *c)
{
	pump(r, c);
	return waiting(r);
}

/* What one side has acknowledged must have been sent. */
static void
flush_acknowledged(struct reassembly *r, struct reassembly_context *c,
		   enum side side, const struct stream_at *at)
{
	struct reassembly_side *s = &r->sides[side];

	if (!s->positioned || s->finished || s->acked <= s->next)
		return;
	if (s->acked == s->next + 1) {
		s->next++; /* its FIN, or a keep-alive's answer */
		return;
	}
	side_gap(r, c, side, s->acked, *at);
}

void
reassembly_flush(struct reassembly *r, struct reassembly_context *c,
		 const struct stream_at *at)
{
	while (waiting(r))
		resolve_oldest(r, c);
	flush_acknowledged(r, c, SIDE_CLIENT, at);
	flush_acknowledged(r, c, SIDE_SERVER, at);
	if (r->reset)
		finish_reset(r, c);
}
