/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/parser_process.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sandbox.h"
#include "capture/interface_netns.h"
#include "capture/key_log.h"
#include "capture/packet_observer.h"
#include "dissect/application/application.h"
#include "dissect/engine.h"
#include "dissect/event_wire.h"
#include "dissect/job/confined.h"
#include "dissect/job/parser_limits.h"
#include "dissect/payload.h"
#include "dissect/job/segment_channel.h"
#include "dissect/tls/record_cipher.h"

/* Frames wait until their payload blocks are closed: enough to fill blocks
 * well, little enough that a running dissection can be watched. */
#define PENDING_BYTES (384u << 10)
#define PENDING_NS (200 * CLOCK_NS_PER_MS)
#define FRAMES_MAX (64u << 20)
#define INTERFACE_FIXED 8 /* of an interface's block, before its options */
#define CLOCK_PACKETS 512 /* packets between looks at the clock */

/* Descriptors of the sandboxed process. */
enum { EVENTS_FD = CONFINED_FIRST_FD, CHANNEL_FD };

struct parser_state {
	const struct parser_setup *setup;
	struct packet_reader *reader;
	struct engine *engine;
	struct descriptors *descriptors;
	struct application *application;
	struct payload_packer *packer;
	struct coverage packed; /* what the packer counted */
	struct buf blocks;      /* frames of closed blocks, to go first */
	struct buf pending;     /* frames that may refer to open blocks */
	struct event_memory last_call;
	int64_t flushed_ns, last_packet_ns;
	int64_t cpu_ns, wall_ns; /* when the duty cycle was last looked at */
};

static int64_t
cpu_time_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * CLOCK_NS_PER_S + now.tv_nsec;
}

static void
take_block(void *context, const struct payload_block *block)
{
	struct parser_state *p = context;

	event_encode_block(&p->blocks, block);
}

/* The writer is gone when nobody reads: so is the reason to go on. */
static void
send_frames(struct buf *frames)
{
	if (frames->failed ||
	    file_write_all(EVENTS_FD, frames->data, frames->size) < 0)
		_exit(1);
	buf_reset(frames);
}

static struct event_progress
progress(const struct parser_state *p)
{
	struct packet_reader_stats stats = packet_reader_stats(p->reader);
	struct event_progress out = {
		.bytes_read = stats.bytes_read,
		.packets = stats.packets,
		.time_ns = p->last_packet_ns,
		.damaged_segments = (uint32_t)stats.damaged_segments,
		.coverage = *engine_coverage(p->engine),
	};

	out.coverage.bodies_truncated += p->packed.bodies_truncated;
	out.coverage.bodies_undecoded += p->packed.bodies_undecoded;
	out.coverage.descriptors_left_out =
		application_descriptors_left_out(p->application);
	return out;
}

static void
flush(struct parser_state *p)
{
	struct event_progress now = progress(p);

	payload_packer_flush(p->packer);
	event_encode_progress(&p->pending, &now);
	send_frames(&p->blocks);
	send_frames(&p->pending);
	p->flushed_ns = clock_monotonic_ns();
}

static void
take_call(void *context, struct call_event *call)
{
	struct parser_state *p = context;

	application_call(p->application, call);
	payload_packer_call(p->packer, call, &p->packed);
	event_encode_call(&p->pending, &p->last_call, call);
	if (p->pending.size + p->blocks.size >= PENDING_BYTES)
		flush(p);
}

static void
take_connection(void *context, const struct connection_event *connection)
{
	struct parser_state *p = context;

	event_encode_connection(&p->pending, connection);
	if (p->pending.size >= PENDING_BYTES)
		flush(p);
}

static void
take_name(void *context, const struct name_event *name)
{
	struct parser_state *p = context;

	event_encode_name(&p->pending, name);
	if (p->pending.size >= PENDING_BYTES)
		flush(p);
}

static void
take_process(void *context, const struct process_event *process)
{
	struct parser_state *p = context;

	event_encode_process(&p->pending, process);
	if (p->pending.size >= PENDING_BYTES)
		flush(p);
}

static void
take_descriptor(void *context, const struct descriptor_event *descriptor)
{
	struct parser_state *p = context;

	event_encode_descriptor(&p->pending, descriptor);
}

static void
see_interface(void *context, uint32_t number,
	      const struct pcapng_block *block, bool big_endian)
{
	struct parser_state *p = context;
	struct bytes options = bytes_from(block->body, INTERFACE_FIXED);

	engine_interface(p->engine, number, packet_reader_stream(p->reader),
			 interface_netns(options, big_endian));
	if (interface_is_plaintext(options, big_endian))
		engine_interface_apart(p->engine, number);
}

static int
take_secret(void *context, const struct secret *secret)
{
	engine_secret(context, secret);
	return 0;
}

static void
see_block(void *context, const struct pcapng_block *block, bool big_endian)
{
	struct parser_state *p = context;

	if (block->type == PCAPNG_SECRETS)
		key_log_visit(key_log_of_block(block->body, big_endian), 0,
			      take_secret, p->engine);
	/* A custom block's content has an order of its own. */
	if (block->type == PCAPNG_CUSTOM)
		engine_custom_block(p->engine, packet_reader_stream(p->reader),
				    block->body);
}

static _Noreturn void
give_up(struct parser_state *p, const char *text)
{
	payload_packer_flush(p->packer);
	event_encode_fault(&p->pending, text);
	send_frames(&p->blocks);
	send_frames(&p->pending);
	_exit(1);
}

/* Sleeps so that CPU time stays below the given part of the time passed. */
static void
rest(struct parser_state *p, unsigned percent, int64_t now_ns)
{
	int64_t used = cpu_time_ns() - p->cpu_ns;
	int64_t due = used * 100 / percent;
	int64_t passed = now_ns - p->wall_ns;

	if (due - passed > 2 * CLOCK_NS_PER_MS)
		poll(NULL, 0, (int)((due - passed) / CLOCK_NS_PER_MS));
	if (passed > CLOCK_NS_PER_S) { /* what was not used is not saved up */
		p->cpu_ns += used;
		p->wall_ns = clock_monotonic_ns();
	}
}

static void
look_at_clock(struct parser_state *p)
{
	unsigned percent = p->setup->options->cpu_percent;
	int64_t now_ns = clock_monotonic_ns();

	if (now_ns - p->flushed_ns >= PENDING_NS)
		flush(p);
	if (percent > 0 && percent < 100)
		rest(p, percent, now_ns);
}

/* What a stranger wrote is read without rights, like packets. */
static void
read_descriptors(struct parser_state *p)
{
	if (!p->descriptors)
		return;
	if (!descriptors_add_set(p->descriptors, p->setup->descriptors))
		give_up(p, "the descriptors are not a FileDescriptorSet "
			   "(protoc --descriptor_set_out), or are too many");
	descriptors_link(p->descriptors);
}

static void
read_packets(struct parser_state *p)
{
	struct packet_record packet;
	unsigned until_clock = CLOCK_PACKETS;
	int rc;

	while ((rc = packet_reader_next(p->reader, &packet)) == 1) {
		p->last_packet_ns = packet.time_ns;
		engine_packet(p->engine, &packet);
		if (--until_clock == 0) {
			until_clock = CLOCK_PACKETS;
			look_at_clock(p);
		}
	}
	if (rc < 0)
		give_up(p, err_text(rc));
	engine_finish(p->engine);
}

static void
finish(struct parser_state *p)
{
	struct event_progress done;

	flush(p);
	done = progress(p);
	event_encode_done(&p->pending, &done);
	send_frames(&p->pending);
}

static void
prepare(struct parser_state *p, const struct parser_setup *setup,
	struct segment_channel *channel)
{
	struct event_sink events = { p, take_call, take_connection,
				     take_name, take_process };
	struct packet_observer observer = { p, see_interface, see_block };
	struct parser_limits limits = parser_limits(setup);

	*p = (struct parser_state){ .setup = setup };
	buf_init(&p->blocks, FRAMES_MAX);
	buf_init(&p->pending, FRAMES_MAX);
	p->descriptors = setup->descriptors.size ? descriptors_new() : NULL;
	limits.application.descriptors = p->descriptors;
	limits.application.reflected =
		(struct descriptor_sink){ p, take_descriptor };
	p->application = application_new(&limits.application);
	p->packer = payload_packer_new(&limits.payload, take_block, p);
	p->engine = engine_new(&limits.engine, events);
	p->reader = packet_reader_new(setup->segments, setup->segment_count,
				      setup->window,
				      segment_channel_source(channel));
	packet_reader_observe(p->reader, observer);
	record_cipher_prepare();
	for (size_t i = 0; setup->secrets && i < setup->secrets->count; i++)
		engine_secret(p->engine, &setup->secrets->items[i]);
	if (setup->secrets)
		secrets_free(setup->secrets);
	p->flushed_ns = p->wall_ns = clock_monotonic_ns();
	p->cpu_ns = cpu_time_ns();
}

void
parser_process_run(const struct parser_setup *setup, int events, int channel,
		   pid_t parent)
{
	struct sandbox_limits limits = {
		.memory_bytes = parser_address_space(setup),
		.cpu_seconds = setup->options->cpu_seconds,
	};
	struct segment_channel *segments;
	struct parser_state state;
	struct error why;

	confined_begin(parent, (int[]){ events, channel }, 2);
	segments = segment_channel_new(CHANNEL_FD, setup->segments,
				       setup->segment_count, setup->window);
	prepare(&state, setup, segments);
	if (sandbox_enter(SANDBOX_PARSER, &limits, &why) < 0)
		give_up(&state, why.text);
	read_descriptors(&state);
	read_packets(&state);
	finish(&state);
	_exit(0);
}
