/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/transport/event_store.h"

static void
open_store(struct event_store *s, size_t events, size_t bytes)
{
	event_store_init(s, &(struct event_limits){ events, bytes });
}

static void
add(struct event_store *s, uint32_t stream, uint32_t number, const char *text)
{
	event_store_add(s, (struct sse_id){ stream, number }, bytes_of(text));
}

static void
a_stream_is_read_on_without_the_others(void **state)
{
	struct sse_id after = { 1, 1 };
	struct event_store s;
	const struct event *event;

	(void)state;
	open_store(&s, 10, 1000);
	add(&s, 1, 1, "a");
	add(&s, 2, 1, "other");
	add(&s, 1, 2, "b");
	assert_int_equal(event_store_newest(&s, 1), 2);
	assert_int_equal(event_store_check(&s, after, 2), EVENT_COMPLETE);
	event = event_store_next(&s, after);
	assert_int_equal(event->id.number, 2);
	assert_memory_equal(event->data, "b", 1);
	assert_null(event_store_next(&s, event->id));
	event_store_clear(&s);
}

static void
the_oldest_go_first(void **state)
{
	struct event_store s;

	(void)state;
	open_store(&s, 3, 1000);
	for (uint32_t i = 1; i <= 5; i++)
		add(&s, 1, i, "x");
	assert_int_equal(s.count, 3);
	assert_int_equal(
		event_store_check(&s, (struct sse_id){ 1, 1 }, 5), EVENT_LOST);
	assert_int_equal(event_store_check(&s, (struct sse_id){ 1, 2 }, 5),
			 EVENT_COMPLETE);
	event_store_clear(&s);
}

static void
bytes_are_bounded_but_the_newest_is_kept(void **state)
{
	struct event_store s;

	(void)state;
	open_store(&s, 100, 10);
	add(&s, 1, 1, "12345");
	add(&s, 1, 2, "12345");
	assert_int_equal(s.count, 2);
	add(&s, 1, 3, "1");
	assert_int_equal(s.count, 2);
	assert_int_equal(s.bytes, 6);
	add(&s, 1, 4, "123456789012345");
	assert_int_equal(s.count, 1);
	assert_int_equal(event_store_newest(&s, 1), 4);
	event_store_clear(&s);
}

static void
what_never_was_is_lost(void **state)
{
	struct event_store s;

	(void)state;
	open_store(&s, 10, 1000);
	add(&s, 1, 1, "a");
	assert_int_equal(event_store_check(&s, (struct sse_id){ 1, 9 }, 1),
			 EVENT_LOST);
	assert_int_equal(event_store_check(&s, (struct sse_id){ 1, 1 }, 1),
			 EVENT_COMPLETE);
	assert_int_equal(event_store_check(&s, (struct sse_id){ 1, 0 }, 1),
			 EVENT_COMPLETE);
	assert_int_equal(event_store_newest(&s, 7), 0);
	event_store_clear(&s);
	assert_int_equal(s.count, 0);
	assert_int_equal(s.bytes, 0);
	event_store_clear(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_is_read_on_without_the_others),
		cmocka_unit_test(the_oldest_go_first),
		cmocka_unit_test(bytes_are_bounded_but_the_newest_is_kept),
		cmocka_unit_test(what_never_was_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
