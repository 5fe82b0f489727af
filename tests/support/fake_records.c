/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_records.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define PAGE 4096u

void
fake_records_init(struct fake_stream_bytes *s, uint64_t position,
		  size_t capacity)
{
	size_t room = (capacity + 2 * PAGE) & ~(size_t)(PAGE - 1);

	*s = (struct fake_stream_bytes){ .position = position,
					 .capacity = capacity };
	s->memory = aligned_alloc(PAGE, room);
	assert(s->memory);
	memset(s->memory, 0xee, room);
	s->data = s->memory + position % PAGE;
}

void
fake_records_free(struct fake_stream_bytes *s)
{
	free(s->memory);
	*s = (struct fake_stream_bytes){ 0 };
}

uint8_t
fake_records_byte(uint32_t number, uint32_t offset)
{
	return (uint8_t)(number * 31 + offset * 7 + (offset >> 8));
}

size_t
fake_records_add(struct fake_stream_bytes *s, uint32_t number,
		 uint32_t captured, uint64_t time_ns)
{
	struct raw_record record = {
		.time_ns = time_ns,
		.cookie = number + 1,
		.netns = 7,
		.captured = captured,
		.length = captured + number % 2,
		.ifindex = 1 + number % 3,
		.protocol = 0x0800,
		.direction = number % 2 ? RAW_EGRESS : RAW_INGRESS,
		.kind = RAW_PACKET,
	};
	uint32_t ring[2] = { (uint32_t)sizeof(record) + captured, 0 };
	size_t total = (sizeof(ring) + ring[0] + 7) & ~(size_t)7;
	uint8_t *at = s->data + s->size;

	assert(s->size + total <= s->capacity);
	memset(at, 0, total);
	memcpy(at, ring, sizeof(ring));
	memcpy(at + sizeof(ring), &record, sizeof(record));
	for (uint32_t i = 0; i < captured; i++)
		at[sizeof(ring) + sizeof(record) + i] =
			fake_records_byte(number, i);
	s->size += total;
	return total;
}
