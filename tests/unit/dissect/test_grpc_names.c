/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of messages that get names, and those that must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dissect/application/application.h"
#include "dissect/application/grpc_names.h"
#include "dissect/application/protobuf_json.h"
#include "dissect/payload.h"
#include "tests/support/protos.h"

#define BODY (1u << 20)

struct fixture {
	struct descriptors *descriptors;
	uint32_t type;
	struct buf body, lines, scratch, out, message;
};

/* package shop; message Item { string name = 1; int32 count = 2; Item in = 3; }
 * service Cart { rpc Add(Item) returns (Item); } */
static void
put_shop(struct descriptors *d, const char *item)
{
	const struct protos_field fields[] = {
		{ "name", 1, DESCRIPTOR_STRING, NULL },
		{ "count", 2, DESCRIPTOR_INT32, NULL },
		{ "in", 3, DESCRIPTOR_MESSAGE, item },
		{ NULL, 0, DESCRIPTOR_KINDS, NULL },
	};
	struct buf file;

	buf_init(&file, 4096);
	protos_file(&file, "shop.proto", "shop");
	protos_message(&file, "Item", fields);
	protos_service(&file, "Cart", "Add", item, item);
	assert_true(descriptors_add_file(d, buf_view(&file)));
	buf_free(&file);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	uint32_t response;

	f->descriptors = descriptors_new();
	put_shop(f->descriptors, ".shop.Item");
	descriptors_link(f->descriptors);
	assert_true(descriptors_method(f->descriptors,
				       bytes_of("shop.Cart/Add"), &f->type,
				       &response));
	buf_init(&f->body, BODY);
	buf_init(&f->lines, BODY);
	buf_init(&f->message, BODY);
	buf_init(&f->scratch, 2 * PROTOBUF_JSON_MAX);
	buf_init(&f->out, PAYLOAD_MESSAGES_LIMIT);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	descriptors_free(f->descriptors);
	buf_free(&f->body);
	buf_free(&f->lines);
	buf_free(&f->message);
	buf_free(&f->scratch);
	buf_free(&f->out);
	free(f);
	return 0;
}

static void
put_item(struct fixture *f, const char *name, uint64_t count)
{
	buf_reset(&f->message);
	protos_text(&f->message, 1, name);
	protos_number(&f->message, 2, count);
	protos_frame(&f->body, false, buf_view(&f->message));
}

/* The lines of the body, as the parser writes them. */
static void
write_lines(struct fixture *f)
{
	const struct application_options options = { .body_limit = BODY,
						     .ratio_limit = 200 };
	struct application *a = application_new(&options);
	struct call_event call = {
		.protocol = PROTOCOL_grpc,
		.fields = { [FIELD_METHOD] = bytes_of("shop.Cart/Add") },
		.request = { .body = buf_view(&f->body) },
	};

	application_call(a, &call);
	buf_reset(&f->lines);
	buf_bytes(&f->lines, call.request.messages);
	application_free(a);
}

static bool
rename_all(struct fixture *f)
{
	buf_reset(&f->out);
	return grpc_names(f->descriptors, f->type, buf_view(&f->lines),
			  buf_view(&f->body), &f->scratch, &f->out);
}

static void
expect(struct fixture *f, const char *lines)
{
	assert_true(rename_all(f));
	assert_string_equal(buf_cstr(&f->out), lines);
}

static void
lines_keep_what_else_they_say(void **state)
{
	struct fixture *f = *state;

	put_item(f, "mug", 3);
	put_item(f, "cup", 4);
	buf_text(&f->lines,
		 "{\"time\":\"2026-11-27T11:41:24.125Z\",\"size\":77,"
		 "\"compressed\":true,\"message\":{\"1\":\"mug\",\"2\":3}}\n"
		 "{\"size\":7,\"message\":{\"1\":\"cup\",\"2\":4}}\n");
	expect(f,
	       "{\"time\":\"2026-11-27T11:41:24.125Z\",\"size\":77,"
	       "\"compressed\":true,\"message\":{\"name\":\"mug\","
	       "\"count\":3}}\n"
	       "{\"size\":7,\"message\":{\"name\":\"cup\",\"count\":4}}\n");
}

static void
what_the_parser_wrote(void **state)
{
	struct fixture *f = *state;

	put_item(f, "mug", 3);
	put_item(f, "", UINT64_MAX);
	write_lines(f);
	expect(f, "{\"size\":7,\"message\":{\"name\":\"mug\",\"count\":3}}\n"
		  "{\"size\":13,\"message\":{\"name\":\"\",\"count\":-1}}\n");
}

/* Twice the same: names are no numbers any more. */
static void
named_lines_stay(void **state)
{
	struct fixture *f = *state;

	put_item(f, "mug", 3);
	write_lines(f);
	assert_true(rename_all(f));
	buf_reset(&f->lines);
	buf_bytes(&f->lines, buf_view(&f->out));
	assert_false(rename_all(f));
}

/* A body that lost one of its messages. */
static void
lines_of_another_message(void **state)
{
	struct fixture *f = *state;

	put_item(f, "mug", 3);
	put_item(f, "cup", 4);
	buf_text(&f->lines, "{\"size\":7,\"message\":{\"1\":\"mug\",\"2\":3}}\n"
			    "{\"size\":7,\"message\":{\"1\":\"jug\",\"2\":3}}\n"
			    "{\"size\":7,\"message\":{\"1\":\"cup\",\"2\":4}}\n");
	expect(f, "{\"size\":7,\"message\":{\"name\":\"mug\",\"count\":3}}\n"
		  "{\"size\":7,\"message\":{\"1\":\"jug\",\"2\":3}}\n"
		  "{\"size\":7,\"message\":{\"1\":\"cup\",\"2\":4}}\n");
}

static void
bodies_that_are_cut(void **state)
{
	struct fixture *f = *state;

	put_item(f, "mug", 3);
	put_item(f, "cup", 4);
	write_lines(f);
	f->body.size--;
	expect(f, "{\"size\":7,\"message\":{\"name\":\"mug\",\"count\":3}}\n"
		  "{\"size\":7,\"message\":{\"1\":\"cup\",\"2\":4}}\n");
	f->body.size = 0;
	assert_false(rename_all(f));
}

/* A message that nobody could read stands for itself; those behind it have
 * their names. */
static void
messages_without_a_message(void **state)
{
	struct fixture *f = *state;

	put_item(f, "mug", 3);
	protos_frame(&f->body, true, bytes_of("what?"));
	protos_frame(&f->body, false, bytes_of("\xff\xff"));
	put_item(f, "cup", 4);
	write_lines(f);
	expect(f, "{\"size\":7,\"message\":{\"name\":\"mug\",\"count\":3}}\n"
		  "{\"size\":5,\"compressed\":true}\n"
		  "{\"size\":2,\"message\":null,\"data\":{\"base64\":"
		  "\"//8=\"}}\n"
		  "{\"size\":7,\"message\":{\"name\":\"cup\",\"count\":4}}\n");
}

static void
an_empty_message(void **state)
{
	struct fixture *f = *state;

	protos_frame(&f->body, false, bytes_make("", 0));
	write_lines(f);
	expect(f, "{\"size\":0,\"message\":{}}\n");
}

static size_t
count(const struct buf *lines, const char *what)
{
	struct bytes in = buf_view(lines);
	size_t found = 0;

	for (; in.size; in = bytes_from(in, 1))
		found += bytes_starts_with(in, what);
	return found;
}

/* Names are longer than numbers: what there is no room for is counted, with
 * what was counted before. */
static void
more_than_there_is_room_for(void **state)
{
	struct fixture *f = *state;
	char text[200];
	unsigned left = 0, before = 0;
	const char *at;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	for (int i = 0; i < 3000; i++)
		put_item(f, text, 1);
	write_lines(f);
	at = strstr(buf_cstr(&f->lines), "{\"left_out\":");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "{\"left_out\":%u}", &before), 1);
	assert_true(rename_all(f));
	assert_true(f->out.size <= PAYLOAD_MESSAGES_LIMIT);
	at = strstr(buf_cstr(&f->out), "{\"left_out\":");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "{\"left_out\":%u}", &left), 1);
	assert_true(left > before);
	assert_int_equal(count(&f->out, "\"name\"") + left, 3000);
	assert_int_equal(count(&f->out, "\"1\""), 0);
}

/* Lines are what a parser sent that may have been taken over. */
static void
lines_that_are_none(void **state)
{
	static const char *const lines[] = {
		"\n\n\n", "{\"left_out\":", "{\"left_out\":}\n",
		"{\"left_out\":99999999999999999999999}\nx\n", "x",
		",\"message\":", ",\"message\":\n", ",\"message\":{\n",
		"{\"message\":{\"1\":\"mug\",\"2\":3}}",
	};
	struct fixture *f = *state;

	put_item(f, "mug", 3);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		buf_reset(&f->lines);
		buf_text(&f->lines, lines[i]);
		assert_false(rename_all(f));
	}
}

/* Some servers name types within their scope (protobuf.js). */
static void
types_are_found_in_their_scope(void **state)
{
	static const char *const names[] = { "Item", "shop.Item", ".shop.Item" };
	struct fixture *f = *state;

	for (size_t i = 0; i < 3; i++) {
		struct descriptors *d = descriptors_new();
		const struct descriptor_field *field;
		uint32_t request, response;

		put_shop(d, names[i]);
		descriptors_link(d);
		assert_true(descriptors_method(d, bytes_of("shop.Cart/Add"),
					       &request, &response));
		assert_true(request != DESCRIPTORS_NONE);
		assert_int_equal(response, request);
		field = descriptors_field(d, request, 3);
		assert_non_null(field);
		assert_int_equal(field->type, request);
		descriptors_free(d);
	}
	(void)f;
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(lines_keep_what_else_they_say),
		TEST(what_the_parser_wrote),
		TEST(named_lines_stay),
		TEST(lines_of_another_message),
		TEST(bodies_that_are_cut),
		TEST(messages_without_a_message),
		TEST(an_empty_message),
		TEST(more_than_there_is_room_for),
		TEST(lines_that_are_none),
		TEST(types_are_found_in_their_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
