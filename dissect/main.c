/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aftertap-dissect: one dissection of one snapshot, as a job of its own
 * process tree.  See docs/dissection.md.
 */
#include <linux/ioprio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/home.h"
#include "capture/snapshot.h"
#include "dissect/job/job_files.h"
#include "dissect/job/job_options.h"
#include "dissect/job/writer.h"

enum exit_status {
	EXIT_COMPLETED = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_CANCELLED = 3,
};

/* A dissection is never in a hurry: others go first.  Not being allowed to
 * step back is no reason to fail. */
static void
step_back(int nice_by)
{
	if (setpriority(PRIO_PROCESS, 0, nice_by) < 0)
		log_warn("priority stays as it is");
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

static enum exit_status
exit_status(enum job_state state)
{
	switch (state) {
	case JOB_COMPLETED:
		return EXIT_COMPLETED;
	case JOB_CANCELLED:
		return EXIT_CANCELLED;
	case JOB_PENDING:
	case JOB_RUNNING:
	case JOB_FAILED:
		break;
	}
	return EXIT_FAILED;
}

static enum exit_status
dissect(const struct job_options *options, const char *home, struct error *e)
{
	struct snapshot snapshot = { 0 };
	struct job_files files;
	enum job_state state = JOB_FAILED;

	if (snapshot_open(home, options->snapshot, &snapshot, e) < 0)
		return EXIT_FAILED;
	if (job_files_claim(&files, home, options->snapshot, options->name,
			    e) == 0) {
		step_back(options->nice);
		state = writer_run(options, &snapshot, &files, e);
		job_files_release(&files);
	}
	snapshot_close(&snapshot);
	return exit_status(state);
}

static enum exit_status
run(const struct job_options *options)
{
	struct error e = { 0 };
	char *home = home_open(options->home, &e);
	enum exit_status status = EXIT_FAILED;

	if (home)
		status = dissect(options, home, &e);
	free(home);
	if (status == EXIT_FAILED)
		log_error("%s", e.text);
	else if (status == EXIT_CANCELLED && !options->quiet)
		log_info("cancelled");
	return status;
}

int
main(int argc, char *argv[])
{
	struct job_options *options = malloc(sizeof(*options));
	enum exit_status status = EXIT_USAGE;
	struct error e;

	if (!options)
		return EXIT_FAILED;
	if (job_options_parse(options, argc, argv, &e) < 0) {
		fprintf(stderr, "aftertap-dissect: %s\n", e.text);
	} else if (options->help) {
		fputs(job_options_usage(), stdout);
		status = EXIT_COMPLETED;
	} else if (options->version) {
		puts("aftertap-dissect " AFTERTAP_VERSION);
		status = EXIT_COMPLETED;
	} else {
		status = run(options);
	}
	free(options);
	return (int)status;
}
