/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void
memory_is_zeroed_aligned_and_distinct(void **state)
{
	struct arena a;
	uint8_t *last = NULL;

	(void)state;
	arena_init(&a, 1 << 20);
	for (size_t size = 0; size < 200; size++) {
		uint8_t *memory = arena_alloc(&a, size);

		assert_non_null(memory);
		assert_ptr_not_equal(memory, last);
		assert_int_equal((uintptr_t)memory % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(memory[i], 0);
		memset(memory, 0xff, size);
		last = memory;
	}
	arena_free(&a);
	assert_int_equal(a.used, 0);
}

static void
the_limit_holds_over_all_chunks(void **state)
{
	struct arena a;
	size_t got = 0;

	(void)state;
	arena_init(&a, 100000);
	while (arena_alloc(&a, 1000))
		got++;
	/* 1000 rounds up to 1008, the next multiple of 16 */
	assert_int_equal(got, 100000 / 1008);
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 8));
	arena_free(&a);
	assert_non_null(arena_alloc(&a, 90000));
	arena_free(&a);
	arena_init(&a, SIZE_MAX);
	assert_null(arena_alloc(&a, SIZE_MAX - 8));
	arena_free(&a);
}

static void
rewinding_gives_back_what_came_after_the_mark(void **state)
{
	struct arena a;
	struct arena_mark mark;
	char *kept, *first;

	(void)state;
	arena_init(&a, 1 << 20);
	kept = arena_string(&a, bytes_of("kept"));
	mark = arena_mark(&a);
	first = arena_alloc(&a, 64);
	memset(first, 0xff, 64);
	for (int i = 0; i < 20; i++)
		assert_non_null(arena_alloc(&a, 10000));
	arena_rewind(&a, mark);
	assert_string_equal(kept, "kept");
	assert_ptr_equal(arena_alloc(&a, 64), first);
	for (int i = 0; i < 64; i++)
		assert_int_equal(first[i], 0);
	arena_rewind(&a, mark);
	assert_int_equal(a.used, mark.used);
	arena_free(&a);
}

static void
a_mark_of_an_empty_arena_rewinds_to_empty(void **state)
{
	struct arena a;
	struct arena_mark mark;

	(void)state;
	arena_init(&a, 1000);
	mark = arena_mark(&a);
	assert_non_null(arena_alloc(&a, 500));
	arena_rewind(&a, mark);
	assert_null(a.head);
	assert_int_equal(a.used, 0);
}

static void
strings_are_copied_with_a_terminator(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 32);
	assert_string_equal(arena_string(&a, bytes_make("abcdef", 3)), "abc");
	assert_string_equal(arena_string(&a, bytes_make(NULL, 0)), "");
	assert_null(arena_string(&a, bytes_of("")));
	assert_null(arena_string(&a, bytes_make("", SIZE_MAX)));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_aligned_and_distinct),
		cmocka_unit_test(the_limit_holds_over_all_chunks),
		cmocka_unit_test(rewinding_gives_back_what_came_after_the_mark),
		cmocka_unit_test(a_mark_of_an_empty_arena_rewinds_to_empty),
		cmocka_unit_test(strings_are_copied_with_a_terminator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
