/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaching a BPF program to a place in a file, for every process that maps
 * it.  By bpf(2) itself where libbpf is too old to know uprobe_multi (Linux
 * 6.6, needs CAP_BPF and CAP_PERFMON); by perf_event_open(2) otherwise (needs
 * CAP_SYS_ADMIN in kernels of 2025 and later).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum probe_method {
	PROBE_MULTI, /* programs are loaded with PROBE_MULTI_TYPE */
	PROBE_PERF,
};

/* BPF_TRACE_UPROBE_MULTI, as expected attach type. */
#define PROBE_MULTI_TYPE 48u

/*
 * Attaches `program` (a descriptor) at `offset` of the open file `file`, or to
 * the returns of the function there.  A descriptor that holds the attachment,
 * or DENIED, UNSUPPORTED, INVALID.
 */
int probe_link_attach(enum probe_method method, int program, int file,
		      uint64_t offset, bool returns, struct error *e);

struct probe_place {
	uint64_t offset; /* in the file */
	bool returns;    /* when the function there returns */
};

/* The same by uprobe_multi, for one process only; its program runs for no
 * other. */
int probe_link_attach_process(int program, int file,
			      const struct probe_place *place, uint32_t pid,
			      struct error *e);
