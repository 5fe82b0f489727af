/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets into the ring as records of exactly their size (kernels with ring
 * buffer dynptrs, 5.19).
 *
 * A dynptr's memory is had in pieces of constant size only, and so are bytes
 * of a packet.  What is longer than 16 KiB goes in such pieces, the rest down
 * to 512 bytes in halves, and what is left in two pieces that overlap: the
 * second ends where the packet ends.  So a small packet costs two copies at
 * most, whatever its length.
 */
#include "capture/bpf/packet.bpf.h"

#define PIECE (16u << 10)
/* Where halving ends. */
#define LEAST 512u

/* Copies PIECE bytes from `offset` to the same offset in the record, or leaves
 * the function. */
#define COPY(offset, size)                                                    \
	do {                                                                  \
		void *to_ = bpf_dynptr_data(                                  \
			record, sizeof(struct raw_record) + (offset), size);  \
		if (!to_ || bpf_skb_load_bytes(skb, offset, to_, size))       \
			return -1;                                            \
	} while (0)

#define COPY_HALF(half)                                                       \
	do {                                                                  \
		if (size - done >= (half)) {                                  \
			COPY(done, half);                                     \
			done += (half);                                       \
		}                                                             \
	} while (0)

#define COPY_SMALL(piece)                                                     \
	do {                                                                  \
		if (size >= (piece)) {                                        \
			COPY(0, piece);                                       \
			if (size > (piece))                                   \
				COPY(size - (piece), piece);                  \
			return 0;                                             \
		}                                                             \
	} while (0)

static __always_inline int
copy_small(struct __sk_buff *skb, struct bpf_dynptr *record, __u32 size)
{
	COPY_SMALL(256);
	COPY_SMALL(128);
	COPY_SMALL(64);
	COPY_SMALL(32);
	COPY_SMALL(16);
	COPY_SMALL(8);
	COPY_SMALL(4);
	COPY_SMALL(2);
	COPY_SMALL(1);
	return 0;
}

static __always_inline int
copy_packet(struct __sk_buff *skb, struct bpf_dynptr *record, __u32 size)
{
	__u32 done = 0;

	if (size < LEAST)
		return copy_small(skb, record, size);
#pragma clang loop unroll(disable)
	for (int i = 0; i < (int)(RAW_PACKET_MAX / PIECE); i++) {
		if (size - done < PIECE)
			break;
		COPY(done, PIECE);
		done += PIECE;
	}
	COPY_HALF(8192);
	COPY_HALF(4096);
	COPY_HALF(2048);
	COPY_HALF(1024);
	COPY_HALF(512);
	if (done < size)
		COPY(size - LEAST, LEAST);
	return 0;
}

/*
 * A small ring stays in the processor's cache however often it is gone round,
 * which halves what the copy costs; so it is taken while the reader keeps up.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} near SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct packet_ring_choice);
} choice SEC(".maps");

/* True: there is room in the small ring, and it is the one to be taken. */
static __always_inline int
reserve_near(struct bpf_dynptr *record, __u32 size)
{
	struct packet_ring_choice *which;
	__u32 first = 0;

	if (!settings.near)
		return 0;
	which = bpf_map_lookup_elem(&choice, &first);
	if (!which || which->far)
		return 0;
	if (bpf_ringbuf_reserve_dynptr(&near, size, 0, record) == 0)
		return 1;
	bpf_ringbuf_discard_dynptr(record, BPF_RB_NO_WAKEUP);
	which->far = 1;
	return 0;
}

static __always_inline __u64
near_wake(__u32 added)
{
	return wake_past(bpf_ringbuf_query(&near, BPF_RB_AVAIL_DATA), added,
			 settings.near_wake_shift);
}

static __always_inline void
capture(struct __sk_buff *skb, __u8 direction)
{
	struct packet_counts *counts;
	struct raw_record *header;
	struct packet_place place;
	struct bpf_dynptr record;
	__u32 size;
	int is_near;

	if (!place_of(skb, &place))
		return;
	counts = place_counts(&place);
	if (!counts)
		return;
	size = packet_begin(skb, counts);
	is_near = reserve_near(&record, sizeof *header + size);
	if (!is_near &&
	    bpf_ringbuf_reserve_dynptr(&ring, sizeof *header + size, 0,
				       &record)) {
		bpf_ringbuf_discard_dynptr(&record, BPF_RB_NO_WAKEUP);
		COUNT(counts->lost_ring, 1);
		return;
	}
	header = bpf_dynptr_data(&record, 0, sizeof *header);
	if (!header || copy_packet(skb, &record, size)) {
		bpf_ringbuf_discard_dynptr(&record, BPF_RB_NO_WAKEUP);
		COUNT(counts->lost_errors, 1);
		return;
	}
	packet_describe(skb, header, &place, direction, size);
	COUNT(counts->captured, 1);
	bpf_ringbuf_submit_dynptr(&record,
				  is_near ? near_wake(sizeof *header + size) :
					    packet_wake(sizeof *header + size));
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
