/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for dissect/store/ so that the tools can be tested with answers of
 * any size and content.  The "database" is a JSON file:
 * {"calls": how many, "path": text of every path, "body": …}
 */
#pragma once

#include <sys/types.h>

/* Makes <home>/snapshots/<snapshot> with the database <name>.sqlite (or
 * .sqlite.part with `running`). */
void fake_database(const char *home, const char *snapshot, const char *name,
		   const char *json, int running);

/* A process that holds the lock of a dissection, as its job would. */
pid_t fake_job(const char *home, const char *snapshot, const char *name);
void fake_job_end(pid_t pid);

/* A fresh home directory; remove it with fake_home_remove. */
char *fake_home(void);
void fake_home_remove(char *home);
