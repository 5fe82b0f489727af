/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What serving has in common over every transport: a libuv loop with the
 * protocol core in it, the thread pool that runs tools, the signals that end
 * it, and the lifeline of its jobs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "server/mcp/mcp.h"
#include "server/serve_options.h"
#include "server/tool.h"

struct serve_loop {
	uv_loop_t loop;
	struct tool_config config;
	struct mcp_server *server;
	size_t running;      /* requests on the pool */

	/* Once a turn of the loop, before it sleeps; when a signal has asked
	 * for the end. */
	void (*turn)(void *context);
	void (*stop)(void *context);
	void *context;

	uv_prepare_t before_sleep;
	uv_async_t wake;
	uv_timer_t due;      /* the core's */
	uv_signal_t signals[3];
	int64_t due_ns;      /* what `due` is set to */
	int lifeline[2];     /* jobs inherit the reading end */
};

/* Bytes of a request that serve_loop_run_request uses. */
#define SERVE_REQUEST_BYTES sizeof(uv_work_t)

/* Sets `turn`, `stop` and `context` beforehand.  0, or -1 after logging why
 * not; serve_loop_close in either case.  SIGPIPE is ignored from then on. */
int serve_loop_open(struct serve_loop *l, const struct serve_options *options);

/* Closes what is the loop's own and what is left open in it, runs it until
 * nothing is left, frees the core. */
void serve_loop_close(struct serve_loop *l);

/* struct mcp_host's `run` and `wake`; the argument is the loop. */
void serve_loop_run_request(void *loop, struct mcp_request *request);
void serve_loop_wake(void *loop);
