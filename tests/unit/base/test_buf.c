/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/reader.h"

static void
appends_grow_up_to_the_limit_and_no_further(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < 1000; i++)
		buf_u8(&b, (uint8_t)i);
	assert_false(b.failed);
	assert_int_equal(b.size, 1000);
	buf_u8(&b, 0);
	assert_true(b.failed);
	assert_int_equal(b.size, 1000);
	assert_true(b.capacity <= 1001);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(b.data[i], (uint8_t)i);
	buf_free(&b);
}

static void
an_append_that_does_not_fit_leaves_nothing(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	buf_text(&b, "abc");
	buf_text(&b, "de");
	buf_le32(&b, 7);
	buf_format(&b, "%d", 12345);
	buf_string(&b, bytes_of("x"));
	assert_true(b.failed);
	assert_string_equal(buf_cstr(&b), "abc");
	assert_null(buf_reserve(&b, SIZE_MAX));
	buf_reset(&b);
	assert_false(b.failed);
	assert_string_equal(buf_cstr(&b), "");
	buf_free(&b);
}

static void
integers_are_little_endian(void **state)
{
	static const uint8_t expected[] = { 1,  3,  2,  7,  6,  5, 4, 15,
					    14, 13, 12, 11, 10, 9, 8 };
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_u8(&b, 1);
	buf_le16(&b, 0x0203);
	buf_le32(&b, 0x04050607);
	buf_le64(&b, 0x08090a0b0c0d0e0f);
	assert_int_equal(b.size, sizeof(expected));
	assert_memory_equal(b.data, expected, sizeof(expected));
	buf_free(&b);
}

static void
varints_are_leb128_and_read_back(void **state)
{
	static const uint64_t values[] = { 0,      127,        128,
					   150,    16383,      16384,
					   624485, UINT32_MAX, UINT64_MAX };
	static const uint8_t leb128_624485[] = { 0xe5, 0x8e, 0x26 };
	struct reader r;
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_varint(&b, 624485);
	assert_int_equal(b.size, 3);
	assert_memory_equal(b.data, leb128_624485, 3);
	buf_reset(&b);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		buf_varint(&b, values[i]);
	buf_string(&b, bytes_of("end"));
	r = reader_make(buf_view(&b));
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_true(reader_varint(&r) == values[i]);
	assert_true(bytes_equal(reader_string(&r), bytes_of("end")));
	assert_false(r.failed);
	assert_int_equal(reader_left(&r), 0);
	buf_free(&b);
}

static void
dropping_moves_the_rest_to_the_front(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	buf_text(&b, "abcdef");
	buf_drop(&b, 0);
	buf_drop(&b, 2);
	assert_string_equal(buf_cstr(&b), "cdef");
	buf_drop(&b, 100);
	assert_int_equal(b.size, 0);
	buf_free(&b);
}

static void
formatted_text_of_any_length_is_appended(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	buf_format(&b, "%s=%d ", "a", 1);
	buf_format(&b, "%200s", "x");
	assert_false(b.failed);
	assert_int_equal(b.size, 204);
	assert_int_equal(b.data[203], 'x');
	buf_free(&b);
}

static void
an_empty_buffer_is_an_empty_string(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	assert_string_equal(buf_cstr(&b), "");
	buf_append(&b, NULL, 0);
	assert_false(b.failed);
	buf_free(&b);
	buf_free(&b);
	buf_init(&b, SIZE_MAX);
	buf_text(&b, "x");
	assert_string_equal(buf_cstr(&b), "x");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_grow_up_to_the_limit_and_no_further),
		cmocka_unit_test(an_append_that_does_not_fit_leaves_nothing),
		cmocka_unit_test(integers_are_little_endian),
		cmocka_unit_test(varints_are_leb128_and_read_back),
		cmocka_unit_test(dropping_moves_the_rest_to_the_front),
		cmocka_unit_test(formatted_text_of_any_length_is_appended),
		cmocka_unit_test(an_empty_buffer_is_an_empty_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
