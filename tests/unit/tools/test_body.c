/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "server/tools/body.h"

static json_int_t
info(json_t *call, const char *name)
{
	json_t *value = json_object_get(json_object_get(call, "b_info"), name);

	return value ? json_integer_value(value) : -1;
}

static const char *
text_of(json_t *call)
{
	return json_string_value(json_object_get(call, "b"));
}

/* RFC 4648 section 10. */
static void
base64_is_that_of_the_rfc(void **state)
{
	static const char *const vectors[][2] = {
		{ "", "" },		{ "f", "Zg==" },
		{ "fo", "Zm8=" },	{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		json_t *out = body_base64(bytes_of(vectors[i][0]));

		assert_string_equal(json_string_value(out), vectors[i][1]);
		json_decref(out);
	}
}

static void
slices_join_to_the_whole(void **state)
{
	const char *body = "gr\xc3\xbc\xc3\x9f dich, body of several slices";
	struct body_options options = { .offset = 0, .limit = 3 };
	struct buf joined;
	bool more = true;

	(void)state;
	buf_init(&joined, 64);
	while (more) {
		json_t *call = json_object();

		more = body_show(call, "b", bytes_of(body), &options);
		buf_text(&joined, text_of(call));
		assert_int_equal(info(call, "size"), strlen(body));
		if (more)
			options.offset = info(call, "next_offset");
		json_decref(call);
		assert_true(joined.size <= strlen(body));
	}
	assert_string_equal(buf_cstr(&joined), body);
	buf_free(&joined);
}

static void
no_slice_begins_behind_the_name_of_a_secret(void **state)
{
	const char *body = "{\"password\":\"hunter2hunter2\"}";

	(void)state;
	for (int64_t offset = 0; offset < 40; offset++) {
		struct body_options options = { .offset = offset, .limit = 9 };
		json_t *call = json_object();

		body_show(call, "b", bytes_of(body), &options);
		assert_null(strstr(text_of(call), "unter"));
		json_decref(call);
	}
}

static void
secrets_are_shown_when_revealed(void **state)
{
	struct body_options options = { .limit = 100, .reveal = true };
	json_t *call = json_object();

	(void)state;
	body_show(call, "b", bytes_of("password=hunter2"), &options);
	assert_string_equal(text_of(call), "password=hunter2");
	json_decref(call);
}

static void
json_is_indented_and_otherwise_as_it_was_sent(void **state)
{
	static const char *const cases[][2] = {
		{ "{\"a\":[1]}", "{\n \"a\": [\n  1\n ]\n}" },
		{ "{\"a\":[1]", "{\"a\":[1]" }, /* not whole: not JSON */
		{ "[19.99,1e5,123456789012345678901]",
		  "[\n 19.99,\n 1e5,\n 123456789012345678901\n]" },
		{ "{ \"a\" : {} ,\n \"b\":[ ] }",
		  "{\n \"a\": {},\n \"b\": []\n}" },
		{ "[\"a,\\\"]{:\",null]", "[\n \"a,\\\"]{:\",\n null\n]" },
		{ "{\"k\":\"\\u0000\"}\n", "{\n \"k\": \"\\u0000\"\n}" },
		{ "plain", "plain" },
	};
	struct body_options options = { .limit = 100, .pretty = true };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *call = json_object();

		body_show(call, "b", bytes_of(cases[i][0]), &options);
		assert_string_equal(text_of(call), cases[i][1]);
		json_decref(call);
	}
}

/* Indentation multiplies nested brackets; the limits hold all the same. */
static void
deep_json_is_bounded(void **state)
{
	struct body_options options = { .limit = 10, .pretty = true };
	json_t *call = json_object();
	char text[4001];

	(void)state;
	memset(text, '[', 2000);
	memset(text + 2000, ']', 2000);
	text[4000] = '\0';
	body_show(call, "b", bytes_of(text), &options);
	assert_int_equal(info(call, "shown"), 10);
	json_decref(call);
}

static void
binary_is_given_as_base64(void **state)
{
	struct body_options options = { .offset = 1, .limit = 3 };
	json_t *call = json_object();

	(void)state;
	assert_true(body_show(call, "b", bytes_make("\xff\0\x01\x02\x03", 5),
			      &options));
	assert_string_equal(text_of(call), "AAEC");
	assert_int_equal(info(call, "next_offset"), 4);
	json_decref(call);
}

static void
secrets_in_binary_are_redacted(void **state)
{
	struct body_options options = { .limit = 100 };
	json_t *call = json_object();
	struct bytes form = bytes_of("a=\xff&password=hunter2&b=1");

	(void)state;
	body_show(call, "b", form, &options);
	/* "a=\xff&password=[redacted 7 chars" and a fingerprint */
	assert_memory_equal(text_of(call),
			    "YT3/JnBhc3N3b3JkPVtyZWRhY3RlZCA3IGNoYXJz", 40);
	options.reveal = true;
	body_show(call, "b", form, &options);
	/* "a=\xff&password=hunter2&b=1" */
	assert_string_equal(text_of(call),
			    "YT3/JnBhc3N3b3JkPWh1bnRlcjImYj0x");
	json_decref(call);
}

static void
binary_is_short_unless_asked_for(void **state)
{
	struct body_options options = { .limit = -1 };
	json_t *call = json_object();
	char text[5000];

	(void)state;
	memset(text, 'x', sizeof(text));
	body_show(call, "b", bytes_make(text, sizeof(text)), &options);
	assert_int_equal(info(call, "shown"), 4096);
	text[0] = '\xff';
	body_show(call, "b", bytes_make(text, sizeof(text)), &options);
	assert_int_equal(info(call, "shown"), 96);
	json_decref(call);
}

static void
an_offset_behind_the_end_gives_nothing(void **state)
{
	struct body_options options = { .offset = INT64_MAX, .limit = 10 };
	json_t *call = json_object();

	(void)state;
	assert_false(body_show(call, "b", bytes_of("abc"), &options));
	assert_string_equal(text_of(call), "");
	assert_int_equal(info(call, "offset"), 3);
	json_decref(call);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_is_that_of_the_rfc),
		cmocka_unit_test(slices_join_to_the_whole),
		cmocka_unit_test(no_slice_begins_behind_the_name_of_a_secret),
		cmocka_unit_test(secrets_are_shown_when_revealed),
		cmocka_unit_test(json_is_indented_and_otherwise_as_it_was_sent),
		cmocka_unit_test(deep_json_is_bounded),
		cmocka_unit_test(binary_is_given_as_base64),
		cmocka_unit_test(secrets_in_binary_are_redacted),
		cmocka_unit_test(binary_is_short_unless_asked_for),
		cmocka_unit_test(an_offset_behind_the_end_gives_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
