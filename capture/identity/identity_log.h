/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.log of a capture: frames (base/frame.h), appended as things happen.
 * Frame 1 begins a session of the recorder: u64 UTC nanoseconds, then the boot
 * id.  Frame 2 is an entry: u64 serial, then the body of an identity block; a
 * later entry of the same serial and kind replaces an earlier one.  Serials of
 * processes are their ids.  A torn frame at the end is not there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "capture/identity/identity_block.h"

/* The most a log is read or let grow to. */
#define IDENTITY_LOG_MAX ((uint64_t)1 << 30)

struct identity_log;

/*
 * Opens for appending (made with mode 0600 when absent), cuts off a torn end
 * and begins a session.  IO, DENIED, NOSPACE, LIMIT.
 */
int identity_log_open(const char *path, struct identity_log **log,
		      struct error *e);

/* Flushes and closes; NULL is allowed. */
void identity_log_close(struct identity_log *log);

/* Appends in memory; identity_log_flush writes.  What cannot be kept because
 * flushing fails for long is dropped and counted. */
void identity_log_process(struct identity_log *log,
			  const struct identity_process *process);
void identity_log_socket(struct identity_log *log, uint64_t serial,
			 const struct identity_socket *socket);

/* Writes; with `sync` also through to the disk.  IO, NOSPACE. */
int identity_log_flush(struct identity_log *log, bool sync, struct error *e);

/*
 * Flushes and rewrites the log by rename, without what a later entry replaced
 * and what ended before `keep_from_ns`.  A reader has the old or the new one.
 */
int identity_log_compact(struct identity_log *log, int64_t keep_from_ns,
			 struct error *e);

/* Compacting is worth its while: the log has more than doubled since. */
bool identity_log_is_loose(const struct identity_log *log);

/* Bytes of the file, and entries dropped. */
uint64_t identity_log_bytes(const struct identity_log *log);
uint64_t identity_log_dropped(const struct identity_log *log);

/* One frame of a log; `block` is borrowed for the visit, NULL for a session. */
struct identity_log_entry {
	uint64_t offset; /* of the frame in the file */
	struct bytes frame;
	uint64_t serial;
	const struct identity_block *block;
	int64_t session_ns; /* of a session frame */
	struct bytes boot;
};

typedef void identity_log_visit(void *context,
				const struct identity_log_entry *entry);

/*
 * Every whole frame from the front.  `*end` (may be NULL) is where the last
 * one ends; `*damaged` (may be NULL) whether anything comes after that.
 * Entries of unknown kind are passed over.  NOTFOUND, IO, LIMIT.
 */
int identity_log_read(const char *path, identity_log_visit *visit,
		      void *context, uint64_t *end, bool *damaged,
		      struct error *e);

/* The kernel's boot id; empty where there is none. */
void identity_boot_id(char out[37]);
