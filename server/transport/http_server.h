/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MCP over HTTP: the listener, its clients and what they may ask (docs/mcp.md,
 * "Over HTTP").  Lives in a libuv loop that its owner runs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "server/mcp/mcp.h"
#include "server/transport/guard.h"
#include "server/transport/metrics.h"
#include "server/transport/oauth.h"
#include "server/transport/tokens.h"

struct http_server;

/* Bounds; 0 means the default in brackets. */
struct http_limits {
	size_t head_bytes;      /* of a request [16 KiB] */
	size_t body_bytes;      /* of a request [4 MiB] */
	size_t connections;     /* [1024] */
	uint32_t from_address;  /* of those, of one address [half of them;
				 * behind a proxy, no limit] */
	size_t sessions;        /* [10,000] */
	size_t streams;         /* of a session, being answered [64] */
	uint32_t rate;          /* requests a second of a client [no limit] */
	uint32_t head_s;        /* for a head to arrive [15] */
	uint32_t body_s;        /* for a whole request to arrive [60] */
	uint32_t idle_s;        /* between two requests [75] */
	uint32_t stalled_s;     /* without reading any of an answer [30] */
	uint32_t session_s;     /* idle life of a session [3600] */
};

struct http_options {
	const char *address;    /* "127.0.0.1:8931", "[::1]:0", "unix:/path" */
	struct guard guard;
	struct tokens tokens;   /* neither these nor OAuth: everybody may do
				 * everything */
	struct oauth_options oauth;
	const char *tls_cert, *tls_key; /* PEM files, or NULL */
	bool behind_proxy;      /* TLS ends in front of us */
	bool access_log;
	struct http_limits limits;
	const struct mcp_content *content;
	const struct tool_config *config;
	/* Fills jobs, captures and packets; called on a pool thread.  May be
	 * NULL. */
	void (*count)(const struct tool_config *config,
		      struct metrics_now *now);
	/* Told that the issuer's keys could not be had, or were none.  May be
	 * NULL. */
	void (*keys_missed)(const char *from);
};

/* What the core asks of the loop: as in struct mcp_host, but for `context`. */
struct http_work {
	void (*run)(void *context, struct mcp_request *request);
	void (*wake)(void *context);
	size_t request_bytes;
	void *context;
	const size_t *running; /* requests on a thread; borrowed */
};

/*
 * Binds and listens.  INVALID: the address is none; DENIED: others can reach
 * it, and it has no token or no TLS.  Everything borrowed must outlive the
 * server.
 */
struct http_server *http_server_start(const struct http_options *options,
				      struct mcp_server *mcp, uv_loop_t *loop,
				      const struct http_work *work,
				      struct error *e);

/* Where it listens ("http://127.0.0.1:8931"), port filled in; borrowed. */
const char *http_server_url(const struct http_server *s);

/* Once a turn of the loop, before it sleeps: writes what is to be written. */
void http_server_flush(struct http_server *s);

/* Accepts nothing more and ends subscriptions; what is asked is still
 * answered. */
void http_server_quiet(struct http_server *s);
/* Is anything still being answered or written? */
bool http_server_is_busy(const struct http_server *s);
/* Closes everything; the memory stays in use until the loop has nothing left
 * to run. */
void http_server_close(struct http_server *s);
void http_server_free(struct http_server *s);
