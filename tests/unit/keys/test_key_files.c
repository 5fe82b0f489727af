/* SPDX-License-Identifier: Apache-2.0 */
/* When it is looked for why a program cannot be probed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/keys/key_files.h"

struct scene {
	struct key_files *files;
	pid_t pid; /* of a program that is not covered */
	int input, output;
};

static void
start(struct scene *s)
{
	int input[2], output[2];
	char first;

	assert_int_equal(pipe(input) | pipe(output), 0);
	s->pid = fork();
	if (s->pid == 0) {
		dup2(input[0], 0);
		dup2(output[1], 1);
		close(input[1]);
		execl(UNCOVERED_PROGRAM, UNCOVERED_PROGRAM, (char *)NULL);
		_exit(1);
	}
	close(input[0]);
	close(output[1]);
	s->input = input[1];
	s->output = output[0];
	assert_int_equal(read(s->output, &first, 1), 1); /* it runs */
}

static void
stop(struct scene *s)
{
	if (!s->pid)
		return;
	close(s->input);
	waitpid(s->pid, NULL, 0);
	close(s->output);
	s->pid = 0;
}

static int
setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct key_files_settings settings = { .proc = "/proc",
					       .files_max = 4,
					       .method = PROBE_PERF,
					       .known_files = -1 };

	for (int i = 0; i < KEY_PROGRAM_COUNT; i++)
		settings.programs[i] = -1;
	s->files = key_files_new(&settings);
	start(s);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct scene *s = *state;

	stop(s);
	key_files_free(s->files);
	free(s);
	return 0;
}

static void
look(const struct scene *s)
{
	key_files_look(s->files, (uint32_t)s->pid);
}

/* Whether it is told why the program is not covered. */
static bool
is_told(const struct scene *s)
{
	json_t *object = json_object(), *entry;
	bool told = false;
	size_t i;

	key_files_describe(s->files, object);
	json_array_foreach(json_object_get(object, "not_covered"), i, entry)
		told |= strstr(json_string_value(json_object_get(
				       entry, "why")), "rustls") != NULL;
	json_decref(object);
	return told;
}

static void
a_reason_comes_when_it_is_asked_for(void **state)
{
	struct scene *s = *state;

	assert_false(key_files_unasked(s->files));
	look(s);
	assert_true(key_files_unasked(s->files));
	assert_false(is_told(s));
	key_files_ask(s->files);
	assert_false(key_files_unasked(s->files));
	assert_true(is_told(s));
}

/* What was looked at once is known. */
static void
nobody_is_asked_twice(void **state)
{
	struct scene *s = *state;

	look(s);
	look(s);
	key_files_ask(s->files);
	assert_false(key_files_unasked(s->files));
	look(s);
	assert_false(key_files_unasked(s->files));
}

static void
what_has_ended_cannot_be_asked(void **state)
{
	struct scene *s = *state;

	look(s);
	stop(s);
	key_files_ask(s->files);
	assert_false(key_files_unasked(s->files));
	assert_false(is_told(s));
}

static void
what_was_not_asked_is_let_go(void **state)
{
	struct scene *s = *state;

	look(s);
	assert_true(key_files_unasked(s->files));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_reason_comes_when_it_is_asked_for),
		TEST(nobody_is_asked_twice),
		TEST(what_has_ended_cannot_be_asked),
		TEST(what_was_not_asked_is_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
