/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile packets through the whole engine, with streams that only check what
 * they are promised (tests/support/fake_stream.c).  Input: repeated
 * [u8 link type, u8 time step, u16 LE size] and that many bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "dissect/engine.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/fake_stream.h"

static void
on_connection(void *context, const struct connection_event *c)
{
	(void)context;
	if (c->first_ns > c->last_ns)
		abort();
}

/* Every packet in memory of its own size, so that ASan sees each overrun. */
static void
take_packet(struct engine *e, const uint8_t *data, size_t size,
	    const struct packet_record *like)
{
	struct packet_record record = *like;
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	record.data = copy;
	record.captured = (uint32_t)size;
	record.length = (uint32_t)size + (size & 1 ? 0 : like->interface * 100);
	engine_packet(e, &record);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t links[] = { 1,  101, 113, 276, 0,
					  12, 108, 228, 229, 105 };
	struct engine_options options = engine_defaults();
	struct event_sink events = { .connection = on_connection };
	struct packet_record like = { .time_ns = 1700000000000000000 };
	struct engine *e;

	options.connection_limit = 20;
	options.reassembly_limit = 20000;
	options.reassembly_connection_limit = 5000;
	e = engine_new(&options, events);
	while (size >= 4) {
		size_t length = data[2] | (size_t)data[3] << 8;

		like.link_type = links[data[0] % 10];
		like.interface = data[0] >> 6;
		like.time_ns += ((int64_t)data[1] - 20) *
				(data[1] > 200 ? 1000000000 : 100000);
		like.offset++;
		data += 4;
		size -= 4;
		if (length > size)
			length = size;
		take_packet(e, data, length, &like);
		data += length;
		size -= length;
	}
	engine_finish(e);
	engine_free(e);
	fake_stream_reset();
	return 0;
}
