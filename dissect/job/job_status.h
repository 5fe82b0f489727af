/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a dissection says of itself while it runs and afterwards:
 * dissections/<name>.json, replaced by rename, so that readers see a whole
 * status at any time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"
#include "dissect/store/store_writer.h"

#define JOB_STATE_MAP(X) \
	X(PENDING, "pending")     \
	X(RUNNING, "running")     \
	X(COMPLETED, "completed") \
	X(FAILED, "failed")       \
	X(CANCELLED, "cancelled")

enum job_state {
#define X(name, text) JOB_##name,
	JOB_STATE_MAP(X)
#undef X
};

struct job_status {
	enum job_state state;
	const char *phase;     /* "reading", "naming", "indexing"; NULL at
				* the end */
	const char *snapshot, *name;
	json_t *options;       /* owned */
	json_t *faults;        /* array of strings, owned: what did not stop it */
	const char *failure;   /* why it failed; NULL */
	json_t *parsers;       /* array of {"pid","state"}, owned */
	int64_t started_ns, finished_ns; /* wall clock; finished 0: not yet */
	int64_t started_monotonic_ns;
	uint64_t bytes_read, bytes_total; /* of stored segments */
	uint64_t packets;
	struct store_counts counts;
};

/* Pending, since now; takes over `options`, borrows the names. */
void job_status_init(struct job_status *s, const char *snapshot,
		     const char *name, json_t *options);

/* Frees what it owns; the struct is the caller's. */
void job_status_free(struct job_status *s);

/* 0 to 100; 100 only when completed. */
unsigned job_status_percent(const struct job_status *s);

/* Stored bytes a second since the start. */
uint64_t job_status_rate(const struct job_status *s);

/* Seconds left at that rate; 0: not known. */
uint64_t job_status_eta(const struct job_status *s);

/* "running" */
const char *job_state_name(enum job_state state);

/* Writes it; not synced to disk, since a status only matters while somebody
 * looks.  ERR_NOSPACE or ERR_IO leave the old one in place. */
int job_status_write(const struct job_status *s, const char *path);

/* The one line for a terminal, without an end of line. */
void job_status_line(const struct job_status *s, char *out, size_t size);
