/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files the way this project needs them: whole, atomic, below a known
 * directory, never following what a stranger put there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* mkdir -p with mode 0700 (existing directories are left as they are). */
int file_make_dirs(const char *path, struct error *e);

/* Reads a whole regular file of at most out->limit bytes into `out`. */
int file_read(const char *path, struct buf *out, struct error *e);

/*
 * Writes `data` to a temporary name beside `path`, fsyncs file and directory
 * and renames: afterwards `path` is the old or the new content, never a part.
 */
int file_write_atomic(const char *path, struct bytes data, mode_t mode,
		      struct error *e);

/* write(2) until all is written; ERR_NOSPACE, ERR_IO. */
int file_write_all(int fd, const void *data, size_t size);

/* fsync of a directory, so that a rename in it survives power loss. */
int file_sync_dir(const char *path);

/* link(2), or a copy where the file system cannot (EXDEV, EPERM, EMLINK); the
 * copy is fsynced and carries mode 0444.  `*copied` says which (may be NULL). */
int file_link_or_copy(const char *from, const char *to, bool *copied,
		      struct error *e);

/* rm -r of one directory, never following symbolic links; absent is success. */
int file_remove_tree(const char *path, struct error *e);

/* rename(2) that fails with ERR_EXISTS instead of replacing (RENAME_NOREPLACE). */
int file_rename_new(const char *from, const char *to, struct error *e);

/* True when `path` exists (any type). */
bool file_exists(const char *path);

/* True when execvp would find a program of that name (POSIX, XBD 8.3: an empty
 * part of PATH is the working directory). */
bool file_in_path(const char *program);

/*
 * An advisory lock that dies with its process (fcntl F_SETLK).  file_lock
 * creates `path` and returns its descriptor, or ERR_BUSY.  file_lock_holder
 * returns the process id that holds it, 0 for nobody, or a negative error
 * (ERR_BUSY: somebody in another pid namespace).  Both close a descriptor of
 * `path`, which by POSIX drops every lock this process has on it: a process
 * that holds a lock must not call either for the same path.
 */
int file_lock(const char *path, struct error *e);
pid_t file_lock_holder(const char *path);
