/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/reader.h"

static const uint8_t counting[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void
integers_are_read_in_both_byte_orders(void **state)
{
	struct bytes in = bytes_make(counting, sizeof(counting));
	struct reader r = reader_make(in);

	(void)state;
	assert_int_equal(reader_be16(&r), 0x0102);
	assert_int_equal(reader_le16(&r), 0x0403);
	assert_int_equal(reader_be32(&r), 0x05060708);
	assert_int_equal(reader_left(&r), 0);
	r = reader_make(in);
	assert_int_equal(reader_le32(&r), 0x04030201);
	assert_int_equal(reader_u8(&r), 5);
	reader_skip(&r, 3);
	assert_false(r.failed);
	r = reader_make(in);
	assert_int_equal(reader_be64(&r), 0x0102030405060708);
	r = reader_make(in);
	assert_int_equal(reader_le64(&r), 0x0807060504030201);
	assert_false(r.failed);
}

static void
after_one_failure_everything_is_zero(void **state)
{
	struct reader r = reader_make(bytes_make(counting, 3));

	(void)state;
	assert_int_equal(reader_le64(&r) >> 32, 0);
	assert_true(r.failed);
	assert_int_equal(reader_left(&r), 0);
	assert_int_equal(reader_u8(&r), 0);
	assert_int_equal(reader_take(&r, 1).size, 0);
	assert_int_equal(reader_varint(&r), 0);
}

static void
an_empty_input_fails_on_the_first_read(void **state)
{
	struct reader r = reader_make(bytes_make(NULL, 0));

	(void)state;
	assert_int_equal(reader_take(&r, 0).size, 0);
	assert_false(r.failed);
	reader_skip(&r, SIZE_MAX);
	assert_true(r.failed);
}

/* The examples of the Protocol Buffers and DWARF descriptions of LEB128. */
static void
varints_follow_leb128(void **state)
{
	static const uint8_t in[] = { 0x01, 0x96, 0x01, 0xe5, 0x8e, 0x26 };
	struct reader r = reader_make(bytes_make(in, sizeof(in)));

	(void)state;
	assert_int_equal(reader_varint(&r), 1);
	assert_int_equal(reader_varint(&r), 150);
	assert_int_equal(reader_varint(&r), 624485);
	assert_false(r.failed);
}

static void
varints_too_long_or_cut_off_fail(void **state)
{
	static const uint8_t ones[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					0xff, 0xff, 0xff, 0xff, 0x01 };
	struct reader r = reader_make(bytes_make(ones, sizeof(ones)));

	(void)state;
	assert_int_equal(reader_varint(&r), 0);
	assert_true(r.failed);
	r = reader_make(bytes_make(ones, 4));
	assert_int_equal(reader_varint(&r), 0);
	assert_true(r.failed);
}

static void
a_string_longer_than_the_input_fails(void **state)
{
	static const uint8_t in[] = { 2, 'a', 'b', 3, 'c', 'd' };
	static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					0xff, 0xff, 0xff, 0x01, 'x' };
	struct reader r = reader_make(bytes_make(in, sizeof(in)));

	(void)state;
	assert_true(bytes_equal(reader_string(&r), bytes_of("ab")));
	assert_int_equal(reader_string(&r).size, 0);
	assert_true(r.failed);
	r = reader_make(bytes_make(huge, sizeof(huge)));
	assert_int_equal(reader_string(&r).size, 0);
	assert_true(r.failed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_read_in_both_byte_orders),
		cmocka_unit_test(after_one_failure_everything_is_zero),
		cmocka_unit_test(an_empty_input_fails_on_the_first_read),
		cmocka_unit_test(varints_follow_leb128),
		cmocka_unit_test(varints_too_long_or_cut_off_fail),
		cmocka_unit_test(a_string_longer_than_the_input_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
