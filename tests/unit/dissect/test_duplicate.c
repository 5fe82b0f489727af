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
	uint16_t id;
	uint8_t ttl;
	uint32_t seq, ack;
	uint16_t window;
	const char *options, *payload;
	bool udp;
};

static bool
is_duplicate(struct given g)
{
	struct packet_record record;
	struct packet p;

	frame_begin(&frame, g.payload, strlen(g.payload));
	if (g.udp)
		frame_udp(&frame, 1000, 2000);
	else
		frame_tcp(&frame, &(struct frame_tcp){
					  .source = 1000, .target = 2000,
					  .seq = g.seq, .ack = g.ack,
					  .flags = ACK, .window = g.window,
					  .options = g.options });
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.1",
						 .target = "10.0.0.2",
						 .protocol = g.udp ? 17 : 6,
						 .id = g.id, .ttl = g.ttl });
	frame_ethernet(&frame, 0x0800);
	record = frame_record(&frame, 1, g.time_ns);
	record.interface = g.interface;
	assert_int_equal(decode_packet(&record, &p), PACKET_OK);
	return duplicates_check(seen, &p, CONNECTION, g.time_ns);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
