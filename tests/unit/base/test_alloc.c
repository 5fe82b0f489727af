/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static void
memory_is_zeroed_and_never_null(void **state)
{
	uint8_t *memory = alloc_zero(1000, 3);

	(void)state;
	for (size_t i = 0; i < 3000; i++)
		assert_int_equal(memory[i], 0);
	free(memory);
	memory = alloc_zero(0, 8);
	assert_non_null(memory);
	free(memory);
	memory = alloc_resize(NULL, 0, 0);
	assert_non_null(memory);
	free(memory);
}

static void
resizing_keeps_the_contents(void **state)
{
	char *memory = alloc_string("abc");

	(void)state;
	memory = alloc_resize(memory, 1000, 10);
	assert_string_equal(memory, "abc");
	free(memory);
}

static void
strings_are_copied_formatted_and_terminated(void **state)
{
	char *copy = alloc_string_n("abcdef", 3);

	(void)state;
	assert_string_equal(copy, "abc");
	free(copy);
	copy = alloc_string_n(NULL, 0);
	assert_string_equal(copy, "");
	free(copy);
	copy = alloc_format("%d-%s", 7, "x");
	assert_string_equal(copy, "7-x");
	free(copy);
}

/* How a child that asks for `count` × `size` bytes ends. */
static int
end_of_allocation(size_t count, size_t size)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct rlimit none = { 0, 0 };
		void *memory;

		setrlimit(RLIMIT_CORE, &none);
		close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		memory = alloc_resize(NULL, count, size);
		_exit(memory ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
an_impossible_size_aborts(void **state)
{
	(void)state;
#ifdef AFTERTAP_SANITIZED
	skip(); /* the sanitizer ends the process its own way */
#endif
	assert_int_equal(end_of_allocation(1, 1), 0);
	assert_int_equal(end_of_allocation(SIZE_MAX / 2, 4), SIGABRT);
	assert_int_equal(end_of_allocation(SIZE_MAX / 4, 1), SIGABRT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_and_never_null),
		cmocka_unit_test(resizing_keeps_the_contents),
		cmocka_unit_test(strings_are_copied_formatted_and_terminated),
		cmocka_unit_test(an_impossible_size_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
