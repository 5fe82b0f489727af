/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/capture_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"

#define REPORT_MAX ((size_t)1 << 20)

static pid_t
probe_start(const char *program, int output)
{
	const char *const argv[] = { program, "probe", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
					 O_WRONLY, 0);
	status = posix_spawnp(&pid, program, &actions, NULL,
			      (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return status == 0 ? pid : -1;
}

static void
probe_read(int fd, struct buf *report)
{
	uint8_t *to;
	ssize_t n;

	while ((to = buf_reserve(report, 4096)) != NULL) {
		n = read(fd, to, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		report->size += (size_t)n;
	}
}

json_t *
capture_probe(const char *program)
{
	json_t *all, *checks;
	struct buf report;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	pid = probe_start(program, ends[1]);
	close(ends[1]);
	buf_init(&report, REPORT_MAX);
	probe_read(ends[0], &report);
	close(ends[0]);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	all = json_loads(buf_cstr(&report), 0, NULL);
	checks = json_incref(json_object_get(all, "checks"));
	json_decref(all);
	buf_free(&report);
	return checks;
}
