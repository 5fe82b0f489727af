/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/job_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"

static int
setup(void **state)
{
	char *home = alloc_string("/tmp/at-files-XXXXXX");

	assert_non_null(mkdtemp(home));
	*state = home;
	return 0;
}

static int
teardown(void **state)
{
	assert_int_equal(file_remove_tree(*state, NULL), 0);
	free(*state);
	return 0;
}

static void
put(const char *path)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs("x", out);
	fclose(out);
}

/* Claims in another process, as locks are a process's; returns the code. */
static int
claim_elsewhere(const char *home, const char *name)
{
	pid_t pid = fork();
	int how;

	if (pid == 0) {
		struct job_files files;

		_exit(-job_files_claim(&files, home, "s", name, NULL));
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how));
	return -WEXITSTATUS(how);
}

static void
a_free_name_is_taken_and_given_back(void **state)
{
	struct job_files files;

	assert_int_equal(job_files_claim(&files, *state, "s", "n", NULL), 0);
	assert_non_null(strstr(files.database,
			       "/snapshots/s/dissections/n.sqlite"));
	assert_int_equal(claim_elsewhere(*state, "n"), ERR_EXISTS);
	assert_int_equal(claim_elsewhere(*state, "other"), 0);
	job_files_release(&files);
	assert_int_equal(claim_elsewhere(*state, "n"), 0);
}

static void
a_name_with_a_database_is_taken(void **state)
{
	struct job_files files;
	struct error e;
	char *database;

	assert_int_equal(job_files_claim(&files, *state, "s", "n", NULL), 0);
	database = alloc_string(files.database);
	put(database);
	job_files_release(&files);
	assert_int_equal(job_files_claim(&files, *state, "s", "n", &e),
			 ERR_EXISTS);
	assert_non_null(strstr(e.text, "choose another name"));
	assert_true(file_exists(database));
	free(database);
}

static void
what_a_killed_job_left_is_removed(void **state)
{
	struct job_files files;
	char *part;

	assert_int_equal(job_files_claim(&files, *state, "s", "n", NULL), 0);
	part = alloc_string(files.part);
	put(part);
	job_files_release(&files);
	assert_int_equal(job_files_claim(&files, *state, "s", "n", NULL), 0);
	assert_false(file_exists(part));
	job_files_release(&files);
	free(part);
}

static void
the_part_of_a_running_job_is_left_alone(void **state)
{
	struct job_files files;

	assert_int_equal(job_files_claim(&files, *state, "s", "n", NULL), 0);
	put(files.part);
	assert_int_equal(claim_elsewhere(*state, "n"), ERR_EXISTS);
	assert_true(file_exists(files.part));
	job_files_release(&files);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_free_name_is_taken_and_given_back),
		TEST(a_name_with_a_database_is_taken),
		TEST(what_a_killed_job_left_is_removed),
		TEST(the_part_of_a_running_job_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
