/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes and sockets that live now, and what of it the log does not
 * have yet.  Whatever has ended is forgotten once it is written; when there is
 * no room all the same, the oldest of a sample is forgotten (it stays in the
 * log) and counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/identity/identity_block.h"
#include "capture/identity/identity_log.h"

struct known;

struct known_process {
	struct identity_process facts; /* strings owned through `texts` */
	char *texts;
	uint64_t start_ns;       /* CLOCK_BOOTTIME; 0: of an earlier boot */
	int64_t ask_names_until; /* monotonic: pod names may still come */
	bool dirty;
	bool stale;              /* not seen again yet */
};

struct known_socket {
	struct identity_socket facts;
	uint64_t serial;
	bool dirty;
	bool stale;
};

/* One of up to KNOWN_OWNERS entries of a socket. */
#define KNOWN_OWNERS 5u

struct known_counts {
	size_t processes, sockets;
	uint64_t forgotten_processes, forgotten_sockets; /* for want of room */
	uint64_t written; /* entries, to the log */
};

/* `log` stays the caller's.  Serials begin at `first_serial`. */
struct known *known_new(size_t process_limit, size_t socket_limit,
			struct identity_log *log, uint64_t first_serial);
/* Writes nothing; NULL is allowed. */
void known_free(struct known *k);

/* How many there are, and were forgotten. */
void known_counts(const struct known *k, struct known_counts *counts);

/* The process that has this pid now, or that once got this id; NULL: none.
 * Pointers are valid until something is added, or known_write. */
struct known_process *known_process_by_pid(const struct known *k,
					   uint32_t pid);
struct known_process *known_process_by_id(const struct known *k, uint64_t id);

/* A new life of this pid; whoever had the pid before is not ended by it.
 * `id` 0: the next. */
struct known_process *known_process_add(struct known *k, uint32_t pid,
					uint64_t id);

/* Copies the facts, id and pid excepted; to be written when they differ. */
void known_process_set(struct known *k, struct known_process *p,
		       const struct identity_process *facts);

/* It has ended, and the pid is free. */
void known_process_end(struct known *k, struct known_process *p,
		       int64_t to_ns);

/* The entry of a socket for an owner, or NULL; `key` is its cookie, or what
 * known_socket_key makes of an inode where there is none. */
struct known_socket *known_socket_get(const struct known *k, uint64_t key,
				      uint64_t process);

/* Any entry of a socket that has not ended, or NULL. */
struct known_socket *known_socket_any(const struct known *k, uint64_t key);

/* The entry for an owner, made when it is new (`*added`).  NULL when the
 * socket has KNOWN_OWNERS already. */
struct known_socket *known_socket_put(struct known *k, uint64_t key,
				      uint64_t process, bool *added);

/* It was changed and is to be written. */
void known_socket_changed(struct known *k, struct known_socket *s,
			  uint64_t key);

/* All entries of a socket end. */
void known_socket_close(struct known *k, uint64_t key, int64_t to_ns);

/* What `process` had open is `next`'s from `time_ns` on. */
void known_sockets_pass(struct known *k, uint64_t process, uint64_t next,
			int64_t time_ns);

/* What a socket goes by. */
uint64_t known_socket_key(uint64_t cookie, uint64_t inode);

/* Everything is stale until it is seen again; known_sweep ends what is. */
void known_mark_stale(struct known *k);
void known_sweep_sockets(struct known *k, int64_t now_ns);

/* Visits processes; nothing may be added or removed meanwhile. */
struct known_process *known_process_next(const struct known *k,
					 size_t *cursor);

/* Takes over what a log had alive at its end. */
void known_socket_restore(struct known *k, uint64_t key, uint64_t serial,
			  const struct identity_socket *facts);

/* Hands what has changed to the log and forgets what has ended. */
void known_write(struct known *k);
