/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A classic BPF filter as an eBPF program that runs before the one that
 * captures and hands it what matches.
 *
 * Whatever it meets, its verdict lets the packet pass.  A load outside the
 * packet means "no match", as in classic BPF; LD_ABS would mean the same to
 * the filter, but ends the program with 0, which is "drop" to a cgroup.
 */
#pragma once

#include <linux/bpf.h>

#include "capture/source/filter_code.h"

/* What the filter becomes part of. */
struct filter_target {
	enum bpf_prog_type type;
	enum bpf_attach_type attach; /* expected_attach_type of `capture` */
	int pass;          /* the verdict */
	int capture;       /* program that matching packets go to */
	int totals;        /* map of enum packet_total */
};

/*
 * Translates only: `*code` (owned, free(3)) with the tail call through the
 * program array `array`.  UNSUPPORTED when the filter uses what eBPF has no
 * equal for, or gets too long.
 */
int filter_translate(const struct filter *f, const struct filter_target *target,
		     int array, struct bpf_insn **code, size_t *count,
		     struct error *e);

/*
 * Loads it: `*program` is what is to be attached in place of
 * `target->capture`, and `*array` holds that; both are the caller's.
 */
int filter_load(const struct filter *f, const struct filter_target *target,
		int *program, int *array, struct error *e);
