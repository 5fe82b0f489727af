/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other side of server/jobs/job.h: a command that runs as a job writes
 * its status file, holds its lock and watches its lifeline.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "base/err.h"

struct job_report {
	char *status_path;
	int lock;
	int lifeline;     /* -1: none */
	int64_t started_ns;
	int64_t written_ns;
};

/* Takes the lock beside the status file (x.json → x.lock) and writes state
 * "running".  BUSY when another job holds it. */
int job_report_begin(struct job_report *j, const char *status_path,
		     struct error *e);

/* Rewrites the status with `fields` (reference stolen), at most four times a
 * second. */
void job_report_progress(struct job_report *j, json_t *fields);

/* The lifeline ended: whoever started this job is gone. */
bool job_report_cancelled(const struct job_report *j);

/* Writes the final state (completed, failed, cancelled) with `result`
 * (borrowed, may be NULL), and lets the lock go. */
void job_report_end(struct job_report *j, int code, const struct error *e,
		    json_t *result);
