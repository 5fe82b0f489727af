/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same packet recorded twice: at two interfaces it passes (veth and
 * bridge, before and after routing or encapsulation), on its way out and in
 * again at one (traffic within a node), or doubled by a mirror port.  Told
 * from a retransmission by the IP identification, which a sender changes, and
 * by how soon the second comes:
 *
 *   place      | identification | window
 *   another    | any            | DUPLICATE_ELSEWHERE_NS
 *   the same   | non-zero       | DUPLICATE_HERE_NS
 *   the same   | none (IPv6)    | DUPLICATE_PLAIN_NS with data, SYN or FIN,
 *              |                | else at the same instant only
 *
 * "Place" is the interface, the direction, the link header and the TTL; the
 * first in time is compared with.  What must agree: addresses, ports,
 * identification, TCP sequence, acknowledgement, flags, window and options
 * (with them the TCP timestamps), length and the first bytes of the payload.
 * Checksums and DSCP change along a path and do not count.  A table of fixed
 * size in sets of DUPLICATE_WAYS: a packet is forgotten when that many others
 * of its set came after it.  Busy nodes see hundreds of packets between the
 * two sights of one.
 */
#pragma once

#include "dissect/packet.h"

#define DUPLICATE_ELSEWHERE_NS 50000000LL
#define DUPLICATE_HERE_NS 10000000LL
#define DUPLICATE_PLAIN_NS 50000LL
#define DUPLICATE_WAYS 4
#define DUPLICATE_SETS 2048 /* a power of two */

/* 48 bits of what must agree, above 16 of the path. */
struct duplicate_slot {
	uint64_t print;
	int64_t time_ns;
};

/* A line of the cache. */
struct duplicate_set {
	_Alignas(64) struct duplicate_slot slots[DUPLICATE_WAYS];
};

/*
 * Which slots may have a print: most packets are new, and that is told from
 * these few bytes, which stay in the cache.  Slots, a set of which seldom
 * does, are only written then.
 */
struct duplicate_tags {
	uint16_t tags[DUPLICATE_WAYS];
	uint16_t next; /* way to give up: the longest there */
};

struct duplicates {
	uint64_t seed;
	struct duplicate_tags tags[DUPLICATE_SETS];
	struct duplicate_set sets[DUPLICATE_SETS];
};

/* `seed` must be secret.  Free with duplicates_free (NULL is allowed). */
struct duplicates *duplicates_new(uint64_t seed);
void duplicates_free(struct duplicates *d);

/*
 * What is to agree of this packet, to be given to duplicates_check a moment
 * later, when its set has come into the cache.  `connection_hash` stands for
 * both endpoints without regard to direction.
 */
uint64_t duplicates_print(const struct duplicates *d, const struct packet *p,
			  uint64_t connection_hash);

/* Was this packet seen before?  If not it is remembered. */
bool duplicates_check(struct duplicates *d, const struct packet *p,
		      uint64_t print, int64_t time_ns);
