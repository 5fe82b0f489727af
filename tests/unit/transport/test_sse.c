/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/transport/sse.h"

static void
events_are_written_as_the_standard_says(void **state)
{
	struct sse_id id = { 3, 17 };
	struct buf out;

	(void)state;
	buf_init(&out, 1024);
	sse_event(&out, NULL, &id, bytes_of("{}"));
	assert_string_equal(buf_cstr(&out), "id: 3-17\ndata: {}\n\n");
	buf_reset(&out);
	sse_event(&out, "endpoint", NULL, bytes_of("/m"));
	assert_string_equal(buf_cstr(&out), "event: endpoint\ndata: /m\n\n");
	buf_reset(&out);
	sse_prime(&out, &id, 500);
	assert_string_equal(buf_cstr(&out),
			    "id: 3-17\nretry: 500\ndata: \n\n");
	buf_free(&out);
}

static void
only_our_ids_are_ids(void **state)
{
	static const char *const bad[] = {
		"",    "-",	"3",	    "3-",    "-17",	"3-17-1",
		"a-1", "1-a",	"3 -17",    "+3-17", "03x-1",	"4294967296-1",
		"1-4294967296", "1-00000000000000000000001",
	};
	struct sse_id id;

	(void)state;
	assert_true(sse_parse_id(bytes_of("3-17"), &id));
	assert_int_equal(id.stream, 3);
	assert_int_equal(id.number, 17);
	assert_true(sse_parse_id(bytes_of("0-4294967295"), &id));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(sse_parse_id(bytes_of(bad[i]), &id));
	assert_false(sse_parse_id(bytes_make("3-1\0", 4), &id));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_written_as_the_standard_says),
		cmocka_unit_test(only_our_ids_are_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
