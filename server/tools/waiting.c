/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tools/waiting.h"

#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "server/jobs/job.h"

/* A file's time is that of the last clock tick, so it may lag behind ours. */
#define TICK_NS (50 * CLOCK_NS_PER_MS)

bool
waiting_is_alive(json_t *status)
{
	const char *state = json_string_value(json_object_get(status, "state"));

	return state && (strcmp(state, "running") == 0 ||
			 strcmp(state, "pending") == 0);
}

bool
waiting_is_current(const struct tool_call *call, const char *status_path,
		   json_t *status)
{
	int64_t age = clock_monotonic_ns() - call->started_ns;
	int64_t began = clock_wall_ns() - age - TICK_NS;
	struct stat file;

	if (waiting_is_alive(status))
		return true;
	return stat(status_path, &file) == 0 &&
	       (int64_t)file.st_mtim.tv_sec * CLOCK_NS_PER_S +
			       file.st_mtim.tv_nsec >= began;
}

int
waiting_for(struct tool_call *call, json_t *status, int64_t wait_ms,
	    const char *what, struct tool_result *out)
{
	int64_t waited = clock_monotonic_ns() - call->started_ns;
	json_t *progress = json_object_get(status, "progress");

	if (!waiting_is_alive(status) ||
	    (!call->is_task && waited >= wait_ms * CLOCK_NS_PER_MS))
		return TOOL_DONE;
	if (call->progress)
		call->progress(call->context, json_number_value(progress), 100,
			       what);
	out->wait_ms = job_poll_ms(waited);
	return TOOL_WAIT;
}
