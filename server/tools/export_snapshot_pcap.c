/* SPDX-License-Identifier: Apache-2.0 */
/* export_snapshot_pcap: packets of a snapshot as one file. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/export.h"
#include "server/tools/answer.h"
#include "server/tools/conversation.h"
#include "server/tools/db.h"
#include "server/tools/paths.h"
#include "server/tools/tools_list.h"

struct export_pcap {
	const char *snapshot, *path, *db, *format;
	struct arg_texts addresses;
	struct arg_integers ports, calls;
	int64_t from, to;
	bool overwrite;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct export_pcap, snapshot),
	ARG(TEXT, struct export_pcap, path),
	ARG(TIME, struct export_pcap, from),
	ARG(TIME, struct export_pcap, to),
	ARG(TEXTS, struct export_pcap, addresses),
	ARG(INTEGERS, struct export_pcap, ports),
	ARG(INTEGERS, struct export_pcap, calls),
	ARG(TEXT, struct export_pcap, db),
	ARG(TEXT, struct export_pcap, format),
	ARG(BOOLEAN, struct export_pcap, overwrite),
	{ 0 },
};

/* Everything an export needs, owned. */
struct work {
	struct export_pcap args;
	struct export_request request;
	struct export_conversation conversations[ARGS_LIST_LIMIT];
	uint16_t ports[ARGS_LIST_LIMIT];
	char *snapshot;
	char *path;
};

static void
free_work(struct work *work)
{
	free(work->snapshot);
	free(work->path);
}

/* "<snapshot>-20261123-140211.pcapng" */
static char *
standard_path(const char *snapshot, const char *format, int64_t now_ns)
{
	time_t seconds = (time_t)(now_ns / CLOCK_NS_PER_S);
	char stamp[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	return alloc_format("%s-%s.%s", snapshot, stamp, format);
}

/* Calls name their database, which names the snapshot. */
static int
choose_calls(struct tool_call *call, const struct export_pcap *args,
	     struct work *work, struct error *e)
{
	const char *wanted = args->db ? args->db : args->snapshot;
	struct db db;
	int rc = db_open(call, wanted, &db, e);

	if (rc < 0)
		return rc;
	work->snapshot = alloc_string_n(
		db.address, (size_t)(strchr(db.address, '/') - db.address));
	if (args->snapshot && strcmp(args->snapshot, work->snapshot) != 0)
		rc = error_set(e, ERR_INVALID,
			       "db %s is not of snapshot %s", db.address,
			       args->snapshot);
	for (size_t i = 0; rc == 0 && i < args->calls.count; i++)
		rc = conversation_of_call(db.store, args->calls.items[i],
					  &work->conversations[i], e);
	work->request.conversations = work->conversations;
	work->request.conversation_count = args->calls.count;
	db_close(&db);
	return rc;
}

/* The window is no wider than what the conversations need. */
static void
narrow_window(struct work *work)
{
	const struct export_conversation *c = work->conversations;
	int64_t first = INT64_MAX, last = INT64_MIN;

	for (size_t i = 0; i < work->request.conversation_count; i++) {
		if (c[i].from_ns < first)
			first = c[i].from_ns;
		if (c[i].to_ns > last)
			last = c[i].to_ns;
	}
	if (first > last)
		return;
	if (work->request.window.from_ns < first)
		work->request.window.from_ns = first;
	if (last < INT64_MAX && work->request.window.to_ns > last + 1)
		work->request.window.to_ns = last + 1;
}

static int
choose_snapshot(struct tool_call *call, const struct export_pcap *args,
		struct work *work, struct error *e)
{
	if (args->calls.count)
		return choose_calls(call, args, work, e);
	if (!args->snapshot)
		return error_set(e, ERR_INVALID,
				 "\"snapshot\" is required (or calls with db); "
				 "list_snapshots shows those there are");
	work->snapshot = alloc_string(args->snapshot);
	return db_check_name("snapshot", args->snapshot, e);
}

static int
choose_path(struct tool_call *call, const struct export_pcap *args,
	    struct work *work, struct error *e)
{
	char *path = args->path ? alloc_string(args->path)
				: standard_path(work->snapshot, args->format,
						call->now_ns);

	work->path = paths_writable(call->config, path, args->overwrite, e);
	free(path);
	if (work->path)
		return 0;
	return e && e->code < 0 ? e->code : ERR_DENIED;
}

static void
on_progress(void *context, uint64_t bytes_read, uint64_t total)
{
	struct tool_call *call = context;

	if (call->progress)
		call->progress(call->context, (double)bytes_read,
			       (double)total, "exporting");
}

static void
fill_request(struct tool_call *call, struct work *work)
{
	const struct export_pcap *args = &work->args;
	struct export_request *request = &work->request;

	for (size_t i = 0; i < args->ports.count; i++)
		work->ports[i] = (uint16_t)args->ports.items[i];
	request->snapshot = work->snapshot;
	request->path = work->path;
	request->pcap = strcmp(args->format, "pcap") == 0;
	request->window.from_ns = args->from;
	request->window.to_ns = args->to;
	request->addresses = args->addresses.items;
	request->address_count = args->addresses.count;
	request->ports = work->ports;
	request->port_count = args->ports.count;
	request->cancelled = call->cancelled;
	request->progress = on_progress;
	request->progress_context = call;
	if (request->conversation_count)
		narrow_window(work);
}

static int
prepare(struct tool_call *call, struct work *work, struct error *e)
{
	struct export_pcap *args = &work->args;
	int rc;

	args->from = INT64_MIN;
	args->to = INT64_MAX;
	rc = args_bind(arguments, call->arguments, call->now_ns, args, e);
	if (rc == 0 && args->from >= args->to)
		rc = error_set(e, ERR_INVALID, "\"from\" is not before \"to\"");
	if (rc == 0)
		rc = choose_snapshot(call, args, work, e);
	if (rc == 0)
		rc = choose_path(call, args, work, e);
	if (rc < 0)
		return rc;
	fill_request(call, work);
	return 0;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct work *work = alloc_zero(1, sizeof(*work));
	json_t *result = NULL;
	int rc = prepare(call, work, e);

	if (rc == 0)
		rc = export_snapshot(call->config->home, &work->request,
				     &result, e);
	if (rc == 0) {
		answer_summary(result, "%lld packets written to %s.",
			       (long long)json_integer_value(
				       json_object_get(result, "packets")),
			       work->path);
		out->structured = result;
	}
	free_work(work);
	free(work);
	return rc;
}

const struct tool tool_export_snapshot_pcap = {
	.name = "export_snapshot_pcap",
	.effects = TOOL_WRITES,
	.arguments = arguments,
	.run = run,
};
