/* SPDX-License-Identifier: Apache-2.0 */
/* The packet programs past this kernel's verifier, in every variant. */
#include "capture/source/packet_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/capability.h>

#include "base/clock.h"
#include "capture/source/kernel.h"
#include "capture/source/raw_reader.h"
#include "capture/source/ring_pair.h"

#define SKIPPED 77

/* An Ethernet header and an IPv4 packet of 1000 bytes. */
static uint8_t frame[1014] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45 };

static void
load(struct packet_program *p, bool interface, bool fixed_sizes,
     uint32_t snaplen)
{
	struct packet_program_options options = {
		.interface = interface,
		.fixed_sizes = fixed_sizes,
		.ring_bytes = 1 << 20,
		.snaplen = snaplen,
		.netns = interface ? 9 : 0,
	};
	json_t *degraded = json_array();
	struct error e = { 0 };

	if (packet_program_load(&options, NULL, degraded, p, &e) < 0)
		fail_msg("%s", e.text);
	/* What is there must not be given up silently. */
	if (!fixed_sizes && p->fixed_sizes)
		fail_msg("%s", json_dumps(degraded, 0));
	json_decref(degraded);
}

/* Runs the program over the frame's first `size` bytes. */
static void
run(int program, size_t size, __u32 verdict)
{
	struct bpf_test_run_opts options;

	memset(&options, 0, sizeof options);
	options.sz = sizeof options;
	options.data_in = frame;
	options.data_size_in = (__u32)size;
	options.repeat = 1;
	assert_int_equal(bpf_prog_test_run_opts(program, &options), 0);
	assert_int_equal(options.retval, verdict);
}

/* Every length once: the copy in pieces must lose and add nothing. */
static void
check_lengths(bool interface, bool fixed_sizes, uint32_t snaplen)
{
	const size_t skip = interface ? 0 : 14;
	const __u32 verdict = interface ? (__u32)-1 : 1;
	struct source_counts counts;
	struct packet_program p;
	struct source_span span;
	struct raw_packet packet;
	struct raw_reader reader;
	size_t size = 34;
	struct ring ring;

	load(&p, interface, fixed_sizes, snaplen);
	assert_int_equal(ring_map(&ring, p.ring, 1 << 20, NULL), 0);
	for (; size <= sizeof frame; size++) {
		run(size % 2 ? p.ingress : p.egress, size, verdict);
		assert_true(ring_peek(&ring, &span));
		raw_reader_init(&reader, RAW_FORMAT_RECORDS,
				bytes_make(span.data, span.size));
		assert_int_equal(raw_reader_next(&reader, &packet), 1);
		assert_int_equal(packet.length, size - skip);
		assert_int_equal(packet.captured,
				 snaplen && snaplen < size - skip ?
					 snaplen :
					 size - skip);
		assert_memory_equal(packet.data, frame + skip,
				    packet.captured);
		assert_int_equal(packet.direction,
				 size % 2 ? RAW_INGRESS : RAW_EGRESS);
		assert_int_equal(raw_reader_next(&reader, &packet), 0);
		raw_reader_free(&reader);
		ring_release(&ring, span.size);
	}
	packet_program_counts(&p, &counts);
	assert_int_equal(counts.seen_packets, sizeof frame - 33);
	assert_int_equal(counts.captured_packets, sizeof frame - 33);
	assert_int_equal(counts.lost_ring + counts.lost_errors, 0);
	assert_int_equal(counts.cut_packets,
			 snaplen ? sizeof frame - skip - snaplen : 0);
	ring_close(&ring);
	packet_program_close(&p);
}

static void
test_every_length(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		check_lengths(i & 1, i & 2, 0);
		check_lengths(i & 1, i & 2, 96);
	}
}

/* A full ring loses packets, counts each and still lets all pass. */
static void
test_full_ring(void **state)
{
	struct source_counts counts;
	struct packet_program p;

	(void)state;
	for (int fixed = 0; fixed < 2; fixed++) {
		load(&p, false, fixed, 0);
		for (int i = 0; i < 3000; i++)
			run(p.egress, sizeof frame, 1);
		packet_program_counts(&p, &counts);
		assert_int_equal(counts.seen_packets, 3000);
		assert_int_equal(counts.captured_packets + counts.lost_ring,
				 3000);
		assert_true(counts.lost_ring > 1000);
		assert_int_equal(counts.lost_errors, 0);
		packet_program_close(&p);
	}
}

/* The kernel's own word for what is complete, against every header. */
static void
test_complete(void **state)
{
	struct source_span quick, thorough;
	struct packet_program p;
	struct ring kernel, ours;

	(void)state;
	load(&p, false, false, 0);
	assert_int_equal(ring_map(&kernel, p.ring, 1 << 20, NULL), 0);
	assert_int_equal(ring_map(&ours, p.ring, 1 << 20, NULL), 0);
	ours.complete = 0;
	for (int i = 0; i < 5000; i++) {
		run(p.egress, 34 + (size_t)i % 900, 1);
		if (i % 300)
			continue;
		assert_true(ring_peek(&kernel, &quick));
		assert_true(ring_peek(&ours, &thorough));
		assert_int_equal(quick.position, thorough.position);
		assert_int_equal(quick.size, thorough.size);
		ring_release(&ours, thorough.size);
		ring_release(&kernel, quick.size);
	}
	ring_close(&ours);
	ring_close(&kernel);
	packet_program_close(&p);
}

/* Numbers that packets of a span carry go on from `number`; the next. */
static uint32_t
check_numbers(struct ring_pair *rings, struct source_span *span,
	      uint32_t number)
{
	struct raw_reader reader;
	struct raw_packet packet;
	uint32_t got;

	raw_reader_init(&reader, RAW_FORMAT_RECORDS,
			bytes_make(span->data, span->size));
	while (raw_reader_next(&reader, &packet) > 0) {
		memcpy(&got, packet.data + 100, sizeof(got));
		assert_int_equal(got, number);
		number++;
	}
	raw_reader_free(&reader);
	ring_pair_release(rings, span->size);
	return number;
}

static void
load_pair(struct packet_program *p, struct ring_pair *rings)
{
	const struct packet_program_options options = {
		.ring_bytes = 1 << 20, .near_bytes = 1 << 16
	};
	json_t *degraded = json_array();

	assert_int_equal(packet_program_load(&options, NULL, degraded, p,
					     NULL),
			 0);
	assert_true(p->near >= 0 && p->choice >= 0);
	assert_int_equal(
		ring_pair_map(rings,
			      &(struct ring_pair_maps){ p->ring, p->near,
							p->choice, 1 << 20,
							1 << 16 },
			      NULL),
		0);
	json_decref(degraded);
}

/* The small ring first, then the large one; every packet once and in order,
 * and lost only when both are full. */
static void
test_small_ring(void **state)
{
	struct source_counts counts;
	struct packet_program p;
	struct source_span span;
	struct ring_pair rings;
	uint32_t number = 0;

	(void)state;
	load_pair(&p, &rings);
	for (uint32_t i = 0; i < 3000; i++) {
		memcpy(frame + 114, &i, sizeof(i));
		run(p.egress, sizeof frame, 1);
	}
	assert_int_equal(rings.choice->far, 1);
	packet_program_counts(&p, &counts);
	assert_int_equal(counts.captured_packets + counts.lost_ring, 3000);
	assert_true(ring_pair_peek(&rings, 1, &span));
	assert_ptr_equal(rings.reading, &rings.near);
	number = check_numbers(&rings, &span, number);
	assert_true(number >= (1 << 16) / 1100);
	assert_true(ring_pair_peek(&rings, 1, &span));
	assert_ptr_equal(rings.reading, &rings.far);
	number = check_numbers(&rings, &span, number);
	assert_int_equal(number, counts.captured_packets);
	assert_false(ring_pair_peek(&rings, 1, &span));
	ring_pair_close(&rings);
	packet_program_close(&p);
}

/* A reader that looks whenever it is woken keeps up, and the small ring is gone
 * back to however much comes. */
static void
test_return_to_small_ring(void **state)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int64_t now_ns = CLOCK_NS_PER_S;
	int wake = epoll_create1(EPOLL_CLOEXEC);
	struct packet_program p;
	struct source_span span;
	struct ring_pair rings;

	(void)state;
	load_pair(&p, &rings);
	assert_int_equal(epoll_ctl(wake, EPOLL_CTL_ADD, p.ring, &event), 0);
	rings.choice->far = 1;
	for (int i = 0; i < 3000 && rings.choice->far; i++) {
		run(p.egress, sizeof frame, 1);
		if (epoll_wait(wake, &event, 1, 0) <= 0)
			continue;
		assert_true(ring_pair_peek(&rings, now_ns, &span));
		assert_ptr_equal(rings.reading, &rings.far);
		ring_pair_release(&rings, span.size);
		now_ns += CLOCK_NS_PER_S;
	}
	assert_int_equal(rings.choice->far, 0);
	assert_true(now_ns > 10 * CLOCK_NS_PER_S);
	close(wake);
	ring_pair_close(&rings);
	packet_program_close(&p);
}

/* Two namespaces' programs and one ring. */
static void
test_shared_maps(void **state)
{
	struct packet_program_options options = {
		.interface = true, .ring_bytes = 1 << 20, .netns = 10
	};
	struct packet_place_counts *list;
	struct packet_program first, second;
	struct source_counts counts;
	json_t *degraded = json_array();

	(void)state;
	load(&first, true, false, 0);
	assert_int_equal(packet_program_load(&options, &first, degraded,
					     &second, NULL),
			 0);
	run(first.egress, 100, (__u32)-1);
	run(second.egress, 100, (__u32)-1);
	assert_int_equal(packet_program_places(&first, &list), 2);
	assert_int_equal(list[0].place.netns + list[1].place.netns, 19);
	assert_int_equal(list[0].counts.seen, 1);
	assert_int_equal(list[1].counts.captured, 1);
	/* One is taken out; the sum stays, and it may come again. */
	packet_program_forget(&first, &list[0].place);
	free(list);
	assert_int_equal(packet_program_places(&first, &list), 1);
	free(list);
	run(first.egress, 100, (__u32)-1);
	run(second.egress, 100, (__u32)-1);
	assert_int_equal(packet_program_places(&first, &list), 2);
	free(list);
	packet_program_counts(&first, &counts);
	assert_int_equal(counts.seen_packets, 4);
	assert_int_equal(counts.captured_packets, 4);
	assert_int_equal(counts.seen_bytes, 400);
	json_decref(degraded);
	packet_program_close(&second);
	packet_program_close(&first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_small_ring),
		cmocka_unit_test(test_return_to_small_ring),
		cmocka_unit_test(test_shared_maps),
	};

	if (!kernel_capable(CAP_SYS_ADMIN) && !kernel_capable(39)) {
		printf("SKIPPED: CAP_BPF is needed to load programs\n");
		return SKIPPED;
	}
	for (size_t i = 15; i < sizeof frame; i++)
		frame[i] = (uint8_t)(i * 7);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
