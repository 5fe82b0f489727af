/* SPDX-License-Identifier: Apache-2.0 */
/* delete_snapshot: a snapshot and everything made of it, for good. */
#include "capture/snapshot.h"
#include "server/tools/answer.h"
#include "server/tools/db.h"
#include "server/tools/tools_list.h"

struct delete_snapshot {
	const char *snapshot;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct delete_snapshot, snapshot),
	{ 0 },
};

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct delete_snapshot args = { 0 };
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = db_check_name("snapshot", args.snapshot, e);
	if (rc == 0)
		rc = snapshot_delete(call->config->home, args.snapshot, e);
	if (rc < 0)
		return rc;
	out->structured = json_object();
	json_object_set_new(out->structured, "success", json_true());
	json_object_set_new(out->structured, "name",
			    json_string(args.snapshot));
	answer_summary(out->structured,
		       "Snapshot %s and its dissections are deleted.",
		       args.snapshot);
	return TOOL_DONE;
}

const struct tool tool_delete_snapshot = {
	.name = "delete_snapshot",
	.effects = TOOL_DESTROYS,
	.arguments = arguments,
	.run = run,
};
