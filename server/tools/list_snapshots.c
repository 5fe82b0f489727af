/* SPDX-License-Identifier: Apache-2.0 */
/* list_snapshots: the frozen windows there are, newest first. */
#include "capture/snapshot.h"
#include "server/tools/answer.h"
#include "server/tools/db.h"
#include "server/tools/tools_list.h"

struct list_snapshots {
	int64_t limit;
};

static const struct arg arguments[] = {
	ARG(INTEGER, struct list_snapshots, limit),
	{ 0 },
};

/* What a list shows of a manifest. */
static json_t *
snapshot_row(const char *home, json_t *manifest)
{
	static const char *const members[] = { "name",  "created", "from",
					       "to",    "first",   "last",
					       "duration_ms", "packets",
					       "bytes", "stored_bytes",
					       "drops", "captures", "note" };
	const char *name =
		json_string_value(json_object_get(manifest, "name"));
	json_t *row = json_object(), *captures, *capture;
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_t *value = json_object_get(manifest, members[i]);

		if (value)
			json_object_set(row, members[i], value);
	}
	answer_rename(row, "stored_bytes", "size_bytes");
	captures = json_array();
	json_array_foreach(json_object_get(manifest, "captures"), i, capture)
		json_array_append(captures, json_object_get(capture, "name"));
	json_object_set_new(row, "captures", captures);
	json_object_set_new(row, "status", json_string("completed"));
	json_object_set_new(row, "dissections", db_names(home, name));
	return row;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct list_snapshots args = { 0 };
	json_t *all = NULL, *rows, *manifest;
	size_t i, total;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = snapshot_list(call->config->home, &all, e);
	if (rc < 0)
		return rc;
	total = json_array_size(all);
	rows = json_array();
	json_array_foreach(all, i, manifest)
		if (i < (size_t)args.limit)
			json_array_append_new(
				rows, snapshot_row(call->config->home,
						   manifest));
	json_decref(all);
	out->structured = json_object();
	json_object_set_new(out->structured, "snapshots", rows);
	json_object_set_new(out->structured, "total",
			    json_integer((json_int_t)total));
	json_object_set_new(out->structured, "truncated",
			    json_boolean(total > (size_t)args.limit));
	answer_cut_to_fit(call->config, out->structured, "snapshots");
	if (total == 0)
		answer_summary(out->structured,
			       "No snapshot yet: create_snapshot makes one "
			       "from captures (list_captures).");
	return TOOL_DONE;
}

const struct tool tool_list_snapshots = {
	.name = "list_snapshots",
	.effects = TOOL_READS,
	.quick = true,
	.arguments = arguments,
	.run = run,
};
