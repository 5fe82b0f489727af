/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/home.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "capture/link_types.h"
#include "scratch.h"

static void
forget_variables(void)
{
	unsetenv("AFTERTAP_HOME");
	unsetenv("STATE_DIRECTORY");
	unsetenv("XDG_DATA_HOME");
	unsetenv("HOME");
}

/* home_open gives `expected`, below the scratch directory, and makes it. */
static void
expect_home(const char *scratch, const char *override, const char *expected)
{
	char *home = home_open(override, NULL);
	char *path = home_path(scratch, expected, NULL);

	assert_non_null(home);
	assert_string_equal(home, path);
	assert_true(file_exists(path));
	free(home);
	free(path);
}

static void
the_nearest_of_the_variables_wins(void **state)
{
	const char *scratch = *state;
	char *a = home_path(scratch, "a", NULL);
	char *b = home_path(scratch, "b:/elsewhere", NULL);
	char *c = home_path(scratch, "c", "", NULL);

	forget_variables();
	setenv("HOME", a, 1);
	expect_home(scratch, NULL, "a/.local/share/aftertap");
	setenv("XDG_DATA_HOME", "relative", 1); /* which the XDG forbids */
	expect_home(scratch, NULL, "a/.local/share/aftertap");
	setenv("XDG_DATA_HOME", a, 1);
	expect_home(scratch, NULL, "a/aftertap");
	setenv("STATE_DIRECTORY", b, 1);
	expect_home(scratch, NULL, "b");
	setenv("AFTERTAP_HOME", c, 1);
	expect_home(scratch, NULL, "c");
	expect_home(scratch, a, "a");
	expect_home(scratch, "", "c");
	free(a);
	free(b);
	free(c);
}

static void
a_relative_home_becomes_absolute(void **state)
{
	assert_int_equal(chdir(*state), 0);
	expect_home(*state, "here", "here");
	assert_int_equal(chdir("/"), 0);
}

static void
without_any_variable_there_is_an_error(void **state)
{
	struct error e;

	(void)state;
	forget_variables();
	assert_null(home_open(NULL, &e));
	assert_int_equal(e.code, ERR_INVALID);
	assert_non_null(strstr(e.text, "AFTERTAP_HOME"));
}

static void
link_types_have_names_and_raw_has_three_numbers(void **state)
{
	char name[LINK_TYPE_TEXT];

	(void)state;
	assert_string_equal(link_type_name(1, name), "ethernet");
	assert_string_equal(link_type_name(276, name), "linux_sll2");
	assert_string_equal(link_type_name(65535, name), "linktype_65535");
	assert_int_equal(link_type_normal(12), 101);
	assert_int_equal(link_type_normal(14), 101);
	assert_int_equal(link_type_normal(113), 113);
	assert_true(link_type_supported(12));
	assert_false(link_type_supported(105));
	assert_false(link_type_supported(65535));
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_nearest_of_the_variables_wins),
		TEST(a_relative_home_becomes_absolute),
		TEST(without_any_variable_there_is_an_error),
		cmocka_unit_test(
			link_types_have_names_and_raw_has_three_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
