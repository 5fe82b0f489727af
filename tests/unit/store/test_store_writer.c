/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a database: running, killed, damaged, hostile. */
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/file.h"
#include "dissect/store/store_format.h"

static struct store_writer *
open_writer(struct fixture *f)
{
	json_t *meta = json_object();
	struct store_writer *w = NULL;
	struct error e = { 0 };

	if (store_writer_open(f->part, meta, &w, &e))
		fail_msg("%s", e.text);
	json_decref(meta);
	return w;
}

static json_int_t
count_calls(const char *path)
{
	struct store_calls_query q = { .to_ns = INT64_MAX, .limit = 1 };
	struct error e = { 0 };
	json_t *result = NULL;
	json_int_t total;
	struct store *s;

	if (store_open(path, &s, &e) || store_calls(s, &q, &result, &e))
		fail_msg("%s", e.text);
	total = json_integer_value(json_object_get(result, "total"));
	json_decref(result);
	store_close(s);
	return total;
}

static void
what_is_committed_can_be_read_while_it_runs(void **state)
{
	struct fixture *f = *state;
	struct store_writer *w = open_writer(f);
	struct call_event c = fixture_call(FIXTURE_START, "/late", 200);
	struct store *s;
	json_t *coverage;

	assert_int_equal(count_calls(f->part), 0);
	fixture_write(w);
	assert_int_equal(count_calls(f->part), 0);
	assert_int_equal(store_writer_commit(w), 0);
	assert_int_equal(count_calls(f->part), FIXTURE_CALLS);
	assert_int_equal(store_writer_call(w, &c), 0);
	assert_int_equal(count_calls(f->part), FIXTURE_CALLS);
	assert_int_equal(store_writer_commit(w), 0);
	assert_int_equal(count_calls(f->part), FIXTURE_CALLS + 1);

	assert_int_equal(store_open(f->part, &s, NULL), 0);
	coverage = store_coverage(s);
	assert_string_equal(json_string_value(
		json_object_get(coverage, "state")), "running");
	assert_int_equal(json_array_size(
		json_object_get(coverage, "notes")), 1);
	json_decref(coverage);
	store_close(s);

	fixture_finish(f, w);
	assert_false(file_exists(f->part));
	assert_int_equal(count_calls(f->path), FIXTURE_CALLS + 1);
}

static void
readers_and_the_writer_do_not_disturb_each_other(void **state)
{
	struct fixture *f = *state;
	struct store_writer *w = open_writer(f);
	int status;
	pid_t child = fork();

	if (child == 0) {
		json_int_t last = 0, now = 0;

		/* Counts only ever grow, up to all of them. */
		while (now < 20000) {
			now = count_calls(f->part);
			if (now < last)
				_exit(1);
			last = now;
		}
		_exit(0);
	}
	for (int i = 0; i < 20000; i++) {
		struct call_event c = fixture_call(FIXTURE_START + i, "/x",
						   200);

		assert_int_equal(store_writer_call(w, &c), 0);
		if (i % 500 == 499)
			assert_int_equal(store_writer_commit(w), 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	fixture_finish(f, w);
}

static void
a_partial_run_says_so(void **state)
{
	struct fixture *f = *state;
	struct store_writer *w = open_writer(f);
	struct coverage coverage = { 0 };
	struct error e = { 0 };
	struct store *s;
	json_t *c;

	fixture_write(w);
	assert_int_equal(store_writer_fault(w, "parser", "parser 2 was killed "
							 "by signal 31"), 0);
	assert_int_equal(store_writer_finish(w, &coverage,
					     "a parser was killed", f->path,
					     &e), 0);
	assert_int_equal(store_open(f->path, &s, &e), 0);
	c = store_coverage(s);
	assert_string_equal(json_string_value(json_object_get(c, "state")),
			    "partial");
	assert_string_equal(json_string_value(fixture_get(c, "notes.0")),
			    "the dissection is partial: a parser was killed");
	assert_string_equal(json_string_value(fixture_get(c, "notes.1")),
			    "parser 2 was killed by signal 31");
	json_decref(c);
	store_close(s);
}

static void
counts_are_those_of_what_was_written(void **state)
{
	struct fixture *f = *state;
	struct store_writer *w = open_writer(f);
	struct store_counts counts;

	fixture_write(w);
	counts = store_writer_counts(w);
	assert_int_equal(counts.calls, 10);
	assert_int_equal(counts.connections, 5);
	assert_int_equal(counts.calls_by_protocol[PROTOCOL_http], 8);
	assert_int_equal(counts.calls_by_protocol[PROTOCOL_dns], 2);
	assert_true(counts.file_bytes > 8192);
	store_writer_abort(w);
	assert_false(file_exists(f->part));
	assert_false(file_exists(f->path));
	store_writer_abort(NULL);
}

static void
a_killed_writer_leaves_what_it_committed(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child = fork();
	json_int_t calls;

	if (child == 0) {
		struct store_writer *w = open_writer(f);

		fixture_write(w);
		store_writer_commit(w);
		fixture_call(0, "", 0);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	calls = count_calls(f->part);
	assert_int_equal(calls, FIXTURE_CALLS);

	/* And the next run begins anew. */
	store_writer_abort(open_writer(f));
	assert_false(file_exists(f->part));
}

/* Everything a reader can ask; results do not matter, only that it ends. */
static void
ask_everything(const char *path)
{
	static const char *const group = "path";
	struct store_calls_query calls = {
		.to_ns = INT64_MAX, .limit = 20, .detail = STORE_FULL,
		.preview_bytes = 100, .filter = "body.contains(\"e\") || http",
	};
	struct store_stats_query stats = { .to_ns = INT64_MAX, .limit = 5,
					   .group_by = &group,
					   .group_count = 1 };
	struct store_flows_query flows = { .to_ns = INT64_MAX, .limit = 5,
					   .detail = STORE_FULL };
	struct error e;
	struct store *s;
	json_t *r;

	if (store_open(path, &s, &e))
		return;
	store_set_deadline(s, 2000000000);
	json_decref(store_coverage(s));
	for (int order = 0; order < 4; order++) {
		calls.order = (enum store_order)order;
		r = NULL;
		(void)store_calls(s, &calls, &r, &e);
		json_decref(r);
	}
	for (int id = 1; id <= FIXTURE_CALLS; id++) {
		r = NULL;
		(void)store_call(s, id, 0, 1000, &r, &e);
		json_decref(r);
	}
	r = NULL;
	(void)store_stats(s, &stats, &r, &e);
	json_decref(r);
	r = NULL;
	(void)store_flows(s, &flows, &r, &e);
	json_decref(r);
	r = NULL;
	(void)store_sql(s, "SELECT *, header(id, 'request', 'host') FROM "
			   "api_calls", 100, &r, &e);
	json_decref(r);
	store_close(s);
}

/* The journal is off: what a kill leaves is read, or refused, but no more. */
static void
a_writer_killed_at_any_moment_does_no_harm(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 12; round++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			struct store_writer *w = open_writer(f);

			for (int i = 0;; i++) {
				struct call_event c = fixture_call(
					FIXTURE_START + i, "/x", 200);

				store_writer_call(w, &c);
				if (i % 200 == 199)
					store_writer_commit(w);
			}
		}
		usleep((useconds_t)(1000 + round * 7000));
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		ask_everything(f->part);
	}
	unlink(f->part);
}

static void
what_is_no_dissection_is_refused(void **state)
{
	struct fixture *f = *state;
	struct error e = { 0 };
	struct store *s = NULL;
	sqlite3 *db;
	FILE *file;

	assert_int_equal(store_open(f->path, &s, &e), ERR_NOTFOUND);
	file = fopen(f->path, "w");
	fclose(file);
	assert_int_equal(store_open(f->path, &s, &e), ERR_EMPTY);
	file = fopen(f->path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("no database at all. ", file);
	fclose(file);
	assert_int_equal(store_open(f->path, &s, &e), ERR_CORRUPT);
	unlink(f->path);
	sqlite3_open(f->path, &db);
	sqlite3_exec(db, "CREATE TABLE calls (id)", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_int_equal(store_open(f->path, &s, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "not a dissection"));
}

static void
a_newer_schema_is_named(void **state)
{
	struct fixture *f = *state;
	struct store_writer *w = open_writer(f);
	struct error e = { 0 };
	struct store *s = NULL;
	sqlite3 *db;

	fixture_finish(f, w);
	sqlite3_open(f->path, &db);
	sqlite3_exec(db, "PRAGMA user_version = 9", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_int_equal(store_open(f->path, &s, &e), ERR_UNSUPPORTED);
	assert_non_null(strstr(e.text, "schema version 9"));
}

static void
an_impossible_event_is_refused_and_the_next_is_welcome(void **state)
{
	struct fixture *f = *state;
	struct call_event good = fixture_call(FIXTURE_START, "/x", 200);
	struct call_event bad[8];
	struct store_writer *w;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		bad[i] = good;
	bad[0].protocol = PROTOCOL_COUNT;
	bad[1].flags = 0;
	bad[2].flags |= 1u << 24;
	bad[3].reason = CALL_REASON_COUNT;
	bad[4].request.wire_bytes = UINT64_MAX;
	bad[5].response.head_ref = (struct payload_ref){ 1, UINT32_MAX, 2 };
	bad[6].connection = UINT64_MAX;
	bad[7].request.first_ns = INT64_MIN;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		w = open_writer(f);
		assert_int_equal(store_writer_call(w, &good), 0);
		assert_int_equal(store_writer_call(w, &bad[i]), ERR_CORRUPT);
		assert_string_equal(store_writer_error(w),
				    "a parser sent an impossible call");
		assert_int_equal(store_writer_call(w, &good), 0);
		fixture_finish(f, w);
		assert_int_equal(count_calls(f->path), 2);
		unlink(f->path);
	}
	w = open_writer(f);
	assert_int_equal(store_writer_block(w, 1, PAYLOAD_HEADS, 4,
					    bytes_of("abcd")), 0);
	assert_int_equal(store_writer_block(w, 1, PAYLOAD_HEADS, 4,
					    bytes_of("abcd")), ERR_CORRUPT);
	store_writer_abort(w);
}

static void
text_from_the_wire_becomes_harmless_text(void **state)
{
	struct fixture *f = *state;
	struct store_writer *w = open_writer(f);
	struct call_event c = fixture_call(FIXTURE_START, "", 200);
	static uint8_t long_path[100000], long_query[100000];
	struct error e = { 0 };
	json_t *r = NULL;
	struct store *s;

	c.fields[FIELD_PATH] = bytes_make("/\xff\x1b[2J\0x", 8);
	c.fields[FIELD_QUERY] = bytes_make("q=\xc3\xa9\xfe", 5);
	assert_int_equal(store_writer_call(w, &c), 0);
	memset(long_path, 'a', sizeof(long_path));
	c.fields[FIELD_PATH] = bytes_make(long_path, sizeof(long_path));
	assert_int_equal(store_writer_call(w, &c), 0);
	memset(long_query, 0xff, sizeof(long_query));
	c.fields[FIELD_QUERY] = bytes_make(long_query, sizeof(long_query));
	assert_int_equal(store_writer_call(w, &c), 0);
	fixture_finish(f, w);
	assert_int_equal(store_open(f->path, &s, &e), 0);
	assert_int_equal(store_sql(s, "SELECT path, query, max(length(path), "
				      "length(query)) FROM api_calls",
				   10, &r, &e),
			 0);
	assert_string_equal(json_string_value(fixture_get(r, "rows.0.0")),
			    "/\\xff\\x1b[2J\\x00x");
	assert_string_equal(json_string_value(fixture_get(r, "rows.0.1")),
			    "q=\xc3\xa9\\xfe");
	assert_int_equal(json_integer_value(fixture_get(r, "rows.1.2")),
			 15361);
	/* The longest that escaping makes of anything. */
	assert_int_equal(json_integer_value(fixture_get(r, "rows.2.2")),
			 4 * 15360 + 1);
	json_decref(r);
	store_close(s);
}

static void
damaged_bytes_give_errors_and_nothing_worse(void **state)
{
	struct fixture *f = *state;
	struct store_writer *w = open_writer(f);
	struct buf original;
	uint32_t seed = 1;

	fixture_write(w);
	fixture_finish(f, w);
	buf_init(&original, 4 << 20);
	assert_int_equal(file_read(f->path, &original, NULL), 0);
	for (int round = 0; round < 300; round++) {
		FILE *file = fopen(f->path, "w");
		size_t size = original.size;

		if (round % 10 == 9)
			size = size * (size_t)(round % 97) / 97;
		fwrite(original.data, 1, size, file);
		for (int i = 0; i < 1 + round % 40; i++) {
			seed = seed * 1664525 + 1013904223;
			fseek(file, (long)(seed % original.size), SEEK_SET);
			fputc((int)(seed >> 24), file);
		}
		fclose(file);
		ask_everything(f->path);
	}
	buf_free(&original);
}

static void
a_hostile_payload_block_is_an_error(void **state)
{
	static const char *const tricks[] = {
		"UPDATE blocks SET data = x'00'",
		"UPDATE blocks SET raw_size = 1 << 40",
		"UPDATE blocks SET raw_size = raw_size + 1",
		"UPDATE blocks SET raw_size = -1",
		"UPDATE calls SET payload = zeroblob(4000)",
		"UPDATE calls SET payload = x'ffffffffffffffffff7f'",
		"UPDATE calls SET payload = x'8001028080808001'",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(tricks) / sizeof(*tricks); i++) {
		struct store_writer *w = open_writer(f);
		struct error e = { 0 };
		json_t *r = NULL;
		struct store *s;
		sqlite3 *db;
		int code;

		fixture_write(w);
		fixture_finish(f, w);
		sqlite3_open(f->path, &db);
		assert_int_equal(sqlite3_exec(db, tricks[i], NULL, NULL, NULL),
				 SQLITE_OK);
		sqlite3_close(db);
		assert_int_equal(store_open(f->path, &s, &e), 0);
		code = store_call(s, 1, 0, 100, &r, &e);
		if (code != ERR_CORRUPT)
			fail_msg("%s: %d", tricks[i], code);
		store_close(s);
		ask_everything(f->path);
	}
}

static void
views_and_triggers_of_strangers_cannot_call_our_functions(void **state)
{
	struct fixture *f = *state;
	struct store_writer *w = open_writer(f);
	struct error e = { 0 };
	json_t *r = NULL;
	struct store *s;
	sqlite3 *db;

	fixture_write(w);
	fixture_finish(f, w);
	sqlite3_open(f->path, &db);
	sqlite3_exec(db, "DROP VIEW errors; CREATE VIEW errors AS SELECT "
			 "body_text(1, 'response') AS x", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_int_equal(store_open(f->path, &s, &e), 0);
	assert_true(store_sql(s, "SELECT * FROM errors", 1, &r, &e) < 0);
	assert_non_null(strstr(e.text, "unsafe use"));
	store_close(s);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup_empty, \
					fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_committed_can_be_read_while_it_runs),
		TEST(readers_and_the_writer_do_not_disturb_each_other),
		TEST(a_partial_run_says_so),
		TEST(counts_are_those_of_what_was_written),
		TEST(a_killed_writer_leaves_what_it_committed),
		TEST(a_writer_killed_at_any_moment_does_no_harm),
		TEST(what_is_no_dissection_is_refused),
		TEST(a_newer_schema_is_named),
		TEST(an_impossible_event_is_refused_and_the_next_is_welcome),
		TEST(text_from_the_wire_becomes_harmless_text),
		TEST(damaged_bytes_give_errors_and_nothing_worse),
		TEST(a_hostile_payload_block_is_an_error),
		TEST(views_and_triggers_of_strangers_cannot_call_our_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
