/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer: starts the parsers, checks what they send, and alone touches the
 * database and the status.  It trusts its parsers with nothing: whatever one
 * does costs the calls of that parser's connections and no more.
 */
#pragma once

#include "capture/snapshot.h"
#include "dissect/job/job_files.h"
#include "dissect/job/job_options.h"
#include "dissect/job/job_status.h"

/*
 * Runs the dissection and leaves `files->database` (complete, or marked
 * partial) and a final `files->status`.  Returns JOB_COMPLETED, JOB_FAILED or
 * JOB_CANCELLED; why it failed is in `e`.
 */
enum job_state writer_run(const struct job_options *options,
			  const struct snapshot *snapshot,
			  const struct job_files *files, struct error *e);
