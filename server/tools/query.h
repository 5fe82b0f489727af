/* SPDX-License-Identifier: Apache-2.0 */
/* What the tools that ask a database have in common. */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "dissect/store/store.h"
#include "server/tools/db.h"

/* [from, to) when the caller gave no times. */
#define QUERY_FROM 0
#define QUERY_TO INT64_MAX

/* "full" and "raw" ask for everything. */
enum store_detail query_detail(const char *format);

/* The order of calls by its name in the schema. */
enum store_order query_order(const char *order_by);

/* INVALID when the window is upside down. */
int query_check_window(int64_t from, int64_t to, struct error *e);

/* Sets "db" and "coverage"; "untrusted" too, since what follows is data off
 * the wire. */
void query_finish(struct db *db, json_t *structured);

/* What a query was narrowed by. */
struct query_scope {
	const char *filter;
	int64_t from, to;
};

/*
 * Sets "summary": how many `what` ("call") match, how many of the member
 * `rows` are shown (NULL: none are to be), and for none, how many there are
 * without the filter, so that nothing found does not look like nothing
 * captured.
 */
void query_summary(struct db *db, json_t *structured, const char *rows,
		   const char *what, struct query_scope scope);

/* What makes one page of a listing: at most `limit` rows in the member
 * `rows`, from the tool's own arguments `args`. */
struct query_pages {
	const char *rows;
	const void *args;
	int (*page)(struct tool_call *call, struct db *db, const void *args,
		    uint32_t limit, json_t **result, struct error *e);
};

/* A page of at most `limit` rows.  One that does not fit the answer is asked
 * for again, shorter, so that its cursor continues where it ends. */
int query_fitting_page(struct tool_call *call, struct db *db,
		       const struct query_pages *pages, uint32_t limit,
		       json_t **result, struct error *e);
