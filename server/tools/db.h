/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue of dissections: where they are, what state they are in, and
 * which one a `db` argument means.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "dissect/store/store.h"
#include "server/tool.h"

/* The files of one dissection; see capture/home.h. */
struct db_files {
	char *database; /* <name>.sqlite */
	char *partial;  /* <name>.sqlite.part */
	char *status;   /* <name>.json */
	char *unwritten; /* <name>.json.new: a status whose job was killed */
	char *lock;     /* <name>.lock */
	char *log;      /* <name>.log */
};

/* Paths only; nothing needs to exist.  Names must have been checked. */
struct db_files db_files(const char *home, const char *snapshot,
			 const char *name);

/* Frees the paths. */
void db_files_free(struct db_files *files);

/*
 * Can it be asked?  A complete database can, and the part of a job that runs.
 * What a killed job left cannot: it may have died while it wrote a page.
 */
bool db_files_queryable(const struct db_files *files);

/* INVALID unless `name` may name a `what` ("snapshot", "dissection" …). */
int db_check_name(const char *what, const char *name, struct error *e);

/*
 * State of a dissection: its job's status, with "snapshot", "name" and "state"
 * always there; a database without a job is "completed".  NOTFOUND, naming
 * those there are.
 */
int db_status(const char *home, const char *snapshot, const char *name,
	      json_t **status, struct error *e);

/* Sorted names of a snapshot's dissections, whatever their state. */
json_t *db_names(const char *home, const char *snapshot);

/* Sorted names of all complete snapshots. */
json_t *db_snapshots(const char *home);

/*
 * The address "<snapshot>/<dissection>" that `text` means, as a new string:
 * an address, a snapshot with one dissection, or NULL: the server's default,
 * else the only one there is.  The error lists the candidates.
 */
char *db_resolve(const struct tool_config *config, const char *text,
		 struct error *e);

/* An open database and its address, tied to a call: cancelling the call
 * interrupts its queries. */
struct db {
	struct tool_call *call;
	struct store *store;
	char *address;
};

/* Resolves `text` and opens it: NOTFOUND, INVALID (which one is meant?), and
 * what store_open fails with. */
int db_open(struct tool_call *call, const char *text, struct db *db,
	    struct error *e);

/* Unties it from its call and closes it. */
void db_close(struct db *db);
