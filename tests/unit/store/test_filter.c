/* SPDX-License-Identifier: Apache-2.0 */
/* Which calls of the fixture a filter selects, worked out by hand. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "dissect/store/filter.h"

#define NOW (FIXTURE_START + 10 * FIXTURE_SECOND)

/* The ids that a filter selects, oldest first, or its error. */
static char *
select_ids(struct store *s, const char *filter)
{
	struct store_calls_query q = { .filter = filter, .to_ns = INT64_MAX,
				       .now_ns = NOW, .order = STORE_OLDEST,
				       .limit = 100 };
	struct error e = { 0 };
	json_t *result = NULL;
	char *ids;

	if (store_calls(s, &q, &result, &e))
		return alloc_string(e.text);
	ids = fixture_ids(result);
	json_decref(result);
	return ids;
}

struct expectation {
	const char *filter, *ids;
};

static void
check_all(void **state, const struct expectation *list, size_t count)
{
	struct fixture *f = *state;
	int wrong = 0;

	for (size_t i = 0; i < count; i++) {
		char *ids = select_ids(f->store, list[i].filter);

		if (strcmp(ids, list[i].ids) != 0) {
			print_error("%s\n  gave %s\n  not  %s\n",
				    list[i].filter, ids, list[i].ids);
			wrong++;
		}
		free(ids);
	}
	assert_int_equal(wrong, 0);
}

#define CHECK(list) check_all(state, list, sizeof(list) / sizeof(*(list)))

#define ALL "1 2 9 3 4 5 6 7 8 10"

static void
test_fields_and_operators(void **state)
{
	static const struct expectation list[] = {
		{ "", ALL },
		{ "  ", ALL },
		{ "true", ALL },
		{ "!true", "" },
		{ "http", "1 2 9 3 4 5 6 10" },
		{ "dns", "7 8" },
		{ "grpc || kafka", "" },
		{ "tcp", "1 2 9 3 4 5 6 10" },
		{ "udp", "7 8" },
		{ "http && status_code >= 500", "4" },
		{ "status_code == 404 || status_code == 500", "3 4" },
		{ "status_code in [404, 500, 418]", "3 4" },
		{ "!(status_code in [200, 0])", "2 9 3 4 8" },
		{ "500 <= status_code", "4" },
		{ "status_code == 0", "6 7" },
		{ "status_code != 200", "2 9 3 4 6 7 8" },
		{ "has(status_code)", "1 2 9 3 4 5 7 8 10" },
		{ "protocol == \"HTTP\" && method == \"POST\"", "2" },
		{ "protocol != 'dns'", "1 2 9 3 4 5 6 10" },
		{ "protocol in [\"dns\"]", "7 8" },
		{ "method == \"get\"", "1 3 4 5 6" },
		{ "host == \"API.example.test\"", "1 2 9 3 6" },
		{ "host != \"\" && host != \"api.example.test\"", "4 5" },
		{ "path == \"\"", "10" },
		{ "url == \"/users?page=2&q=a%20b\"", "1" },
		{ "url == \"/orders\"", "2" },
		{ "is_error", "3 4 8" },
		{ "error == \"\" && !is_error && udp", "7" },
		{ "http_version == \"1.1\" && user_agent.contains(\"curl\")",
		  "1 2 9 3 4 5 6 10" },
		{ "id == 3", "3" },
		{ "conn_id == 2", "9 3" },
		{ "complete", "1 2 9 3 4 5 7 8" },
		{ "!has_response", "6" },
		{ "!has_request", "10" },
		{ "uncertain", "9" },
		{ "reason.contains(\"capture ended\")", "6" },
		{ "has(reason)", "9 6 10" },
		{ "request_size + response_size == total_size && id < 3",
		  "1 2" },
		{ "total_size > 300", "" },
		{ "total_size >= 300", "1 2 9 3 4 5 7 8" },
		{ "id % 2 == 0 && id / 2 > 2", "6 8 10" },
		{ "id * 2 - 1 == 5", "3" },
		{ "id / 0 == 0 && id == 1", "1" },
		{ "-id < -8", "9 10" },
		{ "status_code >= 500 ? dns : path == \"/orders\"", "2" },
		{ "method + \" \" + path == \"GET /users\"", "1" },
		{ "response_body_size == 13", "4" },
		{ "content_type == \"application/json\"", "1 2 4" },
	};

	CHECK(list);
}

static void
test_text_methods(void **state)
{
	static const struct expectation list[] = {
		{ "path.contains(\"users\")", "1 9 3" },
		{ "path.startsWith(\"/users/\")", "9 3" },
		{ "path.endsWith(\"7\")", "9 3" },
		{ "path.endsWith(\"\") && id == 1", "1" },
		{ "path.matches(\"^/users/\\\\d+$\")", "9 3" },
		{ "path.matches('^/(slow|boom)')", "4 5" },
		{ "path.matches('(?i)^/USERS')", "1 9 3" },
		{ "path.matches('^/[\\\\w]+/[^\\\\s]$')", "9 3" },
		{ "size(path) == 6", "1" },
		{ "path.size() == 5 && http", "4 5 6" },
		{ "status_text.lowerAscii() == \"not found\"", "3" },
		{ "method in [\"DELETE\", \"post\"]", "2 9" },
		{ "\"users\" in [path, \"x\"]", "" },
		{ "path in [\"/boom\", url, \"z\"] && http && id < 6", "2 3 4 5" },
		{ "path > \"/s\" && http", "1 9 3 5" },
	};

	CHECK(list);
}

static void
test_addresses(void **state)
{
	static const struct expectation list[] = {
		{ "src.ip == \"10.0.0.1\"", "1 2 7 8" },
		{ "src.ip == \"::ffff:10.0.0.1\"", "1 2 7 8" },
		{ "src.ip != \"10.0.0.1\" && dns", "" },
		{ "src.ip in \"10.0.0.0/31\"", "1 2 7 8" },
		{ "src.ip in \"10.0.0.0/30\"", "1 2 9 3 7 8 10" },
		{ "cidr(src.ip, \"192.168.0.0/16\")", "4 5" },
		{ "src.ip in [\"192.168.0.0/16\", \"10.0.0.3\"]", "4 5 10" },
		{ "!(src.ip in \"0.0.0.0/0\")", "6" },
		{ "src.ip in \"2001:db8::/32\"", "6" },
		{ "dst.ip == \"2001:db8:0::2\"", "6" },
		{ "src.ip.startsWith(\"192.168\")", "4 5" },
		{ "src.port == 40002", "4 5" },
		{ "dst.port in [53, 80]", "4 5 7 8" },
		{ "dst.name == \"API.internal\"", "1 2 9 3 10" },
		{ "dst.name == \"alias.internal\"", "" },
		{ "dst.name == src.name", "4 5 6 7 8" },
	};

	CHECK(list);
}

static void
test_time(void **state)
{
	static const struct expectation list[] = {
		{ "timestamp >= timestamp(\"2026-11-23T14:00:06Z\")", "7 8 10" },
		{ "timestamp < timestamp(\"2026-11-23T15:00:01+01:00\")", "1" },
		{ "timestamp == timestamp(1795442401000)", "2" },
		{ "timestamp > now() - duration(\"3s\")", "10" },
		{ "now() - timestamp <= duration(\"3s\")", "8 10" },
		{ "latency_ms > 50", "4 5" },
		{ "latency_ms > 5.5 && latency_ms < 10.5", "1 9" },
		{ "elapsed_time == 25000", "2" },
		{ "elapsed_time > 5000000", "5" },
		{ "latency_ms == 0", "6 10" },
		{ "!has(latency_ms)", "6 10" },
		{ "wait_ms >= 100", "4 5" },
	};

	CHECK(list);
}

static void
test_payload(void **state)
{
	static const struct expectation list[] = {
		{ "request.headers[\"x-request-id\"] == \"r-2\"", "2" },
		{ "request.headers[\"X-Request-Id\"].startsWith(\"r-\")", "1 2" },
		{ "request.headers.host == \"shop.example.test\"", "4" },
		{ "\"cookie\" in request.headers", "1" },
		{ "has(request.headers[\"x-request-id\"])", "1 2" },
		{ "map_get(request.headers, \"x-request-id\", \"none\") == "
		  "\"none\" && id < 5", "3 4" },
		{ "request.headers[\"absent\"] == \"\" && id == 1", "1" },
		{ "response.headers[\"content-type\"].contains(\"json\")",
		  "1 2" },
		{ "request.cookies[\"theme\"] == \"dark\"", "1" },
		{ "response.cookies[\"token\"] == \"zzz\"", "1" },
		{ "\"Path\" in response.cookies", "" },
		{ "query_string[\"q\"] == \"a b\"", "1" },
		{ "\"page\" in query_string", "1" },
		{ "request.body.contains(\"sku\")", "2" },
		{ "body.contains(\"cheese\")", "4" },
		{ "response.body == \"\" && http && id < 5", "3" },
	};

	CHECK(list);
}

static void
test_dns_and_connection_facts(void **state)
{
	static const struct expectation list[] = {
		{ "\"example.com\" in dns_questions", "7" },
		{ "dns_questions.exists(q, q.endsWith(\".example.com\"))", "8" },
		{ "dns_questions.contains(\"example\")", "7 8" },
		{ "\"AAAA\" in dns_question_types", "8" },
		{ "\"93.184.216.35\" in dns_answers", "7" },
		{ "\"93.184.216.3\" in dns_answers", "" },
		{ "dns_request && dns_response && status_code != 0", "8" },
		{ "dns_total_size == 300", "7 8" },
		{ "conn_state == \"reset\"", "4 5" },
		{ "conn_state == \"open\"", "9 3" },
		{ "!has(conn_state)", "6 10" },
		{ "retransmissions > 2", "1 2" },
		{ "midstream", "9 3" },
		{ "initial_rtt_ms == 2", "1 2" },
		{ "\"http\" in conn_l7_detected", "1 2 9 3 4 5" },
	};

	CHECK(list);
}

static void
test_forms_that_people_and_agents_write(void **state)
{
	static const struct expectation list[] = {
		{ "http and response.status == 500", "4" },
		{ "http or dns", ALL },
		{ "not http", "7 8" },
		{ "not status_code == 200 and not dns", "2 9 3 4 6" },
		{ "request.path contains \"users\"", "1 9 3" },
		{ "request.method == 'POST'", "2" },
		{ "response.latency > 1000", "5" },
		{ "status >= 400 && http", "3 4" },
		{ "client.ip == \"10.0.0.3\"", "10" },
		{ "path startsWith '/users/' && !(method == 'GET')", "9" },
	};

	CHECK(list);
}

static const struct {
	const char *filter, *error; /* a part of it */
} refused[] = {
	{ "statuscode == 200", "did you mean status_code?" },
	{ "method == GET", "text is written \"GET\"" },
	{ "status_code == \"200\"", "a number is written without quotes" },
	{ "path == 5", "text is written in quotes" },
	{ "path", "not a condition" },
	{ "status_code", "not a condition" },
	{ "http && path", "not a condition; write path ==" },
	{ "status_code = 200", "write == to compare" },
	{ "path =~ \"x\"", ".matches" },
	{ "http & dns", "write &&" },
	{ "path == \"x", "no closing" },
	{ "(http", "\")\" is missing" },
	{ "http)", "an operator is missing" },
	{ "http dns", "an operator is missing" },
	{ "", NULL },
	{ "== 5", "missing here" },
	{ "http &&", "ends early" },
	{ "status_code in []", "empty list" },
	{ "path in \"/a\"", ".contains" },
	{ "status_code == 5xx", "letters behind" },
	{ "protocol == \"https\"", "no protocol" },
	{ "protocol == \"tcp\"", "flags of their own" },
	{ "src.ip == \"10.0.0.0/8\"", "src.ip in \"10.0.0.0/8\"" },
	{ "src.ip == \"frontend\"", "src.name" },
	{ "src.ip in \"10.0.0.0/33\"", "not a network" },
	{ "src.ip < \"10.0.0.1\"", "no order" },
	{ "dst.svc == \"payment\"", "use src.pod.name" },
	{ "src.service.name == \"x\"", "Kubernetes API" },
	{ "src.proces.name == \"x\"", "did you mean src.process.name?" },
	{ "src.pod.naem == \"x\"", "did you mean src.pod.name?" },
	{ "src.process.pid == \"x\"", "number" },
	{ "kafka_api_key == 1", "kafka_api_key_name" },
	{ "conn", "list_flows" },
	{ "conn_state == \"dead\"", "open closed reset" },
	{ "timestamp > \"2026-11-23\"", "timestamp(" },
	{ "timestamp > 1795442400", "timestamp(" },
	{ "timestamp(\"yesterday\") < timestamp", "not a time" },
	{ "duration(\"5 bananas\") < duration(\"1s\")", "not a duration" },
	{ "latency_ms > duration(\"1s\")", "milliseconds" },
	{ "path.matches(\"(\")", "a ( has no )" },
	{ "path.matches(\"(a)\\\\1\")", "not supported" },
	{ "path.matches(\"(?=x)\")", "not supported" },
	{ "path.matches(\"(a{99}){99}\")", "too large" },
	{ "path.includes(\"x\")", "no .includes()" },
	{ "startsWith(path)", "write path.startsWith" },
	{ "foo(path)", "no function foo" },
	{ "request.headers == \"x\"", "name a member" },
	{ "path[\"x\"] == \"y\"", "only request.headers" },
	{ "request.headers[path] == \"y\"", "request.headers[\"name\"]" },
	{ "size(dns_questions) == 1", "size of a list" },
	{ "dns_answers.startsWith(\"9\")", "\"value\" in it" },
	{ "!path == \"x\"", "not a condition" },
	{ "http == 1", "cannot be used" },
	{ "http < dns", "no order" },
	{ "99999999999999999999 == id", "too large" },
	{ "timestamp == now() + duration(\"99999999999h\")", "" },
};

static void
test_mistakes_are_explained(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct error e = { 0 };
		struct filter_sql f;
		int code;

		if (!refused[i].error)
			continue;
		code = filter_compile(FILTER_CALLS, refused[i].filter, NOW, 1,
				      &f, &e);
		if (code == 0)
			filter_sql_free(&f);
		if (code != ERR_INVALID ||
		    !strstr(e.text, refused[i].error)) {
			print_error("%s\n  said %d %s\n  without %s\n",
				    refused[i].filter, code, e.text,
				    refused[i].error);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static void
test_the_caret_stands_below_the_place(void **state)
{
	struct filter_sql f;
	struct error e = { 0 };

	(void)state;
	assert_int_equal(filter_compile(FILTER_CALLS, "http && statuscode > 1",
					NOW, 1, &f, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "(column 9)\n"
				       "  http && statuscode > 1\n"
				       "          ^"));
}

static void
test_values_are_parameters_never_sql(void **state)
{
	struct filter_sql f;

	(void)state;
	assert_int_equal(filter_compile(FILTER_CALLS,
					"path == \"'; DROP TABLE calls; --\"",
					NOW, 7, &f, NULL), 0);
	assert_null(strstr((const char *)f.where.data, "DROP"));
	assert_non_null(strstr((const char *)f.where.data, "?7"));
	assert_int_equal(f.value_count, 1);
	assert_string_equal(f.values[0].text, "'; DROP TABLE calls; --");
	filter_sql_free(&f);
}

static void
test_size_and_nesting_are_bounded(void **state)
{
	struct fixture *f = *state;
	char *text = alloc_zero(8193 + 8, 1), *ids;

	memset(text, '!', 4000);
	memcpy(text + 4000, "http", 4);
	ids = select_ids(f->store, text);
	assert_non_null(strstr(ids, "too deeply nested"));
	free(ids);

	memset(text, '(', 3000);
	ids = select_ids(f->store, text);
	assert_non_null(strstr(ids, "too deeply nested"));
	free(ids);

	memset(text, ' ', 8193);
	ids = select_ids(f->store, text);
	assert_non_null(strstr(ids, "at most"));
	free(ids);
	free(text);
}

static void
test_long_chains_work_up_to_their_limit(void **state)
{
	struct fixture *f = *state;
	struct buf text;
	char *ids;

	buf_init(&text, 1 << 16);
	for (int i = 0; i < 400; i++)
		buf_format(&text, "%sid == %d", i ? " || " : "", i + 9);
	ids = select_ids(f->store, buf_cstr(&text));
	assert_string_equal(ids, "9 10");
	free(ids);
	buf_reset(&text);
	for (int i = 0; i < 800; i++)
		buf_format(&text, "%stcp", i ? "||" : "");
	ids = select_ids(f->store, buf_cstr(&text));
	assert_non_null(strstr(ids, "more than 500 conditions"));
	free(ids);
	buf_free(&text);
}

static void
test_every_field_is_listed_and_compiles(void **state)
{
	static const char *const forms[] = {
		"has(%s)", "%s", "%s == \"x\"", "%s[\"x\"] == \"x\"",
		"\"x\" in %s", "%s == 1", "%s == timestamp(1795442401000)",
		"%s == \"10.0.0.1\"", "%s == \"http\"", "%s == \"open\"",
		"\"http\" in %s",
	};
	struct fixture *f = *state;

	for (const char *const *name = filter_fields(FILTER_CALLS); *name;
	     name++) {
		bool works = false;

		for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
			const char *mark = strstr(forms[i], "%s");
			char text[128], *ids;

			snprintf(text, sizeof(text), "%.*s%s%s",
				 (int)(mark - forms[i]), forms[i], *name,
				 mark + 2);
			ids = select_ids(f->store, text);
			works |= !strstr(ids, "column");
			if (strstr(ids, "damaged"))
				fail_msg("%s: %s", text, ids);
			free(ids);
		}
		if (!works)
			fail_msg("%s works in no form", *name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_and_operators),
		cmocka_unit_test(test_text_methods),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_payload),
		cmocka_unit_test(test_dns_and_connection_facts),
		cmocka_unit_test(test_forms_that_people_and_agents_write),
		cmocka_unit_test(test_mistakes_are_explained),
		cmocka_unit_test(test_the_caret_stands_below_the_place),
		cmocka_unit_test(test_values_are_parameters_never_sql),
		cmocka_unit_test(test_size_and_nesting_are_bounded),
		cmocka_unit_test(test_long_chains_work_up_to_their_limit),
		cmocka_unit_test(test_every_field_is_listed_and_compiles),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
