/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/frame.h"

static void
frames_are_read_back_in_order(void **state)
{
	struct frame frame;
	struct bytes in;
	struct buf b;
	size_t at;

	(void)state;
	buf_init(&b, 100);
	at = frame_begin(&b, 7);
	buf_text(&b, "hello");
	frame_end(&b, at);
	at = frame_begin(&b, 8);
	frame_end(&b, at);
	in = buf_view(&b);
	assert_int_equal(frame_next(&in, 6, &frame), 1);
	assert_int_equal(frame.type, 7);
	assert_true(bytes_equal(frame.payload, bytes_of("hello")));
	assert_int_equal(frame_next(&in, 6, &frame), 1);
	assert_int_equal(frame.type, 8);
	assert_int_equal(frame.payload.size, 0);
	assert_int_equal(frame_next(&in, 6, &frame), 0);
	assert_int_equal(in.size, 0);
	buf_free(&b);
}

static void
the_layout_is_size_then_type_then_payload(void **state)
{
	static const uint8_t expected[] = { 3, 0, 0, 0, 0x42, 'h', 'i' };
	struct buf b;
	size_t at;

	(void)state;
	buf_init(&b, 100);
	at = frame_begin(&b, 0x42);
	buf_text(&b, "hi");
	frame_end(&b, at);
	assert_int_equal(b.size, sizeof(expected));
	assert_memory_equal(b.data, expected, sizeof(expected));
	buf_free(&b);
}

static void
every_prefix_of_a_frame_asks_for_more(void **state)
{
	static const uint8_t whole[] = { 3, 0, 0, 0, 1, 'h', 'i' };
	struct frame frame;

	(void)state;
	for (size_t size = 0; size < sizeof(whole); size++) {
		struct bytes in = bytes_make(whole, size);

		assert_int_equal(frame_next(&in, 100, &frame), 0);
		assert_int_equal(in.size, size);
	}
}

static void
sizes_of_zero_or_over_the_limit_are_corrupt(void **state)
{
	static const uint8_t zero[] = { 0, 0, 0, 0, 1 };
	static const uint8_t over[] = { 4, 0, 0, 0 };
	static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 1 };
	struct bytes in = bytes_make(zero, sizeof(zero));
	struct frame frame;

	(void)state;
	assert_int_equal(frame_next(&in, 3, &frame), ERR_CORRUPT);
	in = bytes_make(over, sizeof(over));
	assert_int_equal(frame_next(&in, 3, &frame), ERR_CORRUPT);
	in = bytes_make(huge, sizeof(huge));
	assert_int_equal(frame_next(&in, 1 << 20, &frame), ERR_CORRUPT);
}

static void
a_frame_that_does_not_fit_is_taken_back(void **state)
{
	struct bytes in;
	struct frame frame;
	struct buf b;
	size_t at;

	(void)state;
	buf_init(&b, 14);
	at = frame_begin(&b, 1);
	buf_text(&b, "abc");
	frame_end(&b, at);
	at = frame_begin(&b, 2);
	buf_text(&b, "too long");
	frame_end(&b, at);
	assert_true(b.failed);
	assert_int_equal(b.size, 8);
	at = frame_begin(&b, 3);
	frame_end(&b, at);
	in = buf_view(&b);
	assert_int_equal(frame_next(&in, 100, &frame), 1);
	assert_int_equal(frame_next(&in, 100, &frame), 0);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_read_back_in_order),
		cmocka_unit_test(the_layout_is_size_then_type_then_payload),
		cmocka_unit_test(every_prefix_of_a_frame_asks_for_more),
		cmocka_unit_test(sizes_of_zero_or_over_the_limit_are_corrupt),
		cmocka_unit_test(a_frame_that_does_not_fit_is_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
