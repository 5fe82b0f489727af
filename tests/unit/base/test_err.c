/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void
every_code_has_its_own_lower_case_name(void **state)
{
	static const struct {
		int code;
		const char *upper;
	} codes[] = {
#define X(name, code, text) { ERR_##name, #name },
		ERR_MAP(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const char *name = err_name(codes[i].code);

		assert_int_equal(strlen(name), strlen(codes[i].upper));
		for (size_t j = 0; name[j]; j++)
			assert_int_equal(toupper(name[j]), codes[i].upper[j]);
		assert_int_equal(codes[i].code, -(int)i - 1);
	}
}

static void
unknown_codes_have_a_text_too(void **state)
{
	(void)state;
	assert_string_equal(err_text(0), "success");
	assert_string_equal(err_text(ERR_BUSY), "in use");
	assert_string_equal(err_text(1), "unknown error");
	assert_string_equal(err_text(-1000), "unknown error");
	assert_string_equal(err_text(INT32_MIN), "unknown error");
	assert_string_equal(err_name(7), "unknown");
	assert_string_equal(err_name(INT32_MIN), "unknown");
}

static void
error_set_fills_and_returns_the_code(void **state)
{
	struct error e;

	(void)state;
	assert_int_equal(error_set(&e, ERR_NOTFOUND, "no \"%s\"", "x"),
			 ERR_NOTFOUND);
	assert_int_equal(e.code, ERR_NOTFOUND);
	assert_string_equal(e.text, "no \"x\"");
	assert_int_equal(error_set(NULL, ERR_LIMIT, "nobody reads"), ERR_LIMIT);
}

static void
a_long_sentence_is_cut(void **state)
{
	struct error e;

	(void)state;
	error_set(&e, ERR_IO, "%*s", ERROR_TEXT_SIZE * 2, "x");
	assert_int_equal(strlen(e.text), ERROR_TEXT_SIZE - 1);
	error_set_errno(&e, EIO, "%*s", ERROR_TEXT_SIZE * 2, "x");
	assert_int_equal(strlen(e.text), ERROR_TEXT_SIZE - 1);
}

static void
errno_chooses_the_code_and_ends_the_sentence(void **state)
{
	static const struct {
		int errno_value, code;
	} cases[] = {
		{ ENOENT, ERR_NOTFOUND },  { EEXIST, ERR_EXISTS },
		{ ENOTEMPTY, ERR_EXISTS }, { ENOSPC, ERR_NOSPACE },
		{ EDQUOT, ERR_NOSPACE },   { EACCES, ERR_DENIED },
		{ EPERM, ERR_DENIED },     { EROFS, ERR_DENIED },
		{ EMFILE, ERR_IO },        { 123456, ERR_IO },
	};
	struct error e;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(error_set_errno(&e, cases[i].errno_value, "x"),
				 cases[i].code);
	assert_string_equal(e.text, "x: unknown error");
	error_set_errno(&e, ENOENT, "cannot open \"%s\"", "/x");
	assert_string_equal(e.text,
			    "cannot open \"/x\": No such file or directory");
	assert_int_equal(error_set_errno(NULL, ENOENT, "x"), ERR_NOTFOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_its_own_lower_case_name),
		cmocka_unit_test(unknown_codes_have_a_text_too),
		cmocka_unit_test(error_set_fills_and_returns_the_code),
		cmocka_unit_test(a_long_sentence_is_cut),
		cmocka_unit_test(errno_chooses_the_code_and_ends_the_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
