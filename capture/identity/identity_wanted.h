/* SPDX-License-Identifier: Apache-2.0 */
/* What a pass over the packets of a segment saw: whose socket and process
 * identity_table.h is to write. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* One end of a packet, as seen from the node. */
struct identity_end {
	uint64_t cookie; /* of the socket; 0: the source does not know it */
	uint64_t netns;  /* cookie of the namespace; 0: unknown */
	uint8_t local[16], remote[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t local_port, remote_port;
	uint8_t ip_protocol; /* 6, 17; others want nothing */
	bool either; /* direction unknown: local may be remote */
};

/* What the packets of a segment need; bounded, each end once. */
struct identity_wanted;

/* Owned by the caller; free with identity_wanted_free (NULL is allowed). */
struct identity_wanted *identity_wanted_new(void);
void identity_wanted_free(struct identity_wanted *w);

/* Forgets everything, for the next segment. */
void identity_wanted_reset(struct identity_wanted *w);

/* A packet at `time_ns` (UTC) had this end. */
void identity_wanted_add(struct identity_wanted *w, int64_t time_ns,
			 const struct identity_end *end);

/*
 * The same from the packet itself: `packet` begins as `link_type` (LINKTYPE_*)
 * says; `direction` is enum raw_direction.  Tunnels are not looked into:
 * their outer end is the node's.
 */
struct identity_packet {
	int64_t time_ns;
	uint64_t cookie, netns;
	uint16_t link_type;
	uint8_t direction;
	struct bytes data;
};
void identity_wanted_packet(struct identity_wanted *w,
			    const struct identity_packet *packet);

/* Different ends so far, and whether there were too many to keep (then all
 * that lived in the time range is written). */
size_t identity_wanted_count(const struct identity_wanted *w);
bool identity_wanted_overflowed(const struct identity_wanted *w);

struct identity_span {
	int64_t first_ns, last_ns; /* of the packets that had the end */
};

/* As map_next: start with `*cursor` 0; false at the end. */
bool identity_wanted_next(const struct identity_wanted *w, size_t *cursor,
			  struct identity_end *end,
			  struct identity_span *span);

/* Of all packets; first after last when there was none. */
struct identity_span identity_wanted_range(const struct identity_wanted *w);
