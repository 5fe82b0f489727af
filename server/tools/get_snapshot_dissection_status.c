/* SPDX-License-Identifier: Apache-2.0 */
/* get_snapshot_dissection_status: how far a dissection is; can wait for it. */
#include <string.h>

#include "server/tools/answer.h"
#include "server/tools/db.h"
#include "server/tools/tools_list.h"
#include "server/tools/waiting.h"

struct dissection_status {
	const char *snapshot, *name;
	int64_t wait_ms;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct dissection_status, snapshot),
	ARG(TEXT, struct dissection_status, name),
	ARG(INTEGER, struct dissection_status, wait_ms),
	{ 0 },
};

static void
take(json_t *to, const char *as, json_t *from, const char *name)
{
	json_t *value = json_object_get(from, name);

	if (value)
		json_object_set(to, as, value);
}

/* Names by which Kubeshark's clients know these numbers. */
static json_t *
stats_of(json_t *status)
{
	json_t *stats = json_object();

	take(stats, "pcap_bytes", status, "bytes_total");
	take(stats, "packets_processed", status, "packets");
	take(stats, "entries_created", status, "calls");
	take(stats, "protocol_counts", status, "calls_by_protocol");
	take(stats, "connections", status, "connections");
	take(stats, "database_bytes", status, "database_bytes");
	return stats;
}

static void
summarise(json_t *result, json_t *status, const char *state)
{
	const char *db = json_string_value(json_object_get(result, "db"));
	json_int_t calls = json_integer_value(json_object_get(status, "calls"));
	json_int_t eta = json_integer_value(json_object_get(status, "eta_s"));

	if (strcmp(state, "completed") == 0)
		answer_summary(result, "%s is completed and can be queried.",
			       db);
	else if (strcmp(state, "running") == 0 && eta)
		answer_summary(result,
			       "%s is %lld %% done, %lld calls so far, about "
			       "%lld s to go; what is there can be queried.",
			       db,
			       (long long)json_integer_value(
				       json_object_get(status, "progress")),
			       (long long)calls, (long long)eta);
	else
		answer_summary(result, "%s is %s.", db, state);
}

static json_t *
result_of(json_t *status, const struct dissection_status *args)
{
	static const char *const members[] = {
		"phase",      "started",     "updated",
		"finished",   "bytes_read",  "bytes_total",
		"bytes_per_second", "eta_s", "options",
	};
	const char *state = json_string_value(json_object_get(status, "state"));
	json_t *errors = json_object_get(status, "errors");
	json_t *result = json_object();

	take(result, "snapshot", status, "snapshot");
	take(result, "name", status, "name");
	json_object_set_new(result, "db", json_sprintf("%s/%s", args->snapshot,
						       args->name));
	json_object_set_new(result, "status", json_string(state));
	take(result, "progress", status, "progress");
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		take(result, members[i], status, members[i]);
	json_object_set_new(result, "stats", stats_of(status));
	if (errors)
		json_object_set(result, "errors", errors);
	else
		json_object_set_new(result, "errors", json_array());
	summarise(result, status, state);
	return result;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct dissection_status args = { 0 };
	json_t *status = NULL;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = db_status(call->config->home, args.snapshot, args.name,
			       &status, e);
	if (rc < 0)
		return rc;
	rc = waiting_for(call, status, args.wait_ms, "dissecting", out);
	if (rc == TOOL_DONE)
		out->structured = result_of(status, &args);
	json_decref(status);
	return rc;
}

const struct tool tool_get_snapshot_dissection_status = {
	.name = "get_snapshot_dissection_status",
	.effects = TOOL_READS,
	.quick = true,
	.arguments = arguments,
	.run = run,
};
