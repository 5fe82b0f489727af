/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this kernel has and lets us do, found out by trying: features are not
 * told from version numbers, and refusals are explained.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

#include "base/err.h"

/* Newer than the headers we may be built with. */
#define KERNEL_TCX_INGRESS 46
#define KERNEL_TCX_EGRESS 47
#define KERNEL_LINK_BEFORE (1u << 3) /* BPF_F_BEFORE */

/* True when the thread has the capability (linux/capability.h). */
bool kernel_capable(int capability);

/* True when programs of `type` may call a helper that takes only the context. */
bool kernel_has_helper(enum bpf_prog_type type,
		       enum bpf_attach_type expected, enum bpf_func_id helper);

/*
 * Behind the writers' position, in the memory of a ring buffer map, kernels
 * from 6.10 on keep another: up to it all records are complete.  That is told
 * to nobody but by the kernel's own BTF: how many bytes behind, or 0.
 */
size_t kernel_ring_complete(void);

/* Room for a verifier's last words. */
#define KERNEL_LOG_SIZE (256u << 10)

/*
 * The sentence for a failed bpf(2) call about `what`: DENIED when it was
 * refused, with the reason if it can be told, else UNSUPPORTED with the last
 * line of the verifier's log.  Returns the code.
 */
int kernel_explain(struct error *e, int error_number, const char *log,
		   const char *what);

/*
 * The root of cgroup2, where it is mounted or by a mount of our own: an open
 * directory, or a negative error (NOTFOUND when neither is to be had).
 * `*whole` is false when it is not the root of the tree, because we are in a
 * cgroup namespace.  `*path`, for people, is the caller's (free) in any case.
 */
int kernel_cgroup_root(char **path, bool *whole, struct error *e);
