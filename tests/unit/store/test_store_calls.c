/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of calls and single calls of the fixture. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static json_t *
list(struct store *s, struct store_calls_query q)
{
	struct error e = { 0 };
	json_t *result = NULL;

	if (q.to_ns == 0)
		q.to_ns = INT64_MAX;
	if (store_calls(s, &q, &result, &e))
		fail_msg("%s", e.text);
	return result;
}

static void
assert_ids(struct store *s, struct store_calls_query q, const char *ids)
{
	json_t *result = list(s, q);
	char *got = fixture_ids(result);

	assert_string_equal(got, ids);
	free(got);
	json_decref(result);
}

static void
each_order_is_the_order_it_says(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct store_calls_query q = { .limit = 100 };

	q.order = STORE_NEWEST;
	assert_ids(s, q, "10 8 7 6 5 4 3 9 2 1");
	q.order = STORE_OLDEST;
	assert_ids(s, q, "1 2 9 3 4 5 6 7 8 10");
	q.order = STORE_SLOWEST; /* without a latency: last */
	assert_ids(s, q, "5 4 2 1 9 3 8 7 10 6");
	q.order = STORE_LARGEST; /* 300 bytes, then 200 and 100 */
	assert_ids(s, q, "9 8 7 5 4 3 2 1 10 6");
}

static void
a_window_is_half_open(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct store_calls_query q = {
		.limit = 100, .order = STORE_OLDEST,
		.from_ns = FIXTURE_START + FIXTURE_SECOND,
		.to_ns = FIXTURE_START + 3 * FIXTURE_SECOND,
	};

	assert_ids(s, q, "2 9 3");
	q.filter = "is_error";
	assert_ids(s, q, "3");
}

/* Follows cursors to the end; the ids of all pages. */
static char *
page_through(struct store *s, struct store_calls_query q, unsigned *pages)
{
	struct buf ids;
	char *cursor = NULL, *text;

	buf_init(&ids, 4096);
	*pages = 0;
	do {
		json_t *result, *next;
		char *page;

		q.cursor = cursor;
		result = list(s, q);
		page = fixture_ids(result);
		buf_format(&ids, "%s%s", ids.size ? " " : "", page);
		free(page);
		free(cursor);
		next = json_object_get(result, "next_cursor");
		cursor = next ? alloc_string(json_string_value(next)) : NULL;
		assert_int_equal(
			json_integer_value(json_object_get(result, "total")),
			q.filter ? 8 : FIXTURE_CALLS);
		assert_true(json_is_true(
			json_object_get(result, "total_is_exact")));
		assert_int_equal(
			json_is_true(json_object_get(result, "truncated")),
			cursor != NULL);
		json_decref(result);
		++*pages;
	} while (cursor && *pages < 20);
	text = alloc_string(buf_cstr(&ids));
	buf_free(&ids);
	return text;
}

static void
pages_together_are_the_whole_list_in_every_order(void **state)
{
	static const char *const all[] = {
		[STORE_NEWEST] = "10 8 7 6 5 4 3 9 2 1",
		[STORE_OLDEST] = "1 2 9 3 4 5 6 7 8 10",
		[STORE_SLOWEST] = "5 4 2 1 9 3 8 7 10 6",
		[STORE_LARGEST] = "9 8 7 5 4 3 2 1 10 6",
	};
	struct store *s = ((struct fixture *)*state)->store;

	for (unsigned order = 0; order < 4; order++) {
		for (uint32_t limit = 1; limit <= 4; limit++) {
			struct store_calls_query q = {
				.limit = limit, .order = (enum store_order)order,
			};
			unsigned pages;
			char *ids = page_through(s, q, &pages);

			assert_string_equal(ids, all[order]);
			assert_int_equal(pages, (10 + limit - 1) / limit);
			free(ids);
		}
	}
}

static void
pages_of_a_filter_know_their_total(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct store_calls_query q = { .limit = 3, .filter = "http" };
	unsigned pages;
	char *ids = page_through(s, q, &pages);

	assert_string_equal(ids, "10 6 5 4 3 9 2 1");
	assert_int_equal(pages, 3);
	free(ids);
}

static void
a_cursor_of_another_question_is_refused(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct store_calls_query q = { .limit = 3, .to_ns = INT64_MAX };
	json_t *first = list(s, q), *result = NULL;
	struct error e = { 0 };

	q.cursor = json_string_value(json_object_get(first, "next_cursor"));
	q.filter = "http";
	assert_int_equal(store_calls(s, &q, &result, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "another question"));
	q.filter = NULL;
	q.order = STORE_OLDEST;
	assert_int_equal(store_calls(s, &q, &result, &e), ERR_INVALID);
	q.cursor = "nonsense";
	assert_int_equal(store_calls(s, &q, &result, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "no cursor"));
	json_decref(first);
}

static void
a_compact_row_has_what_there_is_and_no_more(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct store_calls_query q = { .limit = 1, .order = STORE_OLDEST };
	json_t *result = list(s, q), *expected = json_loads(
		"{\"id\":1,\"ts\":\"2026-11-23T14:00:00Z\",\"src\":{"
		"\"ip\":\"10.0.0.1\",\"port\":40000},\"dst\":{"
		"\"ip\":\"10.0.1.5\",\"port\":8080,\"name\":\"api.internal\"},"
		"\"proto\":\"http\",\"method\":\"GET\","
		"\"host\":\"api.example.test\",\"path\":\"/users\","
		"\"query\":\"page=2&q=a%20b\",\"status\":200,"
		"\"latency_ms\":10.0}", 0, NULL);

	assert_true(json_equal(fixture_get(result, "calls.0"), expected));
	json_decref(expected);
	json_decref(result);
}

static void
what_is_not_perfect_is_said(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct store_calls_query q = { .limit = 10, .filter =
				       "id in [6, 9, 10]" };
	json_t *result = list(s, q);

	assert_string_equal(json_string_value(
		fixture_get(result, "calls.0.flags.0")), "no_request");
	assert_string_equal(json_string_value(
		fixture_get(result, "calls.0.why")),
		"the request was not captured");
	assert_string_equal(json_string_value(
		fixture_get(result, "calls.1.flags.0")), "no_response");
	assert_null(fixture_get(result, "calls.1.status"));
	assert_null(fixture_get(result, "calls.1.latency_ms"));
	assert_string_equal(json_string_value(
		fixture_get(result, "calls.2.flags.0")), "uncertain");
	json_decref(result);
}

static void
full_rows_have_headers_and_previews(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct store_calls_query q = { .limit = 1, .detail = STORE_FULL,
				       .filter = "method == \"POST\"",
				       .preview_bytes = 5 };
	json_t *result = list(s, q), *call = fixture_get(result, "calls.0");

	assert_string_equal(json_string_value(
		fixture_get(call, "req_headers.1.0")), "X-Request-Id");
	assert_string_equal(json_string_value(
		fixture_get(call, "req_headers.1.1")), "r-2");
	assert_string_equal(json_string_value(
		json_object_get(call, "req_body")), "{\"sku");
	assert_int_equal(json_integer_value(
		json_object_get(call, "req_body_kept")), 12);
	assert_int_equal(json_integer_value(
		json_object_get(call, "req_size")), 100);
	assert_int_equal(json_integer_value(
		json_object_get(call, "conn_id")), 1);
	assert_int_equal(json_integer_value(
		fixture_get(call, "evidence.response.segment")), 1);
	assert_int_equal(json_integer_value(
		fixture_get(call, "evidence.response.offset")), 48);
	json_decref(result);
}

static void
one_call_comes_with_its_connection_and_a_slice_of_its_bodies(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct error e = { 0 };
	json_t *call = NULL;

	assert_int_equal(store_call(s, 2, 2, 6, &call, &e), 0);
	assert_string_equal(json_string_value(
		json_object_get(call, "resp_body")), "status");
	assert_string_equal(json_string_value(
		json_object_get(call, "status_text")), "Created");
	assert_string_equal(json_string_value(
		fixture_get(call, "connection.state")), "closed");
	assert_int_equal(json_integer_value(
		fixture_get(call, "connection.tcp.retransmissions")), 3);
	assert_true(json_real_value(
		fixture_get(call, "connection.tcp.initial_rtt_ms")) == 2.0);
	json_decref(call);

	assert_int_equal(store_call(s, 6, 0, 10, &call, &e), 0);
	assert_null(json_object_get(call, "connection"));
	json_decref(call);
	assert_int_equal(store_call(s, 99, 0, 0, &call, &e), ERR_NOTFOUND);
	assert_string_equal(e.text, "there is no call 99");
}

static void
a_body_is_read_whole_or_up_to_the_limit(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct error e = { 0 };
	struct buf body;

	buf_init(&body, 100);
	assert_int_equal(store_body(s, 4, SIDE_SERVER, &body, &e), 0);
	assert_string_equal(buf_cstr(&body), "out of cheese");
	buf_free(&body);
	buf_init(&body, 3);
	assert_int_equal(store_body(s, 4, SIDE_SERVER, &body, &e), 0);
	assert_int_equal(body.size, 3);
	buf_free(&body);
	buf_init(&body, 100);
	assert_int_equal(store_body(s, 4, SIDE_CLIENT, &body, &e), 0);
	assert_int_equal(body.size, 0);
	assert_int_equal(store_body(s, 99, SIDE_CLIENT, &body, &e),
			 ERR_NOTFOUND);
	buf_free(&body);
}

static void
coverage_tells_what_an_answer_rests_on(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	json_t *c = store_coverage(s);

	assert_string_equal(json_string_value(json_object_get(c, "state")),
			    "completed");
	assert_string_equal(json_string_value(json_object_get(c, "from")),
			    "2026-11-23T14:00:00Z");
	assert_string_equal(json_string_value(json_object_get(c, "to")),
			    "2026-11-23T14:00:10Z");
	assert_int_equal(json_integer_value(json_object_get(c, "packets")), 61);
	assert_int_equal(json_integer_value(
		json_object_get(c, "connections")), 5);
	assert_int_equal(json_integer_value(json_object_get(c, "drops")), 17);
	assert_int_equal(json_integer_value(
		json_object_get(c, "missing_bytes")), 1200);
	assert_null(json_object_get(c, "malformed_packets"));
	assert_int_equal(json_array_size(json_object_get(c, "notes")), 3);
	json_decref(c);
}

static void
meta_tells_what_the_run_was(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	json_t *meta = store_meta(s);

	assert_string_equal(json_string_value(
		json_object_get(meta, "snapshot")), "s1");
	assert_int_equal(json_integer_value(
		fixture_get(meta, "options.body_limit")), 65536);
	assert_int_equal(json_integer_value(
		fixture_get(meta, "counts.calls")), 10);
	assert_int_equal(json_integer_value(
		fixture_get(meta, "counts.calls_by_protocol.dns")), 2);
	assert_int_equal(json_integer_value(
		json_object_get(meta, "schema_version")), 5);
	json_decref(meta);
}

static void
an_interrupted_store_answers_nothing_more(void **state)
{
	struct fixture *f = *state;
	struct store_calls_query q = { .limit = 1, .to_ns = INT64_MAX };
	struct error e = { 0 };
	json_t *result = NULL;
	struct store *s;

	assert_int_equal(store_open(f->path, &s, &e), 0);
	store_interrupt(s);
	assert_int_equal(store_calls(s, &q, &result, &e), ERR_CANCELLED);
	assert_int_equal(store_sql(s, "SELECT 1", 1, &result, &e),
			 ERR_CANCELLED);
	store_close(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_order_is_the_order_it_says),
		cmocka_unit_test(a_window_is_half_open),
		cmocka_unit_test(pages_together_are_the_whole_list_in_every_order),
		cmocka_unit_test(pages_of_a_filter_know_their_total),
		cmocka_unit_test(a_cursor_of_another_question_is_refused),
		cmocka_unit_test(a_compact_row_has_what_there_is_and_no_more),
		cmocka_unit_test(what_is_not_perfect_is_said),
		cmocka_unit_test(full_rows_have_headers_and_previews),
		cmocka_unit_test(
			one_call_comes_with_its_connection_and_a_slice_of_its_bodies),
		cmocka_unit_test(a_body_is_read_whole_or_up_to_the_limit),
		cmocka_unit_test(coverage_tells_what_an_answer_rests_on),
		cmocka_unit_test(meta_tells_what_the_run_was),
		cmocka_unit_test(an_interrupted_store_answers_nothing_more),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
