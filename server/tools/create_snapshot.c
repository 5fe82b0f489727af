/* SPDX-License-Identifier: Apache-2.0 */
/* create_snapshot: freeze a window of captures. */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "capture/snapshot.h"
#include "server/tools/answer.h"
#include "server/tools/db.h"
#include "server/tools/tools_list.h"

#define DURATION_MAX (366 * 86400 * CLOCK_NS_PER_S)
#define NAME_SIZE 32
#define NAMES_MAX 1000 /* of one second */

struct create_snapshot {
	const char *name;
	struct arg_texts captures, nodes;
	int64_t from, to, duration;
	const char *note;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct create_snapshot, name),
	ARG(TEXTS, struct create_snapshot, captures),
	ARG(TEXTS, struct create_snapshot, nodes),
	ARG(TIME, struct create_snapshot, from),
	ARG(TIME, struct create_snapshot, to),
	ARG(DURATION, struct create_snapshot, duration),
	ARG(TEXT, struct create_snapshot, note),
	{ 0 },
};

/* "snap-20261123-140211", of the time the call began; "…-2" for the second of
 * that second. */
static const char *
standard_name(int64_t now_ns, int number, char out[NAME_SIZE])
{
	time_t seconds = (time_t)(now_ns / CLOCK_NS_PER_S);
	struct tm tm;
	size_t length;

	gmtime_r(&seconds, &tm);
	length = strftime(out, NAME_SIZE, "snap-%Y%m%d-%H%M%S", &tm);
	if (number > 1)
		snprintf(out + length, NAME_SIZE - length, "-%d", number);
	return out;
}

/* A duration stands for the end of the window that is not given. */
static int
apply_duration(struct create_snapshot *args, int64_t now_ns, struct error *e)
{
	bool from = args->from != INT64_MIN, to = args->to != INT64_MAX;

	if (!args->duration)
		return 0;
	if (args->duration < 0 || args->duration > DURATION_MAX)
		return error_set(e, ERR_INVALID,
				 "\"duration\" must be positive and at most "
				 "a year: 15m");
	if (from && to)
		return error_set(e, ERR_INVALID,
				 "give two of from, to and duration");
	if (!from && !to)
		args->to = now_ns;
	if (from ? __builtin_add_overflow(args->from, args->duration, &args->to)
		 : __builtin_sub_overflow(args->to, args->duration,
					  &args->from))
		return error_set(e, ERR_INVALID,
				 "the window is outside of all time");
	return 0;
}

static json_t *
result_of(json_t *manifest, const char *name)
{
	json_t *result = json_object();

	json_object_del(manifest, "segments");
	answer_tidy(manifest);
	json_object_set_new(result, "success", json_true());
	json_object_set_new(result, "name", json_string(name));
	json_object_set_new(result, "status", json_string("completed"));
	json_object_set_new(result, "snapshot", manifest);
	answer_summary(result,
		       "Snapshot %s holds %lld packets; "
		       "start_snapshot_dissection makes it queryable.", name,
		       (long long)json_integer_value(
			       json_object_get(manifest, "packets")));
	return result;
}

static void
on_progress(void *context, double percent)
{
	const struct tool_call *call = context;

	if (call->progress)
		call->progress(call->context, percent, 100, "freezing");
}

/* By the first standard name that is free, unless it has one. */
static int
create(const struct tool_call *call, struct snapshot_request *request,
       char name[NAME_SIZE], json_t **manifest, struct error *e)
{
	const char *home = call->config->home;
	int rc = ERR_EXISTS;

	if (request->name)
		return snapshot_create(home, request, manifest, e);
	for (int i = 1; rc == ERR_EXISTS && i <= NAMES_MAX; i++) {
		request->name = standard_name(call->now_ns, i, name);
		rc = snapshot_create(home, request, manifest, e);
	}
	return rc;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct create_snapshot args = { .from = INT64_MIN, .to = INT64_MAX };
	char name[NAME_SIZE];
	struct snapshot_request request = { .cancelled = call->cancelled,
					    .progress = on_progress,
					    .progress_context = call };
	json_t *manifest = NULL;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = apply_duration(&args, call->now_ns, e);
	if (rc < 0)
		return rc;
	request.name = args.name;
	request.captures = args.captures.items;
	request.capture_count = args.captures.count;
	request.nodes = args.nodes.items;
	request.node_count = args.nodes.count;
	request.window.from_ns = args.from;
	request.window.to_ns = args.to;
	request.note = args.note;
	rc = args.name ? db_check_name("snapshot", args.name, e) : 0;
	if (rc == 0)
		rc = create(call, &request, name, &manifest, e);
	if (rc < 0)
		return rc;
	out->structured = result_of(manifest, request.name);
	return TOOL_DONE;
}

const struct tool tool_create_snapshot = {
	.name = "create_snapshot",
	.effects = TOOL_WRITES,
	.arguments = arguments,
	.run = run,
	.tasks = TOOL_TASKS_OPTIONAL,
};
