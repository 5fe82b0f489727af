/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long work in a process of its own: import, dissection, export.  A job is
 * known by two files: a status file it rewrites atomically, and a lock it
 * holds while it lives.  Whoever reads the status sees a job whose lock is
 * free but whose status says running as failed.
 */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

/*
 * Starts `argv` (NULL-terminated; argv[0] a path, or a name in PATH) with stdin from /dev/null
 * and stdout and stderr to `log_path` (NULL: stderr of this process), and the
 * lifeline descriptor as fd 3 (option --lifeline=3 is appended) unless it is
 * -1.  Waits until the status file exists or the process has ended, at most
 * 5 s.
 */
int job_start(const char *const *argv, const char *status_path,
	      const char *log_path, int lifeline, struct error *e);

/* The status file with "state" corrected for dead jobs (new reference). */
int job_status(const char *status_path, const char *lock_path, json_t **status,
	       struct error *e);

/* How long to wait before the status is looked at again, by how long one has
 * waited already: short jobs are noticed soon, long ones cost little. */
uint32_t job_poll_ms(int64_t waited_ns);

/* SIGTERM to the lock's holder; waits up to 5 s for it to end. */
int job_stop(const char *lock_path, struct error *e);
