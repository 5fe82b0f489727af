/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dissect/defrag.h"

#define SECOND 1000000000LL

struct given {
	uint32_t id, offset;
	bool more;
	const char *data;
	uint32_t cut; /* bytes the capture cut */
};

static struct defrag *defrag;
static struct bytes whole;
static uint32_t whole_length;
static uint8_t protocol;

static int
set_up(void **state)
{
	(void)state;
	defrag = defrag_new();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	defrag_free(defrag);
	return 0;
}

static enum defrag_result
add_at(int64_t now_ns, struct given g)
{
	uint32_t size = (uint32_t)strlen(g.data);
	struct packet p = {
		.ip_version = 4,
		.ip_protocol = 17,
		.payload = bytes_make(g.data, size - g.cut),
		.payload_length = size,
		.fragment = { .id = g.id, .offset = g.offset,
			      .more = g.more },
	};
	enum defrag_result result =
		defrag_add(defrag, &p, now_ns, &whole, &whole_length);

	protocol = p.ip_protocol;
	return result;
}

static enum defrag_result
add(uint32_t id, uint32_t offset, bool more, const char *data)
{
	return add_at(0, (struct given){ id, offset, more, data, 0 });
}

static void
assert_whole(const char *expected)
{
	assert_int_equal(whole_length, strlen(expected));
	assert_int_equal(whole.size, strlen(expected));
	assert_memory_equal(whole.data, expected, whole.size);
}

static void
fragments_in_order_become_a_datagram(void **state)
{
	(void)state;
	assert_int_equal(add(1, 0, true, "01234567"), DEFRAG_WAIT);
	assert_int_equal(add(1, 8, true, "89abcdef"), DEFRAG_WAIT);
	assert_int_equal(add(1, 16, false, "xyz"), DEFRAG_WHOLE);
	assert_whole("0123456789abcdefxyz");
	assert_int_equal(protocol, 17);
	assert_int_equal(defrag_lost(defrag), 0);
}

static void
fragments_in_any_order_become_a_datagram(void **state)
{
	(void)state;
	assert_int_equal(add(1, 16, false, "xyz"), DEFRAG_WAIT);
	assert_int_equal(add(2, 0, true, "other..."), DEFRAG_WAIT);
	assert_int_equal(add(1, 0, true, "01234567"), DEFRAG_WAIT);
	assert_int_equal(add(1, 8, true, "89abcdef"), DEFRAG_WHOLE);
	assert_whole("0123456789abcdefxyz");
	defrag_flush(defrag);
	assert_int_equal(defrag_lost(defrag), 1);
}

static void
the_first_bytes_win_where_fragments_overlap(void **state)
{
	(void)state;
	assert_int_equal(add(1, 8, true, "BBBBBBBB"), DEFRAG_WAIT);
	assert_int_equal(add(1, 0, true, "AAAAAAAAaaaaaaaaCCCCCCCC"),
			 DEFRAG_WAIT);
	assert_int_equal(add(1, 16, false, "ccccccccDD"), DEFRAG_WHOLE);
	assert_whole("AAAAAAAABBBBBBBBCCCCCCCCDD");
}

static void
repeated_fragments_are_duplicates_before_and_after_the_end(void **state)
{
	(void)state;
	assert_int_equal(add(1, 0, true, "01234567"), DEFRAG_WAIT);
	assert_int_equal(add(1, 0, true, "01234567"), DEFRAG_DUPLICATE);
	assert_int_equal(add(1, 8, false, "89"), DEFRAG_WHOLE);
	assert_int_equal(add(1, 8, false, "89"), DEFRAG_DUPLICATE);
	assert_int_equal(add(1, 0, true, "01234567"), DEFRAG_DUPLICATE);
	defrag_flush(defrag);
	assert_int_equal(defrag_lost(defrag), 0);
}

static void
an_identifier_can_be_used_again(void **state)
{
	(void)state;
	add(1, 0, true, "01234567");
	assert_int_equal(add(1, 8, false, "89"), DEFRAG_WHOLE);
	assert_int_equal(add_at(2 * SECOND, (struct given){ 1, 0, true,
							    "ABCDEFGH", 0 }),
			 DEFRAG_WAIT);
	assert_int_equal(add_at(2 * SECOND, (struct given){ 1, 8, false,
							    "IJ", 0 }),
			 DEFRAG_WHOLE);
	assert_whole("ABCDEFGHIJ");
}

static void
incomplete_datagrams_are_lost_after_the_timeout(void **state)
{
	(void)state;
	add(1, 0, true, "01234567");
	add(1, 16, true, "01234567");
	assert_int_equal(add_at(31 * SECOND, (struct given){ 1, 8, false,
							     "89", 0 }),
			 DEFRAG_WAIT);
	assert_int_equal(defrag_lost(defrag), 2);
}

static void
what_the_capture_cut_is_told(void **state)
{
	(void)state;
	add_at(0, (struct given){ 1, 0, true, "0123456789abcdef", 4 });
	assert_int_equal(add(1, 16, false, "tail"), DEFRAG_WHOLE);
	assert_int_equal(whole_length, 20);
	assert_int_equal(whole.size, 12);
	assert_memory_equal(whole.data, "0123456789ab", 12);
}

static void
impossible_places_are_refused(void **state)
{
	(void)state;
	assert_int_equal(add(1, 65528, false, "0123456789"), DEFRAG_BAD);
	assert_int_equal(add(1, 0, true, ""), DEFRAG_BAD);
	assert_int_equal(add(2, 8, false, "end"), DEFRAG_WAIT);
	assert_int_equal(add(2, 16, true, "behind the end"), DEFRAG_BAD);
}

static void
a_flood_of_first_fragments_stays_within_the_limits(void **state)
{
	const uint32_t count = 100000;

	(void)state;
	for (uint32_t id = 0; id < count; id++)
		assert_int_equal(add(id, 60000, true, "01234567"),
				 DEFRAG_WAIT);
	/* 8 MiB hold 128 datagrams that end near 64 KiB. */
	assert_true(defrag_lost(defrag) >= count - 128);
	defrag_flush(defrag);
	assert_int_equal(defrag_lost(defrag), count);
}

static void
many_small_pieces_are_bounded(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4000; i++)
		(void)add(1, i * 16, true, "01234567");
	for (uint32_t i = 4000; i > 0; i--)
		(void)add(1, i * 16 - 8, true, "01234567");
	defrag_flush(defrag);
	assert_true(defrag_lost(defrag) > 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(fragments_in_order_become_a_datagram),
		TEST(fragments_in_any_order_become_a_datagram),
		TEST(the_first_bytes_win_where_fragments_overlap),
		TEST(repeated_fragments_are_duplicates_before_and_after_the_end),
		TEST(an_identifier_can_be_used_again),
		TEST(incomplete_datagrams_are_lost_after_the_timeout),
		TEST(what_the_capture_cut_is_told),
		TEST(impossible_places_are_refused),
		TEST(a_flood_of_first_fragments_stays_within_the_limits),
		TEST(many_small_pieces_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
