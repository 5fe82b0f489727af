/* SPDX-License-Identifier: Apache-2.0 */
/* stop_snapshot_dissection: ask a running job to end. */
#include <string.h>

#include "server/jobs/job.h"
#include "server/tools/answer.h"
#include "server/tools/db.h"
#include "server/tools/tools_list.h"

struct stop_dissection {
	const char *snapshot, *name;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct stop_dissection, snapshot),
	ARG(TEXT, struct stop_dissection, name),
	{ 0 },
};

static int
state_of(struct tool_call *call, const struct stop_dissection *args,
	 char state[16], struct error *e)
{
	json_t *status = NULL;
	int rc = db_status(call->config->home, args->snapshot, args->name,
			   &status, e);

	if (rc == 0)
		snprintf(state, 16, "%s", json_string_value(json_object_get(
						  status, "state")));
	json_decref(status);
	return rc;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct stop_dissection args = { 0 };
	struct db_files files;
	char state[16];
	bool running;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = state_of(call, &args, state, e);
	if (rc < 0)
		return rc;
	running = strcmp(state, "running") == 0 ||
		  strcmp(state, "pending") == 0;
	if (running) {
		files = db_files(call->config->home, args.snapshot, args.name);
		rc = job_stop(files.lock, e);
		db_files_free(&files);
		if (rc == ERR_STATE) /* it ended by itself meanwhile */
			rc = 0;
		if (rc == 0)
			rc = state_of(call, &args, state, e);
		if (rc < 0)
			return rc;
	}
	out->structured = json_object();
	json_object_set_new(out->structured, "success", json_true());
	json_object_set_new(out->structured, "snapshot",
			    json_string(args.snapshot));
	json_object_set_new(out->structured, "name", json_string(args.name));
	json_object_set_new(out->structured, "status", json_string(state));
	answer_summary(out->structured, running ? "%s/%s is %s."
						: "%s/%s was not running: it "
						  "is %s.",
		       args.snapshot, args.name, state);
	return TOOL_DONE;
}

const struct tool tool_stop_snapshot_dissection = {
	.name = "stop_snapshot_dissection",
	.effects = TOOL_WRITES,
	.arguments = arguments,
	.run = run,
};
