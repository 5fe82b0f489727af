/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prepared statements of one connection, by name or number: their SQL and
 * the types of parameters and columns.  Bounded; the one not used for longest
 * is forgotten first.  What it holds is counted by sink_keep.
 */
#pragma once

#include "dissect/sink.h"

#define STATEMENTS_LIMIT 256
#define STATEMENT_SQL 2048     /* bytes of SQL kept */
#define STATEMENT_TYPES 32     /* parameters and columns whose type is kept */

struct statement {
	uint64_t serial;       /* never the same twice; 0: free */
	uint64_t used;
	uint64_t key;          /* hash of the name, or the number */
	char *sql;             /* owned, not terminated */
	uint32_t sql_size;     /* kept */
	uint16_t parameter_count, column_count; /* of the types below */
	uint16_t asked;        /* parameters in all, where that is known */
	uint32_t sent_before;  /* bit for each that came in messages before */
	uint32_t parameters[STATEMENT_TYPES];
	uint32_t columns[STATEMENT_TYPES];
};

struct statements {
	struct statement *list; /* owned; NULL until the first */
	uint32_t count;         /* in list, free ones too */
	uint64_t serial, clock;
};

/* The key of a name. */
uint64_t statements_name(struct bytes name);

/* A statement with that SQL (a copy) in place of one with the same key; NULL
 * when there is no memory for it. */
struct statement *statements_add(struct statements *s, uint64_t key,
				 struct bytes sql, struct sink *sink);

/* By key, or by serial; NULL when it is not (or no longer) known. */
struct statement *statements_find(struct statements *s, uint64_t key);
struct statement *statements_by_serial(const struct statements *s,
				       uint64_t serial);

/* The key is another from here on; one that had it is forgotten. */
void statements_rename(struct statements *s, struct statement *statement,
		       uint64_t key, struct sink *sink);

/* Forgets the one with that key, if there is one (DEALLOCATE, Close). */
void statements_remove(struct statements *s, uint64_t key, struct sink *sink);

/* Frees all; what was kept is given back by the stream. */
void statements_free(struct statements *s);

static inline struct bytes
statement_sql(const struct statement *statement)
{
	return statement ? bytes_make(statement->sql, statement->sql_size)
			 : bytes_make(NULL, 0);
}
