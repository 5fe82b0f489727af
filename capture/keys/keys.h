/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS secrets of this node's processes, taken when a handshake derives them
 * and put into a file of the capture (capture/secrets.h).  Nothing is done per
 * byte of traffic.  Libraries and programs are found by what processes map,
 * now and later, in containers too, and probed by inode (uprobe_multi, or PMU
 * uprobes where the kernel lacks that).
 *
 * Secrets are never logged and never part of an error.  Used by one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

struct keys;

/* What the user asked for; borrowed during open only. */
struct keys_options {
	const char *path;       /* secrets.keys of the capture; made when missing */
	const char *proc;       /* NULL: "/proc" */
	uint32_t files_max;     /* libraries and programs probed; 0: 256 */
	uint32_t ring_bytes;    /* a power of two; 0: 1 MiB */
};

/*
 * Loads the BPF object, finds what runs and attaches to it.  DENIED (a
 * capability is missing: CAP_BPF and CAP_PERFMON, without uprobe_multi
 * CAP_SYS_ADMIN), UNSUPPORTED (the kernel lacks a feature), what the file
 * gives; `*k` is NULL then.  That nothing to attach to runs yet is no error.
 */
int keys_open(const struct keys_options *options, struct keys **out,
	      struct error *e);

/* Readable when a program was started that is not known yet, or when half of
 * the ring is full of secrets. */
int keys_descriptor(const struct keys *k);

/*
 * Writes the secrets that have come and looks at processes that were started.
 * To be called when the descriptor is readable and once a second.  Returns 0
 * or the first error in writing, which recording survives: what could not be
 * written is counted as lost.
 */
int keys_dispatch(struct keys *k, struct error *e);

/*
 * {"mechanism":"uprobe_multi"|"perf_uprobe","secrets","lost",
 *  "files":[{"path","hook","deleted","processes"}],
 *  "not_covered":[{"path","why"}],
 *  "degraded":[{"feature","why"}]}; new reference.
 */
json_t *keys_describe(const struct keys *k);

/* Takes the secrets before `before_ns` (UTC) out of the file, when the segments
 * that they belong to are gone. */
int keys_forget(struct keys *k, int64_t before_ns, struct error *e);

/* Detaches, writes what is left and closes.  NULL is allowed. */
void keys_close(struct keys *k);

/*
 * What works here, then which running programs can be covered, by which hook,
 * and which cannot and why: [{"check","ok","detail","fix"}]; new reference.
 */
json_t *keys_probe(void);
