/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a segment again before the raw one it was made from is removed.
 */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/hash.h"

/* What all packets come to, in their order: as written, and as read. */
struct seal_sum {
	uint64_t packets;
	uint64_t bytes;
	uint64_t digest; /* over times, interfaces, sizes, and data in part */
};

/* Adds one packet. */
void seal_sum_packet(struct seal_sum *sum, int64_t time_ns, uint32_t interface,
		     struct bytes data);

/* ERR_CORRUPT when the segment in `directory` does not hold what was written,
 * ERR_IO when it cannot be read. */
int seal_check(const char *directory, uint32_t number,
	       const struct seal_sum *written, struct error *e);
