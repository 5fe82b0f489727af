/* SPDX-License-Identifier: Apache-2.0 */
#include "server/serve.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/transport/inlet.h"
#include "server/transport/lines.h"
#include "server/transport/outlet.h"

#define POOL_THREADS "8"
/* After the end of input, what runs may still be answered for this long … */
#define GRACE_MS 12
/* … what was cancelled then has this long to come back … */
#define CANCEL_MS 4
/* … and what was answered this long to be read. */
#define FLUSH_MS 1000
#define PRIVATE_FD 10 /* ours begin here, away from 0, 1, 2 and jobs' 3 */

struct serve {
	uv_loop_t loop;
	uv_prepare_t before_sleep;
	uv_async_t wake;
	uv_timer_t due;      /* the core's */
	uv_timer_t goodbye;
	uv_signal_t signals[3];
	struct inlet input;
	struct lines lines;
	struct outlet output;
	struct tool_config config;
	struct mcp_server *server;
	struct mcp_connection *connection; /* NULL once closed */
	size_t running;      /* requests on the pool */
	int64_t due_ns;      /* what `due` is set to */
	bool slow;           /* the client does not read */
	bool gone;           /* it never will */
	bool ending;
	bool abandoned;      /* no more waiting for what was cancelled */
	bool given_up;       /* no more waiting for anything */
	int lifeline[2];
};

static void
close_connection(struct serve *s)
{
	struct mcp_connection *c = s->connection;

	s->connection = NULL;
	if (c)
		mcp_connection_close(c);
}

static void
on_flush_over(uv_timer_t *timer)
{
	struct serve *s = timer->data;

	s->given_up = true;
}

static void
on_cancel_over(uv_timer_t *timer)
{
	struct serve *s = timer->data;

	s->abandoned = true;
	uv_timer_start(timer, on_flush_over, FLUSH_MS, 0);
}

static void
on_grace_over(uv_timer_t *timer)
{
	close_connection(timer->data);
	uv_timer_start(timer, on_cancel_over, CANCEL_MS, 0);
}

/* Nothing more is read; what runs gets a moment, then it is cancelled. */
static void
end(void *context)
{
	struct serve *s = context;

	if (s->ending)
		return;
	s->ending = true;
	inlet_stop(&s->input);
	if (s->connection)
		mcp_connection_end_subscriptions(s->connection);
	uv_timer_start(&s->goodbye, on_grace_over, GRACE_MS, 0);
}

static void
on_signal(uv_signal_t *handle, int number)
{
	log_info("event=stop signal=%d", number);
	end(handle->data);
}

/* The core may be in the middle of a message: it is closed later. */
static void
on_gone(void *context)
{
	struct serve *s = context;

	s->gone = true;
}

/* A client that does not read, or has asked enough for now, is not heard. */
static void
set_pace(struct serve *s)
{
	size_t enough = mcp_server_limits(s->server)->in_flight / 2;

	inlet_pause(&s->input,
		    s->slow || (s->connection &&
				mcp_connection_in_flight(s->connection) >=
					enough));
}

static void
on_slow(void *context, bool slow)
{
	struct serve *s = context;

	s->slow = slow;
	if (s->connection)
		mcp_connection_pause(s->connection, slow);
}

static void
on_line(void *context, struct bytes line)
{
	struct serve *s = context;

	if (s->connection)
		mcp_connection_receive(s->connection, line, NULL);
}

static void
on_oversize(void *context)
{
	struct serve *s = context;

	if (s->connection)
		mcp_connection_refuse_oversize(s->connection, NULL);
}

static void
on_input(void *context, struct bytes data)
{
	struct serve *s = context;

	lines_feed(&s->lines, data);
	set_pace(s);
}

static void
on_input_end(void *context)
{
	struct serve *s = context;

	lines_end(&s->lines);
	end(s);
}

/* What the core asks of us. */

static void
host_send(void *context, const struct mcp_outgoing *message)
{
	struct serve *s = context;

	outlet_line(&s->output, message->text);
}

static void
work(uv_work_t *item)
{
	mcp_request_run(item->data);
}

static void
after_work(uv_work_t *item, int status)
{
	struct serve *s = item->loop->data;

	(void)status;
	s->running--;
	mcp_request_done(item->data);
}

static void
host_run(void *context, struct mcp_request *request)
{
	struct serve *s = context;
	uv_work_t *item = mcp_request_host(request);

	item->data = request;
	s->running++;
	uv_queue_work(&s->loop, item, work, after_work);
}

static void
host_wake(void *context)
{
	struct serve *s = context;

	uv_async_send(&s->wake);
}

static const struct mcp_host host = {
	.send = host_send,
	.run = host_run,
	.wake = host_wake,
	.request_bytes = sizeof(uv_work_t),
};

static void
on_wake(uv_async_t *handle)
{
	struct serve *s = handle->data;

	mcp_server_poll(s->server);
}

static void
on_due(uv_timer_t *timer)
{
	struct serve *s = timer->data;

	s->due_ns = INT64_MAX;
	mcp_server_tick(s->server, clock_monotonic_ns());
}

static void
set_timer(struct serve *s)
{
	int64_t due_ns = mcp_server_due(s->server);
	int64_t left;

	if (due_ns == s->due_ns)
		return;
	s->due_ns = due_ns;
	if (due_ns == INT64_MAX) {
		uv_timer_stop(&s->due);
		return;
	}
	left = due_ns - clock_monotonic_ns();
	uv_update_time(&s->loop);
	uv_timer_start(&s->due, on_due,
		       left > 0 ? (uint64_t)(left / CLOCK_NS_PER_MS) + 1 : 0,
		       0);
}

static bool
is_over(const struct serve *s)
{
	if (s->given_up)
		return true;
	return !s->connection && (s->running == 0 || s->abandoned) &&
	       outlet_is_flushed(&s->output);
}

/* Once a turn of the loop, before it sleeps. */
static void
before_sleep(uv_prepare_t *handle)
{
	struct serve *s = handle->data;

	outlet_flush(&s->output);
	if (s->gone) {
		close_connection(s);
		end(s);
	}
	if (s->ending && s->connection &&
	    mcp_connection_in_flight(s->connection) == 0)
		close_connection(s);
	set_pace(s);
	set_timer(s);
	if (s->ending && is_over(s))
		uv_stop(&s->loop);
}

/* Where standard input or error is missing, no descriptor of the loop or of a
 * file may come to stand. */
static void
fill_gaps(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Standard output becomes a descriptor that only we know; what a library
 * prints goes to standard error. */
static int
claim_output(void)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, PRIVATE_FD);

	if (fd < 0)
		return -1;
	fill_gaps();
	if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Jobs inherit the reading end; when the writing end is gone, so are we. */
static void
open_lifeline(struct serve *s)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	for (int i = 0; i < 2; i++) {
		s->lifeline[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, PRIVATE_FD);
		close(ends[i]);
	}
	s->config.lifeline = s->lifeline[0];
}

static const int ending_signals[] = { SIGTERM, SIGINT, SIGHUP };

static void
start_handles(struct serve *s)
{
	uv_prepare_init(&s->loop, &s->before_sleep);
	uv_prepare_start(&s->before_sleep, before_sleep);
	uv_async_init(&s->loop, &s->wake, on_wake);
	uv_timer_init(&s->loop, &s->due);
	uv_timer_init(&s->loop, &s->goodbye);
	for (int i = 0; i < 3; i++) {
		uv_signal_init(&s->loop, &s->signals[i]);
		uv_signal_start(&s->signals[i], on_signal,
				ending_signals[i]);
		s->signals[i].data = s;
	}
	s->before_sleep.data = s->wake.data = s->due.data = s->goodbye.data =
		s;
}

static void
close_handle(uv_handle_t *handle, void *unused)
{
	(void)unused;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* The process is ending: a client that says so twice, by end of input and by a
 * signal, must not make it look like a crash. */
static void
ignore_signals(struct serve *s)
{
	for (int i = 0; i < 3; i++) {
		uv_signal_stop(&s->signals[i]);
		signal(ending_signals[i], SIG_IGN);
	}
}

static void
close_all(struct serve *s)
{
	ignore_signals(s);
	inlet_close(&s->input);
	outlet_close(&s->output);
	uv_walk(&s->loop, close_handle, NULL);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	uv_loop_close(&s->loop);
	lines_free(&s->lines);
	outlet_free(&s->output);
	for (int i = 0; i < 2; i++)
		if (s->lifeline[i] >= 0)
			close(s->lifeline[i]);
}

static int
open_all(struct serve *s, const struct serve_options *options, int out)
{
	struct error e = { 0 };
	int rc;

	s->server = mcp_server_new(options->content, &s->config, NULL, &e);
	if (!s->server) {
		log_error("event=start error=\"%s\"", e.text);
		return -1;
	}
	rc = outlet_open(&s->output, &s->loop, out, on_slow, on_gone, s);
	if (rc < 0) {
		log_error("event=start error=\"standard output: %s\"",
			  uv_strerror(rc));
		return -1;
	}
	s->connection = mcp_connection_new(s->server, &host, s);
	lines_init(&s->lines, mcp_server_limits(s->server)->message_bytes,
		   on_line, on_oversize, s);
	return 0;
}

static int
run(struct serve *s, const struct serve_options *options, int out)
{
	uv_loop_init(&s->loop);
	s->loop.data = s;
	start_handles(s);
	if (open_all(s, options, out) < 0)
		return 1;
	inlet_start(&s->input, &s->loop, STDIN_FILENO, on_input, on_input_end,
		    s);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	if (s->running > 0)
		_exit(0); /* a tool does not stop: its thread dies with us */
	return 0;
}

int
serve_stdio(const struct serve_options *options)
{
	int out = claim_output();
	struct serve *s;
	int status;

	if (out < 0) {
		log_error("event=start error=\"no standard output\"");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	setenv("UV_THREADPOOL_SIZE", POOL_THREADS, 0);
	s = alloc_zero(1, sizeof(*s));
	s->config = *options->config;
	s->due_ns = INT64_MAX;
	s->lifeline[0] = s->lifeline[1] = -1;
	if (!options->jobs_outlive)
		open_lifeline(s);
	status = run(s, options, out);
	close_connection(s);
	close_all(s);
	mcp_server_free(s->server);
	free(s);
	return status;
}
