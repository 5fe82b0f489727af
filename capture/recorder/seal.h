/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a raw segment that is closed to a sealed one of the same number.  A
 * pure function of the capture's files: raw/N.raw, raw/N.json, identity.log
 * and interfaces.json give segments/N.pcapng.zst and its index entry; only
 * when these have been read again and found to hold every packet are the raw
 * ones removed.  Stopped at any point it can be done again; the index entry is
 * what decides.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct seal_result {
	uint64_t packets;
	uint64_t filtered;    /* not wanted, by a filter the kernel could not run */
	uint64_t recovered;   /* bytes found behind the committed ones */
	uint64_t missing;     /* committed bytes that could not be read */
	bool empty;           /* nothing to keep: no segment was made */
	bool counted;         /* seal_count: `packets` is all of them */
	int64_t first_ns;     /* seal_count: UTC of the oldest and the newest; */
	int64_t last_ns;      /* 0 without packets */
	bool already;         /* it had been sealed; only the raw one was left */
	char problem[160];    /* damage that was passed over; empty: none */
};

/*
 * `directory` is the capture's.  CORRUPT and TRUNCATED when nothing of the raw
 * segment can be believed (it is kept as raw/N.damaged and looked at no more),
 * NOSPACE, IO (it stays, to be tried again).
 */
int seal_segment(const char *directory, uint32_t number,
		 struct seal_result *result, struct error *e);

/*
 * How many packets seal_segment would keep of a raw segment, plaintext left
 * out, and from when to when; changes nothing.  `counted` stays false where not
 * all could be read.  Errors as seal_segment.
 */
int seal_count(const char *directory, uint32_t number,
	       struct seal_result *result, struct error *e);
