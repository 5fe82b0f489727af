/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What capture/source tells the packet programs before they are loaded, and
 * what they count.  Shared with .bpf.c files, so nothing but kernel types.
 */
#pragma once

#include <linux/types.h>

#define PACKET_NAMESPACES_MAX 16

/* Constant for the kernel's verifier, which leaves out what they turn off: a
 * helper that this kernel lacks is not even looked at. */
struct packet_settings {
	__u64 netns;          /* said of every packet; 0: ask for each */
	__u64 namespaces[PACKET_NAMESPACES_MAX]; /* wanted ones */
	__u32 namespace_count;                   /* 0: all */
	__u32 snaplen;        /* 1 to RAW_PACKET_MAX */
	__u8 ask_netns;       /* bpf_get_netns_cookie() is there */
	__u8 ask_cgroup;      /* bpf_skb_cgroup_id() is there */
	__u8 tags;            /* the frame may have lost a VLAN tag */
	__u8 loopback_once;   /* leave out what comes in over loopback */
	__u8 wake_shift;      /* 2^n more bytes waiting wake the reader */
	__u8 near;            /* there is a small ring as well */
	__u8 near_wake_shift; /* and its wake_shift */
	__u8 reserved;
};

/* Which ring packets go into, in a map that the reader shares: the small one
 * until it is full, from then on the large one, until the reader says that the
 * small one will do again. */
struct packet_ring_choice {
	__u32 far;
	__u32 reserved;
};

struct packet_place {
	__u64 netns;
	__u32 ifindex;
	__u32 reserved;
};

/* Counted for each place on each CPU; seen == captured + lost_ring +
 * lost_errors once nothing is under way. */
struct packet_counts {
	__u64 seen;
	__u64 seen_bytes;
	__u64 captured;
	__u64 cut;
	__u64 lost_ring;
	__u64 lost_errors;
};

/* At once; those that are gone are taken out.  The kernel walks as many buckets
 * whenever it is asked for them. */
#define PACKET_PLACES_MAX 4096

/* Elements of the array of counters that belong to no place. */
enum packet_total {
	PACKET_FILTERED,  /* the filter did not want it */
	PACKET_LOST_CALL, /* the filter could not hand it on */
	PACKET_TOTALS,
};

#ifndef __bpf__
_Static_assert(sizeof(struct packet_place) == 16, "a map's key");
#endif
