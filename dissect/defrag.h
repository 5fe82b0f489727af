/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP fragments back to datagrams (RFC 791 section 3.2, RFC 8200 section 4.5).
 * Where fragments overlap, the bytes that came first win.  Memory is bounded
 * by DEFRAG_MEMORY_LIMIT plus DEFRAG_DATAGRAM_LIMIT small records; the oldest
 * incomplete datagram goes first.
 */
#pragma once

#include "dissect/packet.h"

#define DEFRAG_DATAGRAM_LIMIT 1024
#define DEFRAG_MEMORY_LIMIT (8u << 20)
#define DEFRAG_TIMEOUT_NS 30000000000LL /* as Linux's ipfrag_time */

struct defrag;

/* Owned by the caller; free with defrag_free (NULL is allowed). */
struct defrag *defrag_new(void);
void defrag_free(struct defrag *d);

enum defrag_result {
	DEFRAG_WAIT,      /* more fragments are needed */
	DEFRAG_WHOLE,     /* `*data` and `*length` are the datagram's payload */
	DEFRAG_DUPLICATE, /* nothing in it was new */
	DEFRAG_BAD,       /* beyond the end of any datagram; ignored */
};

/*
 * Adds the fragment in `p` (PACKET_FRAGMENT) seen at `now_ns`.  On
 * DEFRAG_WHOLE, p->ip_protocol is set from the first fragment, `*data` stays
 * valid until the next call, and may be shorter than `*length` when the
 * capture cut a fragment.
 */
enum defrag_result defrag_add(struct defrag *d, struct packet *p,
			      int64_t now_ns, struct bytes *data,
			      uint32_t *length);

/* No more fragments will come: what is incomplete is lost. */
void defrag_flush(struct defrag *d);

/* Fragments that never became a packet, so far. */
uint64_t defrag_lost(const struct defrag *d);
