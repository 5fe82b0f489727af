/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dissect/decode.h"
#include "dissect/duplicate.h"
#include "tests/support/frames.h"

#define MICROSECOND 1000LL
#define MILLISECOND 1000000LL
#define CONNECTION 0x123456789abcdefULL
#define ACK 0x10

static struct frame frame;
static struct duplicates *seen;

static int
set_up(void **state)
{
	(void)state;
	seen = duplicates_new(42);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	duplicates_free(seen);
	return 0;
}

/* One packet; what tests vary. */
struct given {
	int64_t time_ns;
	uint32_t interface;
	uint8_t direction;
	uint16_t target; /* port; 0: 2000 */
	uint16_t id;
	uint8_t ttl;
	uint32_t seq, ack;
	uint16_t window;
	const char *options, *payload;
	bool udp, ipv6;
};

static bool
is_duplicate(struct given g)
{
	struct packet_record record;
	struct packet p;

	if (g.target == 0)
		g.target = 2000;
	frame_start(&frame, g.payload, strlen(g.payload));
	if (g.udp)
		frame_udp(&frame, 1000, g.target);
	else
		frame_tcp(&frame, &(struct frame_tcp){
					  .source = 1000, .target = g.target,
					  .seq = g.seq, .ack = g.ack,
					  .flags = ACK, .window = g.window,
					  .options = g.options });
	if (g.ipv6)
		frame_ipv6(&frame, "::1", "::1", g.udp ? 17 : 6);
	else
		frame_ipv4(&frame,
			   &(struct frame_ipv4){ .source = "10.0.0.1",
						 .target = "10.0.0.2",
						 .protocol = g.udp ? 17 : 6,
						 .id = g.id, .ttl = g.ttl });
	frame_ethernet(&frame, g.ipv6 ? 0x86dd : 0x0800);
	record = frame_record(&frame, 1, g.time_ns);
	record.interface = g.interface;
	record.direction = g.direction;
	assert_int_equal(decode_packet(&record, &p), PACKET_OK);
	return duplicates_check(seen, &p,
				duplicates_print(seen, &p, CONNECTION),
				g.time_ns);
}

static const struct given base = { .id = 7, .ttl = 64, .seq = 100,
				   .ack = 200, .window = 300,
				   .payload = "payload" };

static void
the_same_frame_at_the_same_instant_is_a_duplicate(void **state)
{
	struct given g = base;

	(void)state;
	assert_false(is_duplicate(g));
	assert_true(is_duplicate(g));
	g.id = 0;
	assert_false(is_duplicate(g));
	assert_true(is_duplicate(g));
}

static void
a_routed_frame_on_another_interface_is_a_duplicate(void **state)
{
	struct given g = base;

	(void)state;
	assert_false(is_duplicate(g));
	g.interface = 1;
	g.ttl = 63;
	g.time_ns = 20 * MILLISECOND;
	assert_true(is_duplicate(g));
	g.time_ns = 200 * MILLISECOND;
	assert_false(is_duplicate(g));
}

static void
the_order_of_the_two_interfaces_does_not_matter(void **state)
{
	struct given g = base;

	(void)state;
	g.time_ns = 5 * MILLISECOND;
	assert_false(is_duplicate(g));
	g.interface = 1;
	g.time_ns = 4 * MILLISECOND;
	assert_true(is_duplicate(g));
}

static void
a_retransmission_has_another_identification(void **state)
{
	struct given g = base;

	(void)state;
	assert_false(is_duplicate(g));
	g.id = 8;
	g.time_ns = MILLISECOND;
	assert_false(is_duplicate(g));
}

static void
without_identification_a_repeat_soon_after_is_a_retransmission(void **state)
{
	struct given g = base;

	(void)state;
	g.id = 0;
	assert_false(is_duplicate(g));
	g.time_ns = 200 * MICROSECOND;
	assert_false(is_duplicate(g));
}

static void
repeated_acknowledgements_without_identification_are_not_one(void **state)
{
	struct given g = base;

	(void)state;
	g.id = 0;
	g.payload = "";
	assert_false(is_duplicate(g));
	g.time_ns = MICROSECOND;
	assert_false(is_duplicate(g));
}

static void
anything_that_differs_makes_two_packets(void **state)
{
	struct given g[8];

	(void)state;
	for (int i = 0; i < 8; i++) {
		g[i] = base;
		g[i].options = "0101080a 00000001 00000002";
	}
	g[1].seq++;
	g[2].ack++;
	g[3].window++;
	g[4].options = "0101080a 00000003 00000002";
	g[5].payload = "paYload";
	g[6].payload = "payload+";
	g[7].id++;
	for (int i = 0; i < 8; i++)
		assert_false(is_duplicate(g[i]));
}

static void
equal_datagrams_of_one_host_are_not_one(void **state)
{
	struct given g = base;

	(void)state;
	g.udp = true;
	g.id = 0;
	assert_false(is_duplicate(g));
	g.time_ns = 10 * MICROSECOND;
	assert_false(is_duplicate(g));
	g.interface = 1;
	g.time_ns = 20 * MICROSECOND;
	assert_true(is_duplicate(g));
}

/* Egress and ingress of one interface, tens of milliseconds apart, IPv6 so
 * that there is no identification. */
static void
out_and_in_again_is_one_packet(void **state)
{
	for (int udp = 0; udp < 2; udp++) {
		struct given g = base;

		(void)state;
		g.ipv6 = true;
		g.udp = udp;
		g.direction = PACKET_OUTBOUND;
		assert_false(is_duplicate(g));
		g.direction = PACKET_INBOUND;
		g.time_ns = 40 * MILLISECOND;
		assert_true(is_duplicate(g));
	}
}

static void
a_retransmission_within_the_node_is_counted_once(void **state)
{
	struct given g = base;

	(void)state;
	g.ipv6 = true;
	for (int i = 0; i < 3; i++) {
		g.direction = PACKET_OUTBOUND;
		g.time_ns = i * 8 * MILLISECOND;
		assert_false(is_duplicate(g));
		g.direction = PACKET_INBOUND;
		g.time_ns += 3 * MILLISECOND;
		assert_true(is_duplicate(g));
	}
}

/* Two rings, merged out of order: what came in is written first. */
static void
in_before_out_does_not_hide_a_retransmission(void **state)
{
	struct given g = base;

	(void)state;
	g.ipv6 = true;
	g.direction = PACKET_INBOUND;
	g.time_ns = 3 * MILLISECOND;
	assert_false(is_duplicate(g));
	g.direction = PACKET_OUTBOUND;
	g.time_ns = 0;
	assert_true(is_duplicate(g));
	g.time_ns = 8 * MILLISECOND;
	assert_false(is_duplicate(g));
}

/* 12,000 packets a second, each seen again 30 ms later. */
static void
many_packets_between_the_two_sights_do_no_harm(void **state)
{
	enum { PACKETS = 3000, BETWEEN = 360 };
	struct given g = base;
	int missed = 0;

	(void)state;
	g.ipv6 = true;
	for (int i = 0; i < PACKETS + BETWEEN; i++) {
		g.time_ns = i * MILLISECOND / 12;
		g.target = (uint16_t)(3000 + i);
		g.direction = PACKET_OUTBOUND;
		if (i < PACKETS)
			assert_false(is_duplicate(g));
		g.target = (uint16_t)(3000 + i - BETWEEN);
		g.direction = PACKET_INBOUND;
		if (i >= BETWEEN)
			missed += !is_duplicate(g);
	}
	assert_in_range(missed, 0, PACKETS / 500);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_same_frame_at_the_same_instant_is_a_duplicate),
		TEST(a_routed_frame_on_another_interface_is_a_duplicate),
		TEST(the_order_of_the_two_interfaces_does_not_matter),
		TEST(a_retransmission_has_another_identification),
		TEST(without_identification_a_repeat_soon_after_is_a_retransmission),
		TEST(repeated_acknowledgements_without_identification_are_not_one),
		TEST(anything_that_differs_makes_two_packets),
		TEST(equal_datagrams_of_one_host_are_not_one),
		TEST(out_and_in_again_is_one_packet),
		TEST(a_retransmission_within_the_node_is_counted_once),
		TEST(in_before_out_does_not_hide_a_retransmission),
		TEST(many_packets_between_the_two_sights_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
