/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/clients/line_diff.h"

static void
expect(const char *before, const char *after, const char *expected)
{
	struct buf out;

	buf_init(&out, 1 << 16);
	line_diff(bytes_of(before), bytes_of(after), "f", &out);
	assert_string_equal(buf_cstr(&out), expected);
	buf_free(&out);
}

/* What diff -u prints for the same texts. */
static void
test_diffs(void **state)
{
	(void)state;
	expect("a\nb\n", "a\nb\n", "");
	expect("", "a\n", "--- f\n+++ f\n@@ -0,0 +1,1 @@\n+a\n");
	expect("a\n", "", "--- f\n+++ f\n@@ -1,1 +0,0 @@\n-a\n");
	expect("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n",
	       "--- f\n+++ f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n"
	       " 8\n");
	expect("a\na\n", "a\na\na\n",
	       "--- f\n+++ f\n@@ -1,2 +1,3 @@\n a\n a\n+a\n");
	expect("a", "a\nb\n",
	       "--- f\n+++ f\n@@ -1,1 +1,2 @@\n-a\n"
	       "\\ No newline at end of file\n+a\n+b\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_diffs) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
