/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job on a thread of this process instead of in one of its own, for long
 * work on trusted data.  It has the same status file and lock as any job
 * (job_status reads them, from any process) and ends with the process.
 */
#pragma once

#include <jansson.h>
#include <stdatomic.h>

#include "base/err.h"

struct thread_job;

struct thread_job_work {
	void *context;
	/* 0 and its result (or NULL), or a negative error. */
	int (*run)(void *context, struct thread_job *job, json_t **result,
		   struct error *e);
	void (*release)(void *context); /* of the context, in any case */
	const char *label; /* what it is, kept in the status; or NULL */
};

/* Starts `what`; BUSY when a job holds the lock.  The status file is there on
 * return. */
int thread_job_start(const char *status_path, const char *lock_path,
		     struct thread_job_work what, struct error *e);

/* Called by the work: rewrites the status at most four times a second. */
void thread_job_progress(struct thread_job *job, unsigned percent);

/* For the work to poll: it is to end with ERR_CANCELLED. */
const atomic_bool *thread_job_stopped(const struct thread_job *job);

/* Tells the job of this process that holds that lock to end; returns at once.
 * STATE when there is none. */
int thread_job_stop(const char *lock_path, struct error *e);
