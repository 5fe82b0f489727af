/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tools that wait for a job: they return TOOL_WAIT and are run again, with the
 * same arguments and started_ns, until the job has ended or their time is up.
 */
#pragma once

#include <stdbool.h>

#include "server/tool.h"

/*
 * Is a job's status that of this call?  A job that still runs, or that was
 * written to since the call began, is; an older one is history.
 */
bool waiting_is_current(const struct tool_call *call, const char *status_path,
			json_t *status);

/* True while the status says pending or running. */
bool waiting_is_alive(json_t *status);

/*
 * TOOL_WAIT, with the job's progress told to the caller as `what`
 * ("importing"), while it is alive and less than `wait_ms` have passed since
 * the call began, or the call is a task; else TOOL_DONE.
 */
int waiting_for(struct tool_call *call, json_t *status, int64_t wait_ms,
		const char *what, struct tool_result *out);
