/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/confined.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define FDS_MAX 8

/* Signals of the terminal are for the writer, which ends its children itself;
 * without it they have no reason to live. */
static void
bind_to_parent(pid_t parent)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
keep_descriptors(const int *fds, size_t count)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	int end = CONFINED_FIRST_FD + (int)count;
	int above[FDS_MAX];

	/* Above the numbers they will get, so that none overwrites another. */
	for (size_t i = 0; i < count; i++)
		if ((above[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, end)) < 0)
			_exit(1);
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
	    dup2(nothing, STDOUT_FILENO) < 0)
		_exit(1);
	for (size_t i = 0; i < count; i++)
		if (dup2(above[i], CONFINED_FIRST_FD + (int)i) < 0)
			_exit(1);
	if (close_range((unsigned)end, ~0U, 0) < 0)
		_exit(1);
}

void
confined_begin(pid_t parent, const int *fds, size_t count)
{
	assert(count <= FDS_MAX);
	bind_to_parent(parent);
	keep_descriptors(fds, count);
}

/* What a signal most likely means, where that helps. */
static const char *
likely_cause(int signal, bool cpu_limited)
{
	if (signal == SIGABRT)
		return ": out of the memory it may use, or a bug";
	if (signal == SIGXCPU || (signal == SIGKILL && cpu_limited))
		return ": its CPU seconds are used up";
	return "";
}

const char *
confined_end(const siginfo_t *how, bool cpu_limited,
	     char out[CONFINED_END_SIZE])
{
	const char *name;

	if (how->si_code == CLD_EXITED) {
		snprintf(out, CONFINED_END_SIZE, "ended with exit status %d",
			 how->si_status);
		return out;
	}
	name = sigabbrev_np(how->si_status);
	snprintf(out, CONFINED_END_SIZE, "was killed by signal %d (SIG%s)%s",
		 how->si_status, name ? name : "?",
		 likely_cause(how->si_status, cpu_limited));
	return out;
}
