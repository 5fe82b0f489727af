/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first page of a raw segment.  It holds the header twice, each with a
 * generation and a checksum; a flush writes the older one anew, so that a torn
 * write leaves the other, and with it what was committed before.
 *
 * Behind it lie pages of the stream as they were in the source's memory: byte
 * `position` + i of the stream is at 4096 + position % 4096 + i of the file.
 *
 * A slot of 2048 bytes, little endian: "ATAPRAW1", u32 format, u32 pages'
 * offset of the first byte, u64 generation, u64 position, u64 committed bytes,
 * i64 UTC of the flush, 16 bytes boot id, u32 count of clock pairs, u32 clock,
 * the pairs (i64 monotonic, i64 UTC), zeroes, u64 SipHash of all before it.
 */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "capture/recorder/clock_map.h"

#define RAW_PAGE 4096u
#define RAW_BOOT_ID 16u

struct raw_header {
	uint32_t format;     /* enum raw_format */
	uint32_t clock_kind; /* enum raw_clock: what its packets' times count */
	uint32_t first;      /* offset of the first byte in its page */
	uint64_t generation; /* counts flushes */
	uint64_t position;   /* of the first byte in the source's stream */
	uint64_t committed;  /* bytes from there that are whole and on disk */
	int64_t flushed_ns;  /* UTC */
	uint8_t boot_id[RAW_BOOT_ID];
	struct clock_map clock;
};

/* Writes the header into the slot of its generation; the other stays. */
void raw_header_encode(const struct raw_header *header, uint8_t page[RAW_PAGE]);

/* Reads the newest whole slot of a page.  Returns 0, ERR_TRUNCATED (less than
 * a page) or ERR_CORRUPT (no slot is whole). */
int raw_header_decode(struct bytes page, struct raw_header *header);

#define RAW_BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

/* What that file says, as bytes; zeroes when it cannot be read. */
void raw_boot_id(uint8_t id[RAW_BOOT_ID]);
