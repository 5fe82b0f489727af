/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sandbox.h"

#define MEMORY ((uint64_t)256 << 20)

/* Exit statuses of a child that ran to its end. */
enum { CHILD_FINE = 0, CHILD_WRONG = 1, CHILD_OUTSIDE = 2 };

typedef int (*child_fn)(void);

/* The wait status of a child that enters the sandbox and runs `fn`. */
static int
run_inside(child_fn fn)
{
	struct sandbox_limits limits = { MEMORY, 60 };
	pid_t child = fork();
	struct error e;
	int status;

	if (child == 0) {
		if (sandbox_enter(SANDBOX_PARSER, &limits, &e) < 0)
			_exit(CHILD_OUTSIDE);
		_exit(fn());
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
assert_killed(child_fn fn)
{
	int status = run_inside(fn);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static bool
seccomp_works(void)
{
#ifdef AFTERTAP_SANITIZED
	return false;
#else
	return sandbox_probe().seccomp;
#endif
}

static int
open_a_file(void)
{
	return open("/etc/passwd", O_RDONLY) < 0 ? CHILD_FINE : CHILD_WRONG;
}

static int
make_a_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? CHILD_FINE : CHILD_WRONG;
}

static int
run_a_program(void)
{
	char *arguments[] = { NULL };

	execve("/bin/true", arguments, arguments);
	return CHILD_WRONG;
}

static int
start_a_process(void)
{
	return fork() < 0 ? CHILD_FINE : CHILD_WRONG;
}

static int
make_memory_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? CHILD_FINE : CHILD_WRONG;
}

static int
kill_the_parent(void)
{
	kill(getppid(), 0);
	return CHILD_WRONG;
}

static int
stat_a_path(void)
{
	struct stat info;

	return stat("/etc/passwd", &info);
}

static void
forbidden_calls_kill_the_process(void **state)
{
	(void)state;
	if (!seccomp_works())
		skip();
	assert_killed(open_a_file);
	assert_killed(make_a_socket);
	assert_killed(run_a_program);
	assert_killed(start_a_process);
	assert_killed(make_memory_executable);
	assert_killed(kill_the_parent);
	assert_killed(stat_a_path);
}

static int ends[2];

/* What a parser does: memory, reading, writing, time. */
static int
work(void)
{
	char *blocks[64], text[6];
	struct timespec now;
	struct stat info;

	for (size_t i = 0; i < 64; i++) {
		blocks[i] = malloc((size_t)1 << (i % 22));
		if (!blocks[i])
			return CHILD_WRONG;
		blocks[i][0] = 1;
		blocks[i] = realloc(blocks[i], (size_t)3 << (i % 20));
		if (!blocks[i])
			return CHILD_WRONG;
	}
	for (size_t i = 0; i < 64; i++)
		free(blocks[i]);
	if (clock_gettime(CLOCK_MONOTONIC, &now) < 0 ||
	    fstat(ends[0], &info) < 0 || write(ends[1], "hello", 5) != 5 ||
	    read(ends[0], text, sizeof(text)) != 5)
		return CHILD_WRONG;
	return memcmp(text, "hello", 5) == 0 ? CHILD_FINE : CHILD_WRONG;
}

static void
ordinary_work_goes_on(void **state)
{
	int status;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	status = run_inside(work);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CHILD_FINE);
	close(ends[0]);
	close(ends[1]);
}

static int
take_too_much_memory(void)
{
	char *block = malloc(2 * MEMORY);
	int rc = block ? CHILD_WRONG : CHILD_FINE;

	free(block);
	return rc;
}

static void
memory_is_limited(void **state)
{
	int status;

	(void)state;
#ifdef AFTERTAP_SANITIZED
	skip();
#endif
	status = run_inside(take_too_much_memory);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CHILD_FINE);
}

static int
assert_false_statement(void)
{
	signal(SIGABRT, SIG_DFL);
	abort();
}

/* So that a failed assertion looks like one, not like an attack. */
static void
an_abort_is_still_an_abort(void **state)
{
	int status = run_inside(assert_false_statement);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* Landlock alone must hold, too: run where seccomp is left off. */
static void
without_seccomp_landlock_denies_files(void **state)
{
	int status;

	(void)state;
	if (seccomp_works() || sandbox_probe().landlock_abi == 0)
		skip();
	status = run_inside(open_a_file);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CHILD_FINE);
}

/* In a child: after the drop, nothing is left and nothing can be gained. */
static int
drop_and_look(void)
{
	cap_t now, none = cap_init();
	int rc;

	if (sandbox_drop_privileges(NULL) < 0)
		return CHILD_OUTSIDE;
	now = cap_get_proc();
	rc = now && none && cap_compare(now, none) == 0 &&
	     prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	if (geteuid() == 0)
		rc = rc && prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) == 0;
	cap_free(now);
	cap_free(none);
	return rc ? CHILD_FINE : CHILD_WRONG;
}

static void
dropping_privileges_leaves_none(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(drop_and_look());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CHILD_FINE);
}

static void
an_unknown_profile_is_refused(void **state)
{
	struct error e;

	(void)state;
	assert_int_equal(sandbox_enter((enum sandbox_profile)99, NULL, &e),
			 ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forbidden_calls_kill_the_process),
		cmocka_unit_test(ordinary_work_goes_on),
		cmocka_unit_test(memory_is_limited),
		cmocka_unit_test(an_abort_is_still_an_abort),
		cmocka_unit_test(without_seccomp_landlock_denies_files),
		cmocka_unit_test(dropping_privileges_leaves_none),
		cmocka_unit_test(an_unknown_profile_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
