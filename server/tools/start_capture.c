/* SPDX-License-Identifier: Apache-2.0 */
/* start_capture: aftertap-capture, on its own from then on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "capture/capture.h"
#include "capture/home.h"
#include "capture/live_capture.h"
#include "capture/recorder_client.h"
#include "server/jobs/job.h"
#include "server/tools/answer.h"
#include "server/tools/db.h"
#include "server/tools/recordings.h"
#include "server/tools/tools_list.h"

struct start_capture {
	const char *name, *interface, *filter, *quota, *duration;
	int64_t snaplen;
	bool tls_keys;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct start_capture, name),
	ARG(TEXT, struct start_capture, interface),
	ARG(TEXT, struct start_capture, filter),
	ARG(INTEGER, struct start_capture, snaplen),
	ARG(TEXT, struct start_capture, quota),
	ARG(TEXT, struct start_capture, duration),
	ARG(BOOLEAN, struct start_capture, tls_keys),
	{ 0 },
};

/* The command line that a person would type. */
struct line {
	const char *words[32];
	size_t count;
};

static void
add_pair(struct line *line, const char *option, const char *value)
{
	if (!value)
		return;
	line->words[line->count++] = option;
	line->words[line->count++] = value;
}

static int
spawn_recorder(struct tool_call *call, const struct start_capture *args,
	       struct error *e)
{
	const char *home = call->config->home;
	char *socket = home_path(home, "captures", args->name, RECORDER_SOCKET,
				 NULL);
	char *folder = home_path(home, "captures", ".jobs", NULL);
	char *log = alloc_format("%s/%s.recorder.log", folder, args->name);
	struct line line = { .words = { call->config->capture_program,
					"--quiet" },
			     .count = 2 };
	char snaplen[24];
	int rc;

	snprintf(snaplen, sizeof(snaplen), "%lld", (long long)args->snaplen);
	add_pair(&line, "--home", home);
	add_pair(&line, "--name", args->name);
	add_pair(&line, "--interface", args->interface);
	add_pair(&line, "--filter", args->filter);
	add_pair(&line, "--quota", args->quota);
	add_pair(&line, "--duration", args->duration);
	add_pair(&line, "--snaplen", args->snaplen ? snaplen : NULL);
	if (args->tls_keys)
		line.words[line.count++] = "--tls-keys";
	rc = file_make_dirs(folder, e);
	/* Its socket is there once it records. */
	if (rc == 0)
		rc = job_start(line.words, socket, log, -1, e);
	free(socket);
	free(folder);
	free(log);
	return rc;
}

static int
check(struct tool_call *call, struct start_capture *args, struct error *e)
{
	int rc = args_bind(arguments, call->arguments, call->now_ns, args, e);

	if (rc == 0)
		rc = recordings_check(call->config, args->name, e);
	if (rc == 0)
		rc = live_capture_check_idle(call->config->home, args->name,
					     e);
	if (rc == 0 && !call->config->capture_program)
		rc = error_set(e, ERR_INTERNAL,
			       "aftertap-capture is not installed beside this "
			       "program");
	return rc;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct start_capture args = { 0 };
	json_t *status = NULL;
	int rc = check(call, &args, e);

	if (rc == 0)
		rc = spawn_recorder(call, &args, e);
	if (rc == 0)
		rc = recordings_status(call, args.name, &status, e);
	if (rc < 0)
		return rc;
	out->structured = status;
	answer_summary(status, "Capture %s is being recorded until "
		       "stop_capture; create_snapshot freezes a window of it "
		       "at any time.", args.name);
	return TOOL_DONE;
}

const struct tool tool_start_capture = {
	.name = "start_capture",
	.effects = TOOL_CONTROLS,
	.arguments = arguments,
	.run = run,
};
