/* SPDX-License-Identifier: Apache-2.0 */
/* The unified cgroup hierarchy: where it is mounted, and paths of ids. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A descriptor of the root of the cgroup2 mount, for the caller to close; a
 * negative enum err (NOTFOUND: none is mounted). */
int cgroup_path_open_root(void);

/*
 * The path below that root of the cgroup with this id (its file handle), as
 * long as it exists.  Returns a new string, or NULL; needs
 * CAP_DAC_READ_SEARCH.
 */
char *cgroup_path_of(uint64_t id);

/*
 * The path that says most in a /proc/PID/cgroup: that of the unified
 * hierarchy, or where that is "/" of the memory controller, or of systemd's.
 * New string, empty when there is none.
 */
char *cgroup_path_choose(const char *proc_cgroup);
