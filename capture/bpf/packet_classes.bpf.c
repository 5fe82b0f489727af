/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets into the ring as records of a few fixed sizes (kernels from 5.8 on,
 * without ring buffer dynptrs): up to twice the room, the same contents.
 */
#include "capture/bpf/packet.bpf.h"

static __always_inline int
fill(struct __sk_buff *skb, struct raw_record *record,
     const struct packet_place *place, __u8 direction, __u64 size)
{
	packet_describe(skb, record, place, direction, size);
	return bpf_skb_load_bytes(skb, 0, record + 1, size);
}

/* In a record with room for `room` bytes; leaves the function.  The compiler
 * knows that `size` is in bounds, but the verifier has to see it. */
#define IN_CLASS(room)                                                        \
	do {                                                                  \
		struct raw_record *record_ = bpf_ringbuf_reserve(             \
			&ring, sizeof *record_ + (room), 0);                  \
		if (!record_) {                                               \
			COUNT(counts->lost_ring, 1);                          \
			return;                                               \
		}                                                             \
		__u64 size_ = size;                                           \
		asm volatile("" : "+r"(size_));                               \
		if (size_ == 0 || size_ > (room) ||                           \
		    fill(skb, record_, &place, direction, size_)) {           \
			bpf_ringbuf_discard(record_, BPF_RB_NO_WAKEUP);       \
			COUNT(counts->lost_errors, 1);                        \
			return;                                               \
		}                                                             \
		COUNT(counts->captured, 1);                                   \
		bpf_ringbuf_submit(record_,                                   \
				   packet_wake(sizeof *record_ + (room)));    \
		return;                                                       \
	} while (0)

static __always_inline void
capture(struct __sk_buff *skb, __u8 direction)
{
	struct packet_counts *counts;
	struct packet_place place;
	__u32 size;

	if (!place_of(skb, &place))
		return;
	counts = place_counts(&place);
	if (!counts)
		return;
	size = packet_begin(skb, counts);
	if (size <= 80)
		IN_CLASS(80);
	if (size <= 208)
		IN_CLASS(208);
	if (size <= 720)
		IN_CLASS(720);
	if (size <= 1616)
		IN_CLASS(1616);
	if (size <= 4096)
		IN_CLASS(4096);
	if (size <= 8192)
		IN_CLASS(8192);
	if (size <= 16384)
		IN_CLASS(16384);
	if (size <= 32768)
		IN_CLASS(32768);
	if (size <= 65664)
		IN_CLASS(65664);
	if (size <= (196u << 10))
		IN_CLASS(196u << 10);
	IN_CLASS(RAW_PACKET_MAX);
}

SEC("cgroup_skb/ingress")
int
cgroup_ingress(struct __sk_buff *skb)
{
	if (!is_repeated(skb))
		capture(skb, RAW_INGRESS);
	return CGROUP_PASS;
}

SEC("cgroup_skb/egress")
int
cgroup_egress(struct __sk_buff *skb)
{
	capture(skb, RAW_EGRESS);
	return CGROUP_PASS;
}

SEC("tc")
int
iface_ingress(struct __sk_buff *skb)
{
	capture(skb, RAW_INGRESS);
	return INTERFACE_PASS;
}

SEC("tc")
int
iface_egress(struct __sk_buff *skb)
{
	capture(skb, RAW_EGRESS);
	return INTERFACE_PASS;
}

char LICENSE[] SEC("license") = "GPL";
