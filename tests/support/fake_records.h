/* SPDX-License-Identifier: Apache-2.0 */
/* Records as a BPF ring holds them, made by hand from raw_record.h. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "capture/source/raw_record.h"

/* A stream in memory whose address is congruent to its position. */
struct fake_stream_bytes {
	uint8_t *memory;  /* page aligned; free(3) */
	uint8_t *data;    /* of the byte at `position` */
	uint64_t position;
	size_t size, capacity;
};

void fake_records_init(struct fake_stream_bytes *s, uint64_t position,
		       size_t capacity);
void fake_records_free(struct fake_stream_bytes *s);

/* Appends packet `number`: `captured` bytes that depend on it, at `time_ns`,
 * of interface 1 + number % 3, as egress when it is odd.  Returns its size. */
size_t fake_records_add(struct fake_stream_bytes *s, uint32_t number,
			uint32_t captured, uint64_t time_ns);

/* The byte at `offset` of packet `number`. */
uint8_t fake_records_byte(uint32_t number, uint32_t offset);
