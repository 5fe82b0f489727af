/* SPDX-License-Identifier: Apache-2.0 */
/* /healthz for whoever watches the process, /metrics for Prometheus. */
#include <stdlib.h>

#include "base/alloc.h"
#include "server/transport/http_internal.h"

void
health_get(struct client *c, const struct http_request *r)
{
	(void)r;
	client_answer(c, &(struct http_answer){
				 .status = c->server->quiet ? 503 : 200,
				 .type = "text/plain",
				 .body = bytes_of(c->server->quiet ?
							  "stopping\n" :
							  "ok\n"),
			 });
}

/* Counting jobs and captures reads the disk, so it is done on a thread. */
struct counting {
	uv_work_t work;
	struct client *client; /* NULL once it has gone */
	const struct http_options *options;
	struct metrics_now now;
};

static void
count(uv_work_t *work)
{
	struct counting *counting = work->data;
	const struct http_options *options = counting->options;

	if (options->count)
		options->count(options->config, &counting->now);
}

static void
counted(uv_work_t *work, int status)
{
	struct counting *counting = work->data;
	struct client *c = counting->client;
	struct buf text;

	(void)status;
	if (c) {
		c->server->now_ns = clock_monotonic_ns();
		buf_init(&text, SIZE_MAX);
		metrics_write(&c->server->metrics, &counting->now, &text);
		client_answer(c, &(struct http_answer){
					 .status = 200,
					 .type = "text/plain; version=0.0.4",
					 .body = buf_view(&text),
				 });
		buf_free(&text);
	}
	free(counting);
}

static void
forget(struct client *c)
{
	struct counting *counting = c->job;

	counting->client = NULL;
}

void
metrics_get(struct client *c, const struct http_request *r)
{
	struct http_server *s = c->server;
	struct counting *counting = alloc_zero(1, sizeof(*counting));

	(void)r;
	counting->work.data = counting;
	counting->client = c;
	counting->options = &s->options;
	counting->now.connections = s->client_count;
	counting->now.sessions = s->sessions.count;
	counting->now.running = *s->work.running;
	counting->now.streams = s->sessions.streams;
	c->waiting = WAITING_OTHER;
	c->job = counting;
	c->abandon = forget;
	uv_queue_work(s->loop, &counting->work, count, counted);
}
