/* SPDX-License-Identifier: Apache-2.0 */
/* What a parser may and may not make the writer store; parser 1 of 4. */
#include "dissect/job/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/err.h"

#define INDEX 1
#define COUNT 4
#define HEADS_BLOCK INDEX            /* 1, 9, 17, … */
#define BODIES_BLOCK (INDEX + COUNT) /* 5, 13, 21, … */

struct fixture {
	struct event_memory last_call;
	char path[40];
	struct store_writer *store;
	struct descriptor_list *descriptors;
	struct parser parser;
	struct buf wire;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	json_t *meta = json_object();
	int fd;

	memcpy(f->path, "/tmp/at-intake-XXXXXX", 22);
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(store_writer_open(f->path, meta, &f->store, NULL), 0);
	json_decref(meta);
	f->parser = (struct parser){ .index = INDEX, .count = COUNT,
				     .process = -1, .events = -1,
				     .channel = -1 };
	f->descriptors = descriptor_list_new();
	buf_init(&f->wire, 1 << 20);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	store_writer_abort(f->store);
	descriptor_list_free(f->descriptors);
	parser_free(&f->parser);
	buf_free(&f->wire);
	free(f);
	return 0;
}

/* Takes the one frame that was encoded into `wire`. */
static int
take(struct fixture *f)
{
	struct bytes in = buf_view(&f->wire);
	struct frame frame;
	int rc;

	assert_int_equal(frame_next(&in, EVENT_FRAME_LIMIT, &frame), 1);
	rc = intake_frame(f->store, f->descriptors, &f->parser, &frame);
	buf_reset(&f->wire);
	return rc;
}

static int
take_block(struct fixture *f, uint64_t id, bool bodies)
{
	struct payload_block block = { .block = id, .bodies = bodies,
				       .raw_size = 100 };
	char raw[100] = "payload", packed[200];
	size_t size = ZSTD_compress(packed, sizeof(packed), raw, sizeof(raw),
				    1);

	block.compressed = bytes_make(packed, size);
	event_encode_block(&f->wire, &block);
	return take(f);
}

static int
take_call(struct fixture *f, uint64_t connection, struct payload_ref head,
	  struct payload_ref body)
{
	struct call_event call = {
		.protocol = PROTOCOL_http,
		.connection = connection,
		.flags = CALL_HAS_REQUEST,
		.ip_protocol = 6,
		.status = -1,
	};

	call.request.first_ns = call.request.last_ns = 1;
	call.request.head_ref = head;
	call.request.body_ref = body;
	event_encode_call(&f->wire, &f->last_call, &call);
	return take(f);
}

static int
take_connection(struct fixture *f, uint64_t id)
{
	struct connection_event connection = { .id = id, .ip_protocol = 17 };

	event_encode_connection(&f->wire, &connection);
	return take(f);
}

static const struct payload_ref none;

static void
what_belongs_to_the_parser_is_stored(void **state)
{
	struct fixture *f = *state;
	struct payload_ref head = { HEADS_BLOCK, 0, 10 };
	struct payload_ref body = { BODIES_BLOCK, 90, 10 };

	assert_int_equal(take_block(f, HEADS_BLOCK, false), 0);
	assert_int_equal(take_block(f, BODIES_BLOCK, true), 0);
	assert_int_equal(take_call(f, INDEX + 2 * COUNT, head, body), 0);
	assert_int_equal(take_connection(f, INDEX + 2 * COUNT), 0);
	assert_int_equal(store_writer_counts(f->store).calls, 1);
	assert_int_equal(store_writer_counts(f->store).connections, 1);
}

static void
ids_of_another_shard_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(take_block(f, HEADS_BLOCK + 1, false), ERR_CORRUPT);
	assert_int_equal(take_call(f, 2, none, none), ERR_CORRUPT);
	assert_int_equal(take_connection(f, 4), ERR_CORRUPT);
	assert_int_equal(store_writer_counts(f->store).calls, 0);
	assert_int_equal(store_writer_counts(f->store).connections, 0);
}

static void
a_block_comes_once_in_order_and_of_its_kind(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(take_block(f, HEADS_BLOCK, true), ERR_CORRUPT);
	assert_int_equal(take_block(f, BODIES_BLOCK, false), ERR_CORRUPT);
	assert_int_equal(take_block(f, HEADS_BLOCK + 2 * COUNT, false), 0);
	assert_int_equal(take_block(f, HEADS_BLOCK + 2 * COUNT, false),
			 ERR_CORRUPT);
	assert_int_equal(take_block(f, HEADS_BLOCK, false), ERR_CORRUPT);
}

static void
payload_must_be_in_a_block_that_came_before(void **state)
{
	struct fixture *f = *state;
	struct payload_ref head = { HEADS_BLOCK, 0, 10 };
	struct payload_ref later = { HEADS_BLOCK + 2 * COUNT, 0, 10 };

	assert_int_equal(take_call(f, INDEX, head, none), ERR_CORRUPT);
	assert_int_equal(take_block(f, HEADS_BLOCK, false), 0);
	assert_int_equal(take_call(f, INDEX, head, none), 0);
	assert_int_equal(take_call(f, INDEX, later, none), ERR_CORRUPT);
	assert_int_equal(take_call(f, INDEX, none, head), ERR_CORRUPT);
}

static void
messages_must_be_in_a_block_that_came_before(void **state)
{
	struct fixture *f = *state;
	struct call_event call = { .protocol = PROTOCOL_grpc,
				   .connection = INDEX,
				   .flags = CALL_HAS_RESPONSE,
				   .status = -1 };

	for (int came = 0; came < 2; came++) {
		call.response.messages_ref =
			(struct payload_ref){ BODIES_BLOCK, 0, 10 };
		event_encode_call(&f->wire, &f->last_call, &call);
		assert_int_equal(take(f), came ? 0 : ERR_CORRUPT);
		if (!came)
			assert_int_equal(take_block(f, BODIES_BLOCK, true), 0);
	}
}

static void
descriptors_are_kept(void **state)
{
	struct fixture *f = *state;
	struct descriptor_event event = { .name = bytes_of("a.proto"),
					  .file = bytes_of("what it says") };

	event_encode_descriptor(&f->wire, &event);
	assert_int_equal(take(f), 0);
	assert_int_equal(descriptor_list_groups(f->descriptors), 1);
	event.file = bytes_make(NULL, 0);
	event_encode_descriptor(&f->wire, &event);
	assert_int_equal(take(f), ERR_CORRUPT);
	event.file = bytes_of("what it says");
	event.name = bytes_make(NULL, 0);
	event_encode_descriptor(&f->wire, &event);
	assert_int_equal(take(f), ERR_CORRUPT);
}

static void
a_connection_that_ends_twice_is_refused_and_the_next_is_welcome(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(take_connection(f, INDEX), 0);
	assert_int_equal(take_connection(f, INDEX), ERR_CORRUPT);
	assert_int_equal(take_connection(f, INDEX + COUNT), 0);
	assert_int_equal(store_writer_commit(f->store), 0);
}

static void
nothing_comes_after_the_end(void **state)
{
	struct fixture *f = *state;
	struct event_progress progress = { .packets = 5 };

	event_encode_done(&f->wire, &progress);
	assert_int_equal(take(f), 0);
	assert_true(f->parser.done);
	assert_int_equal(f->parser.progress.packets, 5);
	assert_int_equal(take_connection(f, INDEX), ERR_CORRUPT);
}

/* Processes are of no shard, and may come again; but they are checked. */
static void
a_process_is_taken_or_refused(void **state)
{
	struct fixture *f = *state;
	struct process_event event = {
		.stream = 1,
		.process = { .id = 7, .pid = 4711, .mechanism = 1,
			     .name = bytes_of("curl") },
	};

	for (int i = 0; i < 2; i++) {
		event_encode_process(&f->wire, &event);
		assert_int_equal(take(f), 0);
	}
	event.process.mechanism = UINT8_MAX;
	event_encode_process(&f->wire, &event);
	assert_int_equal(take(f), ERR_CORRUPT);
}

static void
an_event_of_no_kind_is_refused(void **state)
{
	struct fixture *f = *state;
	size_t frame = frame_begin(&f->wire, 99);

	frame_end(&f->wire, frame);
	assert_int_equal(take(f), ERR_CORRUPT);
}

static void
a_parser_that_gives_up_is_quoted_with_care(void **state)
{
	struct fixture *f = *state;

	event_encode_fault(&f->wire, "no \033[2J way");
	assert_int_equal(take(f), 0);
	assert_int_equal(f->parser.state, PARSER_FAILED);
	assert_non_null(strstr(f->parser.fault, "parser 2 of 4 gave up: no "));
	assert_null(strchr(f->parser.fault, '\033'));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_belongs_to_the_parser_is_stored),
		TEST(ids_of_another_shard_are_refused),
		TEST(a_block_comes_once_in_order_and_of_its_kind),
		TEST(payload_must_be_in_a_block_that_came_before),
		TEST(messages_must_be_in_a_block_that_came_before),
		TEST(descriptors_are_kept),
		TEST(a_connection_that_ends_twice_is_refused_and_the_next_is_welcome),
		TEST(nothing_comes_after_the_end),
		TEST(a_process_is_taken_or_refused),
		TEST(an_event_of_no_kind_is_refused),
		TEST(a_parser_that_gives_up_is_quoted_with_care),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
