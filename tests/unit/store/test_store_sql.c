/* SPDX-License-Identifier: Apache-2.0 */
/* What query_sql allows, and how it says no. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *
query(struct store *s, const char *sql)
{
	struct error e = { 0 };
	json_t *result = NULL;

	if (store_sql(s, sql, 100, &result, &e))
		fail_msg("%s: %s", sql, e.text);
	return result;
}

static void
assert_rows(struct store *s, const char *sql, const char *rows)
{
	json_t *result = query(s, sql);
	char *text = json_dumps(json_object_get(result, "rows"), JSON_COMPACT);

	assert_string_equal(text, rows);
	free(text);
	json_decref(result);
}

static void
views_answer_in_plain_sql(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;

	assert_rows(s, "SELECT id, method, path, status FROM api_calls "
		       "WHERE status >= 404 ORDER BY id;",
		    "[[3,\"GET\",\"/users/7\",404],[4,\"GET\",\"/boom\",500]]");
	assert_rows(s, "SELECT time, latency_ms, transport FROM api_calls "
		       "WHERE protocol = 'dns' AND is_error",
		    "[[\"2026-11-23T14:00:07.000Z\",4.0,\"udp\"]]");
	assert_rows(s, "SELECT dst_ip, sum(calls) FROM flows GROUP BY 1 "
		       "ORDER BY 2 DESC, 1 LIMIT 2",
		    "[[\"10.0.1.5\",4],[\"10.0.0.53\",2]]");
	assert_rows(s, "SELECT path, calls, example_id FROM errors "
		       "ORDER BY example_id",
		    "[[\"/users/7\",1,3],[\"/boom\",1,4],"
		    "[\"nope.example.com\",1,8]]");
	assert_rows(s, "SELECT ip, name, mechanism, calls_as_server FROM "
		       "workloads WHERE name <> ''",
		    "[[\"10.0.1.5\",\"api.internal\",\"dns\",4]]");
	assert_rows(s, "SELECT name, answers FROM names ORDER BY 2 DESC",
		    "[[\"api.internal\",2],[\"alias.internal\",1]]");
	assert_rows(s, "SELECT value FROM coverage WHERE counter = 'holes'",
		    "[[2]]");
	assert_rows(s, "SELECT value FROM meta WHERE key = 'state'",
		    "[[\"\\\"completed\\\"\"]]");
	assert_rows(s, "SELECT src_first_bytes FROM connections WHERE "
		       "protocol = 'unknown'", "[[\"01027A7A\"]]");
}

static void
our_functions_reach_into_the_payload(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;

	assert_rows(s, "SELECT header(1, 'request', 'X-REQUEST-ID'), "
		       "header(1, 'response', 'absent')", "[[\"r-1\",null]]");
	assert_rows(s, "SELECT body_text(4, 'response')",
		    "[[\"out of cheese\"]]");
	assert_rows(s, "SELECT id FROM api_calls WHERE path REGEXP "
		       "'^/users/\\d$' ORDER BY id", "[[3],[9]]");
	assert_rows(s, "SELECT query_value(query, 'q') FROM api_calls "
		       "WHERE id = 1", "[[\"a b\"]]");
}

static void
values_of_every_type_come_through(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;

	assert_rows(s, "SELECT NULL, 1, 1.5, 'x', x'00ff', 1e999",
		    "[[null,1,1.5,\"x\",\"x'00ff'\",null]]");
}

static void
schema_can_be_looked_at(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	json_t *r = query(s, "SELECT count(*) FROM pragma_table_info("
			     "'api_calls')");

	assert_int_equal(json_integer_value(fixture_get(r, "rows.0.0")), 57);
	json_decref(r);
	json_decref(query(s, "PRAGMA table_info('flows')"));
	json_decref(query(s, "SELECT sql FROM sqlite_schema"));
}

static void
everything_else_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *sql;
		int code;
		const char *text;
	} cases[] = {
		{ "DELETE FROM calls", ERR_DENIED, "only SELECT" },
		{ "INSERT INTO meta VALUES ('a', 'b')", ERR_DENIED,
		  "only SELECT" },
		{ "CREATE TEMP TABLE t (a)", ERR_DENIED, "only SELECT" },
		{ "ATTACH '/etc/passwd' AS p", ERR_DENIED, "only SELECT" },
		{ "PRAGMA query_only = 0", ERR_DENIED, "PRAGMA query_only" },
		{ "PRAGMA writable_schema", ERR_DENIED, "PRAGMA" },
		{ "VACUUM INTO '/tmp/x'", ERR_DENIED, "" },
		{ "BEGIN", ERR_DENIED, "only SELECT" },
		{ "SELECT load_extension('x')", ERR_DENIED, "load_extension" },
		{ "SELECT readfile('/etc/passwd')", ERR_INVALID,
		  "no such function" },
		{ "SELECT randomblob(1000000000)", ERR_DENIED, "randomblob" },
		{ "SELECT * FROM pragma_database_list", ERR_DENIED,
		  "pragma_database_list" },
		{ "UPDATE sqlite_master SET sql = ''", ERR_INVALID,
		  "may not be modified" },
		{ "SELECT data FROM blocks", ERR_DENIED, "body_text" },
		{ "SELECT 1; SELECT 2", ERR_INVALID, "one statement" },
		{ "SELECT 1; DROP TABLE calls", ERR_INVALID, "one statement" },
		{ "", ERR_INVALID, "no statement" },
		{ "-- nothing", ERR_INVALID, "no statement" },
		{ "SELEC 1", ERR_INVALID, "syntax error" },
		{ "SELECT statu FROM api_calls", ERR_INVALID,
		  "did you mean status?" },
		{ "SELECT a.pth FROM api_calls a", ERR_INVALID,
		  "did you mean path?" },
		{ "SELECT id FROM api_calls WHERE method = \"GET\"",
		  ERR_INVALID, "single quotes" },
		{ "SELECT * FROM http_calls", ERR_INVALID, "api_calls" },
		{ "SELECT header(1, 'both', 'x')", ERR_INVALID,
		  "'request' or 'response'" },
		{ "SELECT 'a' REGEXP '('", ERR_INVALID, "a ( has no )" },
	};
	struct store *s = ((struct fixture *)*state)->store;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct error e = { 0 };
		json_t *result = NULL;
		int code = store_sql(s, cases[i].sql, 10, &result, &e);

		if (code != cases[i].code || !strstr(e.text, cases[i].text))
			fail_msg("%s: %d %s", cases[i].sql, code, e.text);
		assert_null(result);
	}
	/* Nothing of it changed what the store answers. */
	assert_rows(s, "SELECT count(*) FROM api_calls", "[[10]]");
}

static void
a_bomb_ends_at_the_deadline(void **state)
{
	static const char *const bombs[] = {
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
		"FROM n) SELECT count(*) FROM n",
		"SELECT count(*) FROM strings a, strings b, strings c, "
		"strings d, strings e, strings f, strings g, strings h",
	};
	struct store *s = ((struct fixture *)*state)->store;

	store_set_deadline(s, 100000000);
	for (size_t i = 0; i < sizeof(bombs) / sizeof(*bombs); i++) {
		struct error e = { 0 };
		json_t *result = NULL;

		assert_int_equal(store_sql(s, bombs[i], 10, &result, &e),
				 ERR_TIMEOUT);
	}
	store_set_deadline(s, 0);
}

static void
a_bomb_that_wants_memory_is_stopped(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct error e = { 0 };
	json_t *result = NULL;
	int code;

	store_set_deadline(s, 3000000000);
	code = store_sql(
		s, "WITH RECURSIVE n(i, t) AS (SELECT 1, printf('%.*c', "
		   "100000, 'x') UNION SELECT i + 1, t || i FROM n) "
		   "SELECT max(i) FROM n", 10, &result, &e);

	if (code != ERR_LIMIT && code != ERR_TIMEOUT)
		fail_msg("%d %s", code, e.text);
	store_set_deadline(s, 0);
}

static void
rows_and_bytes_are_limited(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct error e = { 0 };
	json_t *r = NULL;

	assert_int_equal(store_sql(s, "SELECT id FROM api_calls", 3, &r, &e),
			 0);
	assert_int_equal(json_integer_value(json_object_get(r, "row_count")),
			 3);
	assert_true(json_is_true(json_object_get(r, "truncated")));
	json_decref(r);
	assert_int_equal(store_sql(s, "SELECT id FROM api_calls", 10, &r, &e),
			 0);
	assert_true(json_is_false(json_object_get(r, "truncated")));
	json_decref(r);
	assert_int_equal(
		store_sql(s, "SELECT printf('%.*c', 600000, 'x') FROM "
			     "api_calls", 10, &r, &e), 0);
	assert_int_equal(json_integer_value(json_object_get(r, "row_count")),
			 2);
	assert_true(json_is_true(json_object_get(r, "truncated")));
	json_decref(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(views_answer_in_plain_sql),
		cmocka_unit_test(our_functions_reach_into_the_payload),
		cmocka_unit_test(values_of_every_type_come_through),
		cmocka_unit_test(schema_can_be_looked_at),
		cmocka_unit_test(everything_else_is_refused_with_a_reason),
		cmocka_unit_test(a_bomb_ends_at_the_deadline),
		cmocka_unit_test(a_bomb_that_wants_memory_is_stopped),
		cmocka_unit_test(rows_and_bytes_are_limited),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
