/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole capture file from strangers through everything that a parser process
 * does with it: container, decode, reassembly, dissectors, payload packer, and
 * the frames that reach the writer.  Every frame we make must decode.
 */
#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/capture_file.h"
#include "capture/interface_netns.h"
#include "dissect/engine.h"
#include "dissect/event_wire.h"
#include "dissect/payload.h"
#include "tests/fuzz/fuzz.h"

struct pipeline {
	struct payload_packer *packer;
	struct buf frame;
	struct event_memory sent, received; /* of calls */
	struct coverage coverage;
};

/* The payload of the one frame in the buffer. */
static struct bytes
take_frame(struct pipeline *p, uint8_t type)
{
	struct bytes in = buf_view(&p->frame);
	struct frame frame = { 0 };

	assert(!p->frame.failed);
	assert(frame_next(&in, EVENT_FRAME_LIMIT, &frame) == 1);
	assert(frame.type == type && in.size == 0);
	return frame.payload;
}

static void
on_block(void *context, const struct payload_block *block)
{
	struct pipeline *p = context;
	struct payload_block decoded;

	buf_reset(&p->frame);
	event_encode_block(&p->frame, block);
	assert(event_decode_block(take_frame(p, EVENT_BLOCK), &decoded) == 0);
}

static void
on_call(void *context, struct call_event *call)
{
	struct pipeline *p = context;
	struct call_event packed = *call, decoded;

	payload_packer_call(p->packer, &packed, &p->coverage);
	buf_reset(&p->frame);
	event_encode_call(&p->frame, &p->sent, &packed);
	assert(event_decode_call(take_frame(p, EVENT_CALL), &p->received,
				 &decoded) == 0);
	assert(decoded.connection == call->connection);
}

static void
on_connection(void *context, const struct connection_event *c)
{
	struct pipeline *p = context;
	struct connection_event decoded;

	buf_reset(&p->frame);
	event_encode_connection(&p->frame, c);
	assert(event_decode_connection(take_frame(p, EVENT_CONNECTION),
				       &decoded) == 0);
}

static void
on_name(void *context, const struct name_event *name)
{
	struct pipeline *p = context;
	struct name_event decoded;

	buf_reset(&p->frame);
	event_encode_name(&p->frame, name);
	assert(event_decode_name(take_frame(p, EVENT_NAME), &decoded) == 0);
}

static void
on_process(void *context, const struct process_event *process)
{
	struct pipeline *p = context;
	struct process_event decoded;

	buf_reset(&p->frame);
	event_encode_process(&p->frame, process);
	assert(event_decode_process(take_frame(p, EVENT_PROCESS), &decoded) ==
	       0);
	assert(decoded.process.id == process->process.id);
}

static void
feed_packet(struct engine *engine, const struct capture_event *event,
	    uint16_t link_type)
{
	const struct pcapng_packet *in = &event->packet;
	struct packet_record packet = {
		.time_ns = in->time_ns,
		.data = in->data,
		.captured = in->captured,
		.length = in->length < in->captured ? in->captured : in->length,
		.interface = in->interface,
		.link_type = link_type,
		.direction = (uint8_t)(in->interface % 3),
	};

	engine_packet(engine, &packet);
}

/* Every packet of the file, as being of its first interface's link type. */
static void
feed_file(struct engine *engine, int fd)
{
	struct capture_event event;
	struct capture_file file;
	uint16_t link_type = 1;
	uint32_t interface = 0;

	if (capture_file_open(&file, fd, "fuzz", NULL, NULL) == 0)
		while (capture_file_next(&file, &event) == 1) {
			if (event.kind == CAPTURE_EVENT_INTERFACE) {
				link_type = event.interface.link_type;
				engine_interface(engine, interface++, 0,
						 interface_netns(
							 event.options,
							 event.big_endian));
			}
			if (event.kind == CAPTURE_EVENT_BLOCK)
				engine_custom_block(engine, 0,
						    event.block.body);
			if (event.kind == CAPTURE_EVENT_PACKET)
				feed_packet(engine, &event, link_type);
		}
	capture_file_close(&file);
}

static struct payload_packer *
new_packer(struct pipeline *p)
{
	struct payload_options options = { .block_bytes = 65536, .level = 1,
					   .body_limit = 65536,
					   .ratio_limit = 200, .block_step = 1,
					   .dedup_entries = 64 };

	return payload_packer_new(&options, on_block, p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct engine_options options = engine_defaults();
	struct pipeline p = { 0 };
	struct event_sink sink = { &p, on_call, on_connection, on_name,
				   on_process };
	struct engine *engine;
	int fd = memfd_create("capture", MFD_CLOEXEC);

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	/* Small limits, so that small files reach them. */
	options.connection_limit = 64;
	options.reassembly_limit = 256 << 10;
	options.reassembly_connection_limit = 64 << 10;
	options.body_memory_limit = 256 << 10;
	options.identity_limit = 16 << 10;
	options.stream.body_limit = 64 << 10;
	options.stream.head_limit = 16 << 10;
	options.stream.pending_limit = 16;
	buf_init(&p.frame, EVENT_FRAME_LIMIT);
	p.packer = new_packer(&p);
	engine = engine_new(&options, sink);
	feed_file(engine, fd);
	engine_finish(engine);
	payload_packer_flush(p.packer);
	engine_free(engine);
	payload_packer_free(p.packer);
	buf_free(&p.frame);
	close(fd);
	return 0;
}
