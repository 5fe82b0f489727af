/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plaintext of chosen processes, taken at SSL_read and SSL_write of OpenSSL and
 * its kin and handed on as packets of an interface that does not exist: IP and
 * TCP headers of the socket, with the plaintext as payload.  For sessions older
 * than the recorder, whose secrets nobody has.  Costs two probes and a copy for
 * every call, so it is only ever on for processes that somebody named.
 *
 * Needs uprobe_multi (Linux 6.6) and the tracepoints of socket I/O (6.3).  Used
 * by one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/bytes.h"
#include "base/err.h"

#define PLAINTEXT_PROCESSES_MAX 64u

struct plaintext;

struct plaintext_options {
	const uint32_t *pids; /* borrowed during open only */
	size_t pid_count;
	const char *proc;     /* NULL: "/proc"; borrowed during open only */
	void *context;
	/* Takes packets, as plaintext_packet.h describes them. */
	void (*take)(void *context, struct bytes records);
};

/*
 * Attaches to all of the processes or to none: NOTFOUND (no such process),
 * UNSUPPORTED (it maps no such function, or the kernel lacks a feature), DENIED
 * (CAP_BPF, CAP_PERFMON, and CAP_SYS_PTRACE for processes of others).
 */
int plaintext_open(const struct plaintext_options *options,
		   struct plaintext **out, struct error *e);

/* Readable when an eighth of the ring is full. */
int plaintext_descriptor(const struct plaintext *p);

/* Hands on what has come.  To be called often: what is taken late comes after
 * the packets of its time. */
void plaintext_dispatch(struct plaintext *p);

/* {"processes":[pid],"calls","lost_bytes","cut_bytes","unknown_bytes"}; new
 * reference. */
json_t *plaintext_describe(const struct plaintext *p);

/* Detaches and hands on what is left.  NULL is allowed. */
void plaintext_close(struct plaintext *p);
