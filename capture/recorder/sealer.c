/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/sealer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "capture/recorder/privileges.h"
#include "capture/recorder/seal_discard.h"

#define REPORT_MAX  4096
#define URGENT_NICE 5
/* ioprio_set(2): linux/ioprio.h is not in every distribution's headers. */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE        (3 << 13)

/* Standard output is the pipe, everything else is closed by O_CLOEXEC. */
static int
sealer_spawn(struct sealer *s, const char *const *argv, int output,
	     struct error *e)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int status;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
					 O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawnattr_init(&attributes);
	/* Signals of the terminal are for the recorder, which decides. */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setpgroup(&attributes, 0);
	status = posix_spawn(&s->pid, argv[0], &actions, &attributes,
			     (char *const *)(uintptr_t)argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (status == 0)
		return 0;
	s->pid = 0;
	return error_set_errno(e, status, "cannot start %s", argv[0]);
}

int
sealer_start(struct sealer *s, const struct sealer_order *order,
	     struct error *e)
{
	static const char *const options[] = { [SEALER_URGENT] = "--urgent",
					       [SEALER_DISCARD] = "--discard" };
	char text[16];
	const char *const argv[] = { order->program,
				     "seal",
				     "--directory",
				     order->directory,
				     "--number",
				     text,
				     options[order->task],
				     NULL };
	int ends[2], status;

	snprintf(text, sizeof(text), "%u", order->number);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set_errno(e, errno, "cannot make a pipe");
	status = sealer_spawn(s, argv, ends[1], e);
	close(ends[1]);
	if (status < 0) {
		close(ends[0]);
		return status;
	}
	s->descriptor = ends[0];
	s->number = order->number;
	s->task = order->task;
	return 0;
}

static void
sealer_read(struct sealer *s, struct buf *report)
{
	uint8_t *to;
	ssize_t n;

	while ((to = buf_reserve(report, 512)) != NULL) {
		n = read(s->descriptor, to, 512);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		report->size += (size_t)n;
	}
}

static int
sealer_parse(struct buf *report, struct seal_result *result, struct error *e)
{
	json_t *object = json_loads(buf_cstr(report), 0, NULL);
	const char *text = json_string_value(json_object_get(object, "error"));
	const char *problem =
		json_string_value(json_object_get(object, "problem"));
	int status = (int)json_integer_value(json_object_get(object, "status"));

	if (!object || status > 0)
		return error_set(e, ERR_INTERNAL,
				 "the sealing process ended without a word");
	result->packets = (uint64_t)json_integer_value(
		json_object_get(object, "packets"));
	result->filtered = (uint64_t)json_integer_value(
		json_object_get(object, "filtered"));
	result->recovered = (uint64_t)json_integer_value(
		json_object_get(object, "recovered"));
	result->missing = (uint64_t)json_integer_value(
		json_object_get(object, "missing"));
	result->first_ns =
		json_integer_value(json_object_get(object, "first_ns"));
	result->last_ns =
		json_integer_value(json_object_get(object, "last_ns"));
	result->counted = json_is_true(json_object_get(object, "counted"));
	result->empty = json_is_true(json_object_get(object, "empty"));
	result->already = json_is_true(json_object_get(object, "already"));
	snprintf(result->problem, sizeof(result->problem), "%s",
		 problem ? problem : "");
	if (status < 0)
		error_set(e, status, "%s", text ? text : err_text(status));
	json_decref(object);
	return status;
}

static void
sealer_forget(struct sealer *s)
{
	close(s->descriptor);
	s->descriptor = -1;
	s->pid = 0;
}

bool
sealer_ended(struct sealer *s, int *status, struct seal_result *result,
	     struct error *e)
{
	struct buf report;
	int how;
	pid_t pid;

	if (s->pid == 0)
		return false;
	pid = waitpid(s->pid, &how, WNOHANG);
	if (pid == 0 || (pid < 0 && errno == EINTR))
		return false;
	*result = (struct seal_result){ 0 };
	buf_init(&report, REPORT_MAX);
	sealer_read(s, &report);
	if (pid > 0 && WIFSIGNALED(how))
		*status = error_set(e, ERR_INTERNAL,
				    "the sealing process was ended by signal "
				    "%d", WTERMSIG(how));
	else
		*status = sealer_parse(&report, result, e);
	buf_free(&report);
	sealer_forget(s);
	return true;
}

void
sealer_stop(struct sealer *s)
{
	if (s->pid == 0)
		return;
	(void)kill(s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	sealer_forget(s);
}

/* Every step makes the process less of a burden; none is needed. */
static void
sealer_step_back(enum sealer_task task)
{
	const struct sched_param none = { 0 };

	if (task != SEALER_IDLE) {
		(void)setpriority(PRIO_PROCESS, 0, URGENT_NICE);
		return;
	}
	(void)setpriority(PRIO_PROCESS, 0, 19);
	(void)sched_setscheduler(0, SCHED_IDLE, &none);
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
}

/* From now on it ends with the recorder; false when that has ended already,
 * which the pipe to it shows. */
static bool
sealer_follow(void)
{
	struct pollfd output = { STDOUT_FILENO, 0, 0 };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return poll(&output, 1, 0) <= 0 || !(output.revents & POLLERR);
}

int
sealer_main(const char *directory, uint32_t number, enum sealer_task task)
{
	struct seal_result result = { 0 };
	struct error error = { 0 };
	json_t *report;
	char *text;
	int status;

	if (!sealer_follow())
		return 1;
	sealer_step_back(task);
	status = privileges_confine(directory, &error);
	if (status == 0)
		status = (task == SEALER_DISCARD ? seal_discard : seal_segment)(
			directory, number, &result, &error);
	report = json_pack(
		"{s:i,s:I,s:I,s:I,s:I,s:b,s:b,s:s,s:s,s:b,s:I,s:I}", "status", status,
		"packets", (json_int_t)result.packets, "filtered",
		(json_int_t)result.filtered, "recovered",
		(json_int_t)result.recovered, "missing",
		(json_int_t)result.missing, "empty", (int)result.empty,
		"already", (int)result.already, "problem", result.problem,
		"error", error.text,
		"counted", (int)result.counted, "first_ns",
		(json_int_t)result.first_ns, "last_ns",
		(json_int_t)result.last_ns);
	text = json_dumps(report, JSON_COMPACT);
	if (file_write_all(STDOUT_FILENO, text, strlen(text)) < 0)
		status = ERR_IO;
	free(text);
	json_decref(report);
	return status < 0;
}
