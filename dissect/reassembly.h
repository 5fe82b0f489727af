/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of both sides of one TCP connection in an order in which they can
 * have been sent: each side's by sequence number, and none before what its
 * sender had received (acknowledged) when it sent it.
 *
 * A segment that is next on its side and whose acknowledgement is covered is
 * passed on without copying.  Every other is copied and waits until
 *  - what it waits for arrives, or
 *  - REASSEMBLY_PATIENCE_PACKETS packets of the connection or
 *    REASSEMBLY_PATIENCE_NS later the missing bytes are declared a gap: they
 *    were acknowledged, so the capture lost them and they never come.  Bytes
 *    not acknowledged were lost by the network and will be sent again; for
 *    them the patience is REASSEMBLY_RESEND_NS; or
 *  - memory runs out, or the connection ends.
 *
 * Positions are sequence numbers unwrapped to 64 bits; a FIN takes one.
 * Where segments overlap, the bytes that came first win.
 */
#pragma once

#include "dissect/event.h"
#include "dissect/stream.h"

#define REASSEMBLY_PATIENCE_PACKETS 32
#define REASSEMBLY_PATIENCE_NS 1000000000LL
#define REASSEMBLY_RESEND_NS 30000000000LL
#define REASSEMBLY_SEGMENT_LIMIT 4096 /* waiting on one side */
/* A sequence or acknowledgement number this far from everything seen is
 * damage, not loss. */
#define REASSEMBLY_JUMP_LIMIT (64u << 20)

struct segment;

/* One direction.  `acked` is what the other side acknowledged of it. */
struct reassembly_side {
	uint64_t next;    /* position of the next byte to pass on */
	uint64_t highest; /* one past the last position seen */
	uint64_t acked;
	uint64_t last_ack; /* that went with the last bytes passed on */
	uint64_t payload_bytes, missing_bytes;
	uint64_t recent_position; /* of the last bytes passed on, kept in */
	uint64_t recent_at;       /* reassembly_context.recent */
	struct segment **queue; /* sorted by position, disjoint */
	uint32_t head, count, capacity;
	uint32_t holes, differing;
	uint16_t recent_size;
	bool positioned; /* `next` means something */
	bool tentative;  /* … but was not learned from a byte or SYN sent */
	bool seen;       /* packets of this side were captured */
	bool finished;
	bool after_gap;  /* nothing was passed on since */
};

struct reassembly {
	struct reassembly_side sides[2];
	void *owner;       /* for the callbacks */
	uint64_t reset_at; /* position of a RST on reset_side */
	uint32_t packets;
	uint32_t buffered; /* bytes waiting, with their overhead */
	uint8_t reset_side;
	bool reset;
	bool one_direction; /* the other side is no longer waited for */
};

/* The last bytes passed on, of all connections together, kept for a while so
 * that bytes sent again can be compared with the first. */
#define REASSEMBLY_RECENT_SIZE (256u << 10)
#define REASSEMBLY_RECENT_SEGMENT 4096 /* of one segment, its end */

/* Shared by all connections: where bytes go, and memory. */
struct reassembly_context {
	void (*data)(void *owner, enum side side, struct bytes data,
		     const struct stream_at *at);
	void (*gap)(void *owner, enum side side, uint64_t missing,
		    const struct stream_at *at);
	void (*finish)(void *owner, enum side side, bool clean);
	uint64_t buffered, limit;
	uint32_t connection_limit;
	int64_t now_ns;    /* packet time, kept from jumping */
	uint8_t *recent;   /* REASSEMBLY_RECENT_SIZE bytes, or NULL */
	uint64_t recent_at;
	uint64_t given_up; /* bytes no longer waited for because of a limit */
};

/* One packet of one side, empty or not. */
struct reassembly_packet {
	enum side side;
	bool fin;
	bool has_ack;
	uint64_t position; /* of data[0] */
	uint64_t acknowledged;
	uint32_t length;   /* payload on the wire, >= data.size */
	struct bytes data;
	int64_t time_ns;
	struct packet_ref packet;
};

/* The position of a sequence number, the one nearest to what is next; an
 * origin when the side has none yet. */
static inline uint64_t
reassembly_position(const struct reassembly_side *side, uint32_t seq)
{
	if (!side->positioned)
		return (1ull << 32) + seq;
	return side->next + (uint64_t)(int64_t)(int32_t)(seq -
							 (uint32_t)side->next);
}

/* A SYN tells where a side begins; without effect once it sent bytes. */
void reassembly_start(struct reassembly *r, enum side side,
		      uint64_t position);

/* The next packet in the order of capture.  What becomes ready is passed on
 * before this returns. */
void reassembly_add(struct reassembly *r, struct reassembly_context *c,
		    const struct reassembly_packet *p);

/* A RST from `side` at `position`; what is still waiting is passed on first. */
void reassembly_reset(struct reassembly *r, struct reassembly_context *c,
		      enum side side, uint64_t position);

/* Gives up what has waited too long; true while something is waiting. */
bool reassembly_expire(struct reassembly *r, struct reassembly_context *c);

/* The end: passes on everything that waits, and declares missing what was
 * acknowledged and not seen.  `at`: time and packet of the last one. */
void reassembly_flush(struct reassembly *r, struct reassembly_context *c,
		      const struct stream_at *at);
