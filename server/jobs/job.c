/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/job.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#define LIFELINE_FD 3
#define LIFELINE_OPTION "--lifeline=3"
#define START_LIMIT_NS (5 * CLOCK_NS_PER_S)
#define STOP_LIMIT_NS (5 * CLOCK_NS_PER_S)
#define STATUS_LIMIT (1u << 20)
#define LOG_TAIL 300
#define POLL_NS (2 * CLOCK_NS_PER_MS)
#define REAPER_STACK ((size_t)256 * 1024)

static void
sleep_ns(int64_t ns)
{
	struct timespec pause = { .tv_sec = 0, .tv_nsec = (long)ns };

	nanosleep(&pause, NULL);
}

/* What the child has open: /dev/null, its log twice, the lifeline; nothing
 * else of this process, whether marked close-on-exec or not. */
static int
child_files(posix_spawn_file_actions_t *files, const char *log_path,
	    int lifeline)
{
	const int mode = O_WRONLY | O_CREAT | O_TRUNC;
	int first_closed = lifeline < 0 ? LIFELINE_FD : LIFELINE_FD + 1;
	int rc = 0;

	if (lifeline >= 0)
		rc = posix_spawn_file_actions_adddup2(files, lifeline,
						      LIFELINE_FD);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(files, STDIN_FILENO,
						      "/dev/null", O_RDONLY, 0);
	if (rc == 0 && log_path)
		rc = posix_spawn_file_actions_addopen(files, STDERR_FILENO,
						      log_path, mode, 0600);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(files, STDERR_FILENO,
						      STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(files,
							      first_closed);
	return rc;
}

/* A session of its own (a terminal's ^C is not for it), no signal blocked or
 * ignored. */
static int
child_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	rc = posix_spawnattr_setsigmask(attributes, &none);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(attributes, &all);
	if (rc == 0)
		rc = posix_spawnattr_setflags(attributes,
					      POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETSID);
	return rc;
}

static int
spawn(const char *const *argv, const char *log_path, int lifeline, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	char *const *environment = environ;
	char **arguments;
	size_t count = 0;
	int rc;

	assert(argv[0]);
	while (argv[count])
		count++;
	arguments = alloc_zero(count + 2, sizeof(*arguments));
	for (size_t i = 0; i < count; i++)
		arguments[i] = alloc_string(argv[i]);
	if (lifeline >= 0)
		arguments[count] = alloc_string(LIFELINE_OPTION);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	rc = child_files(&files, log_path, lifeline);
	if (rc == 0)
		rc = child_attributes(&attributes);
	if (rc == 0)
		rc = posix_spawnp(pid, argv[0], &files, &attributes, arguments,
				  environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	for (size_t i = 0; arguments[i]; i++)
		free(arguments[i]);
	free(arguments);
	return rc;
}

static void *
reap(void *argument)
{
	pid_t pid = *(pid_t *)argument;

	free(argument);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return NULL;
}

/* Waits for the child's end on a thread of its own, so that no zombie stays
 * and no process-wide SIGCHLD handling is needed. */
static void
reap_later(pid_t pid)
{
	pthread_attr_t attributes;
	pthread_t thread;
	pid_t *argument = alloc_zero(1, sizeof(*argument));

	*argument = pid;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, REAPER_STACK);
	if (pthread_create(&thread, &attributes, reap, argument) != 0)
		free(argument);
	pthread_attr_destroy(&attributes);
}

/* The last words of a job that failed, on one line; free(3). */
static char *
log_tail(const char *log_path)
{
	struct buf log;
	struct bytes tail;
	char *text;

	buf_init(&log, STATUS_LIMIT);
	if (!log_path || file_read(log_path, &log, NULL) < 0 || !log.size) {
		buf_free(&log);
		return alloc_string("it said nothing");
	}
	tail = buf_view(&log);
	while (tail.size && tail.data[tail.size - 1] == '\n')
		tail.size--;
	if (tail.size > LOG_TAIL)
		tail = bytes_from(tail, tail.size - LOG_TAIL);
	for (size_t i = tail.size; i > 0; i--)
		if (tail.data[i - 1] == '\n') {
			tail = bytes_from(tail, i);
			break;
		}
	text = text_printable(tail, LOG_TAIL);
	buf_free(&log);
	return text;
}

static int
ended_early(int how, const char *path, const char *log_path, struct error *e)
{
	const char *slash = strrchr(path, '/');
	const char *program = slash ? slash + 1 : path;
	size_t n = strlen(program);
	char *tail = log_tail(log_path), *said = tail;
	int rc;

	/* A line of a log: "2026-11-26T23:44:55.4Z error …". */
	if (*said >= '0' && *said <= '9' && strstr(said, "Z error "))
		said = strstr(said, "Z error ") + strlen("Z error ");
	/* Programs begin their complaints with their name. */
	if (strncmp(said, program, n) == 0 && strncmp(said + n, ": ", 2) == 0)
		said += n + 2;
	if (WIFSIGNALED(how))
		rc = error_set(e, ERR_INTERNAL,
			       "%s was killed by signal %d as it started: %s",
			       program, WTERMSIG(how), said);
	else
		rc = error_set(e, ERR_INTERNAL,
			       "%s did not start (exit status %d): %s",
			       program, WEXITSTATUS(how), said);
	free(tail);
	return rc;
}

uint32_t
job_poll_ms(int64_t waited_ns)
{
	int64_t ms = waited_ns / CLOCK_NS_PER_MS / 4;

	return ms < 20 ? 20 : ms > 500 ? 500 : (uint32_t)ms;
}

int
job_start(const char *const *argv, const char *status_path,
	  const char *log_path, int lifeline, struct error *e)
{
	int64_t limit = clock_monotonic_ns() + START_LIMIT_NS;
	pid_t pid;
	int how, rc;

	if (unlink(status_path) != 0 && errno != ENOENT)
		return error_set_errno(e, errno, "cannot remove %s",
				       status_path);
	rc = spawn(argv, log_path, lifeline, &pid);
	if (rc != 0)
		return error_set_errno(e, rc, "cannot start %s", argv[0]);
	while (!file_exists(status_path)) {
		if (waitpid(pid, &how, WNOHANG) == pid) {
			if (file_exists(status_path))
				return 0;
			return ended_early(how, argv[0], log_path, e);
		}
		if (clock_monotonic_ns() > limit)
			break; /* slow, not dead: its status will come */
		sleep_ns(POLL_NS);
	}
	reap_later(pid);
	return 0;
}

static int
read_status(const char *path, json_t **status, struct error *e)
{
	struct buf text;
	json_error_t why;
	int rc;

	buf_init(&text, STATUS_LIMIT);
	rc = file_read(path, &text, e);
	if (rc == 0) {
		*status = json_loadb((const char *)text.data, text.size,
				     JSON_REJECT_DUPLICATES, &why);
		if (!json_is_object(*status)) {
			json_decref(*status);
			*status = NULL;
			rc = error_set(e, ERR_CORRUPT,
				       "%s is not a job status: %s", path,
				       why.text);
		}
	}
	buf_free(&text);
	return rc;
}

static bool
says_alive(json_t *status)
{
	const char *state = json_string_value(json_object_get(status, "state"));

	return state && (strcmp(state, "running") == 0 ||
			 strcmp(state, "pending") == 0);
}

static void
mark_dead(json_t *status)
{
	json_t *errors = json_object_get(status, "errors");

	json_object_set_new(status, "state", json_string("failed"));
	if (!json_is_array(errors)) {
		errors = json_array();
		json_object_set_new(status, "errors", errors);
	}
	json_array_append_new(
		errors, json_string("the job's process is gone: it was killed "
				    "or crashed before it finished"));
}

/* Asked with a lock of the open file, which is in conflict with the locks of
 * processes and, unlike F_GETLK, with those of this process's own threads. */
static bool
is_held(const char *lock_path)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(lock_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	bool held;

	if (fd < 0)
		return false;
	held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	return held;
}

int
job_status(const char *status_path, const char *lock_path, json_t **status,
	   struct error *e)
{
	int rc;

	*status = NULL;
	rc = read_status(status_path, status, e);
	if (rc < 0 || !says_alive(*status) || is_held(lock_path))
		return rc;
	/* Nobody holds the lock.  It may have ended well since the status was
	 * read: what the file says now, behind the lock, is final. */
	json_decref(*status);
	*status = NULL;
	rc = read_status(status_path, status, e);
	if (rc == 0 && says_alive(*status))
		mark_dead(*status);
	return rc;
}

int
job_stop(const char *lock_path, struct error *e)
{
	int64_t limit = clock_monotonic_ns() + STOP_LIMIT_NS;
	pid_t pid = file_lock_holder(lock_path);
	int process, rc = 0;

	if (pid <= 0)
		return error_set(e, ERR_STATE, "the job is not running");
	process = pidfd_open(pid, 0);
	/* The handle pins the process; the second look makes sure that it is
	 * the holder, not a newcomer with the same number. */
	if (process < 0 || file_lock_holder(lock_path) != pid)
		goto out;
	if (pidfd_send_signal(process, SIGTERM, NULL, 0) != 0 &&
	    errno != ESRCH) {
		rc = error_set_errno(e, errno, "cannot stop process %d",
				     (int)pid);
		goto out;
	}
	while (file_lock_holder(lock_path) == pid) {
		if (clock_monotonic_ns() > limit) {
			rc = error_set(e, ERR_TIMEOUT,
				       "process %d was asked to stop and is "
				       "still ending; ask for the status again",
				       (int)pid);
			break;
		}
		sleep_ns(POLL_NS);
	}
out:
	if (process >= 0)
		close(process);
	return rc;
}
