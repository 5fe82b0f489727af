/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/naming_process.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sandbox.h"
#include "dissect/application/grpc_names.h"
#include "dissect/application/protobuf_json.h"
#include "dissect/event_wire.h"
#include "dissect/job/confined.h"
#include "dissect/job/parser_limits.h"
#include "dissect/payload.h"
#include "dissect/store/payload.h"

#define CHANNEL_FD  CONFINED_FIRST_FD
#define READ_BYTES  (64u << 10)
#define SEND_BYTES  (256u << 10) /* frames that wait for each other */
#define FRAMES_MAX  (16u << 20)
#define CACHE_BYTES (8u << 20)
#define BLOCK_BYTES (256u << 10) /* as a parser's */
#define COMPRESSION_LEVEL 1
#define SCRATCH_MAX (2 * PROTOBUF_JSON_MAX)

struct naming_state {
	const struct naming_setup *setup;
	struct descriptors *given, *reflected;
	struct payload_cache *cache;
	struct payload_packer *packer;
	struct coverage coverage; /* counted by the packer, of no interest */
	struct buf in;            /* frames of the writer */
	size_t taken;             /* of it, by the frame that was looked at */
	struct buf out;
	struct buf pending; /* frames that refer to a block not yet in `out` */
	struct buf calls;   /* those being named */
	struct buf lines, scratch, named[2];
};

static void
send_frames(struct naming_state *n)
{
	if (n->out.failed ||
	    file_write_all(CHANNEL_FD, n->out.data, n->out.size) < 0)
		_exit(1);
	buf_reset(&n->out);
}

/* Waits for a frame of the writer, borrowed until the next one. */
static struct frame
receive(struct naming_state *n)
{
	struct frame frame;
	struct bytes rest;
	int rc;

	buf_drop(&n->in, n->taken);
	for (;;) {
		uint8_t *at;
		ssize_t got;

		rest = buf_view(&n->in);
		rc = frame_next(&rest, NAMING_FRAME_LIMIT, &frame);
		if (rc)
			break;
		at = buf_reserve(&n->in, READ_BYTES);
		got = at ? read(CHANNEL_FD, at, READ_BYTES) : -1;
		if (got <= 0)
			_exit(1); /* the writer is gone */
		n->in.size += (size_t)got;
	}
	if (rc < 0)
		_exit(1);
	n->taken = n->in.size - rest.size;
	return frame;
}

/* Asks the writer, and waits. */
static struct reader
ask(struct naming_state *n, enum naming_frame what, uint64_t which)
{
	size_t start = frame_begin(&n->out, (uint8_t)what);
	struct frame answer;

	buf_varint(&n->out, which);
	frame_end(&n->out, start);
	send_frames(n);
	answer = receive(n);
	if (answer.type != what)
		_exit(1);
	return reader_make(answer.payload);
}

static int
fetch_block(void *context, int64_t block, int64_t *raw_size, struct bytes *data,
	    struct error *e)
{
	struct reader r = ask(context, NAMING_BLOCK, (uint64_t)block);

	(void)e;
	*raw_size = (int64_t)reader_varint(&r);
	*data = reader_take(&r, reader_left(&r));
	return *raw_size > 0;
}

static void
block_done(void *context)
{
	(void)context;
}

/* Packer: a block is closed, and what refers to it may go. */
static void
take_block(void *context, const struct payload_block *block)
{
	struct naming_state *n = context;

	event_encode_block(&n->out, block);
	buf_bytes(&n->out, buf_view(&n->pending));
	buf_reset(&n->pending);
}

static void
put_named(struct naming_state *n, int64_t id, const struct call_event *call)
{
	const struct payload_ref refs[] = { call->request.messages_ref,
					    call->response.messages_ref };
	size_t start = frame_begin(&n->pending, NAMING_NAMED);

	buf_varint(&n->pending, (uint64_t)id);
	for (int side = 0; side < 2; side++) {
		buf_varint(&n->pending, refs[side].size);
		buf_varint(&n->pending, refs[side].block);
		buf_varint(&n->pending, refs[side].offset);
	}
	frame_end(&n->pending, start);
}

/* The messages of one side by name; empty: they stay as they are. */
static struct bytes
name_half(struct naming_state *n, struct bytes payload, int side,
	  uint32_t type)
{
	enum payload_part lines = PAYLOAD_REQUEST_MESSAGES + (unsigned)side;
	enum payload_part body = PAYLOAD_REQUEST_BODY + (unsigned)side;
	struct bytes part, nothing = bytes_make(NULL, 0);

	if (type == DESCRIPTORS_NONE ||
	    payload_read(n->cache, payload, lines, &part, NULL) || !part.size)
		return nothing;
	buf_reset(&n->lines);
	buf_bytes(&n->lines, part);
	if (n->lines.failed ||
	    payload_read(n->cache, payload, body, &part, NULL))
		return nothing;
	buf_reset(&n->named[side]);
	return grpc_names(n->reflected, type, buf_view(&n->lines), part,
			  &n->scratch, &n->named[side])
		       ? buf_view(&n->named[side])
		       : nothing;
}

static void
name_call(struct naming_state *n, int64_t id, struct bytes method,
	  struct bytes payload)
{
	struct call_event call = { .protocol = PROTOCOL_grpc };
	uint32_t types[2];

	/* What the user gave is what counts. */
	if (n->given &&
	    descriptors_method(n->given, method, &types[0], &types[1]))
		return;
	if (!descriptors_method(n->reflected, method, &types[0], &types[1]))
		return;
	call.request.messages = name_half(n, payload, 0, types[0]);
	call.response.messages = name_half(n, payload, 1, types[1]);
	if (!call.request.messages.size && !call.response.messages.size)
		return;
	payload_packer_call(n->packer, &call, &n->coverage);
	put_named(n, id, &call);
	if (n->out.size > SEND_BYTES)
		send_frames(n);
}

/* Some more calls; false when there are none. */
static bool
name_some(struct naming_state *n, int64_t *last)
{
	struct reader r = ask(n, NAMING_CALLS, (uint64_t)*last);

	buf_reset(&n->calls);
	buf_bytes(&n->calls, reader_take(&r, reader_left(&r)));
	r = reader_make(buf_view(&n->calls));
	while (reader_left(&r)) {
		int64_t id = (int64_t)reader_varint(&r);
		struct bytes method = reader_string(&r);
		struct bytes payload = reader_string(&r);

		if (r.failed)
			_exit(1);
		name_call(n, id, method, payload);
		*last = id;
	}
	return n->calls.size > 0;
}

static void
prepare(struct naming_state *n, const struct naming_setup *setup)
{
	const struct payload_options options = {
		.block_bytes = BLOCK_BYTES,
		.level = COMPRESSION_LEVEL,
		.body_limit = 1,
		.ratio_limit = 1,
		.first_block = setup->first_block,
		.block_step = 1,
	};

	*n = (struct naming_state){ .setup = setup };
	buf_init(&n->in, NAMING_FRAME_LIMIT + FRAME_HEADER + READ_BYTES);
	buf_init(&n->out, FRAMES_MAX);
	buf_init(&n->pending, FRAMES_MAX);
	buf_init(&n->calls, NAMING_FRAME_LIMIT);
	buf_init(&n->lines, PAYLOAD_MESSAGES_LIMIT);
	buf_init(&n->scratch, SCRATCH_MAX);
	for (int side = 0; side < 2; side++)
		buf_init(&n->named[side], PAYLOAD_MESSAGES_LIMIT);
	n->packer = payload_packer_new(&options, take_block, n);
	n->cache = payload_cache_from(
		(struct payload_source){ n, fetch_block, block_done },
		CACHE_BYTES);
	n->reflected = descriptors_new();
}

/* What strangers wrote is read without rights. */
static void
read_descriptors(struct naming_state *n)
{
	if (n->setup->given.size) {
		n->given = descriptors_new();
		descriptors_add_set(n->given, n->setup->given);
		descriptors_link(n->given);
	}
	descriptor_list_give(n->setup->list, n->setup->group, n->reflected);
	descriptors_link(n->reflected);
}

static _Noreturn void
end(struct naming_state *n, const char *fault)
{
	if (fault)
		event_encode_fault(&n->out, fault);
	else
		frame_end(&n->out, frame_begin(&n->out, NAMING_DONE));
	send_frames(n);
	_exit(fault ? 1 : 0);
}

void
naming_process_run(const struct naming_setup *setup, int channel, pid_t parent)
{
	struct sandbox_limits limits = {
		.memory_bytes = naming_address_space(setup->options),
		.cpu_seconds = setup->options->cpu_seconds,
	};
	struct naming_state state;
	struct error why;
	int64_t last = 0;

	confined_begin(parent, &channel, 1);
	prepare(&state, setup);
	if (sandbox_enter(SANDBOX_PARSER, &limits, &why) < 0)
		end(&state, why.text);
	read_descriptors(&state);
	while (name_some(&state, &last))
		;
	payload_packer_flush(state.packer);
	end(&state, NULL);
}
