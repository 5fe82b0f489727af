/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/thread_job.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"

#define STACK ((size_t)1 << 20)
#define WRITE_INTERVAL_NS (250 * CLOCK_NS_PER_MS)

struct thread_job {
	LIST_ENTRY(thread_job) link;
	struct thread_job_work work;
	atomic_bool stopped;
	char *status_path;
	char *lock_path;
	char *label; /* or NULL */
	int lock;
	int64_t started_ns;
	int64_t written_ns; /* monotonic */
};

/* Those that run in this process. */
static LIST_HEAD(, thread_job) running = LIST_HEAD_INITIALIZER(running);
static pthread_mutex_t running_mutex = PTHREAD_MUTEX_INITIALIZER;

const atomic_bool *
thread_job_stopped(const struct thread_job *job)
{
	return &job->stopped;
}

int
thread_job_stop(const char *lock_path, struct error *e)
{
	struct thread_job *job;
	bool found = false;

	pthread_mutex_lock(&running_mutex);
	LIST_FOREACH(job, &running, link) {
		if (strcmp(job->lock_path, lock_path) != 0)
			continue;
		atomic_store(&job->stopped, true);
		found = true;
	}
	pthread_mutex_unlock(&running_mutex);
	return found ? 0 : error_set(e, ERR_STATE, "no such job is running");
}

/* {state, started, updated, progress, …`fields`}; steals `fields`. */
static int
write_status(struct thread_job *job, const char *state, unsigned percent,
	     json_t *fields, struct error *e)
{
	char started[CLOCK_TEXT_SIZE], updated[CLOCK_TEXT_SIZE];
	json_t *status = json_pack(
		"{s:s,s:s*,s:s,s:s,s:i}", "state", state, "label", job->label,
		"started",
		clock_format(job->started_ns, started), "updated",
		clock_format(clock_wall_ns(), updated), "progress",
		(int)percent);
	char *text;
	int rc;

	json_object_update(status, fields);
	text = json_dumps(status, JSON_COMPACT);
	rc = file_write_atomic(job->status_path, bytes_of(text), 0600, e);
	free(text);
	json_decref(status);
	json_decref(fields);
	job->written_ns = clock_monotonic_ns();
	return rc;
}

void
thread_job_progress(struct thread_job *job, unsigned percent)
{
	if (clock_monotonic_ns() - job->written_ns >= WRITE_INTERVAL_NS)
		(void)write_status(job, "running", percent, json_object(),
				   NULL);
}

static void
free_job(struct thread_job *job)
{
	pthread_mutex_lock(&running_mutex);
	LIST_REMOVE(job, link);
	pthread_mutex_unlock(&running_mutex);
	job->work.release(job->work.context);
	close(job->lock); /* lets the lock go, behind the last status */
	free(job->status_path);
	free(job->lock_path);
	free(job->label);
	free(job);
}

static void *
work(void *argument)
{
	struct thread_job *job = argument;
	struct error error = { 0 };
	json_t *result = NULL;
	int rc = job->work.run(job->work.context, job, &result, &error);

	if (rc == 0)
		(void)write_status(job, "completed", 100,
				   json_pack("{s:o?}", "result", result),
				   NULL);
	else
		(void)write_status(
			job, rc == ERR_CANCELLED ? "cancelled" : "failed", 0,
			json_pack("{s:[s]}", "errors", error.text), NULL);
	free_job(job);
	return NULL;
}

/* A lock of the open file, not of the process: other jobs of this process are
 * kept out, and closing the file elsewhere does not let it go. */
static int
take_lock(const char *path, struct error *e)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return error_set_errno(e, errno, "cannot open %s", path);
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return fd;
	close(fd);
	return error_set(e, ERR_BUSY, "the same job is running already");
}

static int
start_thread(struct thread_job *job, struct error *e)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK);
	rc = pthread_create(&thread, &attributes, work, job);
	pthread_attr_destroy(&attributes);
	return rc == 0 ? 0
		       : error_set_errno(e, rc, "cannot start a thread");
}

int
thread_job_start(const char *status_path, const char *lock_path,
		 struct thread_job_work what, struct error *e)
{
	struct thread_job *job;
	int lock = take_lock(lock_path, e), rc;

	if (lock < 0) {
		what.release(what.context);
		return lock;
	}
	job = alloc_zero(1, sizeof(*job));
	job->work = what;
	job->lock = lock;
	job->status_path = alloc_string(status_path);
	job->lock_path = alloc_string(lock_path);
	job->label = what.label ? alloc_string(what.label) : NULL;
	job->started_ns = clock_wall_ns();
	pthread_mutex_lock(&running_mutex);
	LIST_INSERT_HEAD(&running, job, link);
	pthread_mutex_unlock(&running_mutex);
	rc = write_status(job, "running", 0, json_object(), e);
	if (rc == 0)
		rc = start_thread(job, e);
	if (rc < 0)
		free_job(job);
	return rc;
}
