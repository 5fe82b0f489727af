/* SPDX-License-Identifier: Apache-2.0 */
/* What servers say of their types: what of it is passed on, and how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "dissect/application/application.h"
#include "dissect/application/reflection.h"
#include "tests/support/protos.h"

#define BODY   (8u << 20)
#define METHOD "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

struct talk {
	struct application *application;
	struct buf body, taken; /* names of the files, a line each */
	size_t files, bytes;
	struct call_event call;
};

static void
take(void *context, const struct descriptor_event *event)
{
	struct talk *t = context;

	t->files++;
	t->bytes += event->file.size;
	if (t->files > 100)
		return;
	assert_int_equal(event->server.port, t->call.server.port);
	assert_int_equal(event->time_ns, 7);
	buf_bytes(&t->taken, event->name);
	buf_u8(&t->taken, '\n');
}

static int
setup(void **state)
{
	struct talk *t = calloc(1, sizeof(*t));
	struct application_options options = {
		.body_limit = BODY,
		.ratio_limit = 200,
		.reflected = { t, take },
	};

	t->application = application_new(&options);
	buf_init(&t->body, BODY);
	buf_init(&t->taken, 1 << 20);
	t->call = (struct call_event){
		.protocol = PROTOCOL_grpc,
		.server = { .port = 50051 },
		.fields = { [FIELD_METHOD] = bytes_of(METHOD) },
		.response = { .last_ns = 7 },
	};
	*state = t;
	return 0;
}

static int
teardown(void **state)
{
	struct talk *t = *state;

	application_free(t->application);
	buf_free(&t->body);
	buf_free(&t->taken);
	free(t);
	return 0;
}

static void
answer_with(struct talk *t, const char *name)
{
	struct buf file, answer;

	buf_init(&file, 4096);
	buf_init(&answer, 4096);
	protos_file(&file, name, "shop");
	protos_answer(&answer, buf_view(&file));
	protos_frame(&t->body, false, buf_view(&answer));
	buf_free(&file);
	buf_free(&answer);
}

static void
see(struct talk *t)
{
	t->call.response.body = buf_view(&t->body);
	application_call(t->application, &t->call);
}

static void
expect(struct talk *t, const char *names)
{
	assert_string_equal(buf_cstr(&t->taken), names);
}

static void
left_out(struct talk *t, uint64_t count)
{
	assert_int_equal(application_descriptors_left_out(t->application),
			 count);
}

static void
every_file_of_every_answer(void **state)
{
	struct talk *t = *state;

	answer_with(t, "a.proto");
	answer_with(t, "b.proto");
	see(t);
	expect(t, "a.proto\nb.proto\n");
}

static void
the_older_name_of_the_service(void **state)
{
	struct talk *t = *state;

	answer_with(t, "a.proto");
	t->call.fields[FIELD_METHOD] =
		bytes_of("grpc.reflection.v1alpha.ServerReflection/"
			 "ServerReflectionInfo");
	see(t);
	expect(t, "a.proto\n");
}

static void
nothing_of_other_methods(void **state)
{
	struct talk *t = *state;

	answer_with(t, "a.proto");
	t->call.fields[FIELD_METHOD] = bytes_of("shop.Cart/Add");
	see(t);
	t->call.fields[FIELD_METHOD] = bytes_make(NULL, 0);
	see(t);
	expect(t, "");
}

/* Once of each server, however often it says so. */
static void
the_same_again(void **state)
{
	struct talk *t = *state;

	answer_with(t, "a.proto");
	answer_with(t, "a.proto");
	see(t);
	see(t);
	expect(t, "a.proto\n");
	t->call.server.port++;
	see(t);
	expect(t, "a.proto\na.proto\n");
	left_out(t, 0);
}

static void
an_answer_that_is_cut(void **state)
{
	struct talk *t = *state;

	answer_with(t, "a.proto");
	answer_with(t, "b.proto");
	t->body.size--;
	see(t);
	expect(t, "a.proto\n");
}

static void
what_is_no_file(void **state)
{
	struct talk *t = *state;
	struct buf answer;

	buf_init(&answer, 4096);
	protos_answer(&answer, bytes_of("\xff\xff"));
	protos_answer(&answer, bytes_of(""));
	protos_answer(&answer, bytes_of("\x12\x04shop")); /* without a name */
	protos_number(&answer, 4, 3);
	protos_text(&answer, 6, "\x0a\x05list!");
	protos_frame(&t->body, false, buf_view(&answer));
	answer_with(t, "a.proto");
	see(t);
	expect(t, "a.proto\n");
	left_out(t, 0);
	buf_free(&answer);
}

static void
a_name_that_is_long(void **state)
{
	struct talk *t = *state;
	char name[REFLECTION_NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	name[REFLECTION_NAME_MAX + 1] = 0;
	answer_with(t, name);
	see(t);
	expect(t, "");
	left_out(t, 1);
	buf_reset(&t->body);
	answer_with(t, name + 1);
	see(t);
	assert_int_equal(t->files, 1);
	left_out(t, 1);
}

/* What was passed on is not left out when it comes again and all is full. */
static void
the_same_again_without_room(void **state)
{
	struct talk *t = *state;
	struct buf file, answer;

	buf_init(&file, REFLECTION_BYTES_MAX);
	buf_init(&answer, 2 * REFLECTION_BYTES_MAX);
	protos_file(&file, "large", "p");
	while (file.size < REFLECTION_BYTES_MAX / 2 + 1)
		protos_text(&file, 12, "what is no longer than this");
	protos_answer(&answer, buf_view(&file));
	protos_frame(&t->body, false, buf_view(&answer));
	see(t);
	see(t);
	expect(t, "large\n");
	left_out(t, 0);
	t->call.server.port++;
	see(t);
	expect(t, "large\n");
	left_out(t, 1);
	buf_free(&file);
	buf_free(&answer);
}

static void
compressed(void **state)
{
	struct talk *t = *state;
	struct bytes message;
	uint8_t packed[4096];
	z_stream z = { .next_out = packed, .avail_out = sizeof(packed) };

	answer_with(t, "a.proto");
	message = bytes_from(buf_view(&t->body), 5);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8,
				      Z_DEFAULT_STRATEGY),
			 Z_OK);
	z.next_in = (uint8_t *)(uintptr_t)message.data;
	z.avail_in = (uInt)message.size;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_reset(&t->body);
	protos_frame(&t->body, true, bytes_make(packed, z.total_out));
	deflateEnd(&z);
	see(t);
	expect(t, "");
	t->call.response.encoding = ENCODING_GRPC_GZIP;
	see(t);
	expect(t, "a.proto\n");
}

/* A server that never ends to have another file. */
static void
without_end(void **state)
{
	struct talk *t = *state;
	char name[40];

	for (int i = 0; i < 20000; i++) {
		if (i % 1000 == 0)
			buf_reset(&t->body);
		snprintf(name, sizeof(name), "%d.proto", i);
		answer_with(t, name);
		if (i % 1000 == 999)
			see(t);
	}
	assert_int_equal(t->files, REFLECTION_FILES_MAX);
	left_out(t, 20000 - REFLECTION_FILES_MAX);
}

static void
files_that_are_large(void **state)
{
	struct talk *t = *state;
	struct buf file, answer;

	buf_init(&file, 2 << 20);
	buf_init(&answer, 2 << 20);
	for (int i = 0; i < 9; i++) {
		buf_reset(&file);
		buf_reset(&answer);
		buf_reset(&t->body);
		protos_file(&file, (const char[]){ (char)('a' + i), 0 }, "p");
		while (file.size < 1 << 20)
			protos_text(&file, 12, "what is no longer than this");
		protos_answer(&answer, buf_view(&file));
		protos_frame(&t->body, false, buf_view(&answer));
		see(t);
	}
	expect(t, "a\nb\nc\n");
	assert_true(t->bytes <= REFLECTION_BYTES_MAX);
	left_out(t, 6);
	see(t);
	left_out(t, 7);
	buf_free(&file);
	buf_free(&answer);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_file_of_every_answer),
		TEST(the_older_name_of_the_service),
		TEST(nothing_of_other_methods),
		TEST(the_same_again),
		TEST(an_answer_that_is_cut),
		TEST(what_is_no_file),
		TEST(a_name_that_is_long),
		TEST(the_same_again_without_room),
		TEST(compressed),
		TEST(without_end),
		TEST(files_that_are_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
