/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of one table and the entries of its index, encoded by us as SQLite
 * stores them and handed over many at a time: the pages are a small database in memory, from which
 * `INSERT … SELECT` copies them whole without looking into them (SQLite's
 * "transfer optimization").  Through a prepared statement every column costs
 * several steps of its virtual machine.
 *
 * Formats: https://www.sqlite.org/fileformat2.html §1.6 (pages), §2.1 (rows).
 */
#pragma once

#include <sqlite3.h>

#include "base/bytes.h"

/* Columns a row may have, and bytes that its texts and blobs may have in all.
 * A row must fit into a page, so that there are no overflow pages. */
#define ROW_COLUMNS_MAX 48
#define ROW_BYTES_MAX 64000

struct row_batch;

/* A batch for rows of `table`, which exists in the main schema of `db`, whose
 * first column is its INTEGER PRIMARY KEY and whose only index is `index`, over
 * one column that is INTEGER NOT NULL.  Attaches a schema "batch", and has the
 * connection know the table as `cells` too.  NULL after an error of `db`. */
struct row_batch *row_batch_new(sqlite3 *db, const char *table,
				const char *index);
void row_batch_free(struct row_batch *b);

/* A row: begun with its id, which is one more than that of the row before (of
 * the first, than the highest of the table), and the value of its indexed
 * column; then its columns in order but for the first, which is the id.  Values
 * must be of the types that the table declares. */
void row_begin(struct row_batch *b, int64_t id, int64_t key);
void row_integer(struct row_batch *b, int64_t value);
void row_null(struct row_batch *b);
void row_text(struct row_batch *b, struct bytes text);
void row_blob(struct row_batch *b, struct bytes blob);
void row_end(struct row_batch *b);

/* Another row may not fit: time to flush. */
bool row_batch_full(const struct row_batch *b);

/* Copies the rows into the table and empties the batch; SQLITE_OK or an error
 * of the connection.  Not twice in one transaction, because the first time
 * leaves a read transaction open on the schema "batch". */
int row_batch_flush(struct row_batch *b);
