/* SPDX-License-Identifier: Apache-2.0 */
/* get_snapshot: one manifest, the dissections made of it, and on request the
 * proof that its segments are what they were. */
#include "capture/snapshot.h"
#include "server/tools/answer.h"
#include "server/tools/db.h"
#include "server/tools/tools_list.h"

struct get_snapshot {
	const char *snapshot;
	bool verify;
	bool segments;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct get_snapshot, snapshot),
	ARG(BOOLEAN, struct get_snapshot, verify),
	ARG(BOOLEAN, struct get_snapshot, segments),
	{ 0 },
};

static json_t *
dissections_of(const char *home, const char *snapshot)
{
	static const char *const members[] = { "name", "state", "progress",
					       "calls", "finished" };
	json_t *names = db_names(home, snapshot), *name;
	json_t *list = json_array();
	size_t i;

	json_array_foreach(names, i, name) {
		json_t *status = NULL, *row = json_object();

		db_status(home, snapshot, json_string_value(name), &status,
			  NULL);
		json_object_set(row, "name", name);
		for (size_t m = 1; m < 5; m++)
			if (json_object_get(status, members[m]))
				json_object_set(row, members[m],
						json_object_get(status,
								members[m]));
		answer_rename(row, "state", "status");
		json_array_append_new(list, row);
		json_decref(status);
	}
	json_decref(names);
	return list;
}

static int
verify(struct tool_call *call, const char *snapshot, json_t *result,
       struct error *e)
{
	int rc = snapshot_verify(call->config->home, snapshot, call->cancelled,
				 e);

	if (rc < 0 && rc != ERR_CORRUPT)
		return rc;
	json_object_set_new(result, "verified", json_boolean(rc == 0));
	if (rc == 0)
		answer_summary(result, "Every segment has the SHA-256 that the "
				       "manifest says.");
	else
		answer_summary(result, "NOT intact: %s", e->text);
	return 0;
}

/* The segments, of which there may be thousands, stand by themselves and only
 * when they were asked for; how their frames hash says nothing to anybody. */
static void
move_segments(const struct tool_config *config, json_t *result,
	      json_t *manifest, bool wanted)
{
	json_t *segments = json_object_get(manifest, "segments");
	json_t *segment;
	size_t i;

	json_object_set_new(
		manifest, "segment_count",
		json_integer((json_int_t)json_array_size(segments)));
	if (wanted) {
		json_array_foreach (segments, i, segment)
			json_object_del(segment, "frame_checks");
		json_object_set(result, "segments", segments);
		answer_cut_to_fit(config, result, "segments");
	}
	json_object_del(manifest, "segments");
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct get_snapshot args = { 0 };
	json_t *manifest = NULL;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = db_check_name("snapshot", args.snapshot, e);
	if (rc == 0)
		rc = snapshot_load(call->config->home, args.snapshot,
				   &manifest, e);
	if (rc < 0)
		return rc;
	out->structured = json_object();
	json_object_set_new(out->structured, "snapshot", manifest);
	json_object_set_new(out->structured, "dissections",
			    dissections_of(call->config->home, args.snapshot));
	move_segments(call->config, out->structured, manifest, args.segments);
	answer_tidy(manifest);
	json_object_set_new(manifest, "status", json_string("completed"));
	return args.verify ? verify(call, args.snapshot, out->structured, e)
			   : TOOL_DONE;
}

const struct tool tool_get_snapshot = {
	.name = "get_snapshot",
	.effects = TOOL_READS,
	.arguments = arguments,
	.run = run,
};
