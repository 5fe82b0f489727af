/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the reading side: what store.c and the query modules share. */
#pragma once

#include <sqlite3.h>

#include "dissect/store/filter.h"
#include "dissect/store/payload.h"
#include "dissect/store/store.h"

struct store {
	sqlite3 *db;
	char *path;
	atomic_bool interrupted;
	int64_t deadline_ns;      /* how long a query may take */
	int64_t deadline_at;      /* monotonic; of the running query */
	bool out_of_memory;       /* why the running query was stopped */
	struct payload_cache *payload;
	sqlite3_stmt *call_payload; /* of a call by id, for SQL functions */
	struct store_who *who;      /* NULL: not asked for yet */
	sqlite3_stmt *process_facts; /* of a process by id; NULL as well */
	/* Asked for every zone of store_calls: shall it be looked at? */
	bool (*zone_wanted)(void *context, int64_t bound);
	void *zone_context;
	/* store_set_conceal; and the same while store_sql runs, else NULL. */
	void (*conceal)(struct bytes name, struct bytes value, struct buf *out);
	void (*concealing)(struct bytes name, struct bytes value,
			   struct buf *out);
	/* Why the authorizer refused, for store_sql. */
	char refusal[128];
};

/* Starts the clock of a query; CANCELLED after store_interrupt. */
int store_begin(struct store *s, struct error *e);

/* Prepares a statement of ours; what fails is the file. */
int store_prepare(struct store *s, const char *sql, sqlite3_stmt **out,
		  struct error *e);

/* 1 with a row, 0 at the end, or an error. */
int store_step(struct store *s, sqlite3_stmt *statement, struct error *e);

/* What the last failure of SQLite means to a reader of this file. */
int store_failure(struct store *s, int rc, struct error *e);

/* Binds the parameters of a compiled filter, ?first and on. */
void store_bind_filter(sqlite3_stmt *statement, const struct filter_sql *f,
		       unsigned first);

/*
 * Who was at the ends of all connections, in memory: read once, when a query
 * first asks, because a call has to find it a million times.  NULL after a
 * failure.  Both give a procs.id, or for the name of an end (pod, else
 * DNS, else process) an id of the view end_names; 0: not known.
 */
struct store_who *store_who(struct store *s);
void store_who_free(struct store_who *who);
int64_t store_who_process(const struct store_who *who, int64_t connection,
			  int side);
int64_t store_who_name(const struct store_who *who, int64_t address,
		       int64_t connection, int side);

/* Columns of one end: see store_endpoint; `processes` has ids, "-3,-7" as
 * group_concat joins them. */
struct store_end_columns {
	int ip, name, port, processes;
};

/*
 * An endpoint with what its processes have in common: {"ip","name"?,"port"?,
 * "process"?,"pid"?,"pod"?,"namespace"?,"container"?}; with STORE_FULL also
 * executable, uid and the rest.
 */
json_t *store_end(struct store *s, sqlite3_stmt *row,
		  const struct store_end_columns *columns,
		  enum store_detail detail);

/* Registers the SQL functions of filters and of query_sql. */
int store_functions_register(struct store *s);

/* The payload column of a call, borrowed until its statement is reset. */
struct bytes store_column_bytes(sqlite3_stmt *statement, int column);

/* A string out of any bytes: as they are when they are UTF-8, else escaped. */
json_t *store_json_text(struct bytes in);

/* Sets a member; empty text is left out. */
void store_set_column(json_t *object, const char *name,
		      sqlite3_stmt *statement, int column);
void store_set_time(json_t *object, const char *name, int64_t ns);
void store_set_int(json_t *object, const char *name, int64_t value);
/* Milliseconds with three decimals. */
void store_set_ms(json_t *object, const char *name, double ns);

/* "tcp", "udp", …, or "ip<number>" into `out`. */
const char *store_transport(int64_t ip_protocol, char out[16]);

/* {"ip","name"?,"port"?} from three columns; port -1: none. */
json_t *store_endpoint(sqlite3_stmt *statement, int ip, int name, int port);

/* What an end is called, as end_name() has it, in SQL: its address and its
 * process are columns or expressions. */
#define STORE_END_NAME(address, process)                                    \
	"coalesce((SELECT nullif(pod, '') FROM procs WHERE id = " process   \
	"), (SELECT nullif(name, '') FROM addresses WHERE id = " address    \
	"), (SELECT name FROM procs WHERE id = " process "), '')"

/* One connection with its TCP facts; NULL when it is not recorded (yet). */
int store_connection(struct store *s, int64_t id, json_t **out,
		     struct error *e);

/* Rows of calls as JSON: one prepared statement for many ids. */
struct store_rows {
	sqlite3_stmt *statement;
	enum store_detail detail;
	uint32_t preview_bytes;
};

/* Prepares for `detail`; close in any case. */
int store_rows_open(struct store *s, struct store_rows *rows, struct error *e);
/* Frees the statement. */
void store_rows_close(struct store_rows *rows);

/* The call, or NULL when there is none with that id. */
int store_rows_get(struct store *s, struct store_rows *rows, int64_t id,
		   json_t **out, struct error *e);

/* Adds both bodies, `size` bytes from `offset` on, as text or base64. */
int store_add_bodies(struct store *s, struct bytes refs, uint32_t offset,
		     uint32_t size, json_t *call, struct error *e);

/* Where the next page begins: behind this row. */
struct store_cursor {
	int64_t key, id;
};

/* Cursors are bound to the question: its kind, order and filter. */
char *store_cursor_text(const struct store_cursor *cursor, const char *kind,
			unsigned order, const char *filter);
int store_cursor_parse(const char *text, const char *kind, unsigned order,
		       const char *filter, struct store_cursor *out,
		       struct error *e);
