/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet as the recorder's BPF programs put it into the ring and as it lies
 * in a raw segment: the ring's own 8-byte header, this one, the packet, padded
 * to 8 bytes.  Shared with .bpf.c files, so nothing but kernel types.
 *
 * The ring's header is that of BPF_MAP_TYPE_RINGBUF (kernel/bpf/ringbuf.c,
 * stable since 5.8): u32 length with bit 31 "busy" and bit 30 "discarded",
 * u32 page offset.
 */
#pragma once

#include <linux/types.h>

#define RAW_RING_HEADER 8u
#define RAW_RING_BUSY (1u << 31)
#define RAW_RING_DISCARD (1u << 30)

/* Room for IPv6 BIG TCP super-packets. */
#define RAW_PACKET_MAX (512u << 10)

/* Marks `ifindex` as no interface's but that of plaintext (keys/plaintext.h):
 * below it is the number of a process. */
#define RAW_PLAINTEXT 0x80000000u

enum raw_direction {
	RAW_DIRECTION_UNKNOWN,
	RAW_INGRESS, /* as pcapng's epb_flags: 1 inbound, 2 outbound */
	RAW_EGRESS,
};

enum raw_kind {
	RAW_PACKET = 1, /* the only one yet; readers pass over others */
};

struct raw_record {
	__u64 time_ns;    /* bpf_ktime_get_ns(): CLOCK_MONOTONIC */
	__u64 cookie;     /* of the socket; 0: none known */
	__u64 cgroup;     /* id of the socket's cgroup (v2); 0: unknown */
	__u64 netns;      /* net namespace cookie; 0: unknown */
	__u32 captured;   /* bytes that follow */
	__u32 length;     /* bytes on the wire (of the super-packet) */
	__u32 ifindex;    /* in that namespace */
	__u16 protocol;   /* ETH_P_*, host order */
	__u8 direction;   /* enum raw_direction */
	__u8 kind;        /* enum raw_kind */
	__u16 vlan_tci;   /* of the tag the kernel took off; valid with */
	__u16 vlan_proto; /* 0x8100, 0x88a8; 0: there was none */
	__u16 gso_size;   /* 0: not a super-packet */
	__u16 gso_segments;
};

#ifndef __bpf__
_Static_assert(sizeof(struct raw_record) == 56, "raw_record is written to disk");
#endif
