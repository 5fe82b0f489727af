/* SPDX-License-Identifier: Apache-2.0 */
/* What SQLite reads back from a batch, and what it says of the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "dissect/store/row_batch.h"

static sqlite3 *
open_table(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "CREATE TABLE t (id INTEGER PRIMARY KEY, "
				      "n INTEGER NOT NULL, s TEXT, b BLOB) STRICT; "
				      "CREATE INDEX t_n ON t (n)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	return db;
}

static void
add_row(struct row_batch *b, int64_t id, int64_t n, struct bytes s)
{
	row_begin(b, id, n);
	row_integer(b, n);
	row_text(b, s);
	row_null(b);
	row_end(b);
}

static sqlite3_stmt *
select_first(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	return s;
}

static int64_t
ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s = select_first(db, sql);
	int64_t value = sqlite3_column_int64(s, 0);

	sqlite3_finalize(s);
	return value;
}

/* What the file is to other connections, which know no imposters. */
static sqlite3 *
reopen(sqlite3 *db)
{
	sqlite3_int64 size = 0;
	unsigned char *file = sqlite3_serialize(db, "main", &size, 0);
	sqlite3 *other;

	assert_non_null(file);
	assert_int_equal(sqlite3_open(":memory:", &other), SQLITE_OK);
	assert_int_equal(sqlite3_deserialize(other, "main", file, size, size,
					     SQLITE_DESERIALIZE_FREEONCLOSE),
			 SQLITE_OK);
	return other;
}

static void
assert_sound(sqlite3 *db)
{
	sqlite3 *other = reopen(db);
	sqlite3_stmt *s = select_first(other, "PRAGMA integrity_check");

	assert_string_equal((const char *)sqlite3_column_text(s, 0), "ok");
	sqlite3_finalize(s);
	sqlite3_close(other);
}

/* The edges of every width that the format has. */
static void
integers_of_every_width(void **state)
{
	static const unsigned edges[] = { 0,  1,  7,  8,  15, 16, 23, 24,
					  31, 32, 39, 40, 47, 48, 62, 63 };
	int64_t expected[200] = { 0, 1, -1, 2, INT64_MIN, INT64_MAX };
	sqlite3 *db = open_table();
	struct row_batch *b = row_batch_new(db, "t", "t_n");
	int count = 6, row = 0;
	sqlite3_stmt *s;

	(void)state;
	assert_non_null(b);
	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
		for (int step = -1; step <= 1; step++) {
			uint64_t value = (UINT64_C(1) << edges[i]) +
					 (uint64_t)(int64_t)step;

			expected[count++] = (int64_t)value;
			expected[count++] = (int64_t)(0 - value);
		}
	}
	for (int i = 0; i < count; i++)
		add_row(b, i + 1, expected[i], bytes_of(""));
	assert_int_equal(row_batch_flush(b), SQLITE_OK);
	assert_sound(db);
	s = select_first(db, "SELECT id, n, s, typeof(n), b IS NULL FROM t "
			     "ORDER BY id");
	do {
		assert_int_equal(sqlite3_column_int64(s, 0), row + 1);
		assert_true(sqlite3_column_int64(s, 1) == expected[row++]);
		assert_int_equal(sqlite3_column_bytes(s, 2), 0);
		assert_string_equal((const char *)sqlite3_column_text(s, 3),
				    "integer");
		assert_int_equal(sqlite3_column_int(s, 4), 1);
	} while (sqlite3_step(s) == SQLITE_ROW);
	assert_int_equal(row, count);
	sqlite3_finalize(s);
	sqlite3_close(db);
	row_batch_free(b);
}

/* Texts and blobs at the sizes where their serial types grow, up to the
 * longest that is allowed. */
static void
texts_of_every_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 56, 57, 58, 59, 8184, 8186, 8187,
					30000, ROW_BYTES_MAX };
	char *text = alloc_zero(1, ROW_BYTES_MAX);
	sqlite3 *db = open_table();
	struct row_batch *b = row_batch_new(db, "t", "t_n");
	sqlite3_stmt *s;
	int row = 0;

	(void)state;
	memset(text, 'x', ROW_BYTES_MAX);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		add_row(b, (int64_t)i * 2 + 1, 5, bytes_make(text, sizes[i]));
		row_begin(b, (int64_t)i * 2 + 2, 5);
		row_integer(b, 5);
		row_null(b);
		row_blob(b, bytes_make(text, sizes[i]));
		row_end(b);
	}
	assert_int_equal(row_batch_flush(b), SQLITE_OK);
	assert_sound(db);
	s = select_first(db, "SELECT coalesce(s, b) FROM t ORDER BY id");
	do {
		int size = (int)sizes[row++ / 2];

		assert_int_equal(sqlite3_column_bytes(s, 0), size);
		if (size)
			assert_memory_equal(sqlite3_column_blob(s, 0), text,
					    (size_t)size);
	} while (sqlite3_step(s) == SQLITE_ROW);
	assert_int_equal(row, 22);
	sqlite3_finalize(s);
	sqlite3_close(db);
	row_batch_free(b);
	free(text);
}

/* Until it is full, several times over; the last time a few rows only. */
static void
batches_follow_each_other(void **state)
{
	sqlite3 *db = open_table();
	struct row_batch *b = row_batch_new(db, "t", "t_n");
	int64_t id = 0;

	(void)state;
	for (int batch = 0; batch < 4; batch++) {
		while (!row_batch_full(b)) {
			id++;
			add_row(b, id, id * 1000, bytes_of("twelve bytes"));
		}
		assert_int_equal(row_batch_flush(b), SQLITE_OK);
		assert_false(row_batch_full(b));
	}
	assert_int_equal(row_batch_flush(b), SQLITE_OK); /* nothing to do */
	id++;
	add_row(b, id, id * 1000, bytes_of("twelve bytes"));
	assert_int_equal(row_batch_flush(b), SQLITE_OK);
	assert_sound(db);
	assert_true(id > 100000);
	assert_int_equal(ask(db, "SELECT count(*) FROM t"), id);
	assert_int_equal(ask(db, "SELECT max(id) FROM t"), id);
	assert_int_equal(ask(db, "SELECT count(*) FROM t WHERE n = id * 1000 "
				 "AND s = 'twelve bytes'"), id);
	sqlite3_close(db);
	row_batch_free(b);
}

/* Keys in any order, equal ones, batches whose keys overlap: the index gives
 * what sorting the rows gives, and the integrity check compares them. */
static void
keys_in_any_order(void **state)
{
	static const uint64_t spreads[] = { 1, 3, 5000, UINT64_C(1) << 40, 0 };
	sqlite3 *db = open_table();
	struct row_batch *b = row_batch_new(db, "t", "t_n");
	uint64_t random = 1;
	int64_t id = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(spreads) / sizeof(*spreads); i++) {
		while (!row_batch_full(b)) {
			uint64_t key;

			random = random * UINT64_C(6364136223846793005) + 1;
			key = random ^ random >> 32;
			id++;
			add_row(b, id,
				(int64_t)(spreads[i] ? key % spreads[i] : key),
				bytes_of("x"));
		}
		assert_int_equal(row_batch_flush(b), SQLITE_OK);
	}
	assert_sound(db);
	assert_int_equal(ask(db, "SELECT count(*) FROM t INDEXED BY t_n "
				 "WHERE n >= -9223372036854775807 - 1"), id);
	assert_int_equal(ask(db, "SELECT count(*) FROM t INDEXED BY t_n "
				 "WHERE n = 2"),
			 ask(db, "SELECT count(*) FROM t NOT INDEXED "
				 "WHERE n = 2"));
	sqlite3_close(db);
	row_batch_free(b);
}

/* An entry with a key of 8 bytes and an id of 4 takes 18 with its pointer: a
 * leaf has 3640, and one more is between it and the next.  Around that, an
 * index of one, two and three leaves. */
static void
indexes_that_just_fill_leaves(void **state)
{
	(void)state;
	for (int count = 3638; count <= 3 * 3641 + 2; count++) {
		sqlite3 *db = open_table();
		struct row_batch *b = row_batch_new(db, "t", "t_n");

		assert_int_equal(sqlite3_exec(db, "INSERT INTO t (id, n) "
					      "VALUES ((1 << 24) - 1, 0)",
					      NULL, NULL, NULL), SQLITE_OK);
		for (int64_t i = 0; i < count; i++)
			add_row(b, (1 << 24) + i, INT64_MAX - i, bytes_of(""));
		assert_int_equal(row_batch_flush(b), SQLITE_OK);
		assert_sound(db);
		assert_int_equal(ask(db, "SELECT count(*) FROM t INDEXED BY t_n "
					 "WHERE n > 0"), count);
		sqlite3_close(db);
		row_batch_free(b);
		if (count % 3641 == 2)
			count += 3641 - 5;
	}
}

/* How often the statement runs that opcode, of its program. */
static int
opcodes(sqlite3 *db, const char *explain, const char *opcode)
{
	sqlite3_stmt *s = select_first(db, explain);
	int count = 0;

	do {
		count += strcmp((const char *)sqlite3_column_text(s, 1),
				opcode) == 0;
	} while (sqlite3_step(s) == SQLITE_ROW);
	sqlite3_finalize(s);
	return count;
}

/* The copy must be SQLite's raw one, which for most rows looks for no place
 * either, or the whole detour is for nothing. */
static void
rows_are_copied_whole(void **state)
{
	static const char
		cells[] = "EXPLAIN INSERT INTO main.cells "
			  "SELECT * FROM batch.cells",
		table[] = "EXPLAIN INSERT INTO main.t SELECT * FROM batch.t";
	sqlite3 *db = open_table();
	struct row_batch *b = row_batch_new(db, "t", "t_n");

	(void)state;
	add_row(b, 1, 1, bytes_of(""));
	assert_int_equal(row_batch_flush(b), SQLITE_OK);
	assert_int_equal(opcodes(db, cells, "MakeRecord"), 0);
	assert_int_equal(opcodes(db, cells, "NotExists"), 0);
	assert_int_equal(opcodes(db, cells, "NewRowid"), 1);
	assert_int_equal(opcodes(db, table, "MakeRecord"), 0);
	assert_int_equal(opcodes(db, table, "IdxInsert"), 1);
	/* Of the table, of the index. */
	assert_int_equal(opcodes(db, table, "RowCell") +
			 opcodes(db, table, "RowData"), 2);
	sqlite3_close(db);
	row_batch_free(b);
}

/* Another connection sees the table and its index, and nothing besides. */
static void
the_file_knows_no_second_name(void **state)
{
	sqlite3 *db = open_table(), *other;
	struct row_batch *b = row_batch_new(db, "t", "t_n");

	(void)state;
	add_row(b, 1, 1, bytes_of(""));
	assert_int_equal(row_batch_flush(b), SQLITE_OK);
	assert_int_equal(ask(db, "SELECT count(*) FROM main.cells"), 1);
	other = reopen(db);
	assert_int_equal(ask(other, "SELECT count(*) FROM sqlite_schema"), 2);
	assert_int_equal(ask(other, "SELECT count(*) FROM t"), 1);
	sqlite3_close(other);
	sqlite3_close(db);
	row_batch_free(b);
}

/* Where the name cannot be had, all rows go by the real one. */
static void
rows_are_copied_without_a_second_name(void **state)
{
	const int64_t rows = 200000;
	sqlite3 *db = open_table();
	struct row_batch *b;

	(void)state;
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE cells (x)", NULL, NULL,
				      NULL),
			 SQLITE_OK);
	b = row_batch_new(db, "t", "t_n");
	assert_non_null(b);
	for (int64_t i = 1; i <= rows; i++) {
		if (row_batch_full(b))
			assert_int_equal(row_batch_flush(b), SQLITE_OK);
		add_row(b, i, rows - i, bytes_of("some text of a row"));
	}
	assert_int_equal(row_batch_flush(b), SQLITE_OK);
	assert_sound(db);
	assert_int_equal(ask(db, "SELECT count(*) FROM t"), rows);
	assert_int_equal(ask(db, "SELECT sum(id + n) FROM t"), rows * rows);
	assert_int_equal(ask(db, "SELECT count(*) FROM main.cells"), 0);
	sqlite3_close(db);
	row_batch_free(b);
}

static void
no_such_table_or_index(void **state)
{
	sqlite3 *db = open_table();

	(void)state;
	assert_null(row_batch_new(db, "nobody", "t_n"));
	assert_null(row_batch_new(db, "t", "nobody"));
	sqlite3_close(db);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_of_every_width),
		cmocka_unit_test(texts_of_every_size),
		cmocka_unit_test(batches_follow_each_other),
		cmocka_unit_test(keys_in_any_order),
		cmocka_unit_test(indexes_that_just_fill_leaves),
		cmocka_unit_test(rows_are_copied_whole),
		cmocka_unit_test(the_file_knows_no_second_name),
		cmocka_unit_test(rows_are_copied_without_a_second_name),
		cmocka_unit_test(no_such_table_or_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
