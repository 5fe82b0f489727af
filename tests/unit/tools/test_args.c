/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/tools/args.h"

#define NOW 1769998106100000000 /* 2026-02-02T02:08:26.1Z */

static const char schema_text[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"filter\":{\"type\":\"string\",\"maxLength\":8},"
	"\"from\":{\"type\":\"string\"},\"to\":{\"type\":\"string\"},"
	"\"bucket\":{\"type\":\"string\"},"
	"\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,"
	"\"default\":100},"
	"\"reveal\":{\"type\":\"boolean\",\"default\":false},"
	"\"format\":{\"type\":\"string\",\"enum\":[\"compact\",\"full\"],"
	"\"default\":\"compact\"},"
	"\"ports\":{\"type\":\"array\",\"items\":{\"type\":\"integer\","
	"\"maximum\":65535},\"maxItems\":3},"
	"\"snapshot\":{\"type\":\"string\",\"description\":\"Which.\"}},"
	"\"required\":[\"snapshot\"],\"additionalProperties\":false}";

struct values {
	const char *filter, *format, *snapshot;
	int64_t from, to, bucket, limit;
	bool reveal;
	struct arg_integers ports;
};

static const struct arg table[] = {
	ARG(TEXT, struct values, filter),
	ARG(TEXT, struct values, format),
	ARG(TEXT, struct values, snapshot),
	ARG(TIME, struct values, from),
	ARG(TIME, struct values, to),
	ARG(DURATION, struct values, bucket),
	ARG(INTEGER, struct values, limit),
	ARG(BOOLEAN, struct values, reveal),
	ARG(INTEGERS, struct values, ports),
	{ 0 },
};

static int
check(const char *arguments, json_t **checked, struct error *e)
{
	json_t *schema = json_loads(schema_text, 0, NULL);
	json_t *given = json_loads(arguments, JSON_ALLOW_NUL, NULL);
	int rc;

	assert_non_null(schema);
	assert_non_null(given);
	e->text[0] = '\0';
	rc = args_check(schema, given, checked, e);
	json_decref(given);
	json_decref(schema);
	return rc;
}

static void
refused(const char *arguments, const char *because)
{
	struct error e = { 0 };
	json_t *checked;

	assert_int_equal(check(arguments, &checked, &e), ERR_INVALID);
	assert_null(checked);
	if (!strstr(e.text, because))
		fail_msg("%s: \"%s\" does not say \"%s\"", arguments, e.text,
			 because);
}

static void
arguments_and_defaults_reach_the_struct(void **state)
{
	struct values v = { .to = INT64_MAX };
	struct error e = { 0 };
	json_t *checked;

	(void)state;
	assert_int_equal(check("{\"snapshot\":\"s\",\"filter\":\"http\","
			       "\"from\":\"-15m\",\"bucket\":\"90s\","
			       "\"ports\":[80,443]}", &checked, &e), 0);
	assert_int_equal(args_bind(table, checked, NOW, &v, &e), 0);
	assert_string_equal(v.filter, "http");
	assert_string_equal(v.format, "compact");
	assert_int_equal(v.limit, 100);
	assert_false(v.reveal);
	assert_int_equal(v.from, NOW - INT64_C(900000000000));
	assert_int_equal(v.to, INT64_MAX);
	assert_int_equal(v.bucket, INT64_C(90000000000));
	assert_int_equal(v.ports.count, 2);
	assert_int_equal(v.ports.items[1], 443);
	json_decref(checked);
}

static void
values_in_another_type_are_understood(void **state)
{
	struct values v = { 0 };
	struct error e = { 0 };
	json_t *checked;

	(void)state;
	assert_int_equal(check("{\"snapshot\":\"s\",\"limit\":\"5\","
			       "\"reveal\":\"true\",\"ports\":\"80\","
			       "\"from\":1769998106100,\"filter\":\"\","
			       "\"format\":null}", &checked, &e), 0);
	assert_int_equal(args_bind(table, checked, NOW, &v, &e), 0);
	assert_int_equal(v.limit, 5);
	assert_true(v.reveal);
	assert_int_equal(v.ports.count, 1);
	assert_int_equal(v.ports.items[0], 80);
	assert_int_equal(v.from, NOW); /* Unix milliseconds */
	assert_null(v.filter);
	assert_string_equal(v.format, "compact");
	json_decref(checked);
}

static void
words_of_kubeshark_are_understood(void **state)
{
	struct values v = { 0 };
	struct error e = { 0 };
	json_t *checked;

	(void)state;
	assert_int_equal(check("{\"snapshot_id\":\"s\",\"kfl\":\"dns\","
			       "\"start\":1769998106100,"
			       "\"end\":1769998106101,"
			       "\"node_id\":\"worker-1\"}", &checked, &e), 0);
	assert_int_equal(args_bind(table, checked, NOW, &v, &e), 0);
	assert_string_equal(v.snapshot, "s");
	assert_string_equal(v.filter, "dns");
	assert_int_equal(v.from, NOW);
	assert_int_equal(v.to, NOW + 1000000);
	json_decref(checked);
}

static void
mistakes_are_explained(void **state)
{
	(void)state;
	refused("{}", "\"snapshot\" is required: Which.");
	refused("{\"snapshot\":\"s\",\"filtre\":\"x\"}",
		"did you mean \"filter\"");
	refused("{\"snapshot\":\"s\",\"zzzzzzzzzz\":1}", "the arguments are");
	refused("{\"snapshot\":\"s\",\"limit\":0}", "least allowed is 1");
	refused("{\"snapshot\":\"s\",\"limit\":1001}", "most allowed is 1000");
	refused("{\"snapshot\":\"s\",\"limit\":\"ten\"}",
		"must be an integer");
	refused("{\"snapshot\":\"s\",\"limit\":1.5}", "must be an integer");
	refused("{\"snapshot\":\"s\",\"limit\":1e300}", "must be an integer");
	refused("{\"snapshot\":\"s\",\"reveal\":1}", "true or false");
	refused("{\"snapshot\":\"s\",\"format\":\"ful\"}",
		"did you mean \"full\"");
	refused("{\"snapshot\":\"s\",\"filter\":\"123456789\"}",
		"has 9 bytes");
	refused("{\"snapshot\":\"s\",\"filter\":\"a\\u0000b\"}", "NUL");
	refused("{\"snapshot\":\"s\",\"filter\":{}}", "not an object");
	refused("{\"snapshot\":\"s\",\"ports\":[1,2,3,4]}",
		"has 4 entries");
	refused("{\"snapshot\":\"s\",\"ports\":[70000]}",
		"most allowed is 65535");
	refused("{\"snapshot\":\"s\",\"ports\":[[1]]}", "flat list");
	refused("{\"snapshot\":\"s\",\"kfl\":\"a\",\"filter\":\"b\"}",
		"given twice");
	refused("[]", "must be an object");
}

static void
times_that_are_none_are_explained(void **state)
{
	struct values v = { 0 };
	struct error e = { 0 };
	json_t *checked;

	(void)state;
	assert_int_equal(check("{\"snapshot\":\"s\",\"from\":\"yesterday\"}",
			       &checked, &e), 0);
	assert_int_equal(args_bind(table, checked, NOW, &v, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "RFC 3339"));
	json_decref(checked);
	assert_int_equal(check("{\"snapshot\":\"s\",\"bucket\":\"soon\"}",
			       &checked, &e), 0);
	assert_int_equal(args_bind(table, checked, NOW, &v, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "duration"));
	json_decref(checked);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_and_defaults_reach_the_struct),
		cmocka_unit_test(values_in_another_type_are_understood),
		cmocka_unit_test(words_of_kubeshark_are_understood),
		cmocka_unit_test(mistakes_are_explained),
		cmocka_unit_test(times_that_are_none_are_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
