/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments go in by hand; what comes out is one line a callback, positions
 * counted from ORIGIN: "C 0 hello ack 0", "S gap 5+10", "C fin", "S reset".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "dissect/reassembly.h"

#define ORIGIN (1ull << 33)
#define MILLISECOND 1000000LL
#define C SIDE_CLIENT
#define S SIDE_SERVER

static struct reassembly r;
static struct reassembly_context context;
static uint8_t recent[REASSEMBLY_RECENT_SIZE];
static char text[1 << 20];
static size_t used;

static char
letter(enum side side)
{
	return side == C ? 'C' : 'S';
}

static void
note(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
note(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	used += (size_t)vsnprintf(text + used, sizeof(text) - used, format,
				  list);
	va_end(list);
	assert_true(used < sizeof(text));
}

static void
on_data(void *owner, enum side side, struct bytes data,
	const struct stream_at *at)
{
	assert_ptr_equal(owner, &r);
	note("%c %ju %.*s ack %ju\n", letter(side),
	     (uintmax_t)(at->position - ORIGIN), (int)data.size,
	     (const char *)data.data, (uintmax_t)(at->acknowledged - ORIGIN));
}

static void
on_gap(void *owner, enum side side, uint64_t missing,
       const struct stream_at *at)
{
	assert_ptr_equal(owner, &r);
	note("%c gap %ju+%ju\n", letter(side),
	     (uintmax_t)(at->position - ORIGIN), (uintmax_t)missing);
}

static void
on_finish(void *owner, enum side side, bool clean)
{
	assert_ptr_equal(owner, &r);
	note("%c %s\n", letter(side), clean ? "fin" : "reset");
}

static int
set_up(void **state)
{
	(void)state;
	r = (struct reassembly){ .owner = &r };
	context = (struct reassembly_context){
		.data = on_data,
		.gap = on_gap,
		.finish = on_finish,
		.limit = 1 << 20,
		.recent = recent,
		.connection_limit = 1 << 20,
	};
	reassembly_start(&r, C, ORIGIN);
	reassembly_start(&r, S, ORIGIN);
	r.sides[C].seen = r.sides[S].seen = true;
	used = 0;
	text[0] = '\0';
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	reassembly_flush(&r, &context, &(struct stream_at){ 0 });
	assert_int_equal(r.buffered, 0);
	assert_int_equal(context.buffered, 0);
	return 0;
}

static struct reassembly_packet
packet(enum side side, uint64_t position, const char *data, uint64_t ack)
{
	return (struct reassembly_packet){
		.side = side,
		.has_ack = true,
		.position = ORIGIN + position,
		.acknowledged = ORIGIN + ack,
		.length = (uint32_t)strlen(data),
		.data = bytes_make(data, strlen(data)),
		.time_ns = context.now_ns,
	};
}

static void
give(enum side side, uint64_t position, const char *data, uint64_t ack)
{
	struct reassembly_packet p = packet(side, position, data, ack);

	reassembly_add(&r, &context, &p);
}

static void
give_fin(enum side side, uint64_t position, const char *data, uint64_t ack)
{
	struct reassembly_packet p = packet(side, position, data, ack);

	p.fin = true;
	reassembly_add(&r, &context, &p);
}

/* Empty packets that say nothing new. */
static void
pass_packets(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		give(C, r.sides[C].next - ORIGIN, "",
		     r.sides[S].acked - ORIGIN);
}

static void
flush(void)
{
	reassembly_flush(&r, &context, &(struct stream_at){ 0 });
}

static void
assert_log(const char *expected)
{
	assert_string_equal(text, expected);
	used = 0;
	text[0] = '\0';
}

static void
in_order_bytes_are_passed_on_at_once(void **state)
{
	(void)state;
	give(C, 0, "GET", 0);
	assert_log("C 0 GET ack 0\n");
	give(S, 0, "200", 3);
	assert_log("S 0 200 ack 3\n");
	assert_int_equal(r.buffered, 0);
}

static void
out_of_order_segments_wait_for_their_turn(void **state)
{
	(void)state;
	give(C, 6, "ghi", 0);
	give(C, 3, "def", 0);
	assert_log("");
	give(C, 0, "abc", 0);
	assert_log("C 0 abc ack 0\nC 3 def ack 0\nC 6 ghi ack 0\n");
}

static void
a_response_waits_for_the_request_it_acknowledges(void **state)
{
	(void)state;
	give(S, 0, "200", 3);
	assert_log("");
	give(C, 0, "GET", 0);
	assert_log("C 0 GET ack 0\nS 0 200 ack 3\n");
}

static void
retransmissions_are_passed_on_once(void **state)
{
	(void)state;
	give(C, 0, "abcdef", 0);
	give(C, 0, "abcdef", 0);
	give(C, 3, "def", 0);
	give(C, 3, "defghi", 0);
	assert_log("C 0 abcdef ack 0\nC 6 ghi ack 0\n");
}

static void
the_bytes_that_came_first_win_and_differences_are_counted(void **state)
{
	(void)state;
	give(C, 4, "BBBB", 0);
	give(C, 2, "aaaaaaaa", 0);  /* 2..10 around the first */
	give(C, 0, "AA", 0);
	assert_log("C 0 AA ack 0\nC 2 aa ack 0\nC 4 BBBB ack 0\n"
		   "C 8 aa ack 0\n");
	assert_int_equal(r.sides[C].differing, 1);
}

static void
an_in_order_segment_does_not_replace_what_already_waits(void **state)
{
	(void)state;
	give(C, 4, "BBBB", 0);
	give(C, 0, "aaaaaaaaaa", 0);
	assert_log("C 0 aaaa ack 0\nC 4 BBBB ack 0\nC 8 aa ack 0\n");
	assert_int_equal(r.sides[C].differing, 1);
}

static void
a_repeat_of_what_was_passed_on_with_other_bytes_is_counted(void **state)
{
	(void)state;
	give(C, 0, "abcdef", 0);
	give(C, 0, "abcdef", 0);
	give(C, 3, "defghi", 0); /* the same and more */
	assert_int_equal(r.sides[C].differing, 0);
	give(C, 6, "gHi", 0);
	assert_int_equal(r.sides[C].differing, 1);
	give(C, 7, "XYjkl", 0);
	assert_int_equal(r.sides[C].differing, 2);
	give(C, 11, "?", 0); /* a keep-alive's byte means nothing */
	assert_int_equal(r.sides[C].differing, 2);
	assert_log("C 0 abcdef ack 0\nC 6 ghi ack 0\nC 9 jkl ack 0\n");
}

static void
an_acknowledged_hole_is_given_up_after_32_packets(void **state)
{
	(void)state;
	give(C, 10, "next", 0);
	give(S, 0, "", 14); /* the receiver has all of it */
	pass_packets(30);
	assert_log("");
	pass_packets(1);
	assert_log("C gap 0+10\nC 10 next ack 0\n");
	assert_int_equal(r.sides[C].holes, 1);
	assert_int_equal(r.sides[C].missing_bytes, 10);
	assert_int_equal(r.sides[C].payload_bytes, 4);
}

static void
an_acknowledged_hole_is_given_up_after_a_second(void **state)
{
	(void)state;
	give(C, 10, "next", 0);
	give(S, 0, "", 14);
	context.now_ns += 999 * MILLISECOND;
	assert_true(reassembly_expire(&r, &context));
	assert_log("");
	context.now_ns += MILLISECOND;
	assert_false(reassembly_expire(&r, &context));
	assert_log("C gap 0+10\nC 10 next ack 0\n");
}

static void
bytes_that_the_network_lost_are_waited_for_longer(void **state)
{
	(void)state;
	give(C, 3, "def", 0);
	for (unsigned i = 0; i < 100; i++)
		give(S, 0, "", 0); /* the receiver lacks it too */
	context.now_ns += 3000 * MILLISECOND;
	assert_true(reassembly_expire(&r, &context));
	assert_log("");
	give(C, 0, "abc", 0);
	assert_log("C 0 abc ack 0\nC 3 def ack 0\n");
}

static void
of_a_hole_only_what_was_acknowledged_is_given_up(void **state)
{
	(void)state;
	give(C, 10, "jkl", 0);
	give(S, 0, "", 4); /* has 0..4; the network lost 4..10 */
	pass_packets(40);
	assert_log("C gap 0+4\n");
	give(C, 4, "efghi-", 0);
	assert_log("C 4 efghi- ack 0\nC 10 jkl ack 0\n");
}

static void
a_lost_request_is_a_gap_before_its_response(void **state)
{
	(void)state;
	give(S, 0, "200", 5); /* answers 0..5, which never comes */
	give(C, 5, "again", 3);
	pass_packets(32);
	assert_log("C gap 0+5\nS 0 200 ack 5\nC 5 again ack 3\n");
}

static void
a_lost_response_is_a_gap_before_the_next_request(void **state)
{
	(void)state;
	give(C, 0, "one", 0);
	give(C, 3, "two", 8); /* acknowledges a response not captured */
	give(S, 8, "200", 6);
	pass_packets(32);
	assert_log("C 0 one ack 0\nS gap 0+8\nC 3 two ack 8\nS 8 200 ack 6\n");
}

static void
holes_on_both_sides_keep_the_order_of_cause_and_effect(void **state)
{
	(void)state;
	give(C, 5, "two", 10); /* request and response before it are lost */
	give(S, 10, "200", 8);
	give(C, 8, "three", 13);
	flush();
	assert_log("C gap 0+5\nS gap 0+10\nC 5 two ack 10\nS 10 200 ack 8\n"
		   "C 8 three ack 13\n");
}

static void
a_response_sent_again_later_still_comes_before_its_successor(void **state)
{
	(void)state;
	give(C, 0, "one", 0);
	give(C, 3, "two", 3); /* has seen the response, the capture has not */
	give(S, 0, "200", 6); /* the response again, acknowledging more */
	pass_packets(33);
	assert_log("C 0 one ack 0\nS 0 200 ack 3\nC 3 two ack 3\n");
}

static void
with_one_direction_only_nothing_waits_twice(void **state)
{
	(void)state;
	r.sides[S].seen = false;
	give(C, 0, "one", 0);
	give(C, 3, "two", 100);
	pass_packets(32);
	assert_log("C 0 one ack 0\nS gap 0+100\nC 3 two ack 100\n");
	assert_true(r.one_direction);
	give(C, 6, "three", 250);
	assert_log("S gap 100+150\nC 6 three ack 250\n");
	assert_int_equal(r.sides[S].holes, 1); /* it is one long hole */
	assert_int_equal(r.sides[S].missing_bytes, 250);
}

static void
a_segment_cut_by_the_capture_is_followed_by_a_gap(void **state)
{
	struct reassembly_packet p = packet(C, 0, "abcdef", 0);

	(void)state;
	p.length = 100;
	reassembly_add(&r, &context, &p);
	give(C, 100, "next", 0);
	assert_log("C 0 abcdef ack 0\nC gap 6+94\nC 100 next ack 0\n");

	p = packet(C, 110, "abcdef", 0); /* the same when it must wait */
	p.length = 20;
	reassembly_add(&r, &context, &p);
	give(C, 104, "middle", 0);
	assert_log("C 104 middle ack 0\nC 110 abcdef ack 0\nC gap 116+14\n");
}

static void
a_fin_ends_its_side_in_order(void **state)
{
	(void)state;
	give_fin(C, 3, "def", 0);
	assert_log("");
	give(C, 0, "abc", 0);
	assert_log("C 0 abc ack 0\nC 3 def ack 0\nC fin\n");
	give(C, 7, "late", 0);
	give_fin(C, 6, "", 0);
	assert_log("");
	give(S, 0, "answer", 7);
	give_fin(S, 6, "", 7);
	assert_log("S 0 answer ack 7\nS fin\n");
}

static void
a_fin_that_was_not_captured_is_no_hole(void **state)
{
	(void)state;
	give(S, 0, "bye", 0);
	give_fin(C, 0, "", 4); /* 3 bytes and a FIN */
	flush();
	assert_log("S 0 bye ack 0\nS fin\nC fin\n");
	assert_int_equal(r.sides[S].missing_bytes, 0);
}

static void
a_keepalive_changes_nothing(void **state)
{
	(void)state;
	give(C, 0, "abc", 0);
	give(C, 2, "", 0);
	give(C, 2, "?", 0);
	give(C, 3, "def", 0);
	assert_log("C 0 abc ack 0\nC 3 def ack 0\n");
}

static void
a_side_known_from_a_keepalive_only_begins_behind_it(void **state)
{
	(void)state;
	r.sides[C] = (struct reassembly_side){ 0 };
	give(C, 9, "", 0);
	give(C, 10, "first", 0);
	assert_log("C 10 first ack 0\n");
}

static void
a_reset_ends_both_sides_after_what_waits(void **state)
{
	(void)state;
	give(C, 3, "def", 0);
	reassembly_reset(&r, &context, C, ORIGIN + 6);
	assert_log("");
	give(C, 0, "abc", 0);
	assert_log("C 0 abc ack 0\nC 3 def ack 0\nC reset\nS reset\n");
}

static void
a_flush_passes_on_everything_and_names_what_was_acknowledged(void **state)
{
	(void)state;
	give(C, 0, "one", 0);
	give(C, 10, "two", 0);
	give(C, 13, "", 50); /* the server sent 50 bytes we never saw */
	flush();
	assert_log("C 0 one ack 0\nC gap 3+7\nC 10 two ack 0\nS gap 0+50\n");
}

static void
sequence_numbers_wrap(void **state)
{
	struct reassembly_side *s = &r.sides[C];

	(void)state;
	*s = (struct reassembly_side){ 0 };
	reassembly_start(&r, C, reassembly_position(s, 0xfffffffe));
	assert_true(reassembly_position(s, 1) ==
		    reassembly_position(s, 0xfffffffe) + 3);
	assert_true(reassembly_position(s, 0xfffffff0) == s->next - 14);
	*s = (struct reassembly_side){ 0 };
	reassembly_start(&r, C, reassembly_position(s, 0));
	assert_true(reassembly_position(s, 0xffffffff) == s->next - 1);
}

static void
the_limit_of_a_connection_gives_up_its_hole(void **state)
{
	static char big[1000];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	context.connection_limit = 3000;
	give(C, 10, big, 0);
	give(C, 10 + 999, big, 0);
	assert_int_equal(used, 0);
	give(C, 10 + 1998, big, 0);
	assert_true(strncmp(text, "C gap 0+10\n", 11) == 0);
	assert_int_equal(r.sides[C].payload_bytes, 2997);
	assert_int_equal(r.buffered, 0);
	used = 0;
	text[0] = '\0';
}

static void
with_the_total_used_up_nothing_waits(void **state)
{
	(void)state;
	context.limit = 0;
	give(C, 10, "abc", 20);
	assert_log("C gap 0+10\nS gap 0+20\nC 10 abc ack 20\n");
	assert_int_equal(context.given_up, 10 + 20);
}

static void
a_segment_far_outside_is_dropped_when_nothing_confirms_it(void **state)
{
	(void)state;
	give(C, 1ull << 30, "damaged", 0);
	give(C, 0, "abc", 0);
	give(S, 0, "ok", 3);
	flush();
	assert_log("C 0 abc ack 0\nS 0 ok ack 3\n");
	assert_int_equal(r.sides[C].missing_bytes, 0);
}

static void
an_acknowledgement_far_outside_is_not_believed(void **state)
{
	(void)state;
	give(C, 0, "abc", 1ull << 30);
	assert_log("C 0 abc ack 0\n");
}

static void
a_flood_of_single_bytes_is_bounded(void **state)
{
	(void)state;
	for (unsigned i = 60000; i > 0; i--) {
		give(C, 2ull * i, "x", 0);
		used = 0;
		assert_true(r.sides[C].count <= REASSEMBLY_SEGMENT_LIMIT + 1);
		assert_true(r.buffered <= context.connection_limit);
	}
	flush();
	used = 0;
}

static void
time_that_runs_backwards_expires_nothing(void **state)
{
	(void)state;
	context.now_ns = 100000 * MILLISECOND;
	give(C, 3, "def", 0);
	give(S, 0, "", 6);
	context.now_ns = 0;
	assert_true(reassembly_expire(&r, &context));
	assert_log("");
	give(C, 0, "abc", 0);
	assert_log("C 0 abc ack 0\nC 3 def ack 0\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(in_order_bytes_are_passed_on_at_once),
		TEST(out_of_order_segments_wait_for_their_turn),
		TEST(a_response_waits_for_the_request_it_acknowledges),
		TEST(retransmissions_are_passed_on_once),
		TEST(the_bytes_that_came_first_win_and_differences_are_counted),
		TEST(an_in_order_segment_does_not_replace_what_already_waits),
		TEST(a_repeat_of_what_was_passed_on_with_other_bytes_is_counted),
		TEST(an_acknowledged_hole_is_given_up_after_32_packets),
		TEST(an_acknowledged_hole_is_given_up_after_a_second),
		TEST(bytes_that_the_network_lost_are_waited_for_longer),
		TEST(of_a_hole_only_what_was_acknowledged_is_given_up),
		TEST(a_lost_request_is_a_gap_before_its_response),
		TEST(a_lost_response_is_a_gap_before_the_next_request),
		TEST(holes_on_both_sides_keep_the_order_of_cause_and_effect),
		TEST(a_response_sent_again_later_still_comes_before_its_successor),
		TEST(with_one_direction_only_nothing_waits_twice),
		TEST(a_segment_cut_by_the_capture_is_followed_by_a_gap),
		TEST(a_fin_ends_its_side_in_order),
		TEST(a_fin_that_was_not_captured_is_no_hole),
		TEST(a_keepalive_changes_nothing),
		TEST(a_side_known_from_a_keepalive_only_begins_behind_it),
		TEST(a_reset_ends_both_sides_after_what_waits),
		TEST(a_flush_passes_on_everything_and_names_what_was_acknowledged),
		TEST(sequence_numbers_wrap),
		TEST(the_limit_of_a_connection_gives_up_its_hole),
		TEST(with_the_total_used_up_nothing_waits),
		TEST(a_segment_far_outside_is_dropped_when_nothing_confirms_it),
		TEST(an_acknowledgement_far_outside_is_not_believed),
		TEST(a_flood_of_single_bytes_is_bounded),
		TEST(time_that_runs_backwards_expires_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
