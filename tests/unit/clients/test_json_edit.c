/* SPDX-License-Identifier: Apache-2.0 */
/* One member changes; every other byte is the user's and stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/clients/json_edit.h"

static const struct json_edit strict = { "servers", "x", false };
static const struct json_edit loose = { "servers", "x", true };

/* Sets the member to {"a": 1} (or removes it) and compares the whole text. */
static void
expect(const struct json_edit *edit, bool remove, const char *before,
       const char *after)
{
	json_t *value = remove ? NULL : json_pack("{s:i}", "a", 1);
	struct error e = { 0 };
	struct buf out, again;

	buf_init(&out, 1 << 16);
	assert_int_equal(json_edit_set(bytes_of(before), edit, value, &out,
				       &e), 0);
	assert_string_equal(buf_cstr(&out), after);
	buf_init(&again, 1 << 16);
	assert_int_equal(json_edit_set(buf_view(&out), edit, value, &again,
				       &e), 0);
	assert_string_equal(buf_cstr(&again), after);
	buf_free(&out);
	buf_free(&again);
	json_decref(value);
}

static void
expect_refused(const struct json_edit *edit, const char *text, int code,
	       const char *piece)
{
	json_t *value = json_object();
	struct error e = { 0 };
	struct buf out;

	buf_init(&out, 1 << 16);
	assert_int_equal(json_edit_set(bytes_of(text), edit, value, &out, &e),
			 code);
	assert_non_null(strstr(e.text, piece));
	buf_free(&out);
	json_decref(value);
}

static void
test_new_members(void **state)
{
	(void)state;
	expect(&strict, false, "",
	       "{\n  \"servers\": {\n    \"x\": {\n      \"a\": 1\n    }\n"
	       "  }\n}\n");
	expect(&strict, false, "{\n\t\"b\": 1.50e3\n}",
	       "{\n\t\"b\": 1.50e3,\n\t\"servers\": {\n\t\t\"x\": {\n"
	       "\t\t\t\"a\": 1\n\t\t}\n\t}\n}");
	expect(&strict, false,
	       "{\r\n    \"servers\": {\r\n        \"y\": []\r\n    }\r\n}\r\n",
	       "{\r\n    \"servers\": {\r\n        \"y\": [],\r\n"
	       "        \"x\": {\r\n            \"a\": 1\r\n        }\r\n"
	       "    }\r\n}\r\n");
	expect(&strict, false, "{\"servers\":{}}",
	       "{\"servers\":{\n  \"x\": {\n    \"a\": 1\n  }\n}}");
}

static void
test_comments_stay(void **state)
{
	(void)state;
	expect(&loose, false,
	       "// mine\n{\n  /* all */ \"servers\": { // of them\n"
	       "    \"y\": 1, // \"x\": no }\n  },\n}\n",
	       "// mine\n{\n  /* all */ \"servers\": { // of them\n"
	       "    \"y\": 1, // \"x\": no }\n    \"x\": {\n      \"a\": 1\n"
	       "    },\n  },\n}\n");
	expect(&loose, false, "{ // none yet\n}\n",
	       "{ // none yet\n  \"servers\": {\n    \"x\": {\n"
	       "      \"a\": 1\n    }\n  }\n}\n");
	expect(&loose, false, "{\n  \"servers\": {\n    \"y\": 1 // last\n  }\n}",
	       "{\n  \"servers\": {\n    \"y\": 1, // last\n    \"x\": {\n"
	       "      \"a\": 1\n    }\n  }\n}");
}

static void
test_replaced(void **state)
{
	(void)state;
	expect(&strict, false,
	       "{\n  \"servers\": {\n    \"x\": \"old\",\n    \"y\": 2\n  }\n}",
	       "{\n  \"servers\": {\n    \"x\": {\n      \"a\": 1\n    },\n"
	       "    \"y\": 2\n  }\n}");
	/* Equal already, in whatever layout and spelling. */
	expect(&strict, false, "{\"servers\":{\"\\u0078\":{\"a\":1}}}",
	       "{\"servers\":{\"\\u0078\":{\"a\":1}}}");
}

static void
test_removed(void **state)
{
	(void)state;
	expect(&strict, true, "{\"servers\":{\"x\":1,\"y\":2}}",
	       "{\"servers\":{\"y\":2}}");
	expect(&strict, true, "{\n  \"servers\": {\n    \"y\": 2,\n"
	       "    \"x\": {}\n  }\n}",
	       "{\n  \"servers\": {\n    \"y\": 2\n  }\n}");
	expect(&strict, true, "{\n  \"servers\": {\n    \"x\": {}\n  }\n}",
	       "{\n  \"servers\": {\n  }\n}");
	expect(&strict, true, "{\"a\": 1}", "{\"a\": 1}");
	/* A comment must not swallow what comes after the member. */
	expect(&loose, true, "{\"servers\":{ // it\n \"x\":1, \"y\":2}}",
	       "{\"servers\":{ // it\n  \"y\":2}}");
	expect(&loose, true, "{\"servers\":{\"y\":2, // it\n \"x\":1}}",
	       "{\"servers\":{\"y\":2 // it\n }}");
	expect(&loose, true, "{\"servers\":{\"y\":2,\n \"x\":1,\n}}",
	       "{\"servers\":{\"y\":2,\n}}");
}

static void
test_refused(void **state)
{
	(void)state;
	expect_refused(&strict, "{\n\"a\": 1,\n}", ERR_CORRUPT, "line 3");
	expect_refused(&strict, "{ // no\n}", ERR_CORRUPT, "line 1");
	expect_refused(&loose, "{ /* never ends }", ERR_CORRUPT, "line 1");
	expect_refused(&loose, "{\"servers\": {\"x\": 01}}", ERR_CORRUPT, "1");
	expect_refused(&loose, "{\"a\": \"\xff\"}", ERR_CORRUPT, "UTF-8");
	expect_refused(&loose, "{} {}", ERR_CORRUPT, "line 1");
	expect_refused(&loose, "[]", ERR_STATE, "object");
	expect_refused(&loose, "{\"servers\": []}", ERR_STATE, "servers");
	expect_refused(&loose, "{\"servers\":{},\"servers\":{}}", ERR_STATE,
		       "twice");
	expect_refused(&loose, "{\"servers\":{\"x\":1,\"\\u0078\":2}}",
		       ERR_STATE, "twice");
}

static void
test_depth(void **state)
{
	char text[1024] = "{\"a\":";
	size_t size = strlen(text);

	(void)state;
	memset(text + size, '[', 500);
	memset(text + size + 500, ']', 500);
	expect_refused(&loose, text, ERR_CORRUPT, "line 1");
}

static void
test_get(void **state)
{
	const char *text = "{\"servers\": {\"x\": {\"a\": 1} }}";
	struct bytes value;

	(void)state;
	assert_int_equal(json_edit_get(bytes_of(text), &strict, &value, NULL),
			 0);
	assert_true(bytes_equal(value, bytes_of("{\"a\": 1}")));
	assert_int_equal(json_edit_get(bytes_of("{}"), &strict, &value, NULL),
			 0);
	assert_int_equal(value.size, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_members),
		cmocka_unit_test(test_comments_stay),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
