/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that the writer forks to look at what strangers sent: how they
 * begin, and how they ended. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The first of the descriptors that it keeps has this number. */
#define CONFINED_FIRST_FD 3

/*
 * Ends with `parent`, leaves the terminal's signals to it, and keeps of all
 * descriptors `count` of `fds` (at most 8), which become CONFINED_FIRST_FD and
 * the next, and stderr.  Exits with 1 where that is not to be had.
 */
void confined_begin(pid_t parent, const int *fds, size_t count);

#define CONFINED_END_SIZE 120

/* How it ended, as waitid(2) has it, when it should not have: "was killed by
 * signal 31 (SIGSYS)".  Returns `out`. */
const char *confined_end(const siginfo_t *how, bool cpu_limited,
			 char out[CONFINED_END_SIZE]);
