/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of RFC 9110, 14.1.2, of a file of 10,000 bytes as there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/transport/http_range.h"

static void
expect(const char *field, enum http_range what, uint64_t from, uint64_t to)
{
	uint64_t got_from, got_to;

	assert_int_equal(http_range_parse(bytes_of(field), 10000, &got_from,
					  &got_to), what);
	if (what == RANGE_NONE)
		return;
	assert_int_equal(got_from, from);
	assert_int_equal(got_to, to);
}

static void
one_range_is_a_part(void **state)
{
	(void)state;
	expect("bytes=0-499", RANGE_PART, 0, 500);
	expect("bytes=500-999", RANGE_PART, 500, 1000);
	expect("bytes=-500", RANGE_PART, 9500, 10000);
	expect("bytes=9500-", RANGE_PART, 9500, 10000);
	expect("bytes=0-0", RANGE_PART, 0, 1);
	expect("bytes=9999-20000", RANGE_PART, 9999, 10000);
	expect("bytes=-20000", RANGE_PART, 0, 10000);
}

static void
behind_the_end_is_nothing(void **state)
{
	(void)state;
	expect("bytes=10000-", RANGE_NONE, 0, 0);
	expect("bytes=-0", RANGE_NONE, 0, 0);
}

static void
what_is_not_understood_is_everything(void **state)
{
	static const char *const odd[] = {
		"",	      "bytes=",	      "bytes=-",
		"lines=0-1",  "bytes=0-1,5-6", "bytes=5-4",
		"bytes=x-1",  "bytes=1-x",     "bytes=--1",
		"bytes=1",    "bytes=99999999999999999999-",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		expect(odd[i], RANGE_ALL, 0, 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_range_is_a_part),
		cmocka_unit_test(behind_the_end_is_nothing),
		cmocka_unit_test(what_is_not_understood_is_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
