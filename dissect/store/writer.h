/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the writer: what store_writer.c and its row modules share. */
#pragma once

#include <sqlite3.h>

#include "base/buf.h"
#include "base/map.h"
#include "dissect/store/intern.h"
#include "dissect/store/row_batch.h"
#include "dissect/store/store_writer.h"

#define WRITER_RECENT_SIZE 63
#define WRITER_RECENT_COUNT (FIELD_COUNT + 2) /* fields, content types */

#define WRITER_PROCESS_KEY 16 /* its id and its stream */

enum writer_statement {
	WRITER_CONNECTION,
	WRITER_BLOCK,
	WRITER_STRING,
	WRITER_ADDRESS,
	WRITER_NAME,
	WRITER_PROCESS,
	WRITER_ZONE,
	WRITER_FAULT,
	WRITER_META,
	WRITER_COVERAGE,
	WRITER_VISIT,
	WRITER_READ_BLOCK,
	WRITER_LAST_BLOCK,
	WRITER_PAYLOAD,
	WRITER_SET_PAYLOAD,
	WRITER_STATEMENT_COUNT
};

/* The zone being filled: calls since the last one was written. */
struct writer_zone {
	int64_t first_id, count;
	int64_t min_ts, max_ts, max_elapsed, max_size;
	int64_t min_status, max_status, errors, statuses;
};

/* The last short text of one column, which is often the next one too. */
struct writer_recent {
	int64_t id;
	uint8_t size; /* 0: none yet */
	uint8_t text[WRITER_RECENT_SIZE];
};

/* The same of an end's address. */
struct writer_recent_address {
	int64_t id; /* 0 or less: none yet */
	uint8_t ip[16];
};

struct store_writer {
	sqlite3 *db;
	char *path;
	sqlite3_stmt *statements[WRITER_STATEMENT_COUNT];
	struct intern strings, addresses;
	struct map *processes; /* those with a row, to its id */
	struct writer_recent recent[WRITER_RECENT_COUNT];
	struct writer_recent_address recent_client, recent_server;
	struct row_batch *calls;   /* rows of the open transaction */
	struct writer_zone zone;
	struct store_counts counts;
	int64_t first_ts, last_ts; /* of calls and connections; 0: none */
	struct buf text;           /* scratch for escaped text */
	uint64_t pending_bytes;    /* memory of the open transaction, about */
	bool in_transaction;
	struct error error;        /* sticky: code 0 while all is well */
};

/* Opens the transaction that a write needs; returns the sticky error. */
int writer_begin(struct store_writer *w);

/* Runs a bound statement once and resets it. */
int writer_step(struct store_writer *w, enum writer_statement statement);

/* Makes the error sticky; returns its code. */
int writer_fail(struct store_writer *w, int code, const char *what);

/* Gives SQLite the calls of the open transaction; once in each. */
int writer_calls_flush(struct store_writer *w);

/* Writes the zone being filled, if it has calls. */
int writer_zone_flush(struct store_writer *w);

/* The id of a string, stored when it is new; -1 after a failure.  Text that
 * is not plain is escaped as base/text.h does, long text is cut. */
int64_t writer_string(struct store_writer *w, struct bytes text);

/* The same text as a value, borrowed until the next call of either. */
struct bytes writer_text(struct store_writer *w, struct bytes text);

/* The id of an address, stored when it is new; -1 after a failure. */
int64_t writer_address(struct store_writer *w, const uint8_t ip[16]);

/* The row of the process at an end; 0: not known, or never introduced. */
int64_t writer_process(const struct store_writer *w,
		       const struct connection_end *end);

/* Widens first_ts..last_ts. */
void writer_span(struct store_writer *w, int64_t first, int64_t last);
