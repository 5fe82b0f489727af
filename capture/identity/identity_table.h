/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an identity.log to the blocks that a segment needs: which socket and
 * process each packet belongs to.
 *
 * A packet is looked up by the cookie of its socket, else by addresses, ports
 * and network namespace, else by the listener (or unconnected UDP socket) at
 * its local end.  Packets of a handshake carry the listener's cookie, so a
 * packet may want two entries: that of its cookie and that of its ends; the
 * one which names both ends is the better one, the listener stands in.
 * Several owners of one socket, or of the same ends one after the other, are
 * told apart by time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "capture/identity/identity_block.h"
#include "capture/identity/identity_wanted.h"
#include "capture/segment_writer.h"

struct identity_table;

/*
 * Reads a log; the newest entry of each process and socket counts.  A log that
 * is absent gives an empty table; a damaged or torn end is left out and
 * counted.  Owned by the caller.  IO, LIMIT (a log over 1 GiB).
 */
int identity_table_load(const char *log_path, struct identity_table **t,
			struct error *e);
void identity_table_free(struct identity_table *t);

struct identity_table_counts {
	size_t processes, sockets; /* in the table, or written */
	size_t ends, unknown;      /* wanted; of them without any entry */
	bool damaged;              /* the log had an unreadable end */
};

/* What was loaded (ends and unknown are 0). */
void identity_table_counts(const struct identity_table *t,
			   struct identity_table_counts *counts);

/*
 * Writes custom blocks for exactly the processes and sockets that `wanted`
 * needs: all processes first, then all sockets, each once.  `counts` may be
 * NULL.  Returns 0 or what segment_writer_block returned.
 */
int identity_table_write(const struct identity_table *t,
			 const struct identity_wanted *wanted,
			 struct segment_writer *w,
			 struct identity_table_counts *counts,
			 struct error *e);

/*
 * The entries for one end at a time, best first, at most two: the socket that
 * answers to the cookie or the ends, and the one that stands in.  Borrowed
 * from the table.  Returns how many.
 */
size_t identity_table_find(const struct identity_table *t, int64_t time_ns,
			   const struct identity_end *end,
			   const struct identity_socket *found[2]);

/* Calls `each` for the namespace of every socket that knows both its numbers:
 * the cookie that packets carry, and the inode. */
void identity_table_namespaces(const struct identity_table *t,
			       void (*each)(void *context, uint64_t cookie,
					    uint64_t inode),
			       void *context);

/* The process of an entry, or NULL.  Borrowed. */
const struct identity_process *identity_table_process(
	const struct identity_table *t, uint64_t id);
