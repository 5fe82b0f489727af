/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of one dissection below its snapshot, and the claim on its name:
 * a lock that is held while the job lives.
 */
#pragma once

#include "base/err.h"

struct job_files {
	char *database; /* <name>.sqlite: complete, or marked partial */
	char *part;     /* <name>.sqlite.part: being written */
	char *status;   /* <name>.json */
	char *lock;     /* <name>.lock */
	int lock_fd;
};

/*
 * Takes the name: EXISTS when it has a database or a running job, whose files
 * are then left alone.  What a killed job left behind is removed.
 */
int job_files_claim(struct job_files *files, const char *home,
		    const char *snapshot, const char *name, struct error *e);

/* Releases the lock and frees; the files stay. */
void job_files_release(struct job_files *files);
