/* SPDX-License-Identifier: Apache-2.0 */
/* import_capture: files become a capture, in a job of `aftertap import`. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "capture/capture.h"
#include "capture/home.h"
#include "server/jobs/job.h"
#include "server/tools/answer.h"
#include "server/tools/db.h"
#include "server/tools/imports.h"
#include "server/tools/paths.h"
#include "server/tools/tools_list.h"
#include "server/tools/waiting.h"

struct import_capture {
	struct arg_texts files;
	const char *name;
	const char *node;
	const char *tls_keylog;
	int64_t wait_ms;
};

static const struct arg arguments[] = {
	ARG(TEXTS, struct import_capture, files),
	ARG(TEXT, struct import_capture, name),
	ARG(TEXT, struct import_capture, node),
	ARG(TEXT, struct import_capture, tls_keylog),
	ARG(INTEGER, struct import_capture, wait_ms),
	{ 0 },
};

/* Spawns the job; `paths` are canonical. */
static int
start(struct tool_call *call, const struct import_capture *args,
      const char *name, const struct import_files *files, struct error *e)
{
	const char *argv[16 + ARGS_LIST_LIMIT] = { 0 };
	char *paths[ARGS_LIST_LIMIT] = { 0 }, *key_log = NULL;
	size_t n = 0;
	int rc = 0;

	argv[n++] = call->config->program;
	argv[n++] = "import";
	argv[n++] = "--home";
	argv[n++] = call->config->home;
	argv[n++] = "--name";
	argv[n++] = name;
	argv[n++] = "--job";
	argv[n++] = files->status;
	if (args->node) {
		argv[n++] = "--node";
		argv[n++] = args->node;
	}
	if (args->tls_keylog) {
		key_log = paths_readable(call->config, args->tls_keylog, e);
		argv[n++] = "--tls-keylog";
		argv[n++] = key_log;
		rc = key_log ? 0 : ERR_DENIED;
	}
	for (size_t i = 0; rc == 0 && i < args->files.count; i++) {
		paths[i] = paths_readable(call->config, args->files.items[i],
					  e);
		argv[n++] = paths[i];
		if (!paths[i])
			rc = ERR_DENIED;
	}
	if (rc == 0)
		rc = job_start(argv, files->status, files->log,
			       call->config->lifeline, e);
	for (size_t i = 0; i < args->files.count; i++)
		free(paths[i]);
	free(key_log);
	return rc;
}

static bool
capture_exists(const char *home, const char *name)
{
	char *path = home_path(home, "captures", name, "capture.json", NULL);
	bool there = file_exists(path);

	free(path);
	return there;
}

static int
check_new(struct tool_call *call, const struct import_capture *args,
	  const char *name, struct error *e)
{
	int rc = db_check_name("capture", name, e);

	if (rc == 0 && args->node)
		rc = db_check_name("node", args->node, e);
	if (rc == 0 && capture_exists(call->config->home, name))
		rc = error_set(e, ERR_EXISTS,
			       "capture \"%s\" exists already "
			       "(list_captures shows it); give another name to "
			       "import again", name);
	if (rc == 0 && !call->config->program)
		rc = error_set(e, ERR_INTERNAL,
			       "this server cannot start jobs");
	return rc;
}

static json_t *
result_of(json_t *status, const char *name)
{
	const char *state = json_string_value(json_object_get(status, "state"));
	json_t *result = json_copy(status);
	json_t *capture = json_object_get(status, "result");

	json_object_set_new(result, "name", json_string(name));
	json_object_del(result, "pid");
	json_object_del(result, "updated");
	if (capture) {
		answer_tidy(capture);
		answer_rename(result, "result", "capture");
	}
	if (!state || strcmp(state, "completed") != 0)
		answer_summary(result,
			       "The import is still running; list_captures "
			       "shows how far it is.");
	else
		answer_summary(result,
			       "Capture %s holds %lld packets; "
			       "create_snapshot freezes a window of it.", name,
			       (long long)json_integer_value(
				       json_object_get(capture, "packets")));
	return result;
}

static int
failed(json_t *status, struct error *e)
{
	const char *text = json_string_value(
		json_array_get(json_object_get(status, "errors"), 0));

	return error_set(e, ERR_CORRUPT, "the import failed: %s",
			 text ? text : "no reason was given");
}

static int
import(struct tool_call *call, const struct import_capture *args,
       const char *name, struct tool_result *out, struct error *e)
{
	struct import_files files;
	json_t *status = NULL;
	const char *state;
	int rc;

	rc = imports_files(call->config->home, name, &files, e);
	if (rc == 0 && job_status(files.status, files.lock, &status, NULL) == 0
	    && !waiting_is_current(call, files.status, status)) {
		json_decref(status);
		status = NULL;
	}
	if (rc == 0 && !status) {
		rc = check_new(call, args, name, e);
		if (rc == 0)
			rc = start(call, args, name, &files, e);
		if (rc == 0)
			rc = job_status(files.status, files.lock, &status, e);
	}
	if (rc == 0) {
		state = json_string_value(json_object_get(status, "state"));
		if (!state || strcmp(state, "failed") == 0 ||
		    strcmp(state, "cancelled") == 0)
			rc = failed(status, e);
		else
			rc = waiting_for(call, status, args->wait_ms,
					 "importing", out);
		if (rc == TOOL_DONE)
			out->structured = result_of(status, name);
	}
	json_decref(status);
	imports_files_free(&files);
	return rc;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct import_capture args = { 0 };
	char *name;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0 && args.files.count == 0)
		rc = error_set(e, ERR_INVALID, "\"files\" is empty");
	if (rc == 0 && args.name)
		rc = db_check_name("capture", args.name, e);
	if (rc < 0)
		return rc;
	name = args.name ? alloc_string(args.name)
			 : imports_name(args.files.items[0]);
	rc = import(call, &args, name, out, e);
	free(name);
	return rc;
}

/* Ends the import of that name. */
static void
stop(struct tool_call *call)
{
	struct import_capture args = { 0 };
	struct import_files files;
	char *name;

	if (args_bind(arguments, call->arguments, call->now_ns, &args,
		      NULL) < 0 ||
	    args.files.count == 0)
		return;
	name = args.name ? alloc_string(args.name)
			 : imports_name(args.files.items[0]);
	if (imports_files(call->config->home, name, &files, NULL) == 0)
		(void)job_stop(files.lock, NULL);
	imports_files_free(&files);
	free(name);
}

const struct tool tool_import_capture = {
	.name = "import_capture",
	.effects = TOOL_WRITES,
	.arguments = arguments,
	.run = run,
	.tasks = TOOL_TASKS_OPTIONAL,
	.stop = stop,
};
