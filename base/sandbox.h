/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up what a process does not need, before it sees hostile bytes.
 * Landlock (ABI by run time, all file-system and network rights denied),
 * seccomp allow-list (kill the process on anything else), every capability
 * dropped, no_new_privs, rlimits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum sandbox_profile {
	/* read/write/recvmsg on descriptors already open, memory, clock, exit */
	SANDBOX_PARSER,
};

struct sandbox_limits {
	uint64_t memory_bytes; /* RLIMIT_AS; 0: unlimited */
	uint64_t cpu_seconds;  /* RLIMIT_CPU; 0: unlimited */
};

/* What of the sandbox this kernel offers. */
struct sandbox_support {
	int landlock_abi; /* 0: none */
	bool seccomp;
};

/* Asks the kernel; changes nothing for this process. */
struct sandbox_support sandbox_probe(void);

/*
 * Enters the profile for the rest of the process's life.  Layers the kernel
 * lacks are skipped and reported by sandbox_probe; a layer that is there and
 * fails is an error.  Under sanitizers seccomp is left off, because their
 * run time needs more system calls.
 */
int sandbox_enter(enum sandbox_profile profile,
		  const struct sandbox_limits *limits, struct error *e);

/* Drops every capability and sets no_new_privs; for programs that need none. */
int sandbox_drop_privileges(struct error *e);
