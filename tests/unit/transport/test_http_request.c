/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "server/transport/http_parser.h"

/* The request of that target and further lines. */
static void
parse(struct http_parser *p, const char *target, const char *lines)
{
	static const struct http_parser_limits limits = { 8192, 64 };
	char *text = alloc_format("GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n",
				  target, lines);
	struct bytes in = bytes_of(text);

	http_parser_init(p, &limits);
	assert_int_equal(http_parser_feed(p, &in), HTTP_COMPLETE);
	assert_int_equal(in.size, 0);
	free(text);
}

static void
expect_parameter(const char *target, const char *name, const char *expected)
{
	struct http_parser p;
	char *value;

	parse(&p, target, "");
	value = http_request_parameter(&p.request, name);
	if (expected)
		assert_string_equal(value, expected);
	else
		assert_null(value);
	free(value);
	http_parser_free(&p);
}

static void
parameters_are_decoded(void **state)
{
	(void)state;
	expect_parameter("/mcp?db=incident/default", "db", "incident/default");
	expect_parameter("/mcp?db=incident%2Fdefault", "db",
			 "incident/default");
	expect_parameter("/a?x=1&&filter=a+%3E%3d+5&y", "filter", "a >= 5");
	expect_parameter("/a?x=1&y", "y", "");
	expect_parameter("/a?f%69lter=1", "filter", "1");
	expect_parameter("/a", "db", NULL);
	expect_parameter("/a?database=1", "db", NULL);
}

static void
malformed_parameters_are_none(void **state)
{
	(void)state;
	expect_parameter("/a?db=%", "db", NULL);
	expect_parameter("/a?db=%4", "db", NULL);
	expect_parameter("/a?db=%zz", "db", NULL);
	expect_parameter("/a?db=x%00y", "db", NULL);
}

static void
expect_accepts(const char *lines, const char *type, bool expected)
{
	struct http_parser p;

	parse(&p, "/", lines);
	assert_int_equal(http_request_accepts(&p.request, type), expected);
	http_parser_free(&p);
}

static void
accept_is_understood(void **state)
{
	const char *json = "application/json", *sse = "text/event-stream";

	(void)state;
	expect_accepts("", json, true);
	expect_accepts("Accept: */*\r\n", sse, true);
	expect_accepts("Accept: application/json, text/event-stream\r\n", sse,
		       true);
	expect_accepts("Accept: text/*;q=0.5\r\n", sse, true);
	expect_accepts("Accept: text/*\r\n", json, false);
	expect_accepts("Accept: APPLICATION/JSON\r\n", json, true);
	expect_accepts("Accept: application/jsonx\r\n", json, false);
	expect_accepts("Accept: \r\n", json, false);
}

static void
fields_are_found_without_regard_to_case(void **state)
{
	struct http_parser p;

	(void)state;
	parse(&p, "/", "X-One:  a b \r\nx-ONE: c\r\n"
		       "Content-Type: application/json; charset=utf-8\r\n");
	assert_true(bytes_equal(http_request_field(&p.request, "x-one"),
				bytes_of("a b")));
	assert_int_equal(http_request_count(&p.request, "X-One"), 2);
	assert_null(http_request_field(&p.request, "x-two").data);
	assert_true(http_request_has_type(&p.request, "application/json"));
	assert_false(http_request_has_type(&p.request, "application"));
	http_parser_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_are_decoded),
		cmocka_unit_test(malformed_parameters_are_none),
		cmocka_unit_test(accept_is_understood),
		cmocka_unit_test(fields_are_found_without_regard_to_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
