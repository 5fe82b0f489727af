/* SPDX-License-Identifier: Apache-2.0 */
/* start_snapshot_dissection: a job of aftertap-dissect over a snapshot. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "capture/home.h"
#include "capture/snapshot.h"
#include "server/jobs/job.h"
#include "server/tools/answer.h"
#include "server/tools/db.h"
#include "server/tools/paths.h"
#include "server/tools/tools_list.h"
#include "server/tools/waiting.h"

#define WORDS (2 * 2 * ARGS_LIST_LIMIT + 32)

struct start_dissection {
	const char *snapshot, *name, *tls_keylog, *descriptors;
	struct arg_texts protocols, addresses;
	struct arg_integers ports;
	int64_t from, to, body_limit, parsers, memory_mib, cpu_percent;
	int64_t wait_ms;
	bool decrypt, overwrite;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct start_dissection, snapshot),
	ARG(TEXT, struct start_dissection, name),
	ARG(TEXTS, struct start_dissection, protocols),
	ARG(TIME, struct start_dissection, from),
	ARG(TIME, struct start_dissection, to),
	ARG(TEXTS, struct start_dissection, addresses),
	ARG(INTEGERS, struct start_dissection, ports),
	ARG(INTEGER, struct start_dissection, body_limit),
	ARG(INTEGER, struct start_dissection, parsers),
	ARG(INTEGER, struct start_dissection, memory_mib),
	ARG(INTEGER, struct start_dissection, cpu_percent),
	ARG(TEXT, struct start_dissection, tls_keylog),
	ARG(TEXT, struct start_dissection, descriptors),
	ARG(BOOLEAN, struct start_dissection, decrypt),
	ARG(BOOLEAN, struct start_dissection, overwrite),
	ARG(INTEGER, struct start_dissection, wait_ms),
	{ 0 },
};

/* A command line whose words are owned. */
struct command_line {
	const char *words[WORDS + 1];
	size_t count;
};

static void
add_word(struct command_line *line, char *word)
{
	if (line->count < WORDS)
		line->words[line->count++] = word;
	else
		free(word);
}

/* "--option=value": a value that begins with a dash stays a value. */
static void
add_option(struct command_line *line, const char *option, const char *value)
{
	add_word(line, alloc_format("--%s=%s", option, value));
}

static void
add_number(struct command_line *line, const char *option, int64_t value)
{
	add_word(line, alloc_format("--%s=%lld", option, (long long)value));
}

static void
free_line(struct command_line *line)
{
	for (size_t i = 0; i < line->count; i++) {
		union {
			const char *borrowed;
			char *owned;
		} word = { .borrowed = line->words[i] };

		free(word.owned);
	}
}

static void
add_time(struct command_line *line, const char *option, int64_t ns)
{
	char text[CLOCK_TEXT_SIZE];

	add_option(line, option, clock_format(ns, text));
}

static void
add_protocols(struct command_line *line, const struct arg_texts *protocols)
{
	struct buf list;

	if (protocols->count == 0)
		return;
	buf_init(&list, (size_t)ARGS_LIST_LIMIT * 40);
	for (size_t i = 0; i < protocols->count; i++)
		buf_format(&list, "%s%s", i ? "," : "", protocols->items[i]);
	add_option(line, "protocols", buf_cstr(&list));
	buf_free(&list);
}

static void
build_line(struct command_line *line, const struct tool_config *config,
	   const struct start_dissection *args)
{
	add_word(line, alloc_string(config->dissect_program));
	add_option(line, "home", config->home);
	add_option(line, "snapshot", args->snapshot);
	add_option(line, "name", args->name);
	add_protocols(line, &args->protocols);
	if (args->from != INT64_MIN)
		add_time(line, "from", args->from);
	if (args->to != INT64_MAX)
		add_time(line, "to", args->to);
	for (size_t i = 0; i < args->addresses.count; i++)
		add_option(line, "address", args->addresses.items[i]);
	for (size_t i = 0; i < args->ports.count; i++)
		add_number(line, "port", args->ports.items[i]);
	if (args->body_limit >= 0)
		add_number(line, "max-body", args->body_limit);
	if (args->parsers > 0)
		add_number(line, "parsers", args->parsers);
	if (args->memory_mib > 0)
		add_number(line, "memory", args->memory_mib);
	if (args->cpu_percent > 0)
		add_number(line, "cpu-percent", args->cpu_percent);
	if (args->tls_keylog)
		add_option(line, "tls-keylog", args->tls_keylog);
	if (args->descriptors)
		add_option(line, "descriptors", args->descriptors);
	if (!args->decrypt)
		add_word(line, alloc_string("--no-decrypt"));
	add_word(line, alloc_string("--quiet"));
}

/* Nothing of that name runs; what a finished one left is in the way, unless it
 * is to be replaced. */
static int
make_room(const struct db_files *files, const struct start_dissection *args,
	  struct error *e)
{
	const char *const old[] = { files->database, files->partial,
				    files->status };

	if (file_lock_holder(files->lock) > 0)
		return error_set(e, ERR_BUSY,
				 "%s/%s is being dissected already; see "
				 "get_snapshot_dissection_status",
				 args->snapshot, args->name);
	if (file_exists(files->database) && !args->overwrite)
		return error_set(e, ERR_EXISTS,
				 "%s/%s exists; give another name, or "
				 "overwrite: true", args->snapshot,
				 args->name);
	for (size_t i = 0; i < 3; i++)
		if (unlink(old[i]) != 0 && errno != ENOENT)
			return error_set_errno(e, errno, "cannot remove %s",
					       old[i]);
	return 0;
}

static int
make_directory(const char *home, const char *snapshot, struct error *e)
{
	char *path = home_path(home, "snapshots", snapshot, "dissections",
			       NULL);
	int rc = file_make_dirs(path, e);

	free(path);
	return rc;
}

static int
start(struct tool_call *call, const struct start_dissection *args,
      struct error *e)
{
	struct command_line line = { .count = 0 };
	struct db_files files;
	int rc;

	if (!call->config->dissect_program)
		return error_set(e, ERR_INTERNAL,
				 "aftertap-dissect is not installed beside "
				 "this program");
	files = db_files(call->config->home, args->snapshot, args->name);
	rc = make_directory(call->config->home, args->snapshot, e);
	if (rc == 0)
		rc = make_room(&files, args, e);
	if (rc == 0) {
		build_line(&line, call->config, args);
		rc = job_start(line.words, files.status, files.log,
			       call->config->lifeline, e);
	}
	free_line(&line);
	db_files_free(&files);
	return rc;
}

static int
check(struct tool_call *call, struct start_dissection *args, struct error *e)
{
	json_t *manifest = NULL;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, args, e);
	if (rc == 0)
		rc = db_check_name("snapshot", args->snapshot, e);
	if (rc == 0)
		rc = db_check_name("dissection", args->name, e);
	if (rc == 0 && args->from >= args->to)
		rc = error_set(e, ERR_INVALID, "\"from\" is not before \"to\"");
	if (rc == 0)
		rc = snapshot_load(call->config->home, args->snapshot,
				   &manifest, e);
	json_decref(manifest);
	return rc;
}

/* Starts it; a call that waits finds what it has started. */
static int
begin(struct tool_call *call, const struct start_dissection *args,
      json_t **status, struct error *e)
{
	int rc = call->again ? 0 : start(call, args, e);

	return rc < 0 ? rc : db_status(call->config->home, args->snapshot,
				       args->name, status, e);
}

/* Makes a file's path one that may be read; `*owned` is then its memory. */
static int
readable(struct tool_call *call, const char **path, char **owned,
	 struct error *e)
{
	if (!*path)
		return 0;
	*owned = paths_readable(call->config, *path, e);
	*path = *owned;
	return *owned ? 0 : ERR_DENIED;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct start_dissection args = { .from = INT64_MIN, .to = INT64_MAX,
					 .body_limit = -1, .decrypt = true };
	json_t *status = NULL;
	char *key_log = NULL, *descriptors = NULL;
	const char *state;
	int rc;

	rc = check(call, &args, e);
	if (rc == 0)
		rc = readable(call, &args.tls_keylog, &key_log, e);
	if (rc == 0)
		rc = readable(call, &args.descriptors, &descriptors, e);
	if (rc == 0)
		rc = begin(call, &args, &status, e);
	free(key_log);
	free(descriptors);
	if (rc < 0)
		return rc;
	if (waiting_for(call, status, args.wait_ms, "dissecting", out) ==
	    TOOL_WAIT) {
		json_decref(status);
		return TOOL_WAIT;
	}
	state = json_string_value(json_object_get(status, "state"));
	out->structured = json_object();
	json_object_set_new(out->structured, "success",
			    json_boolean(strcmp(state, "failed") != 0));
	json_object_set_new(out->structured, "snapshot",
			    json_string(args.snapshot));
	json_object_set_new(out->structured, "name", json_string(args.name));
	json_object_set_new(out->structured, "db",
			    json_sprintf("%s/%s", args.snapshot, args.name));
	json_object_set_new(out->structured, "status", json_string(state));
	answer_summary(out->structured, "Dissection %s/%s is %s%s",
		       args.snapshot, args.name, state,
		       waiting_is_alive(status) ?
			       "; get_snapshot_dissection_status with wait_ms "
			       "waits for its end." : ".");
	json_decref(status);
	return TOOL_DONE;
}

/* Ends the dissection of that name. */
static void
stop(struct tool_call *call)
{
	struct start_dissection args = { 0 };
	struct db_files files;

	if (args_bind(arguments, call->arguments, call->now_ns, &args,
		      NULL) < 0 ||
	    db_check_name("snapshot", args.snapshot, NULL) < 0)
		return;
	if (!args.name)
		args.name = "default"; /* as the schema has it */
	if (db_check_name("dissection", args.name, NULL) < 0)
		return;
	files = db_files(call->config->home, args.snapshot, args.name);
	(void)job_stop(files.lock, NULL);
	db_files_free(&files);
}

const struct tool tool_start_snapshot_dissection = {
	.name = "start_snapshot_dissection",
	.effects = TOOL_WRITES,
	.arguments = arguments,
	.run = run,
	.tasks = TOOL_TASKS_OPTIONAL,
	.stop = stop,
};
