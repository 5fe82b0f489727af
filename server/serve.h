/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The serve loop: one libuv loop that moves bytes between a client and the
 * protocol core (server/mcp/), and runs tools on the thread pool.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "server/mcp/mcp.h"
#include "server/resource.h"
#include "server/tool.h"

struct serve_options {
	const struct tool_config *config; /* its `lifeline` is set by the loop */
	const struct mcp_content *content; /* from content_load
					    * (server/resources/content.h) */
	bool jobs_outlive; /* jobs go on when the client leaves */
};

/*
 * Serves one client on standard input and output until end of file, SIGTERM
 * or SIGINT.  What was asked by then is still answered when that takes no more
 * than a moment, the rest is cancelled; the process is gone 20 ms later unless
 * the client is still reading answers, for which it has a second.
 *
 * The first thing it does is to move standard output to a private descriptor
 * and point descriptor 1 at standard error, so that nothing but protocol ever
 * reaches the client.  SIGPIPE is ignored from then on.  A job started by a
 * tool ends with this process unless `jobs_outlive` is set.
 *
 * Returns a process exit status: 0, or 1 when serving could not start (the
 * reason is logged).  When a tool does not stop in time it does not return but
 * ends the process with status 0.
 */
int serve_stdio(const struct serve_options *options);
