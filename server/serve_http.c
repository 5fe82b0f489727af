/* SPDX-License-Identifier: Apache-2.0 */
#include "server/serve.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "server/serve_loop.h"
#include "server/serve_options.h"
#include "server/transport/http_server.h"

#define GRACE_MS 1000 /* for what is being answered when the end is asked for */
#define CANCEL_MS 50  /* … and for what is cancelled then to stop */

struct serve_http {
	struct serve_loop loop;
	struct http_server *http; /* NULL once closed */
	uv_timer_t goodbye;
	bool ending, over;
};

static void
close_http(struct serve_http *s)
{
	if (!s->http)
		return;
	http_server_close(s->http);
	mcp_server_end_tasks(s->loop.server);
}

static void
on_over(uv_timer_t *timer)
{
	struct serve_http *s = timer->data;

	s->over = true;
}

static void
on_grace_over(uv_timer_t *timer)
{
	close_http(timer->data);
	uv_timer_start(timer, on_over, CANCEL_MS, 0);
}

static void
end(void *context)
{
	struct serve_http *s = context;

	if (s->ending)
		return;
	s->ending = true;
	http_server_quiet(s->http);
	uv_timer_start(&s->goodbye, on_grace_over, GRACE_MS, 0);
}

static void
log_keys_missed(const char *from)
{
	log_warn("event=oauth_keys from=%s error=\"no keys could be had\"",
		 from);
}

static void
turn(void *context)
{
	struct serve_http *s = context;

	if (!s->http)
		return;
	http_server_flush(s->http);
	if (s->over || (s->ending && !http_server_is_busy(s->http)))
		uv_stop(&s->loop.loop);
}

static int
run(struct serve_http *s, const struct serve_options *options,
    const struct http_options *given)
{
	const struct http_work work = {
		.run = serve_loop_run_request,
		.wake = serve_loop_wake,
		.request_bytes = SERVE_REQUEST_BYTES,
		.context = &s->loop,
		.running = &s->loop.running,
	};
	struct http_options http = *given;
	struct error e = { 0 };

	if (serve_loop_open(&s->loop, options) < 0)
		return 1;
	uv_timer_init(&s->loop.loop, &s->goodbye);
	s->goodbye.data = s;
	http.content = options->content;
	http.config = &s->loop.config;
	http.keys_missed = log_keys_missed;
	s->http = http_server_start(&http, s->loop.server, &s->loop.loop,
				    &work, &e);
	if (!s->http) {
		log_error("event=start error=\"%s\"", e.text);
		return 1;
	}
	log_info("event=listen url=%s", http_server_url(s->http));
	uv_run(&s->loop.loop, UV_RUN_DEFAULT);
	close_http(s);
	return 0;
}

int
serve_http(const struct serve_options *options,
	   const struct http_options *http)
{
	struct serve_http *s = alloc_zero(1, sizeof(*s));
	int status;

	s->loop.turn = turn;
	s->loop.stop = end;
	s->loop.context = s;
	status = run(s, options, http);
	if (s->loop.running > 0)
		_exit(status); /* a tool does not stop: it dies with us */
	serve_loop_close(&s->loop);
	http_server_free(s->http);
	free(s);
	return status;
}
