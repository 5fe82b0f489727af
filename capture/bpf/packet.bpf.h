/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet path: what the programs for kernels with and without ring buffer
 * dynptrs share.  Every program lets every packet pass, whatever happens.
 *
 * No kernel structure is read, so no BTF of the kernel is needed.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "capture/bpf/packet_settings.h"
#include "capture/source/raw_record.h"

/* Verdicts: go on, to the next program or into the stack. */
#define CGROUP_PASS 1
#define INTERFACE_PASS TC_ACT_UNSPEC /* the same number as TCX_NEXT */

/* The number of lo in every network namespace (include/net/net_namespace.h). */
#define LOOPBACK_IFINDEX 1

/* IPv6 and TCP with as many options as it can have. */
#define BARE_SEGMENT 100

const volatile struct packet_settings settings;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PACKET_PLACES_MAX);
	__type(key, struct packet_place);
	__type(value, struct packet_counts);
} places SEC(".maps");

/* For the places that found no room in the map. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct packet_counts);
} elsewhere SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PACKET_TOTALS);
	__type(key, __u32);
	__type(value, __u64);
} totals SEC(".maps");

/* The programs can be preempted and, in part, interrupted by each other. */
#define COUNT(counter, n) __sync_fetch_and_add(&(counter), (n))

static __always_inline struct packet_counts *
place_counts(struct packet_place *place)
{
	struct packet_counts *counts, zero = {};
	__u32 first = 0;

	counts = bpf_map_lookup_elem(&places, place);
	if (counts)
		return counts;
	bpf_map_update_elem(&places, place, &zero, BPF_NOEXIST);
	counts = bpf_map_lookup_elem(&places, place);
	return counts ? counts : bpf_map_lookup_elem(&elsewhere, &first);
}

/* False when it is none of the namespaces that are wanted. */
static __always_inline int
place_of(struct __sk_buff *skb, struct packet_place *place)
{
	place->netns = settings.netns;
	place->ifindex = skb->ifindex;
	place->reserved = 0;
	if (settings.ask_netns)
		place->netns = bpf_get_netns_cookie(skb);
	if (settings.namespace_count == 0)
		return 1;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < PACKET_NAMESPACES_MAX; i++) {
		if (i >= settings.namespace_count)
			return 0;
		if (settings.namespaces[i] == place->netns)
			return 1;
	}
	return 0;
}

/*
 * Where all senders are seen, what comes in over loopback was seen already,
 * unless the kernel answered for a socket that is gone (TIME_WAIT): such
 * segments are bare, so bare ones are taken both ways.
 */
static __always_inline int
is_repeated(const struct __sk_buff *skb)
{
	return settings.loopback_once && skb->ifindex == LOOPBACK_IFINDEX &&
	       skb->len > BARE_SEGMENT;
}

/* How much of the packet is to be copied; counts it and, if so, the cut. */
static __always_inline __u32
packet_begin(struct __sk_buff *skb, struct packet_counts *counts)
{
	__u32 size = skb->len;

	COUNT(counts->seen, 1);
	COUNT(counts->seen_bytes, size);
	if (size > settings.snaplen) {
		size = settings.snaplen;
		COUNT(counts->cut, 1);
	}
	return size;
}

static __always_inline void
packet_describe(struct __sk_buff *skb, struct raw_record *record,
		const struct packet_place *place, __u8 direction, __u32 size)
{
	record->time_ns = bpf_ktime_get_ns();
	record->cookie = bpf_get_socket_cookie(skb);
	record->cgroup = settings.ask_cgroup ? bpf_skb_cgroup_id(skb) : 0;
	record->netns = place->netns;
	record->captured = size;
	record->length = skb->len;
	record->ifindex = place->ifindex;
	record->protocol = bpf_ntohs(skb->protocol);
	record->direction = direction;
	record->kind = RAW_PACKET;
	record->vlan_tci = 0;
	record->vlan_proto = 0;
	if (settings.tags && skb->vlan_present) {
		record->vlan_tci = skb->vlan_tci;
		record->vlan_proto = bpf_ntohs(skb->vlan_proto);
	}
	record->gso_size = skb->gso_size;
	record->gso_segments = skb->gso_segs;
}

/*
 * A wake-up costs more than a small packet.  The reader looks by itself often
 * enough for a quiet node; it is woken whenever what waits passes another
 * step, which is large: the more it finds, the less its writing costs.
 */
static __always_inline __u64
wake_past(__u64 waiting, __u32 added, __u8 shift)
{
	if ((waiting ^ (waiting - added)) >> shift)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline __u64
packet_wake(__u32 added)
{
	return wake_past(bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA), added,
			 settings.wake_shift);
}
