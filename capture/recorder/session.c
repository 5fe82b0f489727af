/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "capture/home.h"
#include "capture/identity/identity.h"
#include "capture/keys/keys.h"
#include "capture/keys/plaintext.h"
#include "capture/recorder/control.h"
#include "capture/recorder/privileges.h"
#include "capture/recorder/recorder.h"
#include "capture/recorder/status_line.h"

/* How long a turn sleeps at most: as a rule, while the end is near or a segment
 * is on its way to the disk, and while somebody waits for one. */
#define TURN_MS       1000
#define CLOSING_MS    50
#define FINISH_MS     250
#define WAITING_MS    10
#define SECOND_NS     CLOCK_NS_PER_S
#define POLLED_MAX    (8 + CONTROL_CLIENTS)
/* A stop does not wait for what fails so often. */
#define SEAL_ATTEMPTS 3
/* A status lists no more interfaces than this. */
#define STATUS_INTERFACES 100

struct session {
	const struct record_options *options;
	struct recorder *recorder;
	struct source *source;
	struct identity *identity;
	struct keys *keys;
	struct plaintext *plaintext;
	struct control *control;
	int signals; /* signalfd */
	int clock;   /* timerfd that ends when the clock is set */
	struct status_line line;
	int64_t started_ns;
	int64_t second_ns; /* what is done once a second was, last */
	bool stopping;
	bool hurry; /* a second signal: leave the sealing to the next start */
};

static void
session_event(void *context, enum log_level level, const char *text)
{
	struct session *s = context;

	status_line_clear(&s->line);
	log_write(level, "%s", text);
}

/* Secrets go with the packets that they belong to. */
static void
session_forget_keys(struct session *s)
{
	int64_t kept = s->recorder ? recorder_kept_from(s->recorder)
				   : INT64_MIN;
	struct error error = { 0 };

	if (s->keys && kept != INT64_MIN &&
	    keys_forget(s->keys, kept - 60 * SECOND_NS, &error) < 0)
		log_warn("old TLS secrets stay: %s", error.text);
}

static void
session_closed(void *context, int64_t keep_from_ns)
{
	struct session *s = context;

	if (s->identity)
		(void)identity_segment_closed(s->identity, keep_from_ns, NULL);
	session_forget_keys(s);
}

static int
session_open_signals(struct session *s, struct error *e)
{
	/* Far away; it ends early when somebody sets the clock. */
	const struct itimerspec never = { .it_value.tv_sec = INT64_C(1) << 33 };
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_set_errno(e, errno, "cannot block signals");
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->clock = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->signals < 0 || s->clock < 0)
		return error_set_errno(e, errno, "cannot wait for signals");
	(void)timerfd_settime(s->clock,
			      TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
			      &never, NULL);
	return 0;
}

static void
session_open_identity(struct session *s)
{
	char *log = home_path(recorder_directory(s->recorder), "identity.log",
			      NULL);
	const struct identity_options options = { .log_path = log };
	struct error error = { 0 };

	if (!s->options->source.replay_file &&
	    identity_open(&options, &s->identity, &error) < 0) {
		s->identity = NULL;
		log_warn("it will not be known whose packets these are: %s",
			 error.text);
	}
	free(log);
}

static int
session_open_keys(struct session *s, struct error *e)
{
	char *path = home_path(recorder_directory(s->recorder), "secrets.keys",
			       NULL);
	const struct keys_options options = { .path = path };
	int status = 0;

	if (s->options->keys)
		status = keys_open(&options, &s->keys, e);
	free(path);
	return status;
}

static void
session_take_plaintext(void *context, struct bytes records)
{
	struct session *s = context;

	recorder_take_plain(s->recorder, records);
}

static int
session_open_plaintext(struct session *s, struct error *e)
{
	const struct record_options *o = s->options;
	const struct plaintext_options options = {
		.pids = o->processes,
		.pid_count = o->process_count,
		.context = s,
		.take = session_take_plaintext,
	};

	if (o->process_count == 0)
		return 0;
	return plaintext_open(&options, &s->plaintext, e);
}

static int
session_open_source(struct session *s, struct error *e)
{
	char *why = NULL;
	int status = source_open(&s->options->source, &s->source, &why, e);

	if (status == 0 && why)
		log_warn("%s", why);
	free(why);
	return status;
}

static void
session_log_degraded(json_t *about)
{
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(about, "degraded"), i, item)
		log_warn("without %s: %s",
			 json_string_value(json_object_get(item, "feature")),
			 json_string_value(json_object_get(item, "why")));
}

/* What the capture's description says of how it is recorded. */
static json_t *
session_about(const struct session *s, json_t *capabilities)
{
	json_t *about = s->source->type->describe(s->source);

	session_log_degraded(about);
	json_object_del(about, "interfaces");
	json_object_set_new(about, "capabilities_kept", capabilities);
	if (s->identity)
		json_object_set_new(about, "identity",
				    identity_describe(s->identity));
	if (s->keys)
		json_object_set_new(about, "tls_keys", json_true());
	return about;
}

static int
session_attach(struct session *s, struct error *e)
{
	const char *type = s->source->type->name;
	const struct privileges_needs needs = {
		.counters = strcmp(type, "cgroup") == 0,
		.attach = strcmp(type, "interface") == 0 ||
			  strcmp(type, "af_packet") == 0,
		.identify = s->identity != NULL,
		.keys = s->keys != NULL,
	};
	json_t *kept = NULL;
	int status = privileges_reduce(&needs, &kept, e);

	if (status < 0) {
		json_decref(kept);
		return status;
	}
	return recorder_attach(s->recorder, s->source, session_about(s, kept),
			       e);
}

static int
session_open(struct session *s, const char *home, const char *program,
	     struct error *e)
{
	const struct record_options *o = s->options;
	char node[256] = "localhost";
	const struct recorder_settings settings = {
		.home = home,
		.name = o->name,
		.node = node,
		.program = program,
		.quota = o->quota,
		.segment_bytes = o->segment_bytes,
		.segment_ns = o->segment_ns,
		.flush_ns = o->flush_ns,
		.options = o->given,
		.event = session_event,
		.closed = session_closed,
		.context = s,
	};
	int status;

	(void)gethostname(node, sizeof(node) - 1);
	status = session_open_signals(s, e);
	if (status == 0)
		status = privileges_become_owner(home, e);
	if (status == 0)
		status = recorder_open(&settings, &s->recorder, e);
	if (status == 0)
		status = session_open_source(s, e);
	if (status == 0)
		status = session_open_keys(s, e);
	if (status == 0)
		status = session_open_plaintext(s, e);
	if (status == 0)
		session_open_identity(s);
	if (status == 0)
		status = session_attach(s, e);
	if (status == 0)
		status = control_open(recorder_directory(s->recorder),
				      &s->control, e);
	return status;
}

/* The largest lists of a status are cut. */
static void
session_shorten(json_t *source)
{
	json_t *list = json_object_get(source, "interfaces");
	size_t count = json_array_size(list);

	if (count <= STATUS_INTERFACES)
		return;
	json_object_set_new(source, "interfaces_total",
			    json_integer((json_int_t)count));
	while (json_array_size(list) > STATUS_INTERFACES)
		json_array_remove(list, json_array_size(list) - 1);
}

static json_t *
session_status(struct session *s)
{
	json_t *status = recorder_status(s->recorder);

	json_object_set_new(status, "ok", json_true());
	json_object_set_new(status, "uptime_s",
			    json_integer((clock_monotonic_ns() -
					  s->started_ns) / SECOND_NS));
	session_shorten(json_object_get(status, "source"));
	if (s->identity)
		json_object_set_new(status, "identity",
				    identity_describe(s->identity));
	if (s->keys)
		json_object_set_new(status, "keys", keys_describe(s->keys));
	if (s->plaintext)
		json_object_set_new(status, "plaintext",
				    plaintext_describe(s->plaintext));
	return status;
}

static json_t *
session_handle(void *context, const char *command,
	       struct control_client *client)
{
	struct session *s = context;

	if (strcmp(command, "status") == 0)
		return session_status(s);
	if (strcmp(command, "rotate") == 0) {
		if (s->plaintext)
			plaintext_dispatch(s->plaintext);
		client->segment = recorder_rotate(s->recorder);
		client->waiting = true;
		return NULL;
	}
	if (strcmp(command, "stop") == 0) {
		client->stop = client->waiting = true;
		s->stopping = true;
		return NULL;
	}
	return control_refusal("a command is status, rotate or stop");
}

/* Answers those whose segment is sealed by now. */
static void
session_answer(struct session *s)
{
	struct control_client *client = NULL;

	while ((client = control_waiting(s->control, client)) != NULL)
		if (!client->stop &&
		    recorder_is_sealed(s->recorder, client->segment))
			control_answer(client,
				       json_pack("{s:b,s:i}", "ok", 1,
						 "segment",
						 (int)client->segment));
}

static void
session_answer_stopped(struct session *s)
{
	struct control_client *client = NULL;
	json_t *status = recorder_status(s->recorder);

	json_object_set_new(status, "ok", json_true());
	json_object_set_new(status, "state", json_string("stopped"));
	while ((client = control_waiting(s->control, client)) != NULL)
		control_answer(client, json_incref(status));
	json_decref(status);
}

static void
session_refresh(struct session *s)
{
	struct error error = { 0 };

	if (s->source && s->source->type->refresh(s->source, &error) < 0)
		session_event(s, LOG_WARN, error.text);
}

static void
session_every_second(struct session *s, int64_t now)
{
	if (now - s->second_ns < SECOND_NS)
		return;
	s->second_ns = now;
	if (s->identity)
		(void)identity_dispatch(s->identity, NULL);
	if (s->keys)
		(void)keys_dispatch(s->keys, NULL);
	session_refresh(s);
}

/* Fills in what is waited for, the control's own from `*own` on. */
static size_t
session_poll_set(const struct session *s, struct pollfd *polled, size_t *own)
{
	const int descriptors[] = {
		s->signals,
		s->clock,
		s->source ? s->source->type->watch(s->source) : -1,
		s->identity ? identity_descriptor(s->identity) : -1,
		s->keys ? keys_descriptor(s->keys) : -1,
		s->plaintext ? plaintext_descriptor(s->plaintext) : -1,
		recorder_seal_descriptor(s->recorder),
		recorder_descriptor(s->recorder),
	};
	size_t count = sizeof(descriptors) / sizeof(descriptors[0]);

	/* poll(2) passes over negative descriptors. */
	for (size_t i = 0; i < count; i++)
		polled[i] = (struct pollfd){ descriptors[i], POLLIN, 0 };
	*own = count;
	return count + control_poll(s->control, polled + count);
}

static void
session_take_signals(struct session *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		s->hurry = s->stopping;
		s->stopping = true;
	}
}

/* One turn: waits for something to happen, and does what has come. */
static void
session_turn(struct session *s, int timeout_ms)
{
	struct pollfd polled[POLLED_MAX];
	size_t own, count = session_poll_set(s, polled, &own);
	uint64_t expired;
	bool asked = false;

	if (poll(polled, count, timeout_ms) < 0 && errno != EINTR)
		log_error("poll: %s", strerror(errno));
	if (polled[0].revents)
		session_take_signals(s);
	/* ECANCELED: somebody set the clock; asking again arms it anew. */
	if (polled[1].revents &&
	    read(s->clock, &expired, sizeof(expired)) < 0)
		recorder_clock(s->recorder);
	if (polled[2].revents)
		session_refresh(s);
	if (s->identity && polled[3].revents)
		(void)identity_dispatch(s->identity, NULL);
	if (s->keys && polled[4].revents)
		(void)keys_dispatch(s->keys, NULL);
	/* Before the segment of its time is closed. */
	if (s->plaintext)
		plaintext_dispatch(s->plaintext);
	for (size_t i = own; i < count; i++)
		asked = asked || polled[i].revents;
	if (asked)
		control_dispatch(s->control, session_handle, s);
	session_every_second(s, clock_monotonic_ns());
	recorder_tick(s->recorder);
	session_answer(s);
}

static bool
session_is_over(struct session *s)
{
	const struct record_options *o = s->options;
	struct recorder_counts counts;

	if (s->stopping || recorder_is_over(s->recorder))
		return true;
	if (o->duration_ns &&
	    clock_monotonic_ns() - s->started_ns >= o->duration_ns)
		return true;
	if (!o->packets)
		return false;
	recorder_counts(s->recorder, &counts);
	return counts.source.captured_packets >= o->packets;
}

static int
session_timeout(const struct session *s)
{
	if (control_waiting(s->control, NULL))
		return WAITING_MS;
	if (s->options->duration_ns || s->options->packets ||
	    recorder_is_closing(s->recorder))
		return CLOSING_MS;
	return TURN_MS;
}

static void
session_record(struct session *s)
{
	while (!session_is_over(s)) {
		session_turn(s, session_timeout(s));
		if (!s->options->quiet)
			status_line_tick(&s->line, s->recorder);
	}
}

/* Everything is taken and sealed; what cannot be is for the next start. */
static void
session_finish(struct session *s)
{
	struct recorder_counts counts;

	plaintext_close(s->plaintext);
	s->plaintext = NULL;
	recorder_detach(s->recorder);
	s->source->type->close(s->source);
	s->source = NULL;
	status_line_clear(&s->line);
	log_info("stopping capture=%s: the last segments are sealed",
		 s->options->name);
	while (!s->hurry && !recorder_is_sealed(s->recorder, UINT32_MAX)) {
		recorder_counts(s->recorder, &counts);
		if (counts.disk_full || counts.seal_failures >= SEAL_ATTEMPTS)
			break;
		session_turn(s, FINISH_MS);
	}
	recorder_counts(s->recorder, &counts);
	if (counts.waiting)
		log_warn("%zu raw segments are not sealed; the next start "
			 "does that", counts.waiting);
	recorder_end(s->recorder, NULL);
	session_answer_stopped(s);
}

static void
session_close(struct session *s)
{
	identity_close(s->identity);
	keys_close(s->keys);
	plaintext_close(s->plaintext);
	control_close(s->control);
	recorder_close(s->recorder);
	if (s->source)
		s->source->type->close(s->source);
	if (s->signals >= 0)
		close(s->signals);
	if (s->clock >= 0)
		close(s->clock);
}

static void
session_report(const struct session *s)
{
	log_info("recording capture=%s source=%s pid=%d", s->options->name,
		 s->source->type->name, (int)getpid());
	if (s->source->recorder_filter)
		log_info("the filter runs in the recorder, not in the kernel");
}

int
session_run(const struct record_options *options, const char *home,
	    const char *program)
{
	struct session s = {
		.options = options,
		.signals = -1,
		.clock = -1,
		.line = { .name = options->name,
			  .terminal = isatty(STDERR_FILENO) != 0 },
	};
	struct error error = { 0 };

	if (session_open(&s, home, program, &error) < 0) {
		log_error("%s", error.text);
		if (s.recorder) {
			/* It tells of closed segments: before what hears it is
			 * gone. */
			recorder_detach(s.recorder);
			recorder_end(s.recorder, error.text);
		}
		session_close(&s);
		return 1;
	}
	s.started_ns = clock_monotonic_ns();
	session_report(&s);
	session_record(&s);
	session_finish(&s);
	log_info("stopped capture=%s", options->name);
	session_close(&s);
	return 0;
}
