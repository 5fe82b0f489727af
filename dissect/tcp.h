/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one TCP connection's packets say about it: sequence spaces, whether a
 * packet starts the connection anew, and the facts of struct tcp_facts.
 *
 * Where Wireshark has a field for a fact, its definition is used
 * (epan/dissectors/packet-tcp.c, "tcp.analysis"), so that numbers agree:
 *
 *  retransmissions       tcp.analysis.retransmission (all kinds): bytes, SYN
 *                        or FIN below the highest sequence number sent that
 *                        are not out of order and no keep-alive
 *  fast_retransmissions  of these: after 2 duplicate acknowledgements of this
 *                        sequence number, within 20 ms of the last
 *  out_of_order          below the highest sequence number, not acknowledged
 *                        yet, within the initial RTT (3 ms when unknown) of
 *                        the segment that had it
 *  dup_acks              empty, same acknowledgement and window as before
 *  zero_windows          window 0 without SYN, FIN, RST
 *  windows_full          bytes up to the very end of the receiver's window
 *  keepalives            at most one byte at the highest sequence number - 1
 *  rtt_*                 tcp.analysis.ack_rtt: from a segment to the
 *                        acknowledgement of exactly its end, both sides; not
 *                        of segments sent again (Karn); at most
 *                        TCP_TIMED_SEGMENTS at a time are timed
 *  jitter_ns             smoothed difference of successive samples, as in
 *                        RFC 3550 section 6.4.1
 *  initial_rtt_ns        tcp.analysis.initial_rtt: from the last SYN to the
 *                        acknowledgement that ends the handshake
 *  handshake_ns          from the first SYN to the same
 *  first_data_ns         from the first packet to the server's first byte
 *  window_sum            scaled receive windows (RFC 7323) over all packets
 *  completeness          tcp.completeness
 */
#pragma once

#include "dissect/packet.h"
#include "dissect/reassembly.h"

#define TCP_TIMED_SEGMENTS 8

struct tcp_side {
	int64_t next_ns;      /* when next_seq was reached */
	int64_t last_ack_ns;
	uint32_t isn;
	uint32_t next_seq;    /* one past the highest sent */
	uint32_t whole_seq;   /* of the packet that reached next_seq, which may
			       * yet be met in parts elsewhere */
	uint32_t last_ack;
	uint32_t dup_acks;    /* in a row */
	uint16_t whole_path;  /* where, in short */
	uint16_t window;      /* unscaled, of the last packet */
	uint8_t shift;        /* window scale in force; 0: none or unknown */
	uint8_t timed;        /* segments being timed, oldest first */
	bool seen, syn, ack, fin, probed;
	uint32_t timed_end[TCP_TIMED_SEGMENTS];
	int64_t timed_ns[TCP_TIMED_SEGMENTS];
};

struct tcp {
	struct tcp_facts facts;
	struct tcp_side sides[2];
	struct reassembly reassembly;
	int64_t first_ns;
	int64_t first_syn_ns, last_syn_ns;
	int64_t last_rtt_ns;
	bool reset; /* by a RST that belongs to it */
};

/* `t` must be zeroed. */
void tcp_init(struct tcp *t, int64_t first_ns);

/* True once both sides sent FIN, or one RST. */
bool tcp_closed(const struct tcp *t);

/*
 * Can `p` not belong to the connection, so that it begins another between the
 * same ports?  A SYN with another initial sequence number does; so do bytes
 * far from all expected, or behind the end of a closed connection.
 */
bool tcp_begins_another(const struct tcp *t, enum side side,
			const struct packet *p);

/* Counts the packet into the facts.  Call in the order of capture. */
void tcp_observe(struct tcp *t, enum side side, const struct packet *p,
		 int64_t time_ns);

/*
 * Is `p` a part of a super-packet that was just seen whole at another place
 * (a socket's packet, before the device that cuts it)?  Then it was sent once,
 * and tcp_observe has counted it.
 */
bool tcp_is_part(const struct tcp *t, enum side side, const struct packet *p,
		 int64_t time_ns);

/* Passes the packet on to the reassembly. */
void tcp_reassemble(struct tcp *t, struct reassembly_context *c,
		    enum side side, const struct packet *p,
		    const struct stream_at *at);

/* The facts with what the reassembly counted.  Call after it was flushed. */
const struct tcp_facts *tcp_finish(struct tcp *t);
