/* SPDX-License-Identifier: Apache-2.0 */
/* What golden cases cannot say: times, packets, memory, options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dissect/stream.h"

#define REQUEST "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"

struct fixture {
	struct stream_context context;
	struct coverage coverage;
	struct stream *stream;
	uint64_t sent[2];
	uint64_t packets;
	unsigned calls;
	struct call_event last; /* slices not valid any more */
	size_t body_kept;
};

static void
on_call(void *context, struct call_event *call)
{
	struct fixture *f = context;

	f->calls++;
	f->last = *call;
	f->body_kept = call->request.body.size + call->response.body.size;
}

static void
begin(struct fixture *f, uint8_t ip_protocol, uint16_t server_port)
{
	struct stream_identity identity = { .connection = 42,
					    .client = { .port = 50000 },
					    .server = { .port = server_port },
					    .ip_protocol = ip_protocol };

	f->stream = stream_new(&f->context, &identity);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return 1;
	f->context = (struct stream_context){
		.options = { UINT64_MAX, 1 << 16, 1 << 16, 16 },
		.events = { .context = f, .call = on_call },
		.coverage = &f->coverage,
		.buffered_limit = 1 << 20,
	};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	stream_free(f->stream, CALL_REASON_NO_RESPONSE);
	assert_int_equal(f->context.buffered, 0);
	assert_int_equal(f->context.streams, 0);
	assert_null(f->context.spare);
	free(f);
	return 0;
}

/* The n-th packet comes at n ms and stands at offset 100 × n. */
static void
send_bytes(struct fixture *f, enum side side, struct bytes data)
{
	struct stream_at at = {
		.time_ns = (int64_t)++f->packets * 1000000,
		.packet = { .segment = 3, .offset = f->packets * 100 },
		.position = f->sent[side],
		.acknowledged = f->sent[side_other(side)],
	};

	stream_data(f->stream, side, data, &at);
	f->sent[side] += data.size;
}

static void
send_text(struct fixture *f, enum side side, const char *text)
{
	send_bytes(f, side, bytes_of(text));
}

static void
times_and_packets_are_those_of_the_bytes(void **state)
{
	struct fixture *f = *state;

	begin(f, 6, 80);
	send_text(f, SIDE_CLIENT, "POST / HTTP/1.1\r\nContent-");
	send_text(f, SIDE_CLIENT, "Length: 4\r\n\r\nab");
	send_text(f, SIDE_CLIENT, "cd");
	send_text(f, SIDE_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
	send_text(f, SIDE_SERVER, "o");
	send_text(f, SIDE_SERVER, "k");
	assert_int_equal(f->calls, 1);
	assert_int_equal(f->last.connection, 42);
	assert_int_equal(f->last.request.first_ns, 1000000);
	assert_int_equal(f->last.request.last_ns, 3000000);
	assert_int_equal(f->last.request.packet.segment, 3);
	assert_int_equal(f->last.request.packet.offset, 100);
	assert_int_equal(f->last.response.first_ns, 4000000);
	assert_int_equal(f->last.response.last_ns, 6000000);
	assert_int_equal(f->last.response.packet.offset, 400);
}

static void
a_call_is_emitted_as_soon_as_its_last_byte_is_there(void **state)
{
	struct fixture *f = *state;

	begin(f, 6, 80);
	send_text(f, SIDE_CLIENT, REQUEST);
	send_text(f, SIDE_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
	assert_int_equal(f->calls, 0);
	send_text(f, SIDE_SERVER, "k");
	assert_int_equal(f->calls, 1);
	assert_int_equal(stream_calls(f->stream), 1);
}

static void
bodies_are_not_kept_beyond_the_memory_limit(void **state)
{
	struct fixture *f = *state;
	char block[1000];

	memset(block, 'x', sizeof(block));
	f->context.buffered_limit = 5000;
	begin(f, 6, 80);
	send_text(f, SIDE_CLIENT, REQUEST);
	send_text(f, SIDE_SERVER,
		  "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n");
	for (int i = 0; i < 20; i++) {
		send_bytes(f, SIDE_SERVER, bytes_make(block, sizeof(block)));
		assert_true(f->context.buffered <= 5000);
	}
	assert_int_equal(f->calls, 1);
	assert_true(f->last.flags & CALL_RESPONSE_TRUNCATED);
	assert_int_equal(f->last.response.body_wire_bytes, 20000);
	assert_true(f->body_kept < 5000);
	assert_true(f->coverage.bytes_given_up > 0);
}

static void
heads_are_given_up_beyond_the_memory_limit(void **state)
{
	struct fixture *f = *state;

	f->context.buffered_limit = 1000;
	begin(f, 6, 80);
	send_text(f, SIDE_CLIENT, "GET / HTTP/1.1\r\n");
	for (int i = 0; i < 200; i++) {
		send_text(f, SIDE_CLIENT, "X-Fill: 0123456789\r\n");
		assert_true(f->context.buffered <= 1000);
	}
	assert_true(f->coverage.bytes_given_up > 0);
}

static void
only_the_protocols_asked_for_are_found(void **state)
{
	struct fixture *f = *state;

	f->context.options.protocols = UINT64_C(1) << PROTOCOL_dns;
	begin(f, 6, 80);
	send_text(f, SIDE_CLIENT, REQUEST);
	assert_int_equal(stream_protocol(f->stream), PROTOCOL_UNKNOWN);
	assert_int_equal(stream_undissected(f->stream), strlen(REQUEST));
}

static void
the_first_bytes_of_unknown_traffic_are_kept(void **state)
{
	struct fixture *f = *state;
	struct bytes first;

	begin(f, 6, 4444);
	send_text(f, SIDE_SERVER, "\xff\xfe");
	send_text(f, SIDE_SERVER, "0123456789012345678901234567890123456789");
	first = stream_first_bytes(f->stream, SIDE_SERVER);
	assert_int_equal(first.size, 32);
	assert_memory_equal(first.data,
			    "\xff\xfe"
			    "012345678901234567890123456789",
			    32);
	assert_int_equal(stream_first_bytes(f->stream, SIDE_CLIENT).size, 0);
	assert_int_equal(stream_undissected(f->stream), 42);
}

static void
a_port_decides_only_what_the_content_leaves_open(void **state)
{
	/* A response without question and answers: header alone. */
	static const char refused[] = "\0\1\x80\5\0\0\0\0\0\0\0\0";
	struct fixture *f = *state;

	begin(f, 17, 5300);
	send_bytes(f, SIDE_SERVER, bytes_make(refused, 12));
	assert_int_equal(stream_protocol(f->stream), PROTOCOL_UNKNOWN);
	stream_free(f->stream, CALL_REASON_NO_RESPONSE);
	begin(f, 17, 53);
	send_bytes(f, SIDE_SERVER, bytes_make(refused, 12));
	assert_int_equal(stream_protocol(f->stream), PROTOCOL_dns);
}

static void
a_jump_of_the_position_is_a_hole(void **state)
{
	struct fixture *f = *state;

	begin(f, 6, 80);
	send_text(f, SIDE_CLIENT, REQUEST);
	send_text(f, SIDE_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab");
	f->sent[SIDE_SERVER] += 2;
	send_text(f, SIDE_SERVER, "ef");
	assert_int_equal(f->calls, 1);
	assert_true(f->last.flags & CALL_RESPONSE_INCOMPLETE);
	assert_int_equal(f->last.response.body_wire_bytes, 6);
}

static void
bytes_behind_the_end_of_a_side_are_counted_only(void **state)
{
	struct fixture *f = *state;

	begin(f, 6, 80);
	send_text(f, SIDE_CLIENT, REQUEST);
	stream_finish(f->stream, SIDE_CLIENT, true);
	send_text(f, SIDE_CLIENT, REQUEST);
	assert_int_equal(stream_undissected(f->stream), strlen(REQUEST));
	stream_free(f->stream, CALL_REASON_NO_RESPONSE);
	f->stream = NULL;
	assert_int_equal(f->calls, 1);
}

static void
a_stream_without_bytes_says_nothing(void **state)
{
	struct fixture *f = *state;

	begin(f, 6, 80);
	stream_finish(f->stream, SIDE_CLIENT, true);
	stream_finish(f->stream, SIDE_SERVER, false);
	stream_free(f->stream, CALL_REASON_CAPTURE_ENDED);
	stream_free(NULL, CALL_REASON_NONE);
	f->stream = NULL;
	assert_int_equal(f->calls, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(times_and_packets_are_those_of_the_bytes),
		TEST(a_call_is_emitted_as_soon_as_its_last_byte_is_there),
		TEST(bodies_are_not_kept_beyond_the_memory_limit),
		TEST(heads_are_given_up_beyond_the_memory_limit),
		TEST(only_the_protocols_asked_for_are_found),
		TEST(the_first_bytes_of_unknown_traffic_are_kept),
		TEST(a_port_decides_only_what_the_content_leaves_open),
		TEST(a_jump_of_the_position_is_a_hole),
		TEST(bytes_behind_the_end_of_a_side_are_counted_only),
		TEST(a_stream_without_bytes_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
