/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expected counts are what tshark 4.0 says of the same packets
 * (tcp.analysis.*, tcp.completeness), see dissect/tcp.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dissect/tcp.h"

#define MS 1000000LL
#define BEGIN (1700000000000 * MS)
#define C SIDE_CLIENT
#define S SIDE_SERVER
#define FIN TCP_FIN
#define SYN TCP_SYN
#define RST TCP_RST
#define ACK TCP_ACK

static struct tcp tcp;

static int
set_up(void **state)
{
	(void)state;
	tcp = (struct tcp){ 0 };
	tcp_init(&tcp, BEGIN);
	return 0;
}

struct given {
	enum side side;
	int64_t ms;
	uint8_t flags;
	uint32_t seq, ack, length;
	uint16_t window;
	uint8_t scale; /* of a SYN, 0: no option */
};

static struct packet
packet(struct given g)
{
	return (struct packet){
		.ip_protocol = IP_PROTOCOL_TCP,
		.payload_length = g.length,
		.tcp = { .seq = g.seq, .ack = g.ack, .flags = g.flags,
			 .window = g.window,
			 .window_scale = g.scale ? g.scale
						 : TCP_NO_WINDOW_SCALE },
	};
}

static void
see(const struct given *given, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct packet p = packet(given[i]);

		tcp_observe(&tcp, given[i].side, &p, BEGIN + given[i].ms * MS);
	}
}

#define SEE(...)                                                              \
	do {                                                                  \
		const struct given see_given[] = { __VA_ARGS__ };             \
		see(see_given, sizeof(see_given) / sizeof(see_given[0]));     \
	} while (0)

#define HANDSHAKE                                                             \
	{ C, 0, SYN, 100, 0, 0, 1000, 7 },                                    \
		{ S, 10, SYN | ACK, 500, 101, 0, 2000, 2 },                   \
		{ C, 11, ACK, 101, 501, 0, 10, 0 }

static void
a_whole_connection_has_every_mark_of_completeness(void **state)
{
	(void)state;
	SEE(HANDSHAKE, { C, 12, ACK, 101, 501, 50, 10, 0 },
	    { S, 22, ACK, 501, 151, 70, 10, 0 },
	    { C, 23, ACK | FIN, 151, 571, 0, 10, 0 });
	assert_int_equal(tcp.facts.completeness, 31);
	assert_false(tcp_closed(&tcp));
	SEE({ S, 24, ACK | FIN, 571, 152, 0, 10, 0 });
	assert_true(tcp_closed(&tcp));
	assert_int_equal(tcp.facts.fins[C], 1);
	assert_int_equal(tcp.facts.fins[S], 1);
	assert_int_equal(tcp.facts.retransmissions[C], 0);
	assert_int_equal(tcp.facts.dup_acks[S], 0);
}

static void
the_handshake_is_measured_from_the_first_and_the_last_syn(void **state)
{
	(void)state;
	SEE({ C, 0, SYN, 100, 0, 0, 1000, 7 },
	    { C, 1000, SYN, 100, 0, 0, 1000, 7 },
	    { S, 1010, SYN | ACK, 500, 101, 0, 2000, 2 },
	    { C, 1011, ACK, 101, 501, 0, 10, 0 });
	assert_int_equal(tcp.facts.handshake_ns, 1011 * MS);
	assert_int_equal(tcp.facts.initial_rtt_ns, 11 * MS);
	assert_int_equal(tcp.facts.retransmissions[C], 1);
}

static void
round_trips_are_measured_to_the_exact_acknowledgement(void **state)
{
	(void)state;
	SEE(HANDSHAKE, /* 10 ms and 1 ms */
	    { C, 20, ACK, 101, 501, 50, 10, 0 },
	    { C, 21, ACK, 151, 501, 50, 10, 0 },
	    { S, 25, ACK, 501, 201, 0, 10, 0 }); /* of the second: 4 ms */
	assert_int_equal(tcp.facts.rtt_samples, 3);
	assert_int_equal(tcp.facts.rtt_min_ns, 1 * MS);
	assert_int_equal(tcp.facts.rtt_max_ns, 10 * MS);
	assert_int_equal(tcp.facts.rtt_sum_ns, 15 * MS);
}

static void
a_segment_sent_again_gives_no_round_trip(void **state)
{
	(void)state;
	SEE(HANDSHAKE, { C, 20, ACK, 101, 501, 50, 10, 0 },
	    { C, 220, ACK, 101, 501, 50, 10, 0 },
	    { S, 225, ACK, 501, 151, 0, 10, 0 });
	assert_int_equal(tcp.facts.rtt_samples, 2);
	assert_int_equal(tcp.facts.retransmissions[C], 1);
}

static void
time_that_runs_backwards_makes_no_negative_round_trip(void **state)
{
	(void)state;
	SEE({ C, 1000, SYN, 100, 0, 0, 1000, 7 },
	    { S, 10, SYN | ACK, 500, 101, 0, 2000, 2 },
	    { C, 11, ACK, 101, 501, 0, 10, 0 });
	assert_true(tcp.facts.handshake_ns > 0);
	assert_true(tcp.facts.rtt_min_ns >= 0);
}

static void
duplicate_acknowledgements_lead_to_a_fast_retransmission(void **state)
{
	(void)state;
	SEE(HANDSHAKE, { S, 100, ACK, 501, 101, 1000, 10, 0 }, /* lost */
	    { S, 100, ACK, 1501, 101, 1000, 10, 0 },
	    { S, 100, ACK, 2501, 101, 1000, 10, 0 },
	    { C, 101, ACK, 101, 501, 0, 10, 0 },
	    { C, 101, ACK, 101, 501, 0, 10, 0 },
	    { S, 110, ACK, 501, 101, 1000, 10, 0 });
	assert_int_equal(tcp.facts.dup_acks[C], 2);
	assert_int_equal(tcp.facts.fast_retransmissions[S], 1);
	assert_int_equal(tcp.facts.retransmissions[S], 1);
	assert_int_equal(tcp.facts.out_of_order[S], 0);
}

static void
an_overtaken_segment_is_out_of_order(void **state)
{
	(void)state;
	SEE(HANDSHAKE, { S, 100, ACK, 1501, 101, 1000, 10, 0 },
	    { S, 101, ACK, 501, 101, 1000, 10, 0 });
	assert_int_equal(tcp.facts.out_of_order[S], 1);
	assert_int_equal(tcp.facts.retransmissions[S], 0);
}

static void
window_updates_are_no_duplicate_acknowledgements(void **state)
{
	(void)state;
	SEE(HANDSHAKE, { C, 20, ACK, 101, 501, 0, 20, 0 },
	    { C, 21, ACK, 101, 501, 0, 30, 0 });
	assert_int_equal(tcp.facts.dup_acks[C], 0);
}

static void
windows_are_scaled_when_both_sides_offer_it(void **state)
{
	(void)state;
	SEE(HANDSHAKE); /* 1000 and 2000 unscaled, then 10 << 7 */
	assert_int_equal(tcp.facts.window_sum[C], 1000 + 1280);
	assert_int_equal(tcp.facts.window_sum[S], 2000);
	assert_int_equal(tcp.facts.window_scale[C], 7);
	assert_int_equal(tcp.facts.window_scale[S], 2);
	SEE({ S, 20, ACK, 501, 101, 1280, 500, 0 }); /* all of 10 << 7 */
	assert_int_equal(tcp.facts.windows_full[S], 1);
	SEE({ C, 21, ACK, 101, 1781, 0, 0, 0 });
	assert_int_equal(tcp.facts.zero_windows[C], 1);
}

static void
windows_are_not_scaled_when_one_side_does_not_offer_it(void **state)
{
	(void)state;
	SEE({ C, 0, SYN, 100, 0, 0, 1000, 7 },
	    { S, 10, SYN | ACK, 500, 101, 0, 2000, 0 },
	    { C, 11, ACK, 101, 501, 0, 10, 0 });
	assert_int_equal(tcp.facts.window_sum[C], 1010);
	assert_int_equal(tcp.facts.window_scale[S], TCP_NO_WINDOW_SCALE);
}

static void
keepalives_and_their_answers_are_recognised(void **state)
{
	(void)state;
	SEE(HANDSHAKE, { C, 20, ACK, 101, 501, 50, 10, 0 },
	    { S, 21, ACK, 501, 151, 0, 10, 0 },
	    { C, 60000, ACK, 150, 501, 0, 10, 0 },
	    { S, 60010, ACK, 501, 151, 0, 10, 0 },
	    { C, 120000, ACK, 150, 501, 1, 10, 0 },
	    { S, 120010, ACK, 501, 151, 0, 10, 0 });
	assert_int_equal(tcp.facts.keepalives[C], 2);
	assert_int_equal(tcp.facts.retransmissions[C], 0);
	assert_int_equal(tcp.facts.dup_acks[S], 0);
}

static void
a_zero_window_probe_is_no_retransmission(void **state)
{
	(void)state;
	SEE(HANDSHAKE, { C, 20, ACK, 101, 501, 0, 0, 0 },
	    { S, 220, ACK, 501, 101, 1, 10, 0 },
	    { S, 620, ACK, 501, 101, 1, 10, 0 },
	    { C, 700, ACK, 101, 501, 0, 10, 0 },
	    { S, 701, ACK, 501, 101, 100, 10, 0 });
	assert_int_equal(tcp.facts.retransmissions[S], 0);
	assert_int_equal(tcp.facts.zero_windows[C], 1);
}

static void
sequence_numbers_wrap_without_a_retransmission(void **state)
{
	(void)state;
	SEE({ C, 0, SYN, 0xfffffff0, 0, 0, 1000, 0 },
	    { S, 1, SYN | ACK, 0xffffffff, 0xfffffff1, 0, 1000, 0 },
	    { C, 2, ACK, 0xfffffff1, 0, 0, 1000, 0 },
	    { C, 3, ACK, 0xfffffff1, 0, 100, 1000, 0 },
	    { C, 4, ACK, 0x55, 0, 100, 1000, 0 });
	assert_int_equal(tcp.facts.retransmissions[C], 0);
	assert_int_equal(tcp.facts.out_of_order[C], 0);
	assert_int_equal(tcp.facts.handshake_ns, 2 * MS);
}

static void
the_first_server_byte_is_timed_from_the_first_packet(void **state)
{
	(void)state;
	SEE(HANDSHAKE, { C, 12, ACK, 101, 501, 50, 10, 0 },
	    { S, 222, ACK, 501, 151, 70, 10, 0 });
	assert_int_equal(tcp.facts.first_data_ns, 222 * MS);
}

static bool
begins_another(struct given g)
{
	struct packet p = packet(g);

	return tcp_begins_another(&tcp, g.side, &p);
}

static void
a_syn_begins_another_connection_unless_it_is_the_same_one(void **state)
{
	(void)state;
	SEE(HANDSHAKE);
	assert_false(begins_another(
		(struct given){ C, 20, SYN, 100, 0, 0, 1000, 0 }));
	assert_true(begins_another(
		(struct given){ C, 20, SYN, 7777, 0, 0, 1000, 0 }));
	assert_false(begins_another(
		(struct given){ S, 20, SYN | ACK, 500, 101, 0, 1000, 0 }));
	assert_true(begins_another(
		(struct given){ S, 20, SYN | ACK, 9000, 7778, 0, 1, 0 }));
	/* The same SYN answered with another number. */
	assert_false(begins_another(
		(struct given){ S, 20, SYN | ACK, 600, 101, 0, 1000, 0 }));
}

static void
bytes_far_from_all_expected_begin_another_connection(void **state)
{
	(void)state;
	tcp.reassembly.sides[C].positioned = true;
	tcp.reassembly.sides[S].positioned = true;
	tcp.reassembly.sides[C].next = (1ull << 32) + 1000;
	tcp.reassembly.sides[S].next = (1ull << 32) + 2000;
	assert_false(begins_another(
		(struct given){ C, 20, ACK, 5000, 2000, 10, 1000, 0 }));
	/* One number alone may be damage. */
	assert_false(begins_another(
		(struct given){ C, 20, ACK, 0x60000000, 2000, 10, 1, 0 }));
	assert_true(begins_another(
		(struct given){ C, 20, ACK, 0x60000000, 0x50000000, 10, 1,
				0 }));
}

static void
a_reset_with_a_foreign_sequence_number_is_not_believed(void **state)
{
	struct reassembly_context context = { .limit = 1 << 20 };
	struct packet p = packet(
		(struct given){ C, 20, RST, 0x40000000, 0, 0, 0, 0 });
	struct stream_at at = { 0 };

	(void)state;
	reassembly_start(&tcp.reassembly, C, (1ull << 32) + 101);
	tcp_reassemble(&tcp, &context, C, &p, &at);
	assert_false(tcp_closed(&tcp));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		TEST(a_whole_connection_has_every_mark_of_completeness),
		TEST(the_handshake_is_measured_from_the_first_and_the_last_syn),
		TEST(round_trips_are_measured_to_the_exact_acknowledgement),
		TEST(a_segment_sent_again_gives_no_round_trip),
		TEST(time_that_runs_backwards_makes_no_negative_round_trip),
		TEST(duplicate_acknowledgements_lead_to_a_fast_retransmission),
		TEST(an_overtaken_segment_is_out_of_order),
		TEST(window_updates_are_no_duplicate_acknowledgements),
		TEST(windows_are_scaled_when_both_sides_offer_it),
		TEST(windows_are_not_scaled_when_one_side_does_not_offer_it),
		TEST(keepalives_and_their_answers_are_recognised),
		TEST(a_zero_window_probe_is_no_retransmission),
		TEST(sequence_numbers_wrap_without_a_retransmission),
		TEST(the_first_server_byte_is_timed_from_the_first_packet),
		TEST(a_syn_begins_another_connection_unless_it_is_the_same_one),
		TEST(bytes_far_from_all_expected_begin_another_connection),
		TEST(a_reset_with_a_foreign_sequence_number_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
