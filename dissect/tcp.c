/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/tcp.h"

#include "base/clock.h"
#include "dissect/duplicate.h"

#define FAST_RETRANSMISSION_NS (20 * CLOCK_NS_PER_MS)
#define OUT_OF_ORDER_NS        (3 * CLOCK_NS_PER_MS)
/* A RST this far from what is expected is not this connection's (RFC 5961
 * asks for more, but the capture may have lost much). */
#define RESET_DISTANCE (16 << 20)
/* Bytes this far from what is expected belong to another connection. */
#define OTHER_DISTANCE (256 << 20)

enum completeness {
	COMPLETENESS_SYN = 1,
	COMPLETENESS_SYN_ACK = 2,
	COMPLETENESS_ACK = 4,
	COMPLETENESS_DATA = 8,
	COMPLETENESS_FIN = 16,
	COMPLETENESS_RST = 32,
};

/* a - b in sequence space (RFC 9293 section 3.4). */
static int32_t
seq_minus(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

/* Where a packet was seen, in as many bits as there is room for. */
static uint16_t
short_path(const struct packet *p)
{
	uint64_t half = p->path ^ p->path >> 32;

	return (uint16_t)(half ^ half >> 16);
}

static int64_t
time_minus(int64_t a, int64_t b)
{
	return a > b ? a - b : 0;
}

void
tcp_init(struct tcp *t, int64_t first_ns)
{
	t->first_ns = first_ns;
	t->facts.window_scale[0] = t->facts.window_scale[1] =
		TCP_NO_WINDOW_SCALE;
}

bool
tcp_closed(const struct tcp *t)
{
	return t->reset || (t->sides[0].fin && t->sides[1].fin);
}

static bool
syn_begins_another(const struct tcp *t, enum side side, const struct packet *p)
{
	const struct reassembly_side *r = &t->reassembly.sides[side];
	const struct tcp_side *other = &t->sides[side_other(side)];
	int32_t ahead;

	/* A server may choose another number each time it answers a SYN. */
	if ((p->tcp.flags & TCP_ACK) && other->syn &&
	    p->tcp.ack == other->isn + 1)
		return false;
	if (t->sides[side].syn)
		return t->sides[side].isn != p->tcp.seq;
	if (!r->positioned)
		return false;
	/* Its first bytes may have overtaken the SYN. */
	ahead = seq_minus((uint32_t)r->next, p->tcp.seq + 1);
	return ahead < 0 || ahead > UINT16_MAX;
}

/* Its RST was forged or refused, since it goes on behind it: by the time the
 * stream has ended, the rest is taken for another connection. */
static bool
outlives_reset(const struct tcp *t, enum side side, int32_t ahead)
{
	const struct reassembly *r = &t->reassembly;

	return t->reset && r->sides[side].finished && ahead >= 0 &&
	       r->reset_side == (side == SIDE_SERVER);
}

bool
tcp_begins_another(const struct tcp *t, enum side side, const struct packet *p)
{
	const struct reassembly_side *mine = &t->reassembly.sides[side];
	const struct reassembly_side *other =
		&t->reassembly.sides[side_other(side)];
	int32_t ahead, ack_ahead;

	if (p->tcp.flags & TCP_RST)
		return false;
	if (p->tcp.flags & TCP_SYN)
		return syn_begins_another(t, side, p);
	if (p->payload_length == 0 || !mine->positioned || !other->positioned)
		return false;
	ahead = seq_minus(p->tcp.seq, (uint32_t)mine->next);
	ack_ahead = seq_minus(p->tcp.ack, (uint32_t)other->next);
	if (tcp_closed(t) && t->sides[side].fin && mine->finished && ahead > 0)
		return true;
	if (tcp_closed(t))
		return ahead > RESET_DISTANCE || ahead < -RESET_DISTANCE ||
		       outlives_reset(t, side, ahead);
	return (ahead > OTHER_DISTANCE || ahead < -OTHER_DISTANCE) &&
	       (ack_ahead > OTHER_DISTANCE || ack_ahead < -OTHER_DISTANCE);
}

static void
observe_handshake(struct tcp *t, enum side side, const struct packet *p,
		  int64_t time_ns)
{
	struct tcp_side *s = &t->sides[side];
	struct tcp_side *other = &t->sides[side_other(side)];

	if (!(p->tcp.flags & TCP_SYN))
		return;
	if (s->syn && s->isn != p->tcp.seq && other->ack &&
	    other->last_ack == s->isn + 1)
		return; /* another was chosen already */
	/* After an answer that was for an older connection (RFC 5961's
	 * challenge) the sequence space begins anew. */
	if ((!s->syn || s->isn != p->tcp.seq) && s->seen &&
	    (uint32_t)(s->next_seq - p->tcp.seq) > UINT16_MAX)
		s->seen = false;
	s->syn = true;
	s->isn = p->tcp.seq;
	t->facts.window_scale[side] = p->tcp.window_scale;
	if (!(p->tcp.flags & TCP_ACK)) {
		if (t->first_syn_ns == 0)
			t->first_syn_ns = time_ns;
		t->last_syn_ns = time_ns;
	}
	/* Scaling is in force when both SYNs offer it (RFC 7323, 2.2). */
	if (other->syn && p->tcp.window_scale != TCP_NO_WINDOW_SCALE &&
	    t->facts.window_scale[side_other(side)] != TCP_NO_WINDOW_SCALE) {
		s->shift = p->tcp.window_scale;
		other->shift = (uint8_t)t->facts.window_scale[side_other(side)];
	}
}

/* The client's first acknowledgement of the server's SYN. */
static void
observe_handshake_end(struct tcp *t, enum side side, const struct packet *p,
		      int64_t time_ns)
{
	const struct tcp_side *other = &t->sides[side_other(side)];

	if (t->facts.handshake_ns != 0 || t->first_syn_ns == 0 ||
	    side != SIDE_CLIENT ||
	    (p->tcp.flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK ||
	    (other->syn && p->tcp.ack != other->isn + 1))
		return;
	t->facts.handshake_ns = time_minus(time_ns, t->first_syn_ns);
	t->facts.initial_rtt_ns = time_minus(time_ns, t->last_syn_ns);
	if (t->facts.handshake_ns == 0) /* 0 would say "not seen" */
		t->facts.handshake_ns = 1;
	if (t->facts.initial_rtt_ns == 0)
		t->facts.initial_rtt_ns = 1;
}

static void
observe_completeness(struct tcp *t, enum side side, const struct packet *p)
{
	uint32_t *seen = &t->facts.completeness;

	if (p->tcp.flags & TCP_SYN)
		*seen |= p->tcp.flags & TCP_ACK ? COMPLETENESS_SYN_ACK
						: COMPLETENESS_SYN;
	else if (p->payload_length > 0)
		*seen |= COMPLETENESS_DATA;
	else if ((p->tcp.flags & (TCP_ACK | TCP_FIN)) == TCP_ACK)
		*seen |= COMPLETENESS_ACK;
	if (p->tcp.flags & TCP_FIN) {
		*seen |= COMPLETENESS_FIN;
		t->facts.fins[side]++;
	}
	if (p->tcp.flags & TCP_RST) {
		*seen |= COMPLETENESS_RST;
		t->facts.resets[side]++;
	}
}

static void
rtt_sample(struct tcp *t, int64_t rtt_ns)
{
	struct tcp_facts *f = &t->facts;
	int64_t change = rtt_ns - t->last_rtt_ns;

	if (f->rtt_samples == 0 || rtt_ns < f->rtt_min_ns)
		f->rtt_min_ns = rtt_ns;
	if (rtt_ns > f->rtt_max_ns)
		f->rtt_max_ns = rtt_ns;
	if (f->rtt_samples > 0)
		f->jitter_ns +=
			((change < 0 ? -change : change) - f->jitter_ns) / 16;
	f->rtt_sum_ns += rtt_ns;
	f->rtt_samples++;
	t->last_rtt_ns = rtt_ns;
}

/* `s` is the sender of the segments that are acknowledged. */
static void
rtt_acknowledge(struct tcp *t, struct tcp_side *s, uint32_t ack,
		int64_t time_ns)
{
	uint8_t done = 0;

	while (done < s->timed && seq_minus(s->timed_end[done], ack) <= 0) {
		if (s->timed_end[done] == ack)
			rtt_sample(t, time_minus(time_ns, s->timed_ns[done]));
		done++;
	}
	if (done == 0)
		return;
	s->timed = (uint8_t)(s->timed - done);
	for (uint8_t i = 0; i < s->timed; i++) {
		s->timed_end[i] = s->timed_end[i + done];
		s->timed_ns[i] = s->timed_ns[i + done];
	}
}

static void
rtt_send(struct tcp_side *s, uint32_t end, int64_t time_ns)
{
	if (s->timed == TCP_TIMED_SEGMENTS)
		return;
	s->timed_end[s->timed] = end;
	s->timed_ns[s->timed++] = time_ns;
}

/* Something at `seq` was sent again: what it covers is no longer timed. */
static void
rtt_forget(struct tcp_side *s, uint32_t seq)
{
	while (s->timed > 0 && seq_minus(s->timed_end[s->timed - 1], seq) > 0)
		s->timed--;
}

/* Bytes, SYN or FIN below the highest sequence number sent. */
static void
observe_repeat(struct tcp *t, enum side side, const struct packet *p,
	       uint32_t end, int64_t time_ns)
{
	struct tcp_side *s = &t->sides[side];
	const struct tcp_side *other = &t->sides[side_other(side)];
	int64_t threshold = t->facts.initial_rtt_ns ? t->facts.initial_rtt_ns
						    : OUT_OF_ORDER_NS;
	bool acked = other->ack && p->payload_length > 0 &&
		     seq_minus(end, other->last_ack) <= 0;

	if (other->dup_acks >= 2 && other->last_ack == p->tcp.seq &&
	    time_minus(time_ns, other->last_ack_ns) < FAST_RETRANSMISSION_NS) {
		t->facts.fast_retransmissions[side]++;
		t->facts.retransmissions[side]++;
	} else if (!acked && end != s->next_seq &&
		   time_minus(time_ns, s->next_ns) < threshold) {
		t->facts.out_of_order[side]++;
	} else {
		t->facts.retransmissions[side]++;
	}
	rtt_forget(s, p->tcp.seq);
}

static bool
is_keepalive(const struct tcp_side *s, const struct packet *p)
{
	return p->payload_length <= 1 && s->seen &&
	       p->tcp.seq == s->next_seq - 1 &&
	       !(p->tcp.flags & (TCP_SYN | TCP_FIN | TCP_RST));
}

static void
observe_sequence(struct tcp *t, enum side side, const struct packet *p,
		 int64_t time_ns)
{
	struct tcp_side *s = &t->sides[side];
	const struct tcp_side *other = &t->sides[side_other(side)];
	uint32_t length =
		p->payload_length + ((p->tcp.flags & (TCP_SYN | TCP_FIN)) != 0);
	uint32_t end = p->tcp.seq + length;

	if (p->tcp.flags & TCP_RST) /* may be of any sequence number */
		return;
	s->probed = false;
	if (p->payload_length == 1 && s->seen && p->tcp.seq == s->next_seq &&
	    other->seen && other->window == 0)
		return; /* a zero-window probe: its byte is sent again */
	if (is_keepalive(s, p)) {
		t->facts.keepalives[side]++;
		s->probed = true;
		return;
	}
	if (s->seen && length > 0 && seq_minus(p->tcp.seq, s->next_seq) < 0)
		observe_repeat(t, side, p, end, time_ns);
	else if (length > 0)
		rtt_send(s, end, time_ns);
	if (!s->seen || seq_minus(end, s->next_seq) > 0) {
		s->next_seq = end;
		s->next_ns = time_ns;
		s->whole_seq = p->tcp.seq;
		s->whole_path = short_path(p);
	}
}

bool
tcp_is_part(const struct tcp *t, enum side side, const struct packet *p,
	    int64_t time_ns)
{
	const struct tcp_side *s = &t->sides[side];
	uint32_t whole = s->next_seq - s->whole_seq;
	uint32_t from = p->tcp.seq - s->whole_seq;

	return p->payload_length > 0 && p->payload_length < whole &&
	       from <= whole - p->payload_length &&
	       p->tcp.ack == s->last_ack &&
	       short_path(p) != s->whole_path &&
	       !(p->tcp.flags & (TCP_SYN | TCP_RST)) &&
	       time_minus(time_ns, s->next_ns) <= DUPLICATE_ELSEWHERE_NS;
}

static void
observe_window(struct tcp *t, enum side side, const struct packet *p)
{
	const struct tcp_side *s = &t->sides[side];
	const struct tcp_side *other = &t->sides[side_other(side)];
	unsigned shift = p->tcp.flags & TCP_SYN ? 0 : s->shift;

	t->facts.window_sum[side] += (uint64_t)p->tcp.window << shift;
	if (p->tcp.flags & (TCP_SYN | TCP_FIN | TCP_RST))
		return;
	if (p->tcp.window == 0)
		t->facts.zero_windows[side]++;
	if (p->payload_length > 0 && other->ack &&
	    p->tcp.seq + p->payload_length ==
		    other->last_ack + ((uint32_t)other->window << other->shift))
		t->facts.windows_full[side]++;
}

static void
observe_acknowledgement(struct tcp *t, enum side side, const struct packet *p,
			int64_t time_ns)
{
	struct tcp_side *s = &t->sides[side];
	struct tcp_side *other = &t->sides[side_other(side)];

	if (!(p->tcp.flags & TCP_ACK))
		return;
	if (s->ack && p->payload_length == 0 && p->tcp.window != 0 &&
	    p->tcp.window == s->window && p->tcp.seq == s->next_seq &&
	    p->tcp.ack == s->last_ack && !other->probed &&
	    !(p->tcp.flags & (TCP_SYN | TCP_FIN | TCP_RST))) {
		s->dup_acks++;
		t->facts.dup_acks[side]++;
	}
	if (p->tcp.ack != s->last_ack)
		s->dup_acks = 0;
	rtt_acknowledge(t, other, p->tcp.ack, time_ns);
	s->ack = true;
	s->last_ack = p->tcp.ack;
	s->last_ack_ns = time_ns;
}

void
tcp_observe(struct tcp *t, enum side side, const struct packet *p,
	    int64_t time_ns)
{
	struct tcp_side *s = &t->sides[side];

	observe_completeness(t, side, p);
	observe_handshake(t, side, p, time_ns);
	observe_handshake_end(t, side, p, time_ns);
	observe_window(t, side, p);
	observe_acknowledgement(t, side, p, time_ns);
	observe_sequence(t, side, p, time_ns);
	if (!(p->tcp.flags & TCP_RST)) {
		s->seen = true;
		s->window = p->tcp.window;
	}
	if (p->tcp.flags & TCP_FIN)
		s->fin = true;
	if (side == SIDE_SERVER && p->payload_length > 0 &&
	    t->facts.first_data_ns == 0) {
		int64_t after = time_minus(time_ns, t->first_ns);

		t->facts.first_data_ns = after > 0 ? after : 1;
	}
}

static void
reassemble_reset(struct tcp *t, struct reassembly_context *c, enum side side,
		 uint64_t position)
{
	const struct reassembly_side *s = &t->reassembly.sides[side];
	uint64_t from = s->next > RESET_DISTANCE ? s->next - RESET_DISTANCE : 0;

	if (s->positioned &&
	    (position < from || position > s->next + RESET_DISTANCE))
		return;
	t->reset = true;
	reassembly_reset(&t->reassembly, c, side, position);
}

void
tcp_reassemble(struct tcp *t, struct reassembly_context *c, enum side side,
	       const struct packet *p, const struct stream_at *at)
{
	struct reassembly *r = &t->reassembly;
	struct reassembly_side *mine = &r->sides[side];
	uint64_t position = reassembly_position(mine, p->tcp.seq);

	if (p->tcp.flags & TCP_SYN) {
		if (p->tcp.seq != t->sides[side].isn)
			return;
		reassembly_start(r, side, ++position);
	}
	if (p->tcp.flags & TCP_RST) { /* bytes in it are a reason, not data */
		reassemble_reset(t, c, side, position);
		return;
	}
	reassembly_add(r, c,
		       &(struct reassembly_packet){
			       .side = side,
			       .fin = p->tcp.flags & TCP_FIN,
			       .has_ack = p->tcp.flags & TCP_ACK,
			       .position = position,
			       .acknowledged = reassembly_position(
				       &r->sides[side_other(side)], p->tcp.ack),
			       .length = p->payload_length,
			       .data = p->payload,
			       .time_ns = at->time_ns,
			       .packet = at->packet,
		       });
}

const struct tcp_facts *
tcp_finish(struct tcp *t)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct reassembly_side *s = &t->reassembly.sides[i];

		t->facts.holes[i] = s->holes;
		t->facts.missing_bytes[i] = s->missing_bytes;
		t->facts.payload_bytes[i] = s->payload_bytes;
		t->facts.overlaps_differing[i] = s->differing;
	}
	return &t->facts;
}
