/* SPDX-License-Identifier: Apache-2.0 */
/* Keys behind Initial packets, and streams put together, of QUIC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "dissect/proto/http3_qpack.h"
#include "dissect/proto/quic_half.h"
#include "dissect/proto/quic_keys.h"
#include "dissect/proto/quic_streams.h"
#include "dissect/registry.h"
#include "dissect/stream_parts.h"
#include "tests/support/hex.h"

#define VERSION_1 1
#define VERSION_2 0x6b3343cfu
#define CHACHA 0x1303
#define STREAM_SIZE 600

/* Streams of one direction. */
enum { CONTROL_STREAM = 2, ENCODER_STREAM = 7, PUSH_STREAM = 3 };

static struct key_store *
store_of(const char *secret_digits, enum secret_label label,
	 uint8_t random)
{
	struct key_store *store = key_store_new(4);
	struct hex value = hex(secret_digits);
	struct secret secret = { .label = (uint8_t)label,
				 .has_random = true,
				 .size = (uint8_t)value.size };

	memset(secret.random, random, sizeof(secret.random));
	memcpy(secret.value, value.data, value.size);
	assert_true(key_store_add(store, &secret));
	return store;
}

/* The samples of RFC 9001 and RFC 9369, appendix A.5: a secret, its packet,
 * and the secret behind a key update. */
static void
check_sample(uint32_t number, const char *packet_digits, const char *updated)
{
	static const uint8_t random[KEY_RANDOM_SIZE] = { 0 };
	const struct quic_version *version = quic_version_find(number);
	struct key_query query = { .random = random };
	struct key_store *store = store_of(
		"9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21"
		"632b",
		SECRET_CLIENT_TRAFFIC, 0);
	struct hex whole = hex(packet_digits), next = hex(updated);
	struct quic_packet packet = {
		.type = QUIC_SHORT,
		.whole = bytes_make(whole.data, whole.size),
		.number_at = 1,
	};
	struct quic_keys keys;
	uint8_t out[sizeof(whole.data)];
	struct bytes plain;

	quic_keys_begin(&keys, store, &query);
	keys.expected[SIDE_CLIENT][SESSION_TRAFFIC] = 654360000;
	plain = quic_keys_open(&keys, SIDE_SERVER, version, &packet, out);
	assert_int_equal(plain.size, 0);
	plain = quic_keys_open(&keys, SIDE_CLIENT, version, &packet, out);
	assert_true(bytes_equal(plain, bytes_make("\x01", 1)));
	assert_int_equal(keys.levels[0][SESSION_TRAFFIC].suite->id, CHACHA);
	assert_true(keys.expected[0][SESSION_TRAFFIC] == 654360565);
	assert_memory_equal(keys.traffic[SIDE_CLIENT].secret, next.data,
			    next.size);
	whole.data[8] ^= 1;
	plain = quic_keys_open(&keys, SIDE_CLIENT, version, &packet, out);
	assert_int_equal(plain.size, 0);
	quic_keys_end(&keys);
	key_store_free(store);
}

static void
secrets_are_those_of_the_appendices(void **state)
{
	(void)state;
	check_sample(VERSION_1, "4cfe4189655e5cd55c41f69080575d7999c25a5bfb",
		     "1223504755036d556342ee9361d253421a826c9ecdf3c7148684b36b"
		     "714881f9");
	check_sample(VERSION_2, "5558b1c60ae7b6b932bc27d786f4bc2bb20f2162ba",
		     "c69374c49e3d2a9466fa689e49d476db5d0dfbc87d32ceeaa6343fd0"
		     "ae4c7d88");
}

/* Without the right secret the attempts end. */
static void
attempts_are_bounded(void **state)
{
	static const uint8_t random[KEY_RANDOM_SIZE] = { 1 };
	struct key_query query = { .random = random };
	struct key_store *store = store_of(
		"0000000000000000000000000000000000000000000000000000000000"
		"000000",
		SECRET_CLIENT_TRAFFIC, 1);
	struct hex whole = hex("4cfe4189655e5cd55c41f69080575d7999c25a5bfb");
	struct quic_packet packet = {
		.type = QUIC_SHORT,
		.whole = bytes_make(whole.data, whole.size),
		.number_at = 1,
	};
	struct quic_keys keys;
	uint8_t out[sizeof(whole.data)];

	(void)state;
	quic_keys_begin(&keys, store, &query);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(quic_keys_open(&keys, SIDE_CLIENT,
						quic_version_find(1), &packet,
						out)
					 .size,
				 0);
	assert_int_equal(keys.failures[SIDE_CLIENT][SESSION_TRAFFIC], 100);
	assert_null(keys.levels[SIDE_CLIENT][SESSION_TRAFFIC].suite);
	quic_keys_end(&keys);
	key_store_free(store);
}

/* A stream to talk to. */

static struct coverage coverage;
static struct stream_context context;
static struct stream *stream;

static struct call_event last_call; /* without its texts */

static void
note_call(void *unused, struct call_event *call)
{
	(void)unused;
	last_call = *call;
}

static int
make_stream(void **state)
{
	struct stream_identity identity = { .ip_protocol = 17 };

	(void)state;
	context = (struct stream_context){
		.options = { .body_limit = 1 << 16,
			     .head_limit = 1 << 16,
			     .pending_limit = 8 },
		.events = { .call = note_call },
		.coverage = &coverage,
		.buffered_limit = 4u << 20,
	};
	last_call = (struct call_event){ .status = 0 };
	stream = stream_new(&context, &identity);
	return 0;
}

static int
free_stream(void **state)
{
	(void)state;
	stream_free(stream, CALL_REASON_NO_RESPONSE);
	return context.buffered != 0;
}

/* What a half has given so far. */
struct given {
	struct quic_half half;
	uint8_t data[STREAM_SIZE];
	size_t size;
};

static void
take(struct given *g, struct bytes in)
{
	assert_true(g->size + in.size <= STREAM_SIZE);
	if (in.size)
		memcpy(g->data + g->size, in.data, in.size);
	g->size += in.size;
}

static void
add(struct given *g, const uint8_t *whole, size_t from, size_t size)
{
	struct quic_piece *piece;
	bool full;

	take(g, quic_half_add(&g->half, from, bytes_make(whole + from, size),
			      &stream->sink, &full));
	assert_false(full);
	while ((piece = quic_half_take(&g->half))) {
		take(g, buf_view(&piece->data));
		quic_half_free_piece(piece, &stream->sink);
	}
}

/* Random pieces in random order, again and again: what is given is what was
 * sent, as far as there is no gap. */
static void
pieces_come_in_order(void **state)
{
	uint8_t whole[STREAM_SIZE];

	(void)state;
	srand(7);
	for (size_t i = 0; i < STREAM_SIZE; i++)
		whole[i] = (uint8_t)(i * 31 + i / 256);
	for (int round = 0; round < 300; round++) {
		struct given g = { .size = 0 };
		bool have[STREAM_SIZE] = { false };
		size_t front;

		quic_half_init(&g.half);
		for (int i = 0; i < 40; i++) {
			size_t from = (size_t)rand() % STREAM_SIZE;
			size_t size = (size_t)rand() % (STREAM_SIZE - from);

			size = size % 60;
			memset(have + from, true, size);
			add(&g, whole, from, size);
		}
		for (front = 0; front < STREAM_SIZE && have[front]; front++)
			;
		assert_int_equal(g.size, front);
		assert_memory_equal(g.data, whole, front);
		assert_true(g.half.next == front);
		for (size_t at = 0; at < STREAM_SIZE; at += 25)
			add(&g, whole, at, 25);
		quic_half_end(&g.half, STREAM_SIZE);
		assert_true(quic_half_is_over(&g.half));
		assert_memory_equal(g.data, whole, STREAM_SIZE);
		assert_int_equal(g.half.bytes, 0);
		assert_null(g.half.pieces);
	}
}

/* No more gaps and bytes are kept than there may be. */
static void
pieces_are_bounded(void **state)
{
	static uint8_t block[1 << 16];
	struct quic_half half = { .next = 0 };
	bool full = false;
	size_t count = 0;

	(void)state;
	quic_half_init(&half);
	for (uint64_t at = 1; !full; at += 2, count++)
		quic_half_add(&half, at, bytes_make(block, 1), &stream->sink,
			      &full);
	assert_int_equal(count - 1, QUIC_HALF_PIECES);
	assert_true(quic_half_skip(&half) == 1);
	quic_half_drop(&half, &stream->sink);
	full = false;
	for (uint64_t at = 10; !full; at += sizeof(block))
		quic_half_add(&half, at, bytes_make(block, sizeof(block)),
			      &stream->sink, &full);
	assert_true(half.bytes <= QUIC_HALF_BYTES);
	assert_true(half.bytes > QUIC_HALF_BYTES - sizeof(block));
	quic_half_drop(&half, &stream->sink);
}

/* RFC 9204 §4.5: what refers to the table, between what does not. */
static void
unknown_entries_are_marked(void **state)
{
	/* 0x03 0x81: count 2, base 0.  :method GET, an entry, a name of the
	 * table of the standard, one of an entry, post-base ones, a literal. */
	struct hex section = hex("0381d1805101724301731002017623616263"
				 "0164");
	/* The name as a literal of 8 bytes (prefix of 3 bits). */
	struct hex expected = hex(
		"0000d1"
		"27013a756e6b6e6f776e00"
		"510172"
		"27013a756e6b6e6f776e0173"
		"27013a756e6b6e6f776e00"
		"27013a756e6b6e6f776e0176"
		"236162630164");
	struct buf out;

	(void)state;
	buf_init(&out, 1024);
	http3_qpack_unknown(bytes_make(section.data, section.size), &out);
	assert_false(out.failed);
	assert_int_equal(out.size, expected.size);
	assert_memory_equal(out.data, expected.data, expected.size);
	buf_free(&out);
	buf_init(&out, 1024);
	http3_qpack_unknown(bytes_make(section.data, section.size - 1), &out);
	assert_true(out.failed);
	buf_free(&out);
}

/* Streams of a connection, and what is said in them. */

static struct quic_streams *
make_streams(uint64_t *channels)
{
	stream->dissector = &dissector_quic;
	stream->conn = alloc_zero(1, dissector_quic.conn_size);
	stream->channels.state_size = dissector_quic.channel_size;
	pair_start(&stream->pair, PROTOCOL_quic, dissector_quic.pairing);
	return quic_streams_new(channels, bytes_of("1.3"), &stream->sink);
}

static void
say_chunk(struct quic_streams *streams, enum side side,
	  const struct quic_chunk *chunk)
{
	const struct sink_moment now = { .time_ns = 1 };

	stream->sink.side = side;
	sink_set_moment(&stream->sink, &now);
	quic_streams_data(streams, side, chunk, &stream->sink);
}

/* Something in the first stream. */
static void
say(struct quic_streams *streams, enum side side, uint64_t offset,
    struct bytes data, bool last)
{
	struct quic_chunk chunk = { .offset = offset,
				    .data = data,
				    .last = last };

	say_chunk(streams, side, &chunk);
}

/* All of a stream, or its beginning when it is one that does not end. */
static void
say_in(struct quic_streams *streams, uint64_t id, const char *digits)
{
	struct hex text = hex(digits);
	struct quic_chunk chunk = {
		.stream = id,
		.data = bytes_make(text.data, text.size),
		.last = id == PUSH_STREAM,
	};

	say_chunk(streams, id & 1 ? SIDE_SERVER : SIDE_CLIENT, &chunk);
}

/* HEADERS with :method GET and with :status 200 (RFC 9204, appendix A). */
static const uint8_t get[] = { 1, 3, 0, 0, 0xd1 };
static const uint8_t ok[] = { 1, 3, 0, 0, 0xd9 };

/* A frame of 2^62-1 bytes: what did not come is not counted. */
static void
sizes_that_lie_are_not_counted(void **state)
{
	static const uint8_t endless[] = { 0,	 0xff, 0xff, 0xff, 0xff, 0xff,
					   0xff, 0xff, 0xff, 'a',  'b',	 'c' };
	struct quic_streams *streams;
	uint64_t channels = 0;

	(void)state;
	streams = make_streams(&channels);
	say(streams, SIDE_CLIENT, 0, bytes_make(get, sizeof(get)), false);
	say(streams, SIDE_CLIENT, sizeof(get),
	    bytes_make(endless, sizeof(endless)), true);
	say(streams, SIDE_SERVER, 0, bytes_make(ok, sizeof(ok)), true);
	assert_int_equal(last_call.status, 200);
	assert_int_equal(last_call.request.wire_bytes,
			 sizeof(get) + sizeof(endless));
	assert_int_equal(last_call.request.body_wire_bytes, 3);
	quic_streams_free(streams, &stream->sink);
}

/* A packet that the capture lacks is the only one of a large body that is
 * missing, however much waits for it. */
static void
one_gap_is_one_gap(void **state)
{
	enum { CHUNK = 1000, CHUNKS = 3000 };
	/* DATA of CHUNK * CHUNKS bytes */
	static const uint8_t head[] = { 0, 0x80, 0x2d, 0xc6, 0xc0 };
	static uint8_t block[CHUNK];
	uint64_t channels = 0, offset = sizeof(ok) + sizeof(head);
	struct quic_streams *streams;

	(void)state;
	streams = make_streams(&channels);
	say(streams, SIDE_CLIENT, 0, bytes_make(get, sizeof(get)), true);
	say(streams, SIDE_SERVER, 0, bytes_make(ok, sizeof(ok)), false);
	say(streams, SIDE_SERVER, sizeof(ok), bytes_make(head, sizeof(head)),
	    false);
	for (int i = 0; i < CHUNKS; i++, offset += CHUNK)
		if (i != 2)
			say(streams, SIDE_SERVER, offset,
			    bytes_make(block, CHUNK), i == CHUNKS - 1);
	assert_int_equal(last_call.status, 200);
	assert_int_equal(last_call.response.body_wire_bytes,
			 CHUNK * (CHUNKS - 1));
	quic_streams_free(streams, &stream->sink);
}

/* SETTINGS that allow a table of 4096 bytes; an encoder that uses it, and adds
 * x: y (RFC 9204 §4.3). */
#define SETTINGS "000403015000"
#define ENCODER  "023fe11f41780179"

/* A response whose HEADERS need the entry of ENCODER, before that comes; behind
 * them DATA of so many bytes. */
static struct quic_streams *
answer_too_early(uint64_t *channels, uint32_t size)
{
	enum { CHUNK = 1000 };
	static const uint8_t headers[] = { 1, 4, 2, 0, 0xd9, 0x80 };
	static uint8_t block[CHUNK];
	const uint8_t head[] = { 0, (uint8_t)(0x80 | size >> 24),
				 (uint8_t)(size >> 16), (uint8_t)(size >> 8),
				 (uint8_t)size };
	struct quic_streams *streams = make_streams(channels);
	uint64_t offset = sizeof(headers) + sizeof(head);

	say_in(streams, CONTROL_STREAM, SETTINGS);
	say(streams, SIDE_CLIENT, 0, bytes_make(get, sizeof(get)), true);
	say(streams, SIDE_SERVER, 0, bytes_make(headers, sizeof(headers)),
	    false);
	say(streams, SIDE_SERVER, sizeof(headers),
	    bytes_make(head, sizeof(head)), false);
	for (uint32_t left = size; left; left -= CHUNK, offset += CHUNK)
		say(streams, SIDE_SERVER, offset, bytes_make(block, CHUNK),
		    left == CHUNK);
	return streams;
}

/* As its receiver has to wait. */
static void
a_head_waits_for_its_entries(void **state)
{
	uint64_t channels = 0, given_up = coverage.bytes_given_up;
	struct quic_streams *streams = answer_too_early(&channels, 200000);

	(void)state;
	assert_int_equal(last_call.flags, 0);
	say_in(streams, ENCODER_STREAM, ENCODER);
	assert_int_equal(last_call.status, 200);
	assert_int_equal(last_call.flags, CALL_HAS_REQUEST | CALL_HAS_RESPONSE |
						  CALL_RESPONSE_TRUNCATED);
	assert_int_equal(last_call.response.body_wire_bytes, 200000);
	assert_true(coverage.bytes_given_up == given_up);
	quic_streams_free(streams, &stream->sink);
}

/* When more waits than may, what is known of the head is told, and all that
 * follows. */
static void
a_head_is_read_when_there_is_no_room(void **state)
{
	uint64_t channels = 0, given_up = coverage.bytes_given_up;
	struct quic_streams *streams = answer_too_early(&channels, 400000);

	(void)state;
	assert_int_equal(last_call.status, 200);
	assert_int_equal(last_call.flags, CALL_HAS_REQUEST | CALL_HAS_RESPONSE |
						  CALL_RESPONSE_INCOMPLETE |
						  CALL_RESPONSE_TRUNCATED);
	assert_int_equal(last_call.response.body_wire_bytes, 400000);
	assert_true(coverage.bytes_given_up == given_up);
	quic_streams_free(streams, &stream->sink);
}

/* So it is when it is all memory that is used up. */
static void
a_head_is_read_when_memory_ends(void **state)
{
	struct quic_streams *streams;
	uint64_t channels = 0;

	(void)state;
	context.buffered_limit = 150000;
	streams = answer_too_early(&channels, 200000);
	assert_int_equal(last_call.status, 200);
	assert_true(last_call.flags & CALL_RESPONSE_INCOMPLETE);
	assert_int_equal(last_call.response.body_wire_bytes, 200000);
	quic_streams_free(streams, &stream->sink);
}

/* A call whose request is told by this PUSH_PROMISE, and what it is. */
static void
check_promise(const char *promise, uint32_t flags)
{
	struct hex frame = hex(promise);
	struct quic_streams *streams;
	uint64_t channels = 0;

	streams = make_streams(&channels);
	say(streams, SIDE_CLIENT, 0, bytes_make(get, sizeof(get)), true);
	say(streams, SIDE_SERVER, 0, bytes_make(frame.data, frame.size), false);
	assert_int_equal(last_call.flags, 0);
	say_in(streams, PUSH_STREAM, "010001030000d9");
	assert_int_equal(last_call.status, 200);
	assert_int_equal(last_call.flags,
			 CALL_HAS_REQUEST | CALL_HAS_RESPONSE | flags);
	quic_streams_free(streams, &stream->sink);
}

static void
a_promise_is_a_request(void **state)
{
	(void)state;
	check_promise("0504000000d1", 0);
}

/* An entry that the standard's table does not have. */
static void
a_promise_that_is_no_section(void **state)
{
	(void)state;
	check_promise("0506000000ffff7f", CALL_REQUEST_INCOMPLETE);
}

static void
a_promise_without_a_section(void **state)
{
	(void)state;
	check_promise("050100", CALL_REQUEST_INCOMPLETE);
}

/* Not even its number: it is what it came in that lacks something. */
static void
a_promise_of_nothing(void **state)
{
	static const uint8_t nothing[] = { 5, 0 };
	struct quic_streams *streams;
	uint64_t channels = 0;

	(void)state;
	streams = make_streams(&channels);
	say(streams, SIDE_CLIENT, 0, bytes_make(get, sizeof(get)), true);
	say(streams, SIDE_SERVER, 0, bytes_make(nothing, sizeof(nothing)),
	    false);
	say(streams, SIDE_SERVER, sizeof(nothing), bytes_make(ok, sizeof(ok)),
	    true);
	assert_int_equal(last_call.status, 200);
	assert_int_equal(last_call.flags, CALL_HAS_REQUEST | CALL_HAS_RESPONSE |
						  CALL_RESPONSE_INCOMPLETE);
	quic_streams_free(streams, &stream->sink);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_those_of_the_appendices),
		cmocka_unit_test(attempts_are_bounded),
		cmocka_unit_test_setup_teardown(pieces_come_in_order,
						make_stream, free_stream),
		cmocka_unit_test_setup_teardown(pieces_are_bounded,
						make_stream, free_stream),
		cmocka_unit_test(unknown_entries_are_marked),
		cmocka_unit_test_setup_teardown(sizes_that_lie_are_not_counted,
						make_stream, free_stream),
		cmocka_unit_test_setup_teardown(one_gap_is_one_gap,
						make_stream, free_stream),
		cmocka_unit_test_setup_teardown(a_head_waits_for_its_entries,
						make_stream, free_stream),
		cmocka_unit_test_setup_teardown(a_head_is_read_when_there_is_no_room,
						make_stream, free_stream),
		cmocka_unit_test_setup_teardown(a_head_is_read_when_memory_ends,
						make_stream, free_stream),
		cmocka_unit_test_setup_teardown(a_promise_is_a_request,
						make_stream, free_stream),
		cmocka_unit_test_setup_teardown(a_promise_that_is_no_section,
						make_stream, free_stream),
		cmocka_unit_test_setup_teardown(a_promise_without_a_section,
						make_stream, free_stream),
		cmocka_unit_test_setup_teardown(a_promise_of_nothing,
						make_stream, free_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
