/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics and flows of the fixture, added up by hand. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INT(object, path) json_integer_value(fixture_get(object, path))
#define TEXT(object, path) json_string_value(fixture_get(object, path))
#define REAL(object, path) json_real_value(fixture_get(object, path))

/* A percentile is off by one hundredth at most. */
static void
assert_near(double got, double wanted)
{
	if (got < wanted * 0.99 || got > wanted * 1.01)
		fail_msg("%f is not within 1 %% of %f", got, wanted);
}

static json_t *
stats(struct store *s, struct store_stats_query q)
{
	struct error e = { 0 };
	json_t *result = NULL;

	if (q.to_ns == 0)
		q.to_ns = INT64_MAX;
	if (q.limit == 0)
		q.limit = 100;
	if (store_stats(s, &q, &result, &e))
		fail_msg("%s", e.text);
	return result;
}

static void
totals_count_everything_once(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	json_t *r = stats(s, (struct store_stats_query){ 0 });

	assert_int_equal(INT(r, "totals.calls"), 10);
	assert_int_equal(INT(r, "totals.errors"), 3);
	assert_true(REAL(r, "totals.error_rate") == 0.3);
	/* Eight pairs: 3 4 5 8 10 25 100 6000 ms. */
	assert_near(REAL(r, "totals.latency_ms.p50"), 8);
	assert_near(REAL(r, "totals.latency_ms.p90"), 6000);
	assert_near(REAL(r, "totals.latency_ms.mean"), 6155.0 / 8);
	assert_true(REAL(r, "totals.latency_ms.max") == 6000.0);
	assert_int_equal(INT(r, "totals.req_bytes"), 900);
	assert_int_equal(INT(r, "totals.resp_bytes"), 1800);
	assert_int_equal(json_array_size(json_object_get(r, "groups")), 0);
	assert_true(json_is_false(json_object_get(r, "truncated")));
	json_decref(r);
}

static void
groups_are_by_field_and_ordered(void **state)
{
	static const char *const by[] = { "host", "method" };
	struct store *s = ((struct fixture *)*state)->store;
	json_t *r = stats(s, (struct store_stats_query){
				     .group_by = by, .group_count = 1,
				     .filter = "http" });

	assert_int_equal(INT(r, "total_groups"), 3);
	assert_string_equal(TEXT(r, "groups.0.key.host"), "api.example.test");
	assert_int_equal(INT(r, "groups.0.calls"), 5);
	assert_int_equal(INT(r, "groups.0.errors"), 1);
	assert_near(REAL(r, "groups.0.latency_ms.p50"), 8);
	assert_string_equal(TEXT(r, "groups.1.key.host"), "shop.example.test");
	assert_string_equal(TEXT(r, "groups.2.key.host"), "");
	assert_null(fixture_get(r, "groups.2.latency_ms"));
	assert_int_equal(INT(r, "totals.calls"), 8);
	json_decref(r);

	r = stats(s, (struct store_stats_query){
			     .group_by = by, .group_count = 2, .limit = 2,
			     .order = "p99", .filter = "http" });
	assert_int_equal(INT(r, "total_groups"), 5);
	assert_string_equal(TEXT(r, "groups.0.key.host"), "shop.example.test");
	assert_string_equal(TEXT(r, "groups.1.key.method"), "POST");
	assert_int_equal(json_array_size(json_object_get(r, "groups")), 2);
	assert_true(json_is_true(json_object_get(r, "truncated")));
	json_decref(r);
}

static void
every_kind_of_field_groups(void **state)
{
	static const struct {
		const char *field;
		int groups;
	} cases[] = {
		{ "protocol", 2 }, { "status_code", 7 }, { "src.ip", 5 },
		{ "dst.port", 3 }, { "dst.name", 2 }, { "query", 2 },
		{ "url", 9 }, { "is_error", 2 }, { "latency_ms", 9 },
		{ "udp", 2 }, { "conn_state", 4 }, { "reason", 4 },
		{ "request.path", 9 },
	};
	struct store *s = ((struct fixture *)*state)->store;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *r = stats(s, (struct store_stats_query){
					     .group_by = &cases[i].field,
					     .group_count = 1 });

		if (INT(r, "total_groups") != cases[i].groups)
			fail_msg("%s: %d groups", cases[i].field,
				 (int)INT(r, "total_groups"));
		assert_int_equal(INT(r, "totals.calls"), 10);
		json_decref(r);
	}
}

static void
buckets_are_in_order_of_time(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	json_t *r = stats(s, (struct store_stats_query){
				     .bucket_ns = 2 * FIXTURE_SECOND });

	assert_int_equal(INT(r, "total_groups"), 5);
	assert_string_equal(TEXT(r, "groups.0.bucket"),
			    "2026-11-23T14:00:00Z");
	assert_int_equal(INT(r, "groups.0.calls"), 3);
	assert_string_equal(TEXT(r, "groups.4.bucket"),
			    "2026-11-23T14:00:08Z");
	assert_int_equal(INT(r, "groups.4.calls"), 1);
	json_decref(r);
}

static void
mistakes_are_explained(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	const char *field = "hosst";
	struct store_stats_query q = { .to_ns = INT64_MAX, .group_by = &field,
				       .group_count = 1, .limit = 1 };
	struct error e = { 0 };
	json_t *r = NULL;

	assert_int_equal(store_stats(s, &q, &r, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "did you mean host"));
	field = "request.headers";
	assert_int_equal(store_stats(s, &q, &r, &e), ERR_INVALID);
	field = "src.service.name";
	assert_int_equal(store_stats(s, &q, &r, &e), ERR_INVALID);
	q.group_count = 0;
	q.order = "p75";
	assert_int_equal(store_stats(s, &q, &r, &e), ERR_INVALID);
	q.order = NULL;
	q.filter = "path ==";
	assert_int_equal(store_stats(s, &q, &r, &e), ERR_INVALID);
}

static json_t *
flows(struct store *s, struct store_flows_query q)
{
	struct error e = { 0 };
	json_t *result = NULL;

	if (q.to_ns == 0)
		q.to_ns = INT64_MAX;
	if (q.limit == 0)
		q.limit = 100;
	if (store_flows(s, &q, &result, &e))
		fail_msg("%s", e.text);
	return result;
}

static void
flows_add_up_by_what_is_asked(void **state)
{
	static const struct {
		const char *aggregate;
		int flows;
	} cases[] = { { "connection", 5 }, { "endpoint", 5 }, { "service", 4 },
		      { "host", 5 }, { "name", 5 } };
	struct store *s = ((struct fixture *)*state)->store;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *r = flows(s, (struct store_flows_query){
					     .aggregate = cases[i].aggregate });

		assert_int_equal(INT(r, "total"), cases[i].flows);
		assert_int_equal(INT(r, "summary.connections"), 5);
		assert_int_equal(INT(r, "summary.tcp_connections"), 4);
		assert_int_equal(INT(r, "summary.total_bytes"), 16180);
		assert_int_equal(INT(r, "summary.unique_clients"), 4);
		assert_int_equal(INT(r, "summary.unknown_connections"), 1);
		/* The largest is always the one to 10.0.1.6. */
		assert_int_equal(INT(r, "flows.0.bytes"), 9600);
		json_decref(r);
	}
}

static void
a_service_sums_its_connections(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	json_t *r = flows(s, (struct store_flows_query){
				     .aggregate = "service",
				     .filter = "dst.ip == \"10.0.1.5\"",
				     .detail = STORE_FULL });

	assert_int_equal(INT(r, "total"), 1);
	assert_string_equal(TEXT(r, "flows.0.proto"), "tcp");
	assert_null(fixture_get(r, "flows.0.client"));
	assert_string_equal(TEXT(r, "flows.0.server.name"), "api.internal");
	assert_int_equal(INT(r, "flows.0.server.port"), 8080);
	assert_int_equal(INT(r, "flows.0.connections"), 2);
	assert_int_equal(INT(r, "flows.0.packets"), 28);
	assert_int_equal(INT(r, "flows.0.bytes"), 6200);
	assert_int_equal(INT(r, "flows.0.calls"), 4);
	assert_string_equal(TEXT(r, "flows.0.protocols.0"), "http");
	assert_string_equal(TEXT(r, "flows.0.first"), "2026-11-23T14:00:00Z");
	assert_string_equal(TEXT(r, "flows.0.last"), "2026-11-23T14:00:03Z");
	assert_int_equal(INT(r, "flows.0.tcp.retransmissions"), 3);
	json_decref(r);
}

static void
connections_are_filtered_by_their_facts(void **state)
{
	static const struct {
		const char *filter;
		int flows;
	} cases[] = {
		{ "udp", 1 }, { "tcp && !http", 1 }, { "conn && dns", 1 },
		{ "conn_state == \"half_open\"", 1 }, { "bytes > 5000", 1 },
		{ "bytes >= 5000", 2 }, { "midstream", 1 },
		{ "src.ip in \"10.0.0.0/8\"", 4 }, { "calls == 0", 1 },
		{ "duration_ms > 1500 && packets < 15", 3 },
		{ "protocol == \"unknown\"", 1 },
		{ "dst.name == \"api.internal\"", 2 },
		{ "timestamp >= timestamp(\"2026-11-23T14:00:03Z\")", 2 },
		{ "tcp_flow", 4 }, { "undissected_bytes > 0", 1 },
	};
	struct store *s = ((struct fixture *)*state)->store;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *r = flows(s, (struct store_flows_query){
					     .aggregate = "connection",
					     .filter = cases[i].filter });

		if (INT(r, "total") != cases[i].flows)
			fail_msg("%s: %d", cases[i].filter,
				 (int)INT(r, "total"));
		json_decref(r);
	}
}

static void
flows_page_without_gap_or_repetition(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct store_flows_query q = { .aggregate = "connection", .limit = 2 };
	static const int64_t ids[] = { 3, 1, 2, 5, 7 };
	char cursor[128] = "";
	size_t seen = 0;

	for (int page = 0; page < 3; page++) {
		json_t *r, *flow;
		size_t i;

		q.cursor = page ? cursor : NULL;
		r = flows(s, q);
		json_array_foreach(json_object_get(r, "flows"), i, flow)
			assert_int_equal(INT(flow, "id"), ids[seen++]);
		if (page < 2)
			snprintf(cursor, sizeof(cursor), "%s",
				 TEXT(r, "next_cursor"));
		else
			assert_null(json_object_get(r, "next_cursor"));
		json_decref(r);
	}
	assert_int_equal(seen, 5);
}

static void
flows_outside_the_window_are_left_out(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	json_t *r = flows(s, (struct store_flows_query){
				     .aggregate = "connection",
				     .from_ns = FIXTURE_START +
						5 * FIXTURE_SECOND,
				     .to_ns = FIXTURE_START +
					      6 * FIXTURE_SECOND });

	assert_int_equal(INT(r, "total"), 1);
	assert_int_equal(INT(r, "flows.0.id"), 3);
	json_decref(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(totals_count_everything_once),
		cmocka_unit_test(groups_are_by_field_and_ordered),
		cmocka_unit_test(every_kind_of_field_groups),
		cmocka_unit_test(buckets_are_in_order_of_time),
		cmocka_unit_test(mistakes_are_explained),
		cmocka_unit_test(flows_add_up_by_what_is_asked),
		cmocka_unit_test(a_service_sums_its_connections),
		cmocka_unit_test(connections_are_filtered_by_their_facts),
		cmocka_unit_test(flows_page_without_gap_or_repetition),
		cmocka_unit_test(flows_outside_the_window_are_left_out),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
