/* SPDX-License-Identifier: Apache-2.0 */
#include "server/serve.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/log.h"
#include "server/serve_loop.h"
#include "server/serve_options.h"
#include "server/transport/inlet.h"
#include "server/transport/lines.h"
#include "server/transport/outlet.h"

/* After the end of input, what runs may still be answered for this long … */
#define GRACE_MS 12
/* … what was cancelled then has this long to come back … */
#define CANCEL_MS 4
/* … and what was answered this long to be read. */
#define FLUSH_MS 1000

struct serve {
	struct serve_loop loop;
	uv_timer_t goodbye;
	struct inlet input;
	struct lines lines;
	struct outlet output;
	struct mcp_connection *connection; /* NULL once closed */
	bool slow;           /* the client does not read */
	bool gone;           /* it never will */
	bool ending;
	bool abandoned;      /* no more waiting for what was cancelled */
	bool given_up;       /* no more waiting for anything */
};

static void
close_connection(struct serve *s)
{
	struct mcp_connection *c = s->connection;

	s->connection = NULL;
	if (!c)
		return;
	mcp_connection_close(c);
	mcp_server_end_tasks(s->loop.server);
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
	size_t enough = mcp_server_limits(s->loop.server)->in_flight / 2;

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
host_run(void *context, struct mcp_request *request)
{
	struct serve *s = context;

	serve_loop_run_request(&s->loop, request);
}

static void
host_wake(void *context)
{
	struct serve *s = context;

	serve_loop_wake(&s->loop);
}

static const struct mcp_host host = {
	.send = host_send,
	.run = host_run,
	.wake = host_wake,
	.request_bytes = SERVE_REQUEST_BYTES,
};

static bool
is_over(const struct serve *s)
{
	if (s->given_up)
		return true;
	return !s->connection && (s->loop.running == 0 || s->abandoned) &&
	       outlet_is_flushed(&s->output);
}

/* Once a turn of the loop, before it sleeps. */
static void
before_sleep(void *context)
{
	struct serve *s = context;

	outlet_flush(&s->output);
	if (s->gone) {
		close_connection(s);
		end(s);
	}
	if (s->ending && s->connection &&
	    mcp_connection_in_flight(s->connection) == 0)
		close_connection(s);
	set_pace(s);
	if (s->ending && is_over(s))
		uv_stop(&s->loop.loop);
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
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, SERVE_PRIVATE_FD);

	if (fd < 0)
		return -1;
	fill_gaps();
	if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
open_all(struct serve *s, int out)
{
	int rc = outlet_open(&s->output, &s->loop.loop, out, on_slow, on_gone,
			     s);

	if (rc < 0) {
		log_error("event=start error=\"standard output: %s\"",
			  uv_strerror(rc));
		return -1;
	}
	uv_timer_init(&s->loop.loop, &s->goodbye);
	s->goodbye.data = s;
	s->connection = mcp_connection_new(s->loop.server, &host, s);
	lines_init(&s->lines, mcp_server_limits(s->loop.server)->message_bytes,
		   on_line, on_oversize, s);
	return 0;
}

static int
run(struct serve *s, const struct serve_options *options, int out)
{
	if (serve_loop_open(&s->loop, options) < 0 || open_all(s, out) < 0)
		return 1;
	inlet_start(&s->input, &s->loop.loop, STDIN_FILENO, on_input,
		    on_input_end, s);
	uv_run(&s->loop.loop, UV_RUN_DEFAULT);
	if (s->loop.running > 0)
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
	s = alloc_zero(1, sizeof(*s));
	s->loop.turn = before_sleep;
	s->loop.stop = end;
	s->loop.context = s;
	status = run(s, options, out);
	close_connection(s);
	inlet_close(&s->input);
	outlet_close(&s->output);
	serve_loop_close(&s->loop);
	lines_free(&s->lines);
	outlet_free(&s->output);
	free(s);
	return status;
}
