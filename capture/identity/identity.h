/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the ends of the packets of this node: watches processes and their
 * sockets while a capture is recorded and writes what it learns to the
 * capture's identity.log, from which identity_table.h serves the sealer.
 *
 * Where BPF may be used, the kernel says of each socket, once, which process
 * uses it (capture/bpf/owner.bpf.c); sockets older than the recorder come from
 * a BPF iterator.  Whatever of that is missing is replaced by name, in the end
 * by /proc and sock_diag(7) once in a while.  identity_describe says which.
 *
 * Used by one thread, which must be able to read other users' /proc entries
 * (CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH) for executables to be known.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

/* Borrowed during identity_open only. */
struct identity_options {
	const char *log_path; /* captures/<capture>/identity.log; made when it
			       * is not there, continued when it is */
	const char *root;     /* below which var/log and run/docker.sock lie;
			       * NULL: "/" (tests have a tree of their own) */
	const char *const *without; /* features not to use, by the names that
				     * identity_describe gives; tests */
	size_t without_count;
	size_t process_limit; /* processes known at once; 0: 16,384 */
	size_t socket_limit;  /* sockets known at once; 0: 65,536 */
	uint64_t ring_bytes;  /* of the events, a power of two; 0: 1 MiB */
};

struct identity;

/*
 * Loads, attaches, looks at what runs already, and writes it to the log.
 * A kernel that can do little is no failure; a log that cannot be written is
 * (IO, DENIED, NOSPACE).
 */
int identity_open(const struct identity_options *options, struct identity **i,
		  struct error *e);

/* Readable when much has happened (rarely); -1 without BPF.  Borrowed. */
int identity_descriptor(const struct identity *i);

/*
 * Takes what has happened and writes it to the log.  To be called when the
 * descriptor is readable and once a second, which bounds what a crash loses.
 * Errors of the log are counted, kept for identity_describe and returned;
 * the next call tries again.
 */
int identity_dispatch(struct identity *i, struct error *e);

/*
 * To be called when a segment has been closed, before it is sealed: all that
 * has happened so far is in the log afterwards, on disk.  What ended before
 * `keep_from_ns` (UTC; first packet that is not sealed yet) is taken out of it
 * whenever the log has doubled.
 */
int identity_segment_closed(struct identity *i, int64_t keep_from_ns,
			    struct error *e);

/*
 * {"mechanisms":{"sockets","existing_sockets","processes","kubernetes":[…]},
 *  "counts":{"processes","sockets","events","lost_events",…},
 *  "degraded":[{"feature","why"}],"log":{"bytes","error"?}}; new reference.
 */
json_t *identity_describe(const struct identity *i);

/* Writes what is left and detaches; NULL is allowed. */
void identity_close(struct identity *i);

/* What works here: [{"check","ok","detail","fix"}]; new reference. */
json_t *identity_probe(void);
