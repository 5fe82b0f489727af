/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thousands of calls over many zones, out of order in time: pages and
 * statistics against what plain SQL finds without any of our short cuts.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/alloc.h"

#define CALLS 5000

static uint32_t
next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static int
setup(void **state)
{
	json_t *meta = json_object();
	struct store_writer *w;
	struct fixture *f;
	uint32_t seed = 3;

	fixture_setup_empty(state);
	f = *state;
	assert_int_equal(store_writer_open(f->part, meta, &w, NULL), 0);
	json_decref(meta);
	for (int i = 0; i < CALLS; i++) {
		int64_t ts = FIXTURE_START + i * 1000000LL +
			     next(&seed) % 300 * 1000000LL;
		/* Rare values only in some zones. */
		int32_t status = i % 1700 == 1699 ? 503 : i % 90 ? 200 : 404;
		struct call_event c;
		char path[32];

		snprintf(path, sizeof(path), "/p/%u", next(&seed) % 40);
		if (i == 4321)
			snprintf(path, sizeof(path), "/needle");
		c = fixture_call(ts, path, status);
		c.flags |= status >= 400 ? CALL_IS_ERROR : 0;
		c.response.first_ns = c.response.last_ns =
			ts + 1000 + next(&seed) % 5000000;
		c.response.wire_bytes = next(&seed) % 10000;
		if (i % 50 == 7) { /* no response */
			c.flags = CALL_HAS_REQUEST;
			c.response = (struct call_half){ 0 };
			c.status = -1;
		}
		assert_int_equal(store_writer_call(w, &c), 0);
		if (i % 777 == 776)
			assert_int_equal(store_writer_commit(w), 0);
	}
	fixture_finish(f, w);
	assert_int_equal(store_open(f->path, &f->store, NULL), 0);
	return 0;
}

/* The first column of all rows, "1 2 3". */
static char *
plain(const char *path, const char *sql)
{
	sqlite3_stmt *s;
	struct buf out;
	sqlite3 *db;
	char *text;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY,
					 NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	buf_init(&out, 1 << 20);
	while (sqlite3_step(s) == SQLITE_ROW)
		buf_format(&out, "%s%s", out.size ? " " : "",
			   sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	sqlite3_close(db);
	text = alloc_string(buf_cstr(&out));
	buf_free(&out);
	return text;
}

static const struct {
	const char *filter, *where;
} conditions[] = {
	{ "", "1" },
	{ "status_code >= 500", "status >= 500" },
	{ "status_code == 404", "status = 404" },
	{ "status_code == 418", "status = 418" },
	{ "status_code in [503, 418]", "status IN (503, 418)" },
	{ "status_code < 200", "status IS NULL" },
	{ "!(status_code == 200)", "status IS NOT 200" },
	{ "is_error && path.contains(\"1\")", "is_error AND path LIKE '%1%'" },
	{ "path == \"/needle\"", "path = '/needle'" },
	{ "path == \"/needle\" || status_code == 503",
	  "path = '/needle' OR status = 503" },
	{ "path.contains(\"nothing\")", "0" },
	{ "path.matches(\"/p/3[0-4]$\") && latency_ms > 4",
	  "path IN ('/p/30','/p/31','/p/32','/p/33','/p/34') AND "
	  "latency_ms > 4" },
	{ "latency_ms > 4.99", "latency_ms > 4.99" },
	{ "latency_ms > 100", "0" },
	{ "5 > latency_ms && total_size > 9900", "ifnull(latency_ms, 0) < 5 AND "
	  "request_size + response_size > 9900" },
	{ "timestamp >= timestamp(\"2026-11-23T14:00:04.5Z\")",
	  "ts >= 1795442404500000000" },
	{ "timestamp < timestamp(\"2026-11-23T14:00:00.1Z\") && !has_response",
	  "ts < 1795442400100000000 AND NOT has_response" },
	{ "src.ip in \"10.0.0.0/8\" && id % 997 == 0", "id % 997 = 0" },
	{ "src.ip == \"10.9.9.9\"", "0" },
};

#define CONDITIONS (sizeof(conditions) / sizeof(*conditions))

static const char *const orders[] = {
	[STORE_NEWEST] = "ts DESC, id DESC",
	[STORE_OLDEST] = "ts, id",
	[STORE_SLOWEST] = "ifnull(latency_ms, -1) DESC, id DESC",
	[STORE_LARGEST] = "request_size + response_size DESC, id DESC",
};

static void
pages_are_what_plain_sql_finds(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < CONDITIONS * 4; i++) {
		struct store_calls_query q = {
			.filter = conditions[i / 4].filter, .to_ns = INT64_MAX,
			.order = (enum store_order)(i % 4), .limit = 37,
		};
		char *sql = alloc_format("SELECT id FROM api_calls WHERE (%s) "
					 "ORDER BY %s LIMIT 74",
					 conditions[i / 4].where,
					 orders[i % 4]);
		char *wanted = plain(f->path, sql), *cursor = NULL;
		struct buf got;

		buf_init(&got, 1 << 16);
		for (int page = 0; page < 2; page++) {
			json_t *result = NULL;
			struct error e = { 0 };
			const char *next_cursor;
			char *ids;

			q.cursor = cursor;
			if (store_calls(f->store, &q, &result, &e))
				fail_msg("%s: %s", q.filter, e.text);
			ids = fixture_ids(result);
			buf_format(&got, "%s%s", page && *ids ? " " : "", ids);
			next_cursor = json_string_value(
				json_object_get(result, "next_cursor"));
			free(cursor);
			cursor = next_cursor ? alloc_string(next_cursor) : NULL;
			free(ids);
			json_decref(result);
			if (!cursor)
				break;
		}
		if (strcmp(buf_cstr(&got), wanted) != 0)
			fail_msg("%s by %s\n%s\n%s", q.filter, orders[i % 4],
				 buf_cstr(&got), wanted);
		free(cursor);
		buf_free(&got);
		free(wanted);
		free(sql);
	}
}

static void
statistics_are_what_plain_sql_finds(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < CONDITIONS; i++) {
		struct store_stats_query q = {
			.filter = conditions[i].filter, .to_ns = INT64_MAX,
			.limit = 1,
		};
		char *sql = alloc_format(
			"SELECT count(*) || ' ' || ifnull(sum(is_error), 0) || "
			"' ' || ifnull(sum(response_size), 0) FROM api_calls "
			"WHERE %s", conditions[i].where);
		char *wanted = plain(f->path, sql), got[96];
		struct error e = { 0 };
		json_t *r = NULL;

		if (store_stats(f->store, &q, &r, &e))
			fail_msg("%s: %s", q.filter, e.text);
		snprintf(got, sizeof(got), "%lld %lld %lld",
			 (long long)json_integer_value(
				 fixture_get(r, "totals.calls")),
			 (long long)json_integer_value(
				 fixture_get(r, "totals.errors")),
			 (long long)json_integer_value(
				 fixture_get(r, "totals.resp_bytes")));
		if (strcmp(got, wanted) != 0)
			fail_msg("%s: %s, not %s", q.filter, got, wanted);
		json_decref(r);
		free(wanted);
		free(sql);
	}
}

/* More groups than are kept apart: what is left over is counted, and said. */
static void
groups_beyond_the_limit_become_one(void **state)
{
	const char *by[] = { "id", "path" };
	struct fixture *f = *state;
	struct store_stats_query q = { .to_ns = INT64_MAX, .limit = 1000,
				       .group_by = by, .group_count = 2 };
	json_t *meta = json_object(), *r = NULL, *group;
	struct error e = { 0 };
	struct store_writer *w;
	struct store *s;
	char other[112];
	json_int_t sum = 0;
	size_t i;

	snprintf(other, sizeof(other), "%s.many", f->path);
	assert_int_equal(store_writer_open(f->part, meta, &w, NULL), 0);
	json_decref(meta);
	for (int n = 0; n < 12000; n++) {
		struct call_event c = fixture_call(FIXTURE_START, "/x", 200);

		assert_int_equal(store_writer_call(w, &c), 0);
	}
	assert_int_equal(store_writer_finish(w, &(struct coverage){ 0 }, NULL,
					     other, &e), 0);
	assert_int_equal(store_open(other, &s, &e), 0);
	assert_int_equal(store_stats(s, &q, &r, &e), 0);
	assert_true(json_is_true(json_object_get(r, "truncated")));
	assert_int_equal(json_integer_value(fixture_get(r, "totals.calls")),
			 12000);
	assert_int_equal(json_integer_value(json_object_get(r,
							    "total_groups")),
			 10001);
	assert_string_equal(json_string_value(
		fixture_get(r, "groups.0.key.path")), "(other)");
	assert_int_equal(json_integer_value(fixture_get(r, "groups.0.calls")),
			 2000);
	json_array_foreach(json_object_get(r, "groups"), i, group)
		sum += json_integer_value(json_object_get(group, "calls"));
	assert_int_equal(sum, 2000 + 999);
	json_decref(r);
	store_close(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_what_plain_sql_finds),
		cmocka_unit_test(statistics_are_what_plain_sql_finds),
		cmocka_unit_test(groups_beyond_the_limit_become_one),
	};

	return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
