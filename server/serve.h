/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The serve loop: one libuv loop that moves bytes between a client and the
 * protocol core (server/mcp/), and runs tools on the thread pool.
 */
#pragma once

struct serve_options; /* server/serve_options.h */

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

struct http_options; /* server/transport/http_server.h */

/*
 * Serves any number of clients over HTTP until SIGTERM or SIGINT, which give
 * what is being answered a second.  Of `http`, `content` and `config` are set
 * here.  Where it listens is logged.  Returns a process exit status: 0, or 1
 * when serving could not start (the reason is logged).
 */
int serve_http(const struct serve_options *options,
	       const struct http_options *http);
