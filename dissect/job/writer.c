/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/writer.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "dissect/job/intake.h"
#include "dissect/job/job_result.h"
#include "dissect/job/job_secrets.h"
#include "dissect/job/naming.h"
#include "dissect/job/parser.h"
#include "dissect/job/parser_limits.h"
#include "dissect/job/segment_channel.h"
#include "dissect/store/store_writer.h"

#define COMMIT_NS (200 * CLOCK_NS_PER_MS)
#define STATUS_NS (250 * CLOCK_NS_PER_MS)
#define TICK_MS 50
#define DESCRIPTORS_MAX (4u << 20)
#define FAULT_SHOWN 200
/* How long a parser may live on after it closed its pipe. */
#define LINGER_NS CLOCK_NS_PER_S

struct writer {
	const struct job_options *options;
	const struct snapshot *snapshot;
	const struct job_files *files;
	struct packet_window window;
	struct job_status status;
	struct parser parsers[JOB_PARSERS_MAX];
	unsigned parser_count;
	struct store_writer *store;
	struct buf given;                    /* --descriptors */
	struct descriptor_list *descriptors; /* of servers' reflection */
	char *naming_fault;                  /* owned; NULL: none */
	int signals;
	bool cancelled;
	struct error failure; /* of the store: the run cannot go on */
	int64_t commit_due, status_due;
};

/* The poll set: who may have something to say. */
enum { POLL_SIGNALS, POLL_LIFELINE, POLL_PARSERS };

struct poll_set {
	struct pollfd fds[POLL_PARSERS + 2 * JOB_PARSERS_MAX];
	nfds_t count;
};

static void
store_failed(struct writer *w, int code)
{
	if (w->failure.code == 0)
		error_set(&w->failure, code, "%s",
			  store_writer_error(w->store));
}

/* Everything whole that has arrived from one parser. */
static void
take_frames(struct writer *w, struct parser *p)
{
	struct frame frame;
	size_t offset = 0;
	int rc;

	while ((rc = parser_frame(p, &offset, &frame)) == 1) {
		rc = intake_frame(w->store, w->descriptors, p, &frame);
		if (rc < 0 || p->state == PARSER_FAILED)
			break;
	}
	if (rc == ERR_CORRUPT)
		parser_fail(p, "sent what is not an event");
	else if (rc < 0)
		store_failed(w, rc);
	else
		parser_drop(p, offset);
}

static void
read_events(struct writer *w, struct parser *p)
{
	if (parser_read(p) <= 0)
		return;
	if (parser_babbles(p))
		parser_fail(p, "sent more than its packets can give");
	else
		take_frames(w, p);
}

static void
serve_segments(struct writer *w, struct parser *p)
{
	int rc = segment_channel_serve(p->channel, w->snapshot->paths,
				       w->snapshot->segment_count);

	if (rc == ERR_CORRUPT)
		parser_fail(p, "asked for a segment it may not have");
	else if (rc < 0) {
		close(p->channel);
		p->channel = -1;
	}
}

/* A parser whose pipe has ended must end too. */
static void
bury(struct parser *p)
{
	if (p->events >= 0 || parser_reap(p, false))
		return;
	if (clock_monotonic_ns() - p->ended_ns > LINGER_NS) {
		parser_fail(p, "closed its pipe and did not end");
		parser_reap(p, true);
	}
}

static void
stop_parsers(struct writer *w)
{
	for (unsigned i = 0; i < w->parser_count; i++)
		parser_stop(&w->parsers[i]);
}

static void
cancel(struct writer *w)
{
	w->cancelled = true;
	stop_parsers(w);
}

static void
read_signals(struct writer *w)
{
	struct signalfd_siginfo signal;

	while (read(w->signals, &signal, sizeof(signal)) ==
	       (ssize_t)sizeof(signal)) {
		if (w->cancelled) /* a second time: at once, and nothing kept */
			error_set(&w->failure, ERR_CANCELLED,
				  "cancelled twice");
		cancel(w);
	}
}

/* Nothing is ever written to the lifeline: readable means ended. */
static void
read_lifeline(struct writer *w)
{
	char byte;

	if (read(w->options->lifeline, &byte, 1) == 0)
		cancel(w);
}

static void
poll_add(struct poll_set *set, int fd)
{
	set->fds[set->count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void
poll_fill(const struct writer *w, struct poll_set *set)
{
	set->count = 0;
	poll_add(set, w->signals);
	poll_add(set, w->cancelled ? -1 : w->options->lifeline);
	for (unsigned i = 0; i < w->parser_count; i++) {
		const struct parser *p = &w->parsers[i];

		/* Once the pipe has ended, the process is waited for. */
		poll_add(set, p->events >= 0 ? p->events : p->process);
		poll_add(set, p->channel);
	}
}

static void
handle_parser(struct writer *w, struct parser *p, const struct pollfd fds[2])
{
	if (fds[1].revents && p->channel == fds[1].fd && p->channel >= 0)
		serve_segments(w, p);
	if (fds[0].revents && p->events == fds[0].fd && p->events >= 0)
		read_events(w, p);
	bury(p);
}

/* Who may want the run to end. */
static void
handle_ends(struct writer *w, const struct poll_set *set)
{
	if (set->fds[POLL_SIGNALS].revents)
		read_signals(w);
	if (set->fds[POLL_LIFELINE].revents && !w->cancelled)
		read_lifeline(w);
}

static void
handle(struct writer *w, const struct poll_set *set)
{
	handle_ends(w, set);
	for (unsigned i = 0; i < w->parser_count && !w->failure.code; i++)
		handle_parser(w, &w->parsers[i],
			      &set->fds[POLL_PARSERS + 2 * i]);
}

static bool
parsers_left(const struct writer *w)
{
	for (unsigned i = 0; i < w->parser_count; i++)
		if (w->parsers[i].process >= 0)
			return true;
	return false;
}

/* Rewrites the line on a terminal; anything else gets the last one only. */
static void
show_line(const struct writer *w, const char *end)
{
	bool terminal = isatty(STDERR_FILENO);
	char line[160];

	if (!w->options->progress || (!terminal && !*end))
		return;
	job_status_line(&w->status, line, sizeof(line));
	fprintf(stderr, "%s%s%s", terminal ? "\r\033[K" : "", line, end);
	fflush(stderr);
}

/* Failing to write a status fails nothing: the next one may succeed. */
static void
update_status(struct writer *w)
{
	job_result_progress(&w->status, w->parsers, w->parser_count);
	if (w->naming_fault)
		json_array_append_new(w->status.faults,
				      json_string(w->naming_fault));
	if (w->store)
		w->status.counts = store_writer_counts(w->store);
	(void)job_status_write(&w->status, w->files->status);
	show_line(w, "");
}

static void
tick(struct writer *w)
{
	int64_t now = clock_monotonic_ns();

	if (now >= w->commit_due) {
		int rc = store_writer_commit(w->store);

		if (rc < 0)
			store_failed(w, rc);
		w->commit_due = clock_monotonic_ns() + COMMIT_NS;
	}
	if (now >= w->status_due) {
		update_status(w);
		w->status_due = clock_monotonic_ns() + STATUS_NS;
	}
}

static void
loop(struct writer *w)
{
	struct poll_set set;

	while (parsers_left(w) && !w->failure.code) {
		poll_fill(w, &set);
		if (poll(set.fds, set.count, TICK_MS) > 0)
			handle(w, &set);
		if (!w->failure.code)
			tick(w);
	}
}

/* Names for messages of gRPC, once all packets have been read. */

static void
naming_failed(struct writer *w, const char *why)
{
	if (w->naming_fault)
		return;
	w->naming_fault = alloc_format("names of gRPC's reflection: %s", why);
	(void)store_writer_fault(w->store, "naming", w->naming_fault);
}

/* Until it has ended, or the run must. */
static void
serve_naming(struct writer *w, struct naming *n)
{
	struct poll_set set;

	while (!naming_ended(n) && !w->cancelled && !w->failure.code) {
		int rc;

		set.count = 0;
		poll_add(&set, w->signals);
		poll_add(&set, w->options->lifeline);
		set.fds[set.count++] = naming_poll(n);
		if (poll(set.fds, set.count, TICK_MS) > 0) {
			handle_ends(w, &set);
			rc = naming_serve(n, set.fds[POLL_PARSERS].revents);
			if (rc < 0)
				store_failed(w, rc);
		}
		if (!w->failure.code)
			tick(w);
	}
	if (w->cancelled)
		naming_failed(w, "cancelled before all calls had theirs");
	else if (naming_fault(n))
		naming_failed(w, naming_fault(n));
}

static void
name_group(struct writer *w, unsigned group)
{
	struct parser_setup parser = {
		.options = w->options,
		.uncompressed_bytes = job_result_uncompressed(w->snapshot),
	};
	struct naming_setup setup = {
		.options = w->options,
		.list = w->descriptors,
		.group = group,
		.given = buf_view(&w->given),
		.receive_limit = parser_event_limit(&parser),
	};
	struct naming *n = NULL;
	struct error e;
	int rc = store_writer_free_block(w->store, &setup.first_block);

	if (rc < 0)
		store_failed(w, rc);
	else if (naming_start(&setup, w->store, &n, &e) < 0)
		naming_failed(w, e.text);
	else
		serve_naming(w, n);
	naming_free(n);
}

static void
name_groups(struct writer *w, unsigned groups)
{
	w->status.phase = "naming";
	update_status(w);
	if (store_writer_commit(w->store) < 0) /* all rows are in the table */
		store_failed(w, ERR_IO);
	for (unsigned i = 0; i < groups && !w->cancelled && !w->failure.code;
	     i++)
		name_group(w, i);
}

static void
name_messages(struct writer *w)
{
	unsigned groups = descriptor_list_groups(w->descriptors);

	if (groups && !w->cancelled && !w->failure.code)
		name_groups(w, groups);
	if (descriptor_list_left_out(w->descriptors) && !w->failure.code)
		naming_failed(w, "more descriptors were captured than are "
				 "kept; some messages have none");
}

static int
start_parsers(struct writer *w, struct error *e)
{
	struct secret_list secrets = { .items = NULL };
	struct parser_setup setup = {
		.options = w->options,
		.segments = w->snapshot->segments,
		.segment_count = w->snapshot->segment_count,
		.uncompressed_bytes = job_result_uncompressed(w->snapshot),
		.window = w->window,
		.count = w->options->parsers,
		.secrets = &secrets,
	};
	int rc = job_secrets_load(w->options, w->snapshot, &secrets, e);

	if (rc == 0 && w->options->descriptors)
		rc = file_read(w->options->descriptors, &w->given, e);
	setup.descriptors = buf_view(&w->given);
	for (; rc == 0 && setup.index < setup.count; setup.index++) {
		rc = parser_start(&w->parsers[setup.index], &setup, e);
		w->parser_count += rc == 0;
	}
	secrets_free(&secrets);
	return rc;
}

static int
watch_signals(struct writer *w, struct error *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (w->signals < 0)
		return error_set_errno(e, errno, "cannot watch signals");
	return 0;
}

static int
start(struct writer *w, struct error *e)
{
	json_t *meta;
	int rc = watch_signals(w, e);

	if (rc == 0)
		rc = start_parsers(w, e); /* before the database is open */
	if (rc < 0)
		return rc;
	meta = job_result_meta(w->options, w->snapshot);
	rc = store_writer_open(w->files->part, meta, &w->store, e);
	json_decref(meta);
	if (rc < 0)
		return rc;
	w->status.state = JOB_RUNNING;
	w->status.phase = "reading";
	update_status(w);
	return 0;
}

static void
end_parsers(struct writer *w)
{
	stop_parsers(w);
	for (unsigned i = 0; i < w->parser_count; i++)
		parser_reap(&w->parsers[i], true);
}

static void
writer_free(struct writer *w)
{
	for (unsigned i = 0; i < w->parser_count; i++)
		parser_free(&w->parsers[i]);
	if (w->signals >= 0)
		close(w->signals);
	buf_free(&w->given);
	descriptor_list_free(w->descriptors);
	free(w->naming_fault);
	job_status_free(&w->status);
	free(w);
}

/* With what the first parser that failed said of it. */
static void
tell_problem(const struct writer *w, const char *problem, struct error *e)
{
	const char *fault = NULL;
	char *text;

	for (unsigned i = 0; i < w->parser_count && !fault; i++)
		fault = w->parsers[i].fault;
	text = text_printable(bytes_of(fault), FAULT_SHOWN);
	error_set(e, ERR_INTERNAL, "%s%s%s", problem, *text ? ": " : "", text);
	free(text);
}

/* The database as far as it came: finished, or removed. */
static enum job_state
conclude(struct writer *w, struct error *e)
{
	struct job_verdict verdict;
	struct coverage coverage;
	int rc;

	if (w->failure.code) {
		*e = w->failure;
		store_writer_abort(w->store);
		w->store = NULL;
		return e->code == ERR_CANCELLED ? JOB_CANCELLED : JOB_FAILED;
	}
	verdict = job_result_verdict(w->parsers, w->parser_count,
				     w->cancelled);
	job_result_faults(w->store, w->parsers, w->parser_count);
	w->status.phase = "indexing";
	update_status(w);
	coverage = job_result_coverage(w->parsers, w->parser_count);
	rc = store_writer_finish(w->store, &coverage, verdict.problem,
				 w->files->database, e);
	w->store = NULL;
	if (rc < 0) {
		unlink(w->files->part);
		return JOB_FAILED;
	}
	if (verdict.problem)
		tell_problem(w, verdict.problem, e);
	return verdict.state;
}

static void
report(struct writer *w, enum job_state state, const struct error *e)
{
	w->status.state = state;
	w->status.phase = NULL;
	w->status.finished_ns = clock_wall_ns();
	w->status.failure = state == JOB_FAILED ? e->text : NULL;
	update_status(w);
	show_line(w, "\n");
}

enum job_state
writer_run(const struct job_options *options, const struct snapshot *snapshot,
	   const struct job_files *files, struct error *e)
{
	struct writer *w = alloc_zero(1, sizeof(*w));
	enum job_state state = JOB_FAILED;

	w->options = options;
	w->snapshot = snapshot;
	w->files = files;
	w->signals = -1;
	w->descriptors = descriptor_list_new();
	buf_init(&w->given, DESCRIPTORS_MAX);
	w->window = job_result_window(options, snapshot);
	job_status_init(&w->status, options->snapshot, options->name,
			job_options_json(options));
	w->status.bytes_total = job_result_bytes(snapshot, w->window);
	(void)job_status_write(&w->status, files->status);
	store_writer_setup();
	if (start(w, e) == 0) {
		loop(w);
		name_messages(w);
		state = conclude(w, e);
	}
	end_parsers(w);
	report(w, state, e);
	writer_free(w);
	return state;
}
