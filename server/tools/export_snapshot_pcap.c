/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_snapshot_pcap: packets of a snapshot as one file.  A server writes a
 * large one on a thread of its own and answers before clients lose patience;
 * the same call again says how far it is.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "capture/export.h"
#include "capture/home.h"
#include "capture/snapshot.h"
#include "server/jobs/job.h"
#include "server/jobs/thread_job.h"
#include "server/tools/answer.h"
#include "server/tools/conversation.h"
#include "server/tools/db.h"
#include "server/tools/paths.h"
#include "server/tools/redact.h"
#include "server/tools/tools_list.h"
#include "server/tools/waiting.h"

#define BACKGROUND_BYTES ((json_int_t)256 << 20) /* a second or two */

struct export_pcap {
	const char *snapshot, *path, *db, *format;
	struct arg_texts addresses;
	struct arg_integers ports, calls;
	int64_t from, to, wait_ms;
	bool overwrite, include_secrets;
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
	ARG(BOOLEAN, struct export_pcap, include_secrets),
	ARG(INTEGER, struct export_pcap, wait_ms),
	{ 0 },
};

/* Everything an export needs, owned: it may outlive the call. */
struct work {
	json_t *arguments; /* what `args` borrows from */
	struct export_pcap args;
	struct export_request request;
	struct export_conversation conversations[ARGS_LIST_LIMIT];
	uint16_t ports[ARGS_LIST_LIMIT];
	char *home;
	char *snapshot;
	char *path;
	char tag[9];
	json_int_t bytes; /* of the snapshot's packets */
	struct tool_call *call; /* NULL once it runs in the background */
	struct thread_job *job;
};

static void
free_work(void *context)
{
	struct work *work = context;

	json_decref(work->arguments);
	free(work->home);
	free(work->snapshot);
	free(work->path);
	free(work);
}

/* The size of the snapshot, and eight hex digits that stand for what is
 * exported: a snapshot never changes, so the same arguments on the same one
 * mean the same file. */
static void
look_at_snapshot(struct work *work)
{
	json_t *what = json_copy(work->arguments), *manifest = NULL;
	uint64_t tag;
	char *text;

	if (snapshot_load(work->home, work->snapshot, &manifest, NULL) == 0) {
		work->bytes = json_integer_value(
			json_object_get(manifest, "bytes"));
		json_object_set(what, "created",
				json_object_get(manifest, "created"));
	}
	json_decref(manifest);
	json_object_del(what, "wait_ms");
	json_object_del(what, "overwrite");
	text = json_dumps(what, JSON_COMPACT | JSON_SORT_KEYS);
	tag = hash_bytes((struct hash_key){ 0, 0 }, bytes_of(text));
	snprintf(work->tag, sizeof(work->tag), "%08" PRIx32, (uint32_t)tag);
	free(text);
	json_decref(what);
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

/* `overwrite`: whatever is there already does not matter. */
static int
choose_path(struct tool_call *call, struct work *work, bool overwrite,
	    struct error *e)
{
	const char *wanted = work->args.path;
	char *path = wanted ? alloc_string(wanted)
			    : alloc_format("%s-%s.%s", work->snapshot,
					   work->tag, work->args.format);

	free(work->path);
	work->path = paths_writable(call->config, path,
				    overwrite || !wanted ||
					    work->args.overwrite, e);
	free(path);
	if (work->path)
		return 0;
	return e && e->code < 0 ? e->code : ERR_DENIED;
}

static void
on_progress(void *context, uint64_t bytes_read, uint64_t total)
{
	struct work *work = context;
	struct tool_call *call = work->call;

	if (work->job && total)
		thread_job_progress(work->job,
				    (unsigned)(bytes_read * 100 / total));
	else if (call && call->progress)
		call->progress(call->context, (double)bytes_read,
			       (double)total, "exporting");
}

static void
fill_request(struct work *work)
{
	const struct export_pcap *args = &work->args;
	struct export_request *request = &work->request;

	for (size_t i = 0; i < args->ports.count; i++)
		work->ports[i] = (uint16_t)args->ports.items[i];
	request->snapshot = work->snapshot;
	request->path = work->path;
	request->pcap = strcmp(args->format, "pcap") == 0;
	request->include_secrets = args->include_secrets;
	request->window.from_ns = args->from;
	request->window.to_ns = args->to;
	request->addresses = args->addresses.items;
	request->address_count = args->addresses.count;
	request->ports = work->ports;
	request->port_count = args->ports.count;
	request->cancelled = work->call ? work->call->cancelled : NULL;
	request->progress = on_progress;
	request->progress_context = work;
	if (request->conversation_count)
		narrow_window(work);
}

static int
prepare(struct tool_call *call, struct work *work, struct error *e)
{
	struct export_pcap *args = &work->args;
	int rc;

	work->arguments = json_incref(call->arguments);
	work->home = alloc_string(call->config->home);
	args->from = INT64_MIN;
	args->to = INT64_MAX;
	rc = args_bind(arguments, work->arguments, call->now_ns, args, e);
	if (rc == 0)
		rc = redact_check_reveal(call->config, args->include_secrets,
					 e);
	if (rc == 0 && args->from >= args->to)
		rc = error_set(e, ERR_INVALID, "\"from\" is not before \"to\"");
	if (rc == 0)
		rc = choose_snapshot(call, args, work, e);
	if (rc == 0)
		look_at_snapshot(work);
	return rc;
}

/* In a server, and too much to be waited for. */
static bool
is_large(struct tool_call *call, const struct work *work)
{
	return call->config->lifeline >= 0 && work->args.calls.count == 0 &&
	       work->bytes > BACKGROUND_BYTES;
}

static json_t *
result_of(json_t *exported, const char *path)
{
	json_t *result = json_copy(exported);

	json_object_set_new(result, "state", json_string("completed"));
	answer_summary(result, "%lld packets written to %s.",
		       (long long)json_integer_value(
			       json_object_get(result, "packets")),
		       path);
	return result;
}

static int
export_here(struct tool_call *call, struct work *work,
	    struct tool_result *out, struct error *e)
{
	json_t *exported = NULL;
	int rc = choose_path(call, work, false, e);

	if (rc < 0)
		return rc;
	work->call = call;
	fill_request(work);
	rc = export_snapshot(work->home, &work->request, &exported, e);
	if (rc == 0)
		out->structured = result_of(exported, work->path);
	json_decref(exported);
	return rc;
}

/* exports/.jobs/<hash of the path>.{json,lock} */
static int
job_files(const struct work *work, char **status, char **lock,
	  struct error *e)
{
	char *directory = home_path(work->home, "exports", ".jobs", NULL);
	uint64_t tag = hash_bytes((struct hash_key){ 0, 0 },
				  bytes_of(work->path));
	int rc = file_make_dirs(directory, e);

	*status = alloc_format("%s/%016" PRIx64 ".json", directory, tag);
	*lock = alloc_format("%s/%016" PRIx64 ".lock", directory, tag);
	free(directory);
	return rc;
}

static int
run_in_background(void *context, struct thread_job *job, json_t **result,
		  struct error *e)
{
	struct work *work = context;

	work->job = job;
	fill_request(work);
	work->request.cancelled = thread_job_stopped(job);
	return export_snapshot(work->home, &work->request, result, e);
}

/* What to say of a background export's status. */
static int
tell(struct tool_call *call, const struct export_pcap *args, const char *path,
     json_t *status, struct tool_result *out, struct error *e)
{
	json_t *exported = json_object_get(status, "result");
	json_t *why = json_array_get(json_object_get(status, "errors"), 0);

	if (waiting_for(call, status, args->wait_ms, "exporting", out) ==
	    TOOL_WAIT)
		return TOOL_WAIT;
	if (exported) {
		out->structured = result_of(exported, path);
		return TOOL_DONE;
	}
	if (!waiting_is_alive(status))
		return error_set(e, ERR_IO, "the export failed: %s",
				 why ? json_string_value(why) : "unknown");
	out->structured = json_pack("{s:s,s:s,s:O?}", "path", path, "state",
				    "running", "progress",
				    json_object_get(status, "progress"));
	answer_summary(out->structured, "Still writing %s: the same call again "
					"waits for it.", path);
	return TOOL_DONE;
}

/*
 * The status of the job that writes, or has written, just this: a call that
 * is repeated finds it.  `*status` NULL: there is none.
 */
static int
find_job(struct tool_call *call, const struct work *work,
	 const char *status_path, const char *lock_path, json_t **status,
	 struct error *e)
{
	const char *label;
	bool ours, done;

	*status = NULL;
	if (job_status(status_path, lock_path, status, NULL) < 0)
		return 0;
	label = json_string_value(json_object_get(*status, "label"));
	ours = label && strcmp(label, work->tag) == 0;
	done = json_object_get(*status, "result") && file_exists(work->path);
	if (ours && (done || waiting_is_current(call, status_path, *status)))
		return 0;
	if (!ours && waiting_is_alive(*status))
		return error_set(e, ERR_BUSY,
				 "another export is writing %s; give another "
				 "path", work->path);
	json_decref(*status);
	*status = NULL;
	return 0;
}

/* Takes the work. */
static int
export_in_background(struct tool_call *call, struct work *work,
		     struct tool_result *out, struct error *e)
{
	const struct thread_job_work thread = { work, run_in_background,
						free_work, work->tag };
	struct export_pcap args;
	char *status_path = NULL, *lock_path = NULL, *path;
	json_t *status = NULL;
	int rc = choose_path(call, work, true, e);

	if (rc == 0)
		rc = job_files(work, &status_path, &lock_path, e);
	if (rc == 0)
		rc = find_job(call, work, status_path, lock_path, &status, e);
	if (rc == 0 && !status)
		rc = choose_path(call, work, false, e);
	args = work->args;
	path = alloc_string(work->path ? work->path : "");
	if (rc == 0 && !status) {
		rc = thread_job_start(status_path, lock_path, thread, e);
		work = NULL;
		if (rc == 0)
			rc = job_status(status_path, lock_path, &status, e);
	}
	if (rc == 0)
		rc = tell(call, &args, path, status, out, e);
	if (work)
		free_work(work);
	json_decref(status);
	free(path);
	free(status_path);
	free(lock_path);
	return rc;
}

/* Ends the export that writes that file in the background; one that is waited
 * for sees by itself that its call was cancelled. */
static void
stop(struct tool_call *call)
{
	struct work *work = alloc_zero(1, sizeof(*work));
	char *status_path = NULL, *lock_path = NULL;

	if (prepare(call, work, NULL) == 0 && is_large(call, work) &&
	    choose_path(call, work, true, NULL) == 0 &&
	    job_files(work, &status_path, &lock_path, NULL) == 0)
		(void)thread_job_stop(lock_path, NULL);
	free(status_path);
	free(lock_path);
	free_work(work);
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct work *work = alloc_zero(1, sizeof(*work));
	int rc = prepare(call, work, e);

	if (rc == 0 && is_large(call, work))
		return export_in_background(call, work, out, e);
	if (rc == 0)
		rc = export_here(call, work, out, e);
	free_work(work);
	return rc;
}

const struct tool tool_export_snapshot_pcap = {
	.name = "export_snapshot_pcap",
	.effects = TOOL_WRITES,
	.arguments = arguments,
	.run = run,
	.tasks = TOOL_TASKS_OPTIONAL,
	.stop = stop,
};
