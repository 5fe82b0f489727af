/* SPDX-License-Identifier: Apache-2.0 */
/* One table changes; every other byte is the user's and stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/clients/toml_edit.h"

static const char *const keys[] = { "command", "args", "url", NULL };
static const struct toml_edit edit = { "servers", "x", keys };

static void
expect(bool remove, const char *before, const char *after)
{
	json_t *value = remove ? NULL :
		json_pack("{s:s,s:[s,s]}", "command", "a\"b\\\x7f", "args",
			  "c", "d");
	struct error e = { 0 };
	struct buf out, again;

	buf_init(&out, 1 << 16);
	assert_int_equal(toml_edit_set(bytes_of(before), &edit, value, &out,
				       &e), 0);
	assert_string_equal(buf_cstr(&out), after);
	buf_init(&again, 1 << 16);
	assert_int_equal(toml_edit_set(buf_view(&out), &edit, value, &again,
				       &e), 0);
	assert_string_equal(buf_cstr(&again), after);
	buf_free(&out);
	buf_free(&again);
	json_decref(value);
}

#define ENTRY                                                                 \
	"[servers.x]\ncommand = \"a\\\"b\\\\\\u007f\"\nargs = [\"c\", \"d\"]\n"

static void
test_new_table(void **state)
{
	(void)state;
	expect(false, "", ENTRY);
	expect(false, "a = 1", "a = 1\n\n" ENTRY);
	/* What looks like our header inside a text is none. */
	expect(false, "a = \"\"\"\n[servers.x]\nurl = 1\n\"\"\"\n[servers]\n",
	       "a = \"\"\"\n[servers.x]\nurl = 1\n\"\"\"\n[servers]\n\n" ENTRY);
	expect(false, "b = [ # ]\n  '[servers.x]', { c = '''\n'''}\n]\n",
	       "b = [ # ]\n  '[servers.x]', { c = '''\n'''}\n]\n\n" ENTRY);
	expect(false, "[servers.\"y\"]\nurl = 'u'\n[t]\nd = 2026-11-26 10:00:00\n",
	       "[servers.\"y\"]\nurl = 'u'\n[t]\nd = 2026-11-26 10:00:00\n\n"
	       ENTRY);
}

static void
test_changed_table(void **state)
{
	(void)state;
	expect(false,
	       "# one\n[ servers . \"x\" ] # ours\n# two\nurl = \"u\" # gone\n"
	       "timeout = 3 # mine\n\n[servers.x.env]\nurl = 'mine'\n[z]\n",
	       "# one\n[ servers . \"x\" ] # ours\n"
	       "command = \"a\\\"b\\\\\\u007f\"\nargs = [\"c\", \"d\"]\n"
	       "# two\ntimeout = 3 # mine\n\n[servers.x.env]\nurl = 'mine'\n"
	       "[z]\n");
	expect(false, "[servers.x]", ENTRY);
	expect(false, "[servers.x]\r\nargs = [\r\n 'a',\r\n]\r\n",
	       "[servers.x]\r\ncommand = \"a\\\"b\\\\\\u007f\"\r\n"
	       "args = [\"c\", \"d\"]\r\n");
}

static void
test_removed_table(void **state)
{
	(void)state;
	expect(true, "a = 1\n\n" ENTRY "b = 2\n\n[servers.x.env]\nc = 3\n\n"
	       "# next\n[z]\n", "a = 1\n\n# next\n[z]\n");
	expect(true, "a = 1\n", "a = 1\n");
}

static void
expect_refused(const char *text, int code, const char *piece)
{
	json_t *value = json_object();
	struct error e = { 0 };
	struct buf out;

	buf_init(&out, 1 << 16);
	assert_int_equal(toml_edit_set(bytes_of(text), &edit, value, &out,
				       &e), code);
	assert_non_null(strstr(e.text, piece));
	buf_free(&out);
	json_decref(value);
}

static void
test_refused(void **state)
{
	(void)state;
	expect_refused("servers = { x = { url = 'u' } }\n", ERR_STATE, "hand");
	expect_refused("servers.x.url = 'u'\n", ERR_STATE, "hand");
	expect_refused("[servers]\nx = { url = 'u' }\n", ERR_STATE, "hand");
	expect_refused("[servers]\nx.url = 'u'\n", ERR_STATE, "hand");
	expect_refused("[[servers]]\n", ERR_STATE, "hand");
	expect_refused("[[servers.x]]\n", ERR_STATE, "hand");
	expect_refused("[servers.x]\n[servers.x]\n", ERR_STATE, "hand");
	expect_refused("a = 1\nb = \"open\n", ERR_CORRUPT, "line 2");
	expect_refused("a = [1, 2\n", ERR_CORRUPT, "TOML");
	expect_refused("a = {1]\n", ERR_CORRUPT, "line 1");
	expect_refused("a = 1 b = 2\n", ERR_CORRUPT, "line 1");
	expect_refused("[a\n", ERR_CORRUPT, "TOML");
	expect_refused("a = 1 # b\r", ERR_CORRUPT, "TOML");
	expect_refused("a\n", ERR_CORRUPT, "TOML");
	expect_refused("a = '\xff'\n", ERR_CORRUPT, "UTF-8");
	expect_refused("a = \"\\\n\"\n", ERR_CORRUPT, "TOML");
}

static void
test_get(void **state)
{
	bool table, url;

	(void)state;
	assert_int_equal(toml_edit_get(bytes_of("[servers.x]\nurl = 'u'\n"),
				       &edit, "url", &table, &url, NULL), 0);
	assert_true(table && url);
	assert_int_equal(toml_edit_get(bytes_of(ENTRY), &edit, "url", &table,
				       &url, NULL), 0);
	assert_true(table && !url);
	assert_int_equal(toml_edit_get(bytes_of("[y]\nurl = 'u'\n"), &edit,
				       "url", &table, &url, NULL), 0);
	assert_true(!table && !url);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_table),
		cmocka_unit_test(test_changed_table),
		cmocka_unit_test(test_removed_table),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
