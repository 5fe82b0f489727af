/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing in a process of its own, so that a crash or a lack of memory there
 * never touches recording: no capability, no new privileges, nothing of the
 * file system but the capture's directory, and lowest priority with the idle
 * disk class.  A busy machine may leave nothing for the latter; when somebody
 * waits for a segment or several are waiting, it is urgent and only nice.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "capture/recorder/seal.h"

enum sealer_task {
	SEALER_IDLE,    /* seal when there is nothing else to do */
	SEALER_URGENT,  /* seal: somebody waits */
	SEALER_DISCARD, /* count and remove: there is no room (seal_discard) */
};

struct sealer {
	pid_t pid;       /* 0: none runs */
	int descriptor;  /* readable when it has ended; -1 */
	uint32_t number; /* of the segment */
	enum sealer_task task;
};

/* What to seal, and with which program. */
struct sealer_order {
	const char *program;
	const char *directory;
	uint32_t number;
	enum sealer_task task;
};

/* Starts `program seal --directory D --number N [--urgent|--discard]`. */
int sealer_start(struct sealer *s, const struct sealer_order *order,
		 struct error *e);

/*
 * True when it has ended; `*status` is what seal_segment returned there (or
 * INTERNAL when it died) with its result and sentence.
 */
bool sealer_ended(struct sealer *s, int *status, struct seal_result *result,
		  struct error *e);

/* Ends one that runs; what it was making is made anew another time. */
void sealer_stop(struct sealer *s);

/* In that process: gives up everything, seals, reports on standard output.
 * Returns a process exit status. */
int sealer_main(const char *directory, uint32_t number, enum sealer_task task);
