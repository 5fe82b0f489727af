/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

static void
equality_is_of_size_and_contents(void **state)
{
	(void)state;
	assert_true(bytes_equal(bytes_of("ab"), bytes_make("abc", 2)));
	assert_false(bytes_equal(bytes_of("ab"), bytes_of("abc")));
	assert_false(bytes_equal(bytes_of("ab"), bytes_of("aB")));
	assert_true(bytes_equal(bytes_of(NULL), bytes_of("")));
}

static void
case_is_ignored_for_ascii_letters_only(void **state)
{
	(void)state;
	assert_true(bytes_equal_nocase(bytes_of("Content-TYPE"),
				       bytes_of("content-type")));
	assert_false(bytes_equal_nocase(bytes_of("a"), bytes_of("ab")));
	/* '@' and '`', '[' and '{' differ by the case bit, too */
	assert_false(bytes_equal_nocase(bytes_of("@["), bytes_of("`{")));
	/* Ä and ä in Latin-1 */
	assert_false(bytes_equal_nocase(bytes_of("\xc4"), bytes_of("\xe4")));
}

static void
short_and_long_texts_are_copied_whole(void **state)
{
	uint8_t in[100], out[102];

	(void)state;
	for (uint8_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i + 1);
	for (size_t size = 0; size <= sizeof(in); size++) {
		memset(out, 0, sizeof(out));
		assert_ptr_equal(bytes_put(out + 1, bytes_make(in, size)),
				 out + 1 + size);
		assert_memory_equal(out + 1, in, size);
		assert_int_equal(out[0], 0);
		assert_int_equal(out[1 + size], 0);
	}
	assert_ptr_equal(bytes_put(out, bytes_make(NULL, 0)), out);
}

static void
prefixes_are_found_only_when_whole(void **state)
{
	(void)state;
	assert_true(bytes_starts_with(bytes_of("GET /"), "GET "));
	assert_true(bytes_starts_with(bytes_of("x"), ""));
	assert_false(bytes_starts_with(bytes_of("GE"), "GET "));
}

static void
slices_never_pass_the_end(void **state)
{
	struct bytes in = bytes_of("abcdef");

	(void)state;
	assert_true(bytes_equal(bytes_from(in, 4), bytes_of("ef")));
	assert_int_equal(bytes_from(in, 6).size, 0);
	assert_int_equal(bytes_from(in, SIZE_MAX).size, 0);
	assert_true(bytes_equal(bytes_first(in, 2), bytes_of("ab")));
	assert_int_equal(bytes_first(in, SIZE_MAX).size, 6);
	assert_int_equal(bytes_from(bytes_make(NULL, 0), 3).size, 0);
}

static void
trimming_takes_blanks_and_tabs_from_both_ends(void **state)
{
	(void)state;
	assert_true(bytes_equal(bytes_trim(bytes_of(" \t a b\t ")),
				bytes_of("a b")));
	assert_true(
		bytes_equal(bytes_trim(bytes_of("\na\r")), bytes_of("\na\r")));
	assert_int_equal(bytes_trim(bytes_of(" \t ")).size, 0);
	assert_int_equal(bytes_trim(bytes_make(NULL, 0)).size, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equality_is_of_size_and_contents),
		cmocka_unit_test(case_is_ignored_for_ascii_letters_only),
		cmocka_unit_test(short_and_long_texts_are_copied_whole),
		cmocka_unit_test(prefixes_are_found_only_when_whole),
		cmocka_unit_test(slices_never_pass_the_end),
		cmocka_unit_test(trimming_takes_blanks_and_tabs_from_both_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
