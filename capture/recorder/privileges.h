/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up rights, in the recorder when its sources are attached and in the
 * process that seals.
 *
 * The recorder is not put under Landlock: the kernel then refuses it the /proc
 * entries of every process outside of its own domain (ptrace access), which is
 * where owners of sockets and TLS libraries are found.  It keeps out of other
 * directories by having no right to them that its user has not; the systemd
 * unit adds ProtectSystem=strict.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "base/err.h"

/*
 * When root records into somebody's home (sudo), becomes that user and keeps
 * root's capabilities: what is recorded is theirs, and their server may read
 * it and ask the recorder.  Nothing happens otherwise.
 */
int privileges_become_owner(const char *home, struct error *e);

/* Which capabilities stay, by what is still to be done. */
struct privileges_needs {
	bool counters;  /* maps of BPF programs, which kernels before 6.0 let
			 * nobody read without BPF */
	bool attach;    /* new interfaces: NET_ADMIN, BPF, PERFMON, SYS_ADMIN for
			 * setns(2) */
	bool identify;  /* /proc of others, BPF iterators */
	bool keys;      /* uprobes on new programs */
};

/* Drops the other capabilities from all sets and the bounding set.
 * `*kept` is an array of names; new reference. */
int privileges_reduce(const struct privileges_needs *needs, json_t **kept,
		      struct error *e);

/* No capability, no new privileges, and of the file system only what is below
 * `directory` and the boot id (Landlock, where the kernel has it). */
int privileges_confine(const char *directory, struct error *e);
