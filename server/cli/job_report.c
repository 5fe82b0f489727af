/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/job_report.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"

#define WRITE_INTERVAL_NS (250 * CLOCK_NS_PER_MS)

/* Writes {state, pid, started, updated, …fields}; steals `fields`. */
static int
write_status(struct job_report *j, const char *state, json_t *fields,
	     struct error *e)
{
	char started[CLOCK_TEXT_SIZE], updated[CLOCK_TEXT_SIZE];
	json_t *status;
	char *text;
	int code;

	clock_format(j->started_ns, started);
	clock_format(clock_wall_ns(), updated);
	status = json_pack("{s:s,s:i,s:s,s:s}", "state", state, "pid",
			   (int)getpid(), "started", started, "updated",
			   updated);
	json_object_update(status, fields);
	text = json_dumps(status, JSON_COMPACT);
	code = file_write_atomic(j->status_path, bytes_of(text), 0600, e);
	free(text);
	json_decref(status);
	json_decref(fields);
	j->written_ns = clock_monotonic_ns();
	return code;
}

int
job_report_begin(struct job_report *j, const char *status_path, struct error *e)
{
	size_t size = strlen(status_path);
	char *lock;

	if (size < 6 || strcmp(status_path + size - 5, ".json") != 0)
		return error_set(e, ERR_INVALID,
				 "a job's status file must end in .json");
	lock = alloc_format("%.*s.lock", (int)(size - 5), status_path);
	j->lock = file_lock(lock, e);
	free(lock);
	if (j->lock < 0)
		return j->lock;
	j->status_path = alloc_string(status_path);
	j->started_ns = clock_wall_ns();
	return write_status(j, "running", json_object(), e);
}

void
job_report_progress(struct job_report *j, json_t *fields)
{
	if (clock_monotonic_ns() - j->written_ns < WRITE_INTERVAL_NS) {
		json_decref(fields);
		return;
	}
	(void)write_status(j, "running", fields, NULL);
}

bool
job_report_cancelled(const struct job_report *j)
{
	struct pollfd poll_fd = { .fd = j->lifeline, .events = POLLIN };

	return j->lifeline >= 0 && poll(&poll_fd, 1, 0) > 0 &&
	       (poll_fd.revents & (POLLIN | POLLHUP | POLLERR)) != 0;
}

void
job_report_end(struct job_report *j, int code, const struct error *e,
	       json_t *result)
{
	const char *state = code == 0		    ? "completed"
			    : code == ERR_CANCELLED ? "cancelled"
						    : "failed";
	json_t *fields = json_object();

	if (code == 0)
		json_object_set_new(fields, "progress", json_integer(100));
	else
		json_object_set_new(fields, "errors",
				    json_pack("[s]", e->text));
	if (result)
		json_object_set(fields, "result", result);
	(void)write_status(j, state, fields, NULL);
	close(j->lock);
	free(j->status_path);
	j->status_path = NULL;
}
