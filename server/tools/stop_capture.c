/* SPDX-License-Identifier: Apache-2.0 */
/* stop_capture: ends a recording and waits until all of it is sealed. */
#include "capture/recorder_client.h"
#include "server/tools/answer.h"
#include "server/tools/recordings.h"
#include "server/tools/tools_list.h"

#define STOP_TIMEOUT_MS 60000

struct stop_capture {
	const char *name;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct stop_capture, name),
	{ 0 },
};

static int
stop(struct tool_call *call, const char *name, json_t **status,
     struct error *e)
{
	const struct recorder_question question = {
		.home = call->config->home,
		.name = name,
		.command = "stop",
		.timeout_ms = STOP_TIMEOUT_MS,
		.cancelled = call->cancelled,
	};
	int rc = recorder_client_ask(&question, status, e);

	if (rc == 0)
		json_object_del(*status, "ok");
	/* To stop what has stopped already is no error. */
	if (rc == ERR_NOTFOUND)
		rc = recordings_status(call, name, status, e);
	return rc;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct stop_capture args = { 0 };
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = recordings_check(call->config, args.name, e);
	if (rc == 0)
		rc = stop(call, args.name, &out->structured, e);
	if (rc < 0)
		return rc;
	answer_summary(out->structured,
		       "Capture %s is not being recorded any more; "
		       "create_snapshot freezes a window of it.", args.name);
	return TOOL_DONE;
}

const struct tool tool_stop_capture = {
	.name = "stop_capture",
	.effects = TOOL_CONTROLS,
	.arguments = arguments,
	.run = run,
};
