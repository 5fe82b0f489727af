/* SPDX-License-Identifier: Apache-2.0 */
/* Whose descriptors are used for whose calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dissect/job/descriptor_list.h"
#include "tests/support/protos.h"

/* A file with a message M of one field, and a service S with rpc R(M), of a
 * package. */
static void
say_of(struct descriptor_list *l, uint8_t host, const char *name,
       const char *package, const char *field, int64_t time_ns)
{
	const struct protos_field fields[] = {
		{ field, 1, DESCRIPTOR_STRING, NULL },
		{ NULL, 0, DESCRIPTOR_KINDS, NULL },
	};
	struct descriptor_event event = {
		.server = { .ip = { host }, .port = 80 },
		.time_ns = time_ns,
		.name = bytes_of(name),
	};
	struct buf file;

	buf_init(&file, 4096);
	protos_file(&file, name, package);
	protos_message(&file, "M", fields);
	protos_service(&file, "S", "R", "M", "M");
	event.file = buf_view(&file);
	descriptor_list_add(l, &event);
	buf_free(&file);
}

/* Of a package named as the file. */
static void
say(struct descriptor_list *l, uint8_t host, const char *name,
    const char *field, int64_t time_ns)
{
	say_of(l, host, name, name, field, time_ns);
}

/* What the field of a file's message is called for the calls of a host; ""
 * when the file is not known for them. */
static const char *
field_of(const struct descriptor_list *l, uint8_t host, const char *file)
{
	static char name[100];
	const uint8_t ip[16] = { host };
	struct descriptors *d = descriptors_new();
	const struct descriptor_field *field;
	uint32_t request, response;
	char method[100];

	descriptor_list_give(l, descriptor_list_group_of(l, ip, 80), d);
	descriptors_link(d);
	snprintf(method, sizeof(method), "%s.S/R", file);
	name[0] = 0;
	if (descriptors_method(d, bytes_of(method), &request, &response) &&
	    request != DESCRIPTORS_NONE) {
		field = descriptors_field(d, request, 1);
		assert_non_null(field);
		snprintf(name, sizeof(name), "%.*s", (int)field->name.size,
			 (const char *)field->name.data);
	}
	descriptors_free(d);
	return name;
}

static void
nothing_said(void **state)
{
	struct descriptor_list *l = descriptor_list_new();

	(void)state;
	assert_int_equal(descriptor_list_groups(l), 0);
	descriptor_list_free(l);
	descriptor_list_free(NULL);
}

static void
files_are_for_all_calls(void **state)
{
	struct descriptor_list *l = descriptor_list_new();

	(void)state;
	say(l, 1, "a", "x", 1);
	say(l, 2, "b", "y", 1);
	say(l, 2, "a", "x", 1);
	say(l, 1, "a", "x", 5);
	assert_int_equal(descriptor_list_groups(l), 1);
	for (uint8_t host = 1; host <= 3; host++) {
		assert_string_equal(field_of(l, host, "a"), "x");
		assert_string_equal(field_of(l, host, "b"), "y");
	}
	descriptor_list_free(l);
}

static void
contested_files_are_for_who_gave_them(void **state)
{
	struct descriptor_list *l = descriptor_list_new();

	(void)state;
	say(l, 1, "a", "x", 1);
	say(l, 2, "a", "z", 1);
	say(l, 1, "b", "y", 1);
	assert_int_equal(descriptor_list_groups(l), 3);
	assert_string_equal(field_of(l, 1, "a"), "x");
	assert_string_equal(field_of(l, 2, "a"), "z");
	assert_string_equal(field_of(l, 3, "a"), "");
	for (uint8_t host = 1; host <= 3; host++)
		assert_string_equal(field_of(l, host, "b"), "y");
	descriptor_list_free(l);
}

/* Types of one name in files of several: whose is meant is not known, unless
 * they say the same. */
static void
types_that_differ_have_no_names(void **state)
{
	struct descriptor_list *l = descriptor_list_new();

	(void)state;
	say_of(l, 1, "shop.proto", "shop", "price", 1);
	say_of(l, 2, "api/shop.proto", "shop", "secret", 1);
	say_of(l, 1, "desk.proto", "desk", "x", 1);
	say_of(l, 2, "api/desk.proto", "desk", "x", 1);
	assert_int_equal(descriptor_list_groups(l), 1);
	for (uint8_t host = 1; host <= 3; host++) {
		assert_string_equal(field_of(l, host, "shop"), "");
		assert_string_equal(field_of(l, host, "desk"), "x");
	}
	descriptor_list_free(l);
}

/* What a server says of itself counts before what others say. */
static void
own_types_come_first(void **state)
{
	struct descriptor_list *l = descriptor_list_new();

	(void)state;
	say(l, 1, "a", "x", 1);
	say(l, 2, "a", "z", 1);
	say_of(l, 3, "b", "a", "w", 1);
	assert_int_equal(descriptor_list_groups(l), 3);
	assert_string_equal(field_of(l, 1, "a"), "x");
	assert_string_equal(field_of(l, 2, "a"), "z");
	assert_string_equal(field_of(l, 3, "a"), "w");
	descriptor_list_free(l);
}

/* A server that was replaced while it was captured. */
static void
the_last_word_of_a_server(void **state)
{
	struct descriptor_list *l = descriptor_list_new();

	(void)state;
	say(l, 1, "a", "new", 9);
	say(l, 1, "a", "old", 3);
	say(l, 1, "a", "older", 2);
	assert_int_equal(descriptor_list_groups(l), 2);
	assert_string_equal(field_of(l, 1, "a"), "new");
	assert_string_equal(field_of(l, 2, "a"), "");
	descriptor_list_free(l);
}

static void
more_servers_than_have_a_group(void **state)
{
	struct descriptor_list *l = descriptor_list_new();
	char field[20];

	(void)state;
	for (uint8_t host = 1; host <= 40; host++) {
		snprintf(field, sizeof(field), "of%d", host);
		say(l, host, "a", field, 1);
	}
	assert_int_equal(descriptor_list_groups(l),
			 DESCRIPTOR_LIST_SERVERS + 1);
	assert_string_equal(field_of(l, 1, "a"), "of1");
	assert_string_equal(field_of(l, 40, "a"), "");
	descriptor_list_free(l);
}

static void
more_than_is_kept(void **state)
{
	struct descriptor_list *l = descriptor_list_new();
	char name[20];

	(void)state;
	for (int i = 0; i < DESCRIPTOR_LIST_FILES + 10; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		say(l, 1, name, "x", 1);
	}
	assert_int_equal(descriptor_list_left_out(l), 10);
	say(l, 2, "f7", "x", 1); /* one that is kept */
	assert_int_equal(descriptor_list_left_out(l), 10);
	assert_int_equal(descriptor_list_groups(l), 1);
	assert_string_equal(field_of(l, 2, "f7"), "x");
	descriptor_list_free(l);
}

static void
answers_without_end(void **state)
{
	struct descriptor_list *l = descriptor_list_new();

	(void)state;
	for (int i = 0; i < DESCRIPTOR_LIST_ANSWERS + 100; i++)
		say(l, (uint8_t)i, "a", i % 2 ? "x" : "y", i);
	assert_int_equal(descriptor_list_left_out(l), 100);
	assert_int_equal(descriptor_list_groups(l),
			 DESCRIPTOR_LIST_SERVERS + 1);
	descriptor_list_free(l);
}

static void
files_that_are_large(void **state)
{
	struct descriptor_list *l = descriptor_list_new();
	struct descriptor_event event = { .name = bytes_of("large") };
	struct buf file;

	(void)state;
	buf_init(&file, DESCRIPTOR_LIST_BYTES + 1);
	while (file.size <= DESCRIPTOR_LIST_BYTES)
		buf_u8(&file, 1);
	event.file = buf_view(&file);
	descriptor_list_add(l, &event);
	assert_int_equal(descriptor_list_left_out(l), 1);
	assert_int_equal(descriptor_list_groups(l), 0);
	say(l, 1, "a", "x", 1);
	assert_int_equal(descriptor_list_groups(l), 1);
	assert_string_equal(field_of(l, 1, "a"), "x");
	buf_free(&file);
	descriptor_list_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said),
		cmocka_unit_test(files_are_for_all_calls),
		cmocka_unit_test(contested_files_are_for_who_gave_them),
		cmocka_unit_test(types_that_differ_have_no_names),
		cmocka_unit_test(own_types_come_first),
		cmocka_unit_test(the_last_word_of_a_server),
		cmocka_unit_test(more_servers_than_have_a_group),
		cmocka_unit_test(more_than_is_kept),
		cmocka_unit_test(answers_without_end),
		cmocka_unit_test(files_that_are_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
