/* SPDX-License-Identifier: Apache-2.0 */
/* The process that gives names to messages, in its sandbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "naming_fixture.h"
#include "tests/support/protos.h"

#define NUMBERED "{\"size\":5,\"message\":{\"1\":\"mug\"}}\n"
#define NAMED    "{\"size\":5,\"message\":{\"name\":\"mug\"}}\n"

static void
calls_of_all_servers(void **state)
{
	struct naming_fixture *f = *state;

	assert_string_equal(naming_run(f), "");
	for (int64_t id = 1; id <= NAMING_CALL_COUNT; id++)
		assert_string_equal(naming_messages(f, id), NAMED);
}

/* A second run finds nothing to do. */
static void
once_is_enough(void **state)
{
	struct naming_fixture *f = *state;
	uint64_t block;

	assert_string_equal(naming_run(f), "");
	assert_int_equal(store_writer_free_block(f->store, &block), 0);
	assert_true(block > f->setup.first_block);
	f->setup.first_block = block;
	assert_string_equal(naming_run(f), "");
	assert_int_equal(store_writer_free_block(f->store, &block), 0);
	assert_int_equal(block, f->setup.first_block);
	assert_string_equal(naming_messages(f, 1), NAMED);
}

/* Another file of that name: the first call has no types of its own. */
static void
calls_of_one_server(void **state)
{
	struct naming_fixture *f = *state;
	struct descriptor_event event = { .server = { .ip = { 3 }, .port = 1 },
					  .name = bytes_of("shop.proto"),
					  .file = bytes_of("\x0a\x01x") };

	descriptor_list_add(f->list, &event);
	assert_int_equal(descriptor_list_groups(f->list), 3);
	for (f->setup.group = 0; f->setup.group < 3; f->setup.group++)
		assert_string_equal(naming_run(f), "");
	assert_string_equal(naming_messages(f, 1), NUMBERED);
	assert_string_equal(naming_messages(f, 2), NAMED);
	assert_string_equal(naming_messages(f, 3), NAMED);
}

/* What the user gave was used by the parsers. */
static void
methods_that_were_given(void **state)
{
	struct naming_fixture *f = *state;
	struct buf file, set;

	buf_init(&file, 1000);
	buf_init(&set, 1000);
	protos_file(&file, "mine.proto", "shop");
	protos_service(&file, "Cart", "Add", "Item", "Item");
	protos_bytes(&set, 1, buf_view(&file));
	f->setup.given = buf_view(&set);
	assert_string_equal(naming_run(f), "");
	assert_string_equal(naming_messages(f, 1), NUMBERED);
	buf_free(&file);
	buf_free(&set);
}

int
main(void)
{
#define TEST(name)                                                     \
	cmocka_unit_test_setup_teardown(name, naming_setup_fixture,    \
					naming_teardown)
	const struct CMUnitTest tests[] = {
		TEST(calls_of_all_servers),
		TEST(once_is_enough),
		TEST(calls_of_one_server),
		TEST(methods_that_were_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
