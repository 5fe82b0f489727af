/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aftertap import FILE…: a person's import with a progress line, and with
 * --job STATUSFILE the same work as a job of the server (server/jobs/job.h).
 */
#include "server/cli/command.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "capture/capture.h"
#include "server/cli/interrupt.h"
#include "server/cli/job_report.h"
#include "server/cli/options.h"
#include "server/cli/terminal.h"

struct import_command {
	struct import_request request;
	struct terminal_progress progress;
	struct job_report job;
	const char *status_path;
	atomic_bool *interrupted;
};

static void
on_progress(void *context, const struct import_progress *p)
{
	struct import_command *import = context;
	double fraction = p->bytes_total
				  ? (double)p->bytes_read /
					    (double)p->bytes_total
				  : -1;
	char text[128], size[16];

	snprintf(text, sizeof(text), "%s, %llu packets, %u segments",
		 text_format_size(p->bytes_read, size, sizeof(size)),
		 (unsigned long long)p->packets, p->segments);
	terminal_progress_show(&import->progress, fraction, text);
	if (!import->status_path)
		return;
	if (job_report_cancelled(&import->job))
		atomic_store(import->interrupted, true);
	job_report_progress(&import->job,
			    json_pack("{s:I,s:I,s:I,s:I}", "progress",
				      (json_int_t)(fraction < 0
							   ? 0
							   : fraction * 100),
				      "bytes_read", (json_int_t)p->bytes_read,
				      "bytes_total",
				      (json_int_t)p->bytes_total, "packets",
				      (json_int_t)p->packets));
}

/* The descriptor that --lifeline names, or -1. */
static int
lifeline_number(const char *text)
{
	int64_t number;

	if (!text_i64(bytes_of(text), &number) || number < 0 ||
	    number > INT_MAX)
		return -1;
	return (int)number;
}

static int
parse_options(struct import_command *import, int argc, char **argv,
	      const char **files)
{
	struct import_request *r = &import->request;
	struct options options = options_make(argc, argv);
	const char *value;
	uint64_t size;

	while (options_next(&options)) {
		if ((value = options_value(&options, "--name")))
			r->name = value;
		else if ((value = options_value(&options, "--node")))
			r->node = value;
		else if ((value = options_value(&options, "--tls-keylog")))
			r->key_log = value;
		else if ((value = options_value(&options, "--job")))
			import->status_path = value;
		else if ((value = options_value(&options, "--lifeline")))
			import->job.lifeline = lifeline_number(value);
		else if ((value = options_value(&options, "--segment-size"))) {
			if (!text_size(value, &size) || size < 65536)
				return cli_fail(EXIT_USAGE, "--segment-size "
						"must be at least 64KiB");
			r->segment_bytes = size;
		} else if ((value = options_value(&options, "--segment-time"))) {
			if (!clock_parse_duration(value, &r->segment_ns) ||
			    r->segment_ns <= 0)
				return cli_fail(EXIT_USAGE, "--segment-time "
						"must be a duration like 60s");
		} else if (options_is_word(&options)) {
			files[r->file_count++] = options_word(&options);
		} else {
			return options_unknown(&options, "import");
		}
	}
	return EXIT_DONE;
}

static void
print_capture(const struct cli *cli, json_t *capture)
{
	const char *first =
		json_string_value(json_object_get(capture, "first"));
	const char *last = json_string_value(json_object_get(capture, "last"));
	json_t *warning;
	size_t i;

	json_array_foreach(json_object_get(capture, "warnings"), i, warning)
		fprintf(stderr, "aftertap: warning: %s\n",
			json_string_value(warning));
	if (cli->json) {
		json_dumpf(capture, stdout, JSON_INDENT(2));
		putchar('\n');
		return;
	}
	if (cli->quiet)
		return;
	if (!first || !last) {
		printf("capture %s: no packets\n",
		       json_string_value(json_object_get(capture, "name")));
		return;
	}
	printf("capture %s: %lld packets, %s to %s, %lld segments\n",
	       json_string_value(json_object_get(capture, "name")),
	       (long long)json_integer_value(
		       json_object_get(capture, "packets")),
	       first, last,
	       (long long)json_integer_value(
		       json_object_get(capture, "segments")));
}

static int
run_import(const struct cli *cli, struct import_command *import)
{
	struct error error = { 0 };
	json_t *capture = NULL;
	int code;

	code = capture_import(cli->home, &import->request, &capture, &error);
	terminal_progress_end(&import->progress);
	if (import->status_path)
		job_report_end(&import->job, code, &error, capture);
	else if (code == 0)
		print_capture(cli, capture);
	json_decref(capture);
	if (code == 0)
		return EXIT_DONE;
	return cli_fail(code == ERR_CANCELLED ? EXIT_CANCELLED : EXIT_FAILED,
			"%s", error.text);
}

int
command_import(const struct cli *cli, int argc, char **argv)
{
	struct import_command import = { .progress.quiet = cli->quiet,
					 .job.lifeline = -1 };
	const char **files = alloc_zero((size_t)argc + 1, sizeof(*files));
	struct error error = { 0 };
	int status;

	import.interrupted = interrupt_catch();
	import.request.files = files;
	import.request.cancelled = import.interrupted;
	import.request.progress = on_progress;
	import.request.progress_context = &import;
	status = parse_options(&import, argc, argv, files);
	if (status == EXIT_DONE && import.request.file_count == 0)
		status = cli_fail(EXIT_USAGE, "which file? "
				  "usage: aftertap import FILE… [--name N]");
	if (status == EXIT_DONE && import.status_path &&
	    job_report_begin(&import.job, import.status_path, &error) < 0)
		status = cli_fail(EXIT_FAILED, "%s", error.text);
	if (status == EXIT_DONE)
		status = run_import(cli, &import);
	free(files);
	return status;
}
