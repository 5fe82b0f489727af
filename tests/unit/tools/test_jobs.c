/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs of a shell, the simplest program that writes a status. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
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
#include "server/jobs/job.h"
#include "server/jobs/thread_job.h"

struct world {
	char *root, *status, *lock, *log, *out;
};

static int
setup(void **state)
{
	struct world *w = alloc_zero(1, sizeof(*w));
	char template[] = "/tmp/test-jobs-XXXXXX";

	w->root = alloc_string(mkdtemp(template));
	w->status = alloc_format("%s/x.json", w->root);
	w->lock = alloc_format("%s/x.lock", w->root);
	w->log = alloc_format("%s/x.log", w->root);
	w->out = alloc_format("%s/out", w->root);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	file_remove_tree(w->root, NULL);
	free(w->root);
	free(w->status);
	free(w->lock);
	free(w->log);
	free(w->out);
	free(w);
	return 0;
}

static int
start(struct world *w, const char *script, int lifeline, struct error *e)
{
	const char *argv[] = { "/bin/sh", "-c", script, w->status, w->out,
			       NULL };

	return job_start(argv, w->status, w->log, lifeline, e);
}

static char *
text_of(const char *path)
{
	struct buf text;
	char *copy;

	buf_init(&text, 1 << 16);
	file_read(path, &text, NULL);
	copy = alloc_string(buf_cstr(&text));
	buf_free(&text);
	return copy;
}

static char *
state_of(struct world *w, json_t **status)
{
	struct error e = { 0 };

	assert_int_equal(job_status(w->status, w->lock, status, &e), 0);
	return alloc_string(
		json_string_value(json_object_get(*status, "state")));
}

static void
a_job_has_only_the_descriptors_it_needs(void **state)
{
	struct world *w = *state;
	int pipes[2], extra = fcntl(STDERR_FILENO, F_DUPFD, 10);
	struct error e = { 0 };
	char *text;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_true(extra >= 10); /* and it has no close-on-exec flag */
	assert_int_equal(
		start(w, "n=0; while [ $n -lt 64 ]; do "
			 "[ -e /proc/$$/fd/$n ] && open=\"$open$n \"; "
			 "n=$((n+1)); done; "
			 "echo \"$open$# $2\" > \"$1\"; echo '{}' > \"$0\"",
		      pipes[0], &e), 0);
	text = text_of(w->out);
	assert_string_equal(text, "0 1 2 3 2 --lifeline=3\n");
	free(text);
	close(extra);
	close(pipes[0]);
	close(pipes[1]);
}

static void
a_job_that_fails_at_once_says_why(void **state)
{
	struct world *w = *state;
	struct error e = { 0 };

	assert_int_equal(start(w, "echo first; echo disk on fire >&2; exit 7",
			       -1, &e), ERR_INTERNAL);
	assert_non_null(strstr(e.text, "(exit status 7)"));
	assert_non_null(strstr(e.text, "disk on fire"));
	assert_int_equal(start(w, "kill -9 $$", -1, &e), ERR_INTERNAL);
	assert_non_null(strstr(e.text, "signal 9"));
}

static void
a_program_that_is_not_there_is_an_error(void **state)
{
	struct world *w = *state;
	const char *argv[] = { "/nonexistent/aftertap", NULL };
	struct error e = { 0 };

	assert_int_equal(job_start(argv, w->status, w->log, -1, &e),
			 ERR_NOTFOUND);
	assert_non_null(strstr(e.text, "/nonexistent/aftertap"));
}

static void
a_status_of_the_past_is_not_taken_for_the_new_jobs(void **state)
{
	struct world *w = *state;
	struct error e = { 0 };
	json_t *status;
	char *state_name;

	file_write_atomic(w->status, bytes_of("{\"state\":\"completed\"}"),
			  0600, NULL);
	assert_int_equal(start(w, "echo '{\"state\":\"failed\"}' > \"$0\"",
			       -1, &e), 0);
	/* The status is there; that it is whole needs the job's end. */
	for (int i = 0; i < 100; i++) {
		char *text = text_of(w->status);
		bool whole = strchr(text, '}') != NULL;

		free(text);
		if (whole)
			break;
		usleep(10000);
	}
	state_name = state_of(w, &status);
	assert_string_equal(state_name, "failed");
	free(state_name);
	json_decref(status);
}

static void
a_job_that_is_gone_without_a_word_has_failed(void **state)
{
	struct world *w = *state;
	json_t *status;
	char *state_name;

	file_write_atomic(w->status,
			  bytes_of("{\"state\":\"running\",\"progress\":4}"),
			  0600, NULL);
	state_name = state_of(w, &status);
	assert_string_equal(state_name, "failed");
	assert_int_equal(json_integer_value(json_object_get(status,
							    "progress")), 4);
	assert_int_equal(json_array_size(json_object_get(status, "errors")),
			 1);
	free(state_name);
	json_decref(status);
}

/* A child that holds the lock until it is told to end. */
static pid_t
hold_lock(struct world *w)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		signal(SIGTERM, SIG_DFL);
		file_lock(w->lock, NULL);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void
a_running_job_is_running_until_it_is_stopped(void **state)
{
	struct world *w = *state;
	pid_t pid = hold_lock(w);
	struct error e = { 0 };
	json_t *status;
	char *state_name;
	int how;

	file_write_atomic(w->status, bytes_of("{\"state\":\"running\"}"),
			  0600, NULL);
	state_name = state_of(w, &status);
	assert_string_equal(state_name, "running");
	free(state_name);
	json_decref(status);
	assert_int_equal(job_stop(w->lock, &e), 0);
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGTERM);
	assert_int_equal(job_stop(w->lock, &e), ERR_STATE);
}

static void
a_status_that_is_no_json_is_an_error(void **state)
{
	struct world *w = *state;
	struct error e = { 0 };
	json_t *status;

	file_write_atomic(w->status, bytes_of("[1]"), 0600, NULL);
	assert_int_equal(job_status(w->status, w->lock, &status, &e),
			 ERR_CORRUPT);
	assert_null(status);
	unlink(w->status);
	assert_int_equal(job_status(w->status, w->lock, &status, &e),
			 ERR_NOTFOUND);
	assert_null(status);
}

/* Work that waits for the test to let it end. */
struct slow {
	int gate; /* read end */
	atomic_bool released;
	int result;
};

static int
slow_run(void *context, struct thread_job *job, json_t **result,
	 struct error *e)
{
	struct slow *slow = context;
	char byte;

	thread_job_progress(job, 40);
	assert_int_equal(read(slow->gate, &byte, 1), 1);
	if (atomic_load(thread_job_stopped(job)))
		return error_set(e, ERR_CANCELLED, "stopped");
	if (slow->result < 0)
		return error_set(e, slow->result, "no luck");
	*result = json_pack("{s:i}", "packets", 7);
	return 0;
}

static void
slow_release(void *context)
{
	struct slow *slow = context;

	slow->released = true;
}

static void
wait_while_running(struct world *w, json_t **status)
{
	char *name = state_of(w, status);

	for (int i = 0; i < 500 && strcmp(name, "running") == 0; i++) {
		free(name);
		json_decref(*status);
		usleep(10000);
		name = state_of(w, status);
	}
	free(name);
}

static void
check_thread_job(struct world *w, int result, bool stop, const char *ending)
{
	int pipes[2];
	struct slow slow = { .result = result };
	struct slow second = { .result = 0 };
	const struct thread_job_work first = { &slow, slow_run, slow_release,
					       "slow" };
	const struct thread_job_work other = { &second, slow_run,
					       slow_release, NULL };
	struct error e = { 0 };
	json_t *status;
	char *name;

	assert_int_equal(pipe(pipes), 0);
	slow.gate = pipes[0];
	assert_int_equal(thread_job_start(w->status, w->lock, first, &e), 0);
	name = state_of(w, &status);
	assert_string_equal(name, "running");
	free(name);
	assert_string_equal(
		json_string_value(json_object_get(status, "label")), "slow");
	json_decref(status);
	/* The lock keeps others of this process out. */
	assert_int_equal(thread_job_start(w->status, w->lock, other, &e),
			 ERR_BUSY);
	assert_true(second.released);
	if (stop)
		assert_int_equal(thread_job_stop(w->lock, &e), 0);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	wait_while_running(w, &status);
	assert_string_equal(
		json_string_value(json_object_get(status, "state")), ending);
	json_decref(status);
	while (!slow.released)
		usleep(1000);
	assert_int_equal(thread_job_stop(w->lock, &e), ERR_STATE);
	close(pipes[0]);
	close(pipes[1]);
}

static void
a_thread_is_a_job_like_any_other(void **state)
{
	check_thread_job(*state, 0, false, "completed");
	check_thread_job(*state, ERR_IO, false, "failed");
	check_thread_job(*state, 0, true, "cancelled");
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_job_has_only_the_descriptors_it_needs),
		CASE(a_job_that_fails_at_once_says_why),
		CASE(a_program_that_is_not_there_is_an_error),
		CASE(a_status_of_the_past_is_not_taken_for_the_new_jobs),
		CASE(a_job_that_is_gone_without_a_word_has_failed),
		CASE(a_running_job_is_running_until_it_is_stopped),
		CASE(a_status_that_is_no_json_is_an_error),
		CASE(a_thread_is_a_job_like_any_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
