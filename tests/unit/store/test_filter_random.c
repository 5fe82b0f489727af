/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters at random out of the language's own words: compiling ends, and
 * whatever compiles also runs, with the zones agreeing with the rows.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dissect/store/filter.h"

static const char *const words[] = {
	"http", "dns", "status_code", "path", "method", "src.ip", "dst.port",
	"latency_ms", "timestamp", "request.headers", "body", "query_string",
	"dns_questions", "dns_answers", "conn_state", "retransmissions",
	"is_error", "id", "url", "protocol", "content_type", "has(", "size(",
	"now()", "duration(\"5s\")", "timestamp(1795442403000)", "true",
	"false", "200", "404", "0", "1.5", "\"GET\"", "\"/users\"",
	"\"10.0.0.0/8\"", "\"10.0.0.1\"", "\"x\"", "\"http\"", "\"\"", "(",
	")", "[", "]", ",", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "!",
	"-", "+", "*", "/", "%", "in", "?", ":", ".contains(", ".startsWith(",
	".endsWith(", ".matches(", ".exists(q, ", "q", "and", "or", "not",
	"contains", ".lowerAscii()", "map_get(", "cidr(",
};

#define WORDS (sizeof(words) / sizeof(*words))

static uint32_t
next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Conditions that mostly are right, so that deep trees are reached. */
static void
grow(struct buf *out, uint32_t *seed, int depth)
{
	static const char *const leaves[] = {
		"http", "is_error", "status_code >= 500", "status_code == 404",
		"status_code in [200, 404]", "path.contains(\"users\")",
		"path == \"/orders\"", "method in [\"GET\", \"post\"]",
		"src.ip in \"10.0.0.0/8\"", "latency_ms > 5", "total_size < 250",
		"timestamp > timestamp(1795442403000)",
		"host + path == \"x\"", "has(status_code)",
		"request.headers[\"host\"] != \"\"", "body.contains(\"e\")",
		"\"example.com\" in dns_questions", "retransmissions > 0",
		"id % 3 == 1", "!(src.port < 40001)", "elapsed_time <= 8000",
		"dst.name == \"api.internal\"", "request_size > response_size",
	};

	switch (depth ? next(seed) % 6 : 0) {
	case 0:
	case 1:
		buf_text(out, leaves[next(seed) %
				     (sizeof(leaves) / sizeof(*leaves))]);
		return;
	case 2:
		buf_text(out, "!(");
		grow(out, seed, depth - 1);
		break;
	case 3:
		buf_text(out, "(");
		grow(out, seed, depth - 1);
		buf_text(out, " ? ");
		grow(out, seed, depth - 1);
		buf_text(out, " : ");
		grow(out, seed, depth - 1);
		break;
	default:
		buf_text(out, "(");
		grow(out, seed, depth - 1);
		buf_text(out, next(seed) % 2 ? " && " : " || ");
		grow(out, seed, depth - 1);
		break;
	}
	buf_text(out, ")");
}

static int
run(struct store *s, const char *filter, char **ids, struct error *e)
{
	struct store_calls_query q = { .filter = filter, .to_ns = INT64_MAX,
				       .now_ns = FIXTURE_START, .limit = 100,
				       .order = STORE_OLDEST };
	json_t *result = NULL;
	int code = store_calls(s, &q, &result, e);

	*ids = code ? NULL : fixture_ids(result);
	json_decref(result);
	return code;
}

static void
words_in_any_order_never_do_harm(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	uint32_t seed = 11;
	int accepted = 0;

	for (int i = 0; i < 8000; i++) {
		struct error e = { 0 };
		struct buf text;
		char *ids;
		int code;

		buf_init(&text, 8192);
		for (uint32_t n = 1 + next(&seed) % 9; n; n--)
			buf_format(&text, "%s ", words[next(&seed) % WORDS]);
		code = run(s, buf_cstr(&text), &ids, &e);
		if (code && code != ERR_INVALID)
			fail_msg("%s: %s", buf_cstr(&text), e.text);
		accepted += code == 0;
		free(ids);
		buf_free(&text);
	}
	assert_true(accepted > 30);
}

/* Every accepted filter and its negation share the calls between them: no
 * call is lost to NULL, and no zone is skipped that has one. */
static void
a_condition_and_its_negation_are_everything(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	uint32_t seed = 23;
	int accepted = 0;

	for (int i = 0; i < 1000; i++) {
		struct error e = { 0 };
		struct buf text;
		char *yes = NULL, *no = NULL;
		int code;

		buf_init(&text, 16384);
		grow(&text, &seed, 1 + i % 5);
		code = run(s, buf_cstr(&text), &yes, &e);
		if (code && !strstr(e.text, "nested"))
			fail_msg("%s: %s", buf_cstr(&text), e.text);
		if (code == 0) {
			struct buf negated;
			size_t count = 0;

			buf_init(&negated, 16384);
			buf_format(&negated, "!(%s)", buf_cstr(&text));
			if (run(s, buf_cstr(&negated), &no, &e) == 0) {
				for (const char *p = yes; *p; p++)
					count += p == yes || *p == ' ';
				for (const char *p = no; *p; p++)
					count += p == no || *p == ' ';
				if (count != FIXTURE_CALLS)
					fail_msg("%s: %s | %s",
						 buf_cstr(&text), yes, no);
				accepted++;
			}
			buf_free(&negated);
		}
		free(yes);
		free(no);
		buf_free(&text);
	}
	assert_true(accepted > 600);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_in_any_order_never_do_harm),
		cmocka_unit_test(a_condition_and_its_negation_are_everything),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
