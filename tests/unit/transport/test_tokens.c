/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/transport/tokens.h"

#define VIEWER "viewer-0123456789"
#define ADMIN "admin+/=-0123456789"

static void
take(struct tokens *t, const char *text, int expected)
{
	struct error e = { 0 };

	memset(t, 0, sizeof(*t));
	assert_int_equal(tokens_parse(t, bytes_of(text), &e), expected);
	/* The sentence must not show what may be a secret. */
	assert_null(strstr(e.text, "0123456789"));
}

static void
tokens_have_roles(void **state)
{
	struct tokens t;

	(void)state;
	take(&t, "# comment\nviewer:" VIEWER "\r\n\n admin: " ADMIN " \n", 0);
	assert_int_equal(t.count, 2);
	assert_int_equal(tokens_find(&t, bytes_of("Bearer " VIEWER)), 0);
	assert_int_equal(tokens_find(&t, bytes_of("bearer  " ADMIN)), 1);
	assert_int_equal(t.list[1].role, ROLE_ADMIN);
	take(&t, "operator:" VIEWER ",viewer:" ADMIN, 0);
	assert_int_equal(t.count, 2);
	assert_int_equal(t.list[0].role, ROLE_OPERATOR);
}

static void
what_is_no_token_of_ours_is_found_nowhere(void **state)
{
	struct tokens t;

	(void)state;
	take(&t, "viewer:" VIEWER, 0);
	assert_int_equal(tokens_find(&t, bytes_of("Bearer " VIEWER "x")), -1);
	assert_int_equal(tokens_find(&t, bytes_of("Bearer viewer")), -1);
	assert_int_equal(tokens_find(&t, bytes_of("Bearer ")), -1);
	assert_int_equal(tokens_find(&t, bytes_of("Basic " VIEWER)), -1);
	assert_int_equal(tokens_find(&t, bytes_of(VIEWER)), -1);
	assert_int_equal(tokens_find(&t, bytes_make(NULL, 0)), -1);
}

static void
bad_lines_are_refused(void **state)
{
	struct tokens t;

	(void)state;
	take(&t, VIEWER, ERR_INVALID);
	take(&t, "root:" VIEWER, ERR_INVALID);
	take(&t, "viewer:0123456789abcde", ERR_INVALID); /* too short */
	take(&t, "viewer:0123456789 abcdefgh", ERR_INVALID);
}

static void
a_file_that_others_can_read_is_refused(void **state)
{
	char path[] = "/tmp/aftertap-tokens-XXXXXX";
	int fd = mkstemp(path);
	struct tokens t = { 0 };
	struct error e;

	(void)state;
	assert_true(fd >= 0);
	assert_true(write(fd, "admin:" ADMIN "\n", 26) > 0);
	close(fd);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(tokens_read(&t, path, &e), ERR_DENIED);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(tokens_read(&t, path, &e), 0);
	assert_int_equal(t.count, 1);
	assert_int_equal(truncate(path, 0), 0);
	t.count = 0;
	assert_int_equal(tokens_read(&t, path, &e), ERR_EMPTY);
	unlink(path);
	assert_int_equal(tokens_read(&t, path, &e), ERR_NOTFOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_have_roles),
		cmocka_unit_test(what_is_no_token_of_ours_is_found_nowhere),
		cmocka_unit_test(bad_lines_are_refused),
		cmocka_unit_test(a_file_that_others_can_read_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
