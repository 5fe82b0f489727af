/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for each request on standard error.  Lines are collected and
 * written once a turn of the loop: a system call for each would cost more than
 * the request.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct access_log {
	bool on;
	struct buf lines;
	uint64_t lost; /* lines that did not fit */
};

struct access_line {
	const char *peer;
	const char *method;
	struct bytes path;  /* without the query */
	struct bytes what;  /* the JSON-RPC method, or empty */
	struct bytes name;  /* the tool, or empty */
	const char *role;
	unsigned status;
	uint64_t bytes;
	int64_t took_ns;
};

/* An empty log; when it is not `on`, nothing is ever written. */
void access_log_init(struct access_log *log, bool on);

/* Frees what was not flushed. */
void access_log_free(struct access_log *log);

/* Adds a line for a request that was answered at `wall_ns` (UTC); everything
 * in it that came from the client is escaped. */
void access_log_add(struct access_log *log, const struct access_line *line,
		    int64_t wall_ns);

/* Writes what was collected; what standard error does not take is lost. */
void access_log_flush(struct access_log *log);
