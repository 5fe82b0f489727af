/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a protocol: one `const struct dissector` in
 * dissect/proto/<name>.c, listed once in dissect/registry.h.
 *
 * A dissector does no I/O, allocates nothing unbounded, logs nothing, reads no
 * clock and keeps no global.  It turns in-order bytes into messages by calling
 * the sink; the stream (dissect/stream.h) owns buffering, resynchronisation,
 * time, pairing of requests with responses, and limits.  Malformed traffic is
 * a value (STEP_BAD, or a message with an error), never a failure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Who sent the bytes.  The client is who opened the connection, or who is
 * guessed to have (dissect/tcp.h). */
enum side { SIDE_CLIENT, SIDE_SERVER };

static inline enum side
side_other(enum side side)
{
	return side == SIDE_CLIENT ? SIDE_SERVER : SIDE_CLIENT;
}

enum verdict {
	VERDICT_NO,    /* certainly something else */
	VERDICT_MAYBE, /* not enough bytes to tell, or not typical enough */
	VERDICT_YES,
};

/* What feed did with the bytes it was given. */
struct step {
	enum {
		STEP_MORE, /* took nothing; call again with >= n bytes at hand */
		STEP_DONE, /* took n bytes (1 <= n <= size) */
		STEP_SKIP, /* took nothing; the next n >= 1 bytes (any amount, may be
			    * more than are here; UINT64_MAX: to the end) are body of
			    * the current message: the stream appends them without
			    * buffering and bridges holes inside them by itself.  feed
			    * is called as soon as they have passed, even with nothing
			    * at hand (in.size 0), to end the message */
		STEP_BAD,  /* not this protocol, or beyond repair: resynchronise */
	} kind;
	uint64_t n;
};

static inline struct step
step_more(uint64_t n)
{
	return (struct step){ STEP_MORE, n };
}

static inline struct step
step_done(uint64_t n)
{
	return (struct step){ STEP_DONE, n };
}

static inline struct step
step_skip(uint64_t n)
{
	return (struct step){ STEP_SKIP, n };
}

static inline struct step
step_bad(void)
{
	return (struct step){ STEP_BAD, 0 };
}

enum pairing {
	PAIR_IN_ORDER, /* the n-th response answers the n-th request */
	PAIR_BY_ID,    /* by sink_id; several may be open at once */
	PAIR_NONE,     /* every message is a call of its own */
	PAIR_BY_CHANNEL, /* the two messages of a channel (dissect/sink.h) */
};

enum transport {
	TRANSPORT_TCP = 1,
	TRANSPORT_UDP = 2,
	TRANSPORT_BOTH = 3,
	TRANSPORT_ICMP = 4, /* a datagram is one message, with its header */
	TRANSPORT_ICMPV6 = 8,
	TRANSPORT_ICMP_BOTH = 12,
};

struct sink; /* dissect/sink.h */

struct dissector {
	const char *name;       /* "http", "dns": lower case, stable, in the store */
	const char *title;      /* "HTTP/1.x" for people */
	const uint16_t *ports;  /* hints, 0-terminated; never decisive */
	enum transport transport;
	enum pairing pairing;
	size_t conn_size;       /* zeroed state the stream keeps per connection */
	size_t channel_size;    /* several messages of a side may be open, told
				 * apart by sink_channel: zeroed state of each
				 * (at least 1); 0: one message at a time */
	size_t shared_size;     /* zeroed state of all connections that a parser
				 * reads, by sink_shared: what helps to read
				 * faster, never what decides what is read */
	bool strict;            /* a VERDICT_MAYBE never becomes a claim */
	const char *calls;      /* name of the protocol that its calls have when
				 * that is another (sink_protocol); NULL: `name` */

	/*
	 * Do these first bytes of a connection (either may be empty), or these
	 * bytes at the start of a packet after a hole, begin a message?
	 * Called with growing slices until all protocols but one say no, or one
	 * says yes.  After a hole only one side is given.
	 */
	enum verdict (*probe)(enum transport transport, struct bytes client,
			      struct bytes server);

	/*
	 * The same after a hole on a connection that speaks this protocol: do the
	 * bytes at the start of a packet of `side` begin a message beyond doubt?
	 * Less is needed then than probe asks for.  NULL: probe decides.
	 */
	enum verdict (*resync)(enum side side, struct bytes in);

	/*
	 * Parses from the front of `in`: contiguous bytes of one side (TCP), or
	 * one whole datagram (UDP, ICMP; must be consumed in one call;
	 * sink_transport says which).  Called again until it asks for more or everything is
	 * consumed.
	 */
	struct step (*feed)(void *conn, enum side side, struct bytes in,
			    struct sink *sink);

	/*
	 * `missing` bytes of `side` will never come (0: unknown, at least one).
	 * Returns true when the state bridges the hole and feed may go on behind
	 * it; false when the next message must be searched by probe, in which
	 * case the state of that side is as after the end of a message.  An open
	 * message is ended by the stream as incomplete when false is returned.
	 * `pending` is what feed has seen and asked more for: a message begun
	 * here starts at its front, and may be left open.
	 */
	bool (*gap)(void *conn, enum side side, struct bytes pending,
		    uint64_t missing, struct sink *sink);

	/* The side sent FIN (or the capture ended, `clean` false): a body that
	 * runs to the end of the connection is complete.  `pending` as above; a
	 * message left open is incomplete.  May be NULL. */
	void (*finish)(void *conn, enum side side, struct bytes pending,
		       bool clean, struct sink *sink);

	/* Frees what the state owns beside itself.  May be NULL. */
	void (*release)(void *conn, struct sink *sink);

	/* The connection changed to this protocol by sink_upgrade, with what
	 * that said of it.  May be NULL. */
	void (*upgraded)(void *conn, struct bytes settings, struct sink *sink);
};
