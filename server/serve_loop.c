/* SPDX-License-Identifier: Apache-2.0 */
#include "server/serve_loop.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define POOL_THREADS "8"
#define PRIVATE_FD SERVE_PRIVATE_FD

static void
work(uv_work_t *item)
{
	mcp_request_run(item->data);
}

static void
after_work(uv_work_t *item, int status)
{
	struct serve_loop *l = item->loop->data;

	(void)status;
	l->running--;
	mcp_request_done(item->data);
}

void
serve_loop_run_request(void *loop, struct mcp_request *request)
{
	struct serve_loop *l = loop;
	uv_work_t *item = mcp_request_host(request);

	item->data = request;
	l->running++;
	uv_queue_work(&l->loop, item, work, after_work);
}

void
serve_loop_wake(void *loop)
{
	struct serve_loop *l = loop;

	uv_async_send(&l->wake);
}

static void
on_wake(uv_async_t *handle)
{
	struct serve_loop *l = handle->data;

	mcp_server_poll(l->server);
}

static void
on_due(uv_timer_t *timer)
{
	struct serve_loop *l = timer->data;

	l->due_ns = INT64_MAX;
	mcp_server_tick(l->server, clock_monotonic_ns());
}

static void
set_timer(struct serve_loop *l)
{
	int64_t due_ns = mcp_server_due(l->server);
	int64_t left;

	if (due_ns == l->due_ns)
		return;
	l->due_ns = due_ns;
	if (due_ns == INT64_MAX) {
		uv_timer_stop(&l->due);
		return;
	}
	left = due_ns - clock_monotonic_ns();
	uv_update_time(&l->loop);
	uv_timer_start(&l->due, on_due,
		       left > 0 ? (uint64_t)(left / CLOCK_NS_PER_MS) + 1 : 0,
		       0);
}

static void
before_sleep(uv_prepare_t *handle)
{
	struct serve_loop *l = handle->data;

	l->turn(l->context);
	set_timer(l);
}

static void
on_signal(uv_signal_t *handle, int number)
{
	struct serve_loop *l = handle->data;

	log_info("event=stop signal=%d", number);
	l->stop(l->context);
}

/* Jobs inherit the reading end; when the writing end is gone, so are we. */
static void
open_lifeline(struct serve_loop *l)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	for (int i = 0; i < 2; i++) {
		l->lifeline[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, PRIVATE_FD);
		close(ends[i]);
	}
	l->config.lifeline = l->lifeline[0];
}

static const int ending_signals[] = { SIGTERM, SIGINT, SIGHUP };

static void
start_handles(struct serve_loop *l)
{
	uv_prepare_init(&l->loop, &l->before_sleep);
	uv_prepare_start(&l->before_sleep, before_sleep);
	uv_async_init(&l->loop, &l->wake, on_wake);
	uv_timer_init(&l->loop, &l->due);
	for (int i = 0; i < 3; i++) {
		uv_signal_init(&l->loop, &l->signals[i]);
		uv_signal_start(&l->signals[i], on_signal, ending_signals[i]);
		l->signals[i].data = l;
	}
	l->before_sleep.data = l->wake.data = l->due.data = l;
}

static void
send_nothing(void *context, const struct mcp_outgoing *message)
{
	(void)context;
	(void)message;
}

/* Tasks belong to no connection. */
static const struct mcp_host task_host = {
	.send = send_nothing,
	.run = serve_loop_run_request,
	.wake = serve_loop_wake,
	.request_bytes = SERVE_REQUEST_BYTES,
};

int
serve_loop_open(struct serve_loop *l, const struct serve_options *options)
{
	struct error e = { 0 };

	signal(SIGPIPE, SIG_IGN);
	setenv("UV_THREADPOOL_SIZE", POOL_THREADS, 0);
	l->config = *options->config;
	l->due_ns = INT64_MAX;
	l->lifeline[0] = l->lifeline[1] = -1;
	if (!options->jobs_outlive)
		open_lifeline(l);
	uv_loop_init(&l->loop);
	l->loop.data = l;
	start_handles(l);
	l->server = mcp_server_new(options->content, &l->config, NULL, &e);
	if (l->server) {
		mcp_server_begin_tasks(l->server, &task_host, l);
		return 0;
	}
	log_error("event=start error=\"%s\"", e.text);
	return -1;
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
ignore_signals(struct serve_loop *l)
{
	for (int i = 0; i < 3; i++) {
		uv_signal_stop(&l->signals[i]);
		signal(ending_signals[i], SIG_IGN);
	}
}

void
serve_loop_close(struct serve_loop *l)
{
	ignore_signals(l);
	if (l->server)
		mcp_server_end_tasks(l->server);
	uv_walk(&l->loop, close_handle, NULL);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	uv_loop_close(&l->loop);
	for (int i = 0; i < 2; i++)
		if (l->lifeline[i] >= 0)
			close(l->lifeline[i]);
	mcp_server_free(l->server);
}
