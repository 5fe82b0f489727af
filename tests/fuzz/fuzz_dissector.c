/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One dissector, named by FUZZ_PROTOCOL at build time, inside a stream.
 *
 * Input: a byte of settings (1 UDP, or ICMPv6; 2 midstream, 4 small limits), then steps:
 * a byte (bits 0-1: data, data, hole, end; bit 2: the server's; bits 3-7: how
 * much of the other side is not acknowledged, in packets), a 16-bit size in
 * big endian, and as many bytes for data.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/reader.h"
#include "dissect/application/application.h"
#include "dissect/payload.h"
#include "dissect/registry.h"
#include "dissect/stream.h"
#include "tests/fuzz/fuzz.h"

#define CONCAT_(a, b) a##b
#define CONCAT(a, b)  CONCAT_(a, b)
#define PROTOCOL      CONCAT(PROTOCOL_, FUZZ_PROTOCOL)

enum { SETTING_UDP = 1, SETTING_MIDSTREAM = 2, SETTING_SMALL = 4 };

struct run {
	struct stream *stream;
	struct stream_at at;
	uint64_t sent[2], before[2];
	struct stream_context *context;
};

/* Every slice an event carries must be readable. */
static void
touch(struct bytes in)
{
	volatile uint8_t sum = 0;

	for (size_t i = 0; i < in.size; i++)
		sum = (uint8_t)(sum + in.data[i]);
}

static void
on_call(void *context, struct call_event *event)
{
	struct call_event whole = *event;
	const struct call_event *call = &whole;
	const struct call_half *halves[] = { &call->request, &call->response };

	application_call(context, &whole);
	assert(call->flags & (CALL_HAS_REQUEST | CALL_HAS_RESPONSE));
	for (int i = 0; i < FIELD_COUNT; i++)
		touch(call->fields[i]);
	for (int i = 0; i < 2; i++) {
		struct reader r = reader_make(halves[i]->head);

		while (reader_left(&r))
			touch(reader_string(&r));
		assert(!r.failed);
		touch(halves[i]->body);
		touch(halves[i]->messages);
		assert(halves[i]->messages.size <= PAYLOAD_MESSAGES_LIMIT);
		assert(halves[i]->body.size <= halves[i]->body_wire_bytes);
	}
}

static void
on_name(void *context, const struct name_event *name)
{
	(void)context;
	touch(name->name);
}

/* What others begin as is there as well, so that they are upgraded to. */
static uint64_t
protocols(void)
{
	uint64_t protocols = UINT64_C(1) << PROTOCOL;

	if (PROTOCOL == PROTOCOL_websocket || PROTOCOL == PROTOCOL_http2)
		protocols |= UINT64_C(1) << PROTOCOL_http;
	if (PROTOCOL == PROTOCOL_websocket)
		protocols |= UINT64_C(1) << PROTOCOL_mqtt;
	return protocols;
}

static uint8_t
carrier(bool udp)
{
	if (PROTOCOL == PROTOCOL_icmp)
		return udp ? 58 : 1;
	return udp ? 17 : 6;
}

static void
step(struct run *run, struct reader *r)
{
	uint8_t what = reader_u8(r);
	uint16_t size = reader_be16(r);
	enum side side = what & 4 ? SIDE_SERVER : SIDE_CLIENT;
	struct bytes data;
	uint8_t *copy;

	run->at.time_ns++;
	run->at.position = run->sent[side];
	run->at.acknowledged = what >> 3 ? run->before[side_other(side)]
					 : run->sent[side_other(side)];
	if ((what & 3) == 2) {
		stream_gap(run->stream, side, size, &run->at);
		run->sent[side] += size;
		return;
	}
	if ((what & 3) == 3) {
		stream_finish(run->stream, side, size & 1);
		return;
	}
	data = reader_take(r, size < reader_left(r) ? size : reader_left(r));
	if (!data.size)
		return;
	copy = malloc(data.size);
	assert(copy);
	memcpy(copy, data.data, data.size);
	stream_data(run->stream, side, bytes_make(copy, data.size), &run->at);
	free(copy);
	run->before[side] = run->sent[side];
	run->sent[side] += data.size;
	assert(run->context->buffered <=
	       run->context->buffered_limit + (1u << 20));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_make(bytes_make(data, size));
	uint8_t settings = reader_u8(&r);
	bool small = settings & SETTING_SMALL;
	const struct application_options options = {
		.body_limit = small ? 16 : 1u << 16,
		.ratio_limit = 200,
	};
	struct application *application = application_new(&options);
	struct coverage coverage = { 0 };
	struct stream_context context = {
		.options = { .protocols = protocols(),
			     .body_limit = small ? 16 : 1u << 16,
			     .head_limit = small ? 64 : 1u << 17,
			     .pending_limit = small ? 2 : 64 },
		.events = { .context = application,
			    .call = on_call,
			    .name = on_name },
		.coverage = &coverage,
		.buffered_limit = small ? 4096 : 1u << 20,
	};
	struct stream_identity identity = {
		.client = { .port = 50000 },
		.server = { .port = 53 },
		.ip_protocol = carrier(settings & SETTING_UDP),
		.midstream = settings & SETTING_MIDSTREAM,
	};
	struct run run = { .stream = stream_new(&context, &identity),
			   .sent = { 1, 1 },
			   .before = { 1, 1 },
			   .context = &context };

	while (reader_left(&r))
		step(&run, &r);
	stream_free(run.stream, CALL_REASON_CAPTURE_ENDED);
	assert(context.buffered == 0);
	assert(!context.spare && !context.streams);
	application_free(application);
	return 0;
}
