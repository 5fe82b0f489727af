/* SPDX-License-Identifier: Apache-2.0 */
/* The code that processes have mapped: /proc/PID/maps (proc(5)). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/keys/key_event.h"

/* One executable mapping of a file; borrowed for the call. */
struct process_file {
	uint32_t pid;
	struct key_file id;
	uint64_t start, end; /* of the mapping */
	const char *path;    /* as the process sees it */
	bool deleted;
};

/* A value but 0 ends the visit. */
typedef int process_file_visitor(void *context,
				 const struct process_file *file);

/* Visits a process's files.  0, what the visitor returned, or ERR_NOTFOUND,
 * ERR_DENIED. */
int process_files(const char *proc, uint32_t pid, process_file_visitor *visit,
		  void *context);

/* All processes there are now; one that cannot be read is passed over.  Returns
 * how many could not, or what the visitor returned when that is negative. */
int process_files_all(const char *proc, process_file_visitor *visit,
		      void *context);

/*
 * Opens the very file that is mapped: by its path as the process sees it, by
 * the mapping itself where it was deleted or replaced.  Regular files only.  A
 * descriptor, or a negative error.
 */
int process_file_open(const char *proc, const struct process_file *file);

/* True when it is what the process was started from. */
bool process_file_is_program(const char *proc,
			     const struct process_file *file);
