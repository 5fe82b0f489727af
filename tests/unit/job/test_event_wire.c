/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/event_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"

static struct bytes
payload_of(struct buf *out, enum event_type type)
{
	struct bytes in = buf_view(out);
	struct frame frame;

	assert_int_equal(frame_next(&in, EVENT_FRAME_LIMIT, &frame), 1);
	assert_int_equal(in.size, 0);
	assert_int_equal(frame.type, type);
	return frame.payload;
}

static struct call_event
sample_call(void)
{
	struct call_event call = {
		.protocol = PROTOCOL_http,
		.connection = 77,
		.flags = CALL_HAS_REQUEST | CALL_HAS_RESPONSE | CALL_IS_ERROR,
		.reason = CALL_REASON_HOLE_BEFORE,
		.client = { { 10, 1, 2, 3 }, 40000 },
		.server = { { 10, 1, 2, 4 }, 80 },
		.ip_protocol = 6,
		.status = 404,
	};

	call.fields[FIELD_METHOD] = bytes_of("GET");
	call.fields[FIELD_SUMMARY] = bytes_of("a \0 b");
	call.request.first_ns = 1700000000123456789;
	call.request.last_ns = 1700000000123456790;
	call.request.wire_bytes = 300;
	call.request.packet = (struct packet_ref){ 3, 1ULL << 40 };
	call.request.head_ref = (struct payload_ref){ 12, 100, 200 };
	call.response.body_ref = (struct payload_ref){ 1ULL << 62, 7, 8 };
	call.response.content_type = bytes_of("text/html");
	call.response.encoding = ENCODING_BROTLI;
	call.response.body_wire_bytes = 5;
	call.response.body_bytes = 500;
	return call;
}

/* As the first call of all. */
static void
encode_first(struct buf *wire, const struct call_event *call)
{
	struct event_memory memory = { 0 };

	event_encode_call(wire, &memory, call);
}

static int
decode_first(struct bytes payload, struct call_event *call)
{
	static struct event_memory memory; /* outlives the slices of `call` */

	memset(&memory, 0, sizeof(memory));
	return event_decode_call(payload, &memory, call);
}

static void
a_call_survives_the_wire(void **state)
{
	struct call_event in = sample_call(), out;
	struct buf wire;

	(void)state;
	buf_init(&wire, 1 << 16);
	encode_first(&wire, &in);
	assert_int_equal(decode_first(payload_of(&wire, EVENT_CALL), &out),
			 0);
	assert_int_equal(out.protocol, PROTOCOL_http);
	assert_int_equal(out.connection, 77);
	assert_int_equal(out.flags, in.flags);
	assert_int_equal(out.reason, CALL_REASON_HOLE_BEFORE);
	assert_memory_equal(&out.client, &in.client, sizeof(in.client));
	assert_memory_equal(&out.server, &in.server, sizeof(in.server));
	assert_int_equal(out.ip_protocol, 6);
	assert_int_equal(out.status, 404);
	for (int i = 0; i < FIELD_COUNT; i++)
		assert_true(bytes_equal(out.fields[i], in.fields[i]));
	assert_int_equal(out.request.first_ns, 1700000000123456789);
	assert_int_equal(out.request.last_ns, 1700000000123456790);
	assert_int_equal(out.request.wire_bytes, 300);
	assert_int_equal(out.request.packet.segment, 3);
	assert_int_equal(out.request.packet.offset, 1ULL << 40);
	assert_int_equal(out.request.head_ref.block, 12);
	assert_int_equal(out.request.head_ref.offset, 100);
	assert_int_equal(out.request.head_ref.size, 200);
	assert_int_equal(out.response.body_ref.block, 1ULL << 62);
	assert_true(bytes_equal(out.response.content_type,
				bytes_of("text/html")));
	assert_int_equal(out.response.encoding, ENCODING_BROTLI);
	assert_int_equal(out.response.body_bytes, 500);
	buf_free(&wire);
}

/* Encodes and decodes one more call; returns the bytes it took. */
static size_t
send_next(struct event_memory memories[2], const struct call_event *in)
{
	struct call_event out;
	struct buf wire;
	size_t size;

	buf_init(&wire, 1 << 16);
	event_encode_call(&wire, &memories[0], in);
	assert_int_equal(event_decode_call(payload_of(&wire, EVENT_CALL),
					   &memories[1], &out),
			 0);
	for (int i = 0; i < FIELD_COUNT; i++)
		assert_true(bytes_equal(out.fields[i], in->fields[i]));
	assert_true(bytes_equal(out.request.content_type,
				in->request.content_type));
	assert_true(bytes_equal(out.response.content_type,
				in->response.content_type));
	assert_memory_equal(out.client.ip, in->client.ip, 16);
	assert_memory_equal(out.server.ip, in->server.ip, 16);
	assert_int_equal(out.client.port, in->client.port);
	assert_int_equal(out.request.first_ns, in->request.first_ns);
	assert_int_equal(out.request.last_ns, in->request.last_ns);
	assert_int_equal(out.response.first_ns, in->response.first_ns);
	assert_int_equal(out.response.last_ns, in->response.last_ns);
	size = wire.size;
	buf_free(&wire);
	return size;
}

static void
a_call_may_lean_on_the_one_before(void **state)
{
	struct event_memory memories[2] = { 0 };
	struct call_event call = sample_call();
	char text[EVENT_MEMORY_TEXT + 2];
	size_t first, same;

	(void)state;
	first = send_next(memories, &call);
	same = send_next(memories, &call);
	assert_true(same + 40 < first);
	/* Back in time, other texts, none, and from the other end. */
	call.request.first_ns -= 1000000000;
	call.request.last_ns += 5;
	call.fields[FIELD_METHOD] = bytes_of("PUT");
	call.fields[FIELD_SUMMARY] = bytes_of("");
	call.client.ip[15] = 1;
	call.client.port++;
	assert_true(send_next(memories, &call) < first);
	/* Texts around the longest that is remembered. */
	memset(text, 'x', sizeof(text));
	for (size_t size = 0; size <= sizeof(text); size++) {
		call.fields[FIELD_PATH] = bytes_make(text, size);
		send_next(memories, &call);
		send_next(memories, &call);
		call.fields[FIELD_PATH] = bytes_of("short");
		send_next(memories, &call);
	}
}

static void
a_call_without_a_status_keeps_none(void **state)
{
	struct call_event in = { .status = -1 }, out;
	struct buf wire;

	(void)state;
	buf_init(&wire, 1 << 16);
	encode_first(&wire, &in);
	assert_int_equal(decode_first(payload_of(&wire, EVENT_CALL), &out),
			 0);
	assert_int_equal(out.status, -1);
	buf_free(&wire);
}

static void
times_outside_the_range_are_clamped_by_the_encoder(void **state)
{
	struct call_event in = { 0 }, out;
	struct buf wire;

	(void)state;
	in.request.first_ns = -5;
	in.request.last_ns = INT64_MAX;
	buf_init(&wire, 1 << 16);
	encode_first(&wire, &in);
	assert_int_equal(decode_first(payload_of(&wire, EVENT_CALL), &out),
			 0);
	assert_int_equal(out.request.first_ns, 0);
	assert_int_equal(out.request.last_ns, EVENT_TIME_MAX);
	buf_free(&wire);
}

static void
every_prefix_of_a_call_is_refused(void **state)
{
	struct call_event in = sample_call(), out;
	struct bytes whole;
	struct buf wire;

	(void)state;
	buf_init(&wire, 1 << 16);
	encode_first(&wire, &in);
	whole = payload_of(&wire, EVENT_CALL);
	for (size_t size = 0; size < whole.size; size++) {
		/* A copy of its own, so that ASan sees a read past the end. */
		uint8_t *copy = malloc(size ? size : 1);

		memcpy(copy, whole.data, size);
		assert_int_equal(decode_first(bytes_make(copy, size),
					      &out),
				 ERR_CORRUPT);
		free(copy);
	}
	buf_free(&wire);
}

static void
trailing_bytes_are_refused(void **state)
{
	struct call_event in = sample_call(), out;
	struct bytes payload;
	struct buf wire;

	(void)state;
	buf_init(&wire, 1 << 16);
	encode_first(&wire, &in);
	buf_u8(&wire, 0);
	payload = bytes_from(buf_view(&wire), FRAME_HEADER);
	assert_int_equal(decode_first(payload, &out), ERR_CORRUPT);
	buf_free(&wire);
}

/* Encodes one call with something impossible in it, and decodes it. */
static int
decode_changed(void (*change)(struct call_event *call))
{
	struct call_event in = sample_call(), out;
	struct buf wire;
	int rc;

	change(&in);
	buf_init(&wire, 1 << 16);
	encode_first(&wire, &in);
	rc = decode_first(payload_of(&wire, EVENT_CALL), &out);
	buf_free(&wire);
	return rc;
}

static void
unknown_protocol(struct call_event *call)
{
	*(unsigned *)&call->protocol = PROTOCOL_COUNT;
}

static void
unknown_flag(struct call_event *call)
{
	call->flags |= 1u << 31;
}

static void
unknown_reason(struct call_event *call)
{
	*(unsigned *)&call->reason = CALL_REASON_COUNT;
}

static void
unknown_encoding(struct call_event *call)
{
	*(unsigned *)&call->request.encoding = ENCODING_UNKNOWN + 1;
}

static void
block_id_beyond_sqlite(struct call_event *call)
{
	call->request.head_ref.block = 1ULL << 63;
}

static void
payload_past_4_gib(struct call_event *call)
{
	call->request.head_ref.offset = UINT32_MAX;
}

static void
connection_beyond_sqlite(struct call_event *call)
{
	call->connection = UINT64_MAX;
}

static void
no_change(struct call_event *call)
{
	(void)call;
}

static void
values_that_mean_nothing_are_refused(void **state)
{
	(void)state;
	assert_int_equal(decode_changed(no_change), 0);
	assert_int_equal(decode_changed(unknown_protocol), ERR_CORRUPT);
	assert_int_equal(decode_changed(unknown_flag), ERR_CORRUPT);
	assert_int_equal(decode_changed(unknown_reason), ERR_CORRUPT);
	assert_int_equal(decode_changed(unknown_encoding), ERR_CORRUPT);
	assert_int_equal(decode_changed(block_id_beyond_sqlite), ERR_CORRUPT);
	assert_int_equal(decode_changed(payload_past_4_gib), ERR_CORRUPT);
	assert_int_equal(decode_changed(connection_beyond_sqlite), ERR_CORRUPT);
}

static struct connection_event
sample_connection(void)
{
	return (struct connection_event){
		.id = 9,
		.client = { { 1 }, 1234 },
		.server = { { 2 }, 443 },
		.ip_protocol = 6,
		.protocol = PROTOCOL_UNKNOWN,
		.state = CONNECTION_RESET,
		.midstream = true,
		.one_direction = true,
		.vlan = 4094,
		.interface = 2,
		.first_ns = 10,
		.last_ns = 20,
		.packets = { 3, 4 },
		.wire_bytes = { 5, 6 },
		.duplicate_packets = 7,
		.undissected_bytes = 8,
		.calls = 9,
		.first_bytes = { { (const uint8_t *)"\x16\x03", 2 } },
		.packet = { 1, 24 },
		.tcp = {
			.completeness = 63,
			.initial_rtt_ns = 1000,
			.window_scale = { 7, 255 },
			.payload_bytes = { 11, 12 },
			.overlaps_differing = { 13, 14 },
		},
	};
}

static void
a_connection_survives_the_wire(void **state)
{
	struct connection_event in = sample_connection(), out;
	struct buf wire;

	(void)state;
	buf_init(&wire, 1 << 16);
	event_encode_connection(&wire, &in);
	assert_int_equal(event_decode_connection(
				 payload_of(&wire, EVENT_CONNECTION), &out),
			 0);
	assert_int_equal(out.id, 9);
	assert_int_equal(out.state, CONNECTION_RESET);
	assert_true(out.midstream);
	assert_false(out.direction_guessed);
	assert_true(out.one_direction);
	assert_int_equal(out.vlan, 4094);
	assert_int_equal(out.packets[1], 4);
	assert_int_equal(out.wire_bytes[0], 5);
	assert_int_equal(out.duplicate_packets, 7);
	assert_int_equal(out.undissected_bytes, 8);
	assert_true(bytes_equal(out.first_bytes[0], in.first_bytes[0]));
	assert_int_equal(out.first_bytes[1].size, 0);
	assert_int_equal(out.packet.offset, 24);
	assert_int_equal(out.tcp.completeness, 63);
	assert_int_equal(out.tcp.initial_rtt_ns, 1000);
	assert_int_equal(out.tcp.window_scale[1], 255);
	assert_int_equal(out.tcp.payload_bytes[1], 12);
	assert_int_equal(out.tcp.overlaps_differing[0], 13);
	buf_free(&wire);
}

static void
a_connection_in_no_known_state_is_refused(void **state)
{
	struct connection_event in = sample_connection(), out;
	struct buf wire;

	(void)state;
	*(unsigned *)&in.state = CONNECTION_EVICTED + 1;
	buf_init(&wire, 1 << 16);
	event_encode_connection(&wire, &in);
	assert_int_equal(event_decode_connection(
				 payload_of(&wire, EVENT_CONNECTION), &out),
			 ERR_CORRUPT);
	buf_free(&wire);
}

static void
blocks_names_and_progress_survive_the_wire(void **state)
{
	struct payload_block block = { 5, true, 4000, bytes_of("zstd") };
	struct name_event name = { { 1, 2 }, bytes_of("example.test"), 99 };
	struct descriptor_event descriptor = {
		{ { 1, 2, 3 }, 50051 }, 98, bytes_of("a.proto"), bytes_of("file")
	};
	struct event_progress progress = { .bytes_read = 1, .packets = 2,
					   .time_ns = 3,
					   .damaged_segments = 4 };
	struct buf wire;

	(void)state;
	progress.coverage.holes = 42;
	buf_init(&wire, 1 << 16);
	event_encode_block(&wire, &block);
	memset(&block, 0, sizeof(block));
	assert_int_equal(
		event_decode_block(payload_of(&wire, EVENT_BLOCK), &block), 0);
	assert_int_equal(block.block, 5);
	assert_true(block.bodies);
	assert_int_equal(block.raw_size, 4000);
	assert_true(bytes_equal(block.compressed, bytes_of("zstd")));

	buf_reset(&wire);
	event_encode_name(&wire, &name);
	memset(&name, 0, sizeof(name));
	assert_int_equal(event_decode_name(payload_of(&wire, EVENT_NAME),
					   &name),
			 0);
	assert_int_equal(name.ip[1], 2);
	assert_int_equal(name.time_ns, 99);
	assert_true(bytes_equal(name.name, bytes_of("example.test")));

	buf_reset(&wire);
	event_encode_descriptor(&wire, &descriptor);
	memset(&descriptor, 0, sizeof(descriptor));
	assert_int_equal(event_decode_descriptor(
				 payload_of(&wire, EVENT_DESCRIPTOR),
				 &descriptor),
			 0);
	assert_int_equal(descriptor.server.ip[2], 3);
	assert_int_equal(descriptor.server.port, 50051);
	assert_int_equal(descriptor.time_ns, 98);
	assert_true(bytes_equal(descriptor.name, bytes_of("a.proto")));
	assert_true(bytes_equal(descriptor.file, bytes_of("file")));

	buf_reset(&wire);
	event_encode_done(&wire, &progress);
	memset(&progress, 0, sizeof(progress));
	assert_int_equal(event_decode_progress(payload_of(&wire, EVENT_DONE),
					       &progress),
			 0);
	assert_int_equal(progress.bytes_read, 1);
	assert_int_equal(progress.packets, 2);
	assert_int_equal(progress.time_ns, 3);
	assert_int_equal(progress.damaged_segments, 4);
	assert_int_equal(progress.coverage.holes, 42);
	buf_free(&wire);
}

static struct process_event
sample_process(void)
{
	return (struct process_event){
		.stream = 3,
		.process = { .id = 1ULL << 40,
			     .pid = 4711,
			     .parent = 1,
			     .uid = UINT32_MAX,
			     .from_ns = 1700000000123456789,
			     .to_ns = 0,
			     .cgroup = 1ULL << 50,
			     .netns = 4026531840,
			     .mechanism = IDENTITY_MECHANISM_COUNT - 1,
			     .name = bytes_of("nginx"),
			     .executable = bytes_of("/usr/sbin/nginx"),
			     .cgroup_path = bytes_of("/a/b"),
			     .container = bytes_of("c1"),
			     .pod = bytes_of("p1"),
			     .pod_namespace = bytes_of("n1"),
			     .pod_uid = bytes_of("u1"),
			     .pod_container = bytes_of("pc1"),
			     .kubernetes_mechanism = bytes_of("logs") },
	};
}

static void
assert_same_process(const struct identity_process *a,
		    const struct identity_process *b)
{
	const struct bytes left[] = { a->name, a->executable, a->cgroup_path,
				      a->container, a->pod, a->pod_namespace,
				      a->pod_uid, a->pod_container,
				      a->kubernetes_mechanism };
	const struct bytes right[] = { b->name, b->executable, b->cgroup_path,
				       b->container, b->pod, b->pod_namespace,
				       b->pod_uid, b->pod_container,
				       b->kubernetes_mechanism };

	assert_int_equal(a->id, b->id);
	assert_int_equal(a->pid, b->pid);
	assert_int_equal(a->parent, b->parent);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->from_ns, b->from_ns);
	assert_int_equal(a->to_ns, b->to_ns);
	assert_int_equal(a->cgroup, b->cgroup);
	assert_int_equal(a->netns, b->netns);
	assert_int_equal(a->mechanism, b->mechanism);
	for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++)
		assert_true(bytes_equal(left[i], right[i]));
}

static void
a_process_survives_the_wire(void **state)
{
	struct process_event in = sample_process(), out;
	struct bytes payload;
	struct buf wire;

	(void)state;
	buf_init(&wire, 1 << 16);
	event_encode_process(&wire, &in);
	payload = payload_of(&wire, EVENT_PROCESS);
	assert_int_equal(event_decode_process(payload, &out), 0);
	assert_int_equal(out.stream, 3);
	assert_same_process(&in.process, &out.process);
	for (size_t i = 0; i < payload.size; i++) {
		uint8_t *exact = malloc(i + !i);

		assert_non_null(exact);
		memcpy(exact, payload.data, i);
		assert_int_equal(event_decode_process(bytes_make(exact, i),
						      &out), ERR_CORRUPT);
		free(exact);
	}
	buf_free(&wire);
}

/* Strings are cut by the encoder; what a parser sends uncut is refused. */
static void
strings_of_a_process_have_a_limit(void **state)
{
	struct process_event in = sample_process(), out;
	char *text = calloc(1, IDENTITY_STRING_MAX + 2);
	struct bytes payload;
	struct buf wire, longer;
	size_t at;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', IDENTITY_STRING_MAX + 1);
	buf_init(&wire, 1 << 20);
	buf_init(&longer, 1 << 20);
	in.process.kubernetes_mechanism = bytes_of(text);
	event_encode_process(&wire, &in);
	payload = payload_of(&wire, EVENT_PROCESS);
	assert_int_equal(event_decode_process(payload, &out), 0);
	assert_int_equal(out.process.kubernetes_mechanism.size,
			 IDENTITY_STRING_MAX);
	/* The last string, one byte longer; before it is its size as a varint,
	 * 0x80 0x20. */
	at = payload.size - IDENTITY_STRING_MAX - 2;
	assert_int_equal(payload.data[at], 0x80);
	buf_bytes(&longer, bytes_first(payload, at));
	buf_u8(&longer, 0x81);
	buf_bytes(&longer, bytes_from(payload, at + 1));
	buf_u8(&longer, 'x');
	assert_int_equal(event_decode_process(buf_view(&longer), &out),
			 ERR_CORRUPT);
	buf_free(&longer);
	buf_free(&wire);
	free(text);
}

static void
a_process_told_by_nothing_known_is_refused(void **state)
{
	struct process_event in = sample_process(), out;
	struct bytes payload;
	struct buf wire;

	(void)state;
	in.process.mechanism = IDENTITY_MECHANISM_COUNT;
	buf_init(&wire, 1 << 16);
	event_encode_process(&wire, &in);
	payload = payload_of(&wire, EVENT_PROCESS);
	assert_int_equal(event_decode_process(payload, &out), ERR_CORRUPT);
	in.process.mechanism = 0;
	buf_reset(&wire);
	event_encode_process(&wire, &in);
	payload = payload_of(&wire, EVENT_PROCESS);
	assert_int_equal(event_decode_process(payload, &out), 0);
	buf_free(&wire);
}

static void
an_empty_block_is_refused(void **state)
{
	struct payload_block block = { 5, true, 0, bytes_of("zstd") };
	struct buf wire;

	(void)state;
	buf_init(&wire, 1 << 16);
	event_encode_block(&wire, &block);
	assert_int_equal(
		event_decode_block(payload_of(&wire, EVENT_BLOCK), &block),
		ERR_CORRUPT);
	buf_free(&wire);
}

static void
a_full_buffer_gets_no_half_frame(void **state)
{
	struct call_event call = sample_call();
	struct buf wire;

	(void)state;
	buf_init(&wire, 100);
	encode_first(&wire, &call);
	assert_true(wire.failed);
	assert_int_equal(wire.size, 0);
	buf_free(&wire);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_survives_the_wire),
		cmocka_unit_test(a_call_may_lean_on_the_one_before),
		cmocka_unit_test(a_call_without_a_status_keeps_none),
		cmocka_unit_test(
			times_outside_the_range_are_clamped_by_the_encoder),
		cmocka_unit_test(every_prefix_of_a_call_is_refused),
		cmocka_unit_test(trailing_bytes_are_refused),
		cmocka_unit_test(values_that_mean_nothing_are_refused),
		cmocka_unit_test(a_connection_survives_the_wire),
		cmocka_unit_test(a_connection_in_no_known_state_is_refused),
		cmocka_unit_test(blocks_names_and_progress_survive_the_wire),
		cmocka_unit_test(a_process_survives_the_wire),
		cmocka_unit_test(strings_of_a_process_have_a_limit),
		cmocka_unit_test(a_process_told_by_nothing_known_is_refused),
		cmocka_unit_test(an_empty_block_is_refused),
		cmocka_unit_test(a_full_buffer_gets_no_half_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
