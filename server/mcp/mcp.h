/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Model Context Protocol server core: messages in, messages out, no
 * sockets, no threads, no loop of its own.
 *
 * It serves the legacy revisions 2024-11-05, 2025-03-26, 2025-06-18 and
 * 2025-11-25 (initialize handshake) and the modern 2026-07-28 (version in
 * every request's _meta) from the same handlers.  Every message is classified
 * by itself; a connection may mix both.
 *
 * All functions are called on one thread, the loop's, except
 * mcp_request_run, which is called on any other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/bytes.h"
#include "server/mcp/incoming.h"
#include "server/mcp/version.h"
#include "server/resource.h"
#include "server/tool.h"

struct mcp_server;     /* what is served; shared by all connections */
struct mcp_connection; /* one client's conversation */
struct mcp_request;    /* one request being worked on */

/* The tools, handed in so that the core links without them. */
struct mcp_tools {
	const struct tool *const *table; /* NULL-terminated */
	json_t *(*schema)(const struct tool *tool);
	int (*run)(const struct tool *tool, struct tool_call *call,
		   struct tool_result *out, struct error *e);
};

/* What is served.  Borrowed for the life of the server. */
struct mcp_content {
	const char *name, *title, *version; /* serverInfo */
	const char *instructions;           /* under 2 KB */
	struct mcp_tools tools;
	const struct resource_source *resources; /* NULL: none */
	json_t *prompts; /* array as in server/prompt.h; NULL: none */
};

/* Bounds; 0 means the default in brackets. */
struct mcp_limits {
	size_t message_bytes;   /* of one incoming message [4 MiB] */
	size_t result_bytes;    /* of one outgoing message [8 MiB] */
	size_t in_flight_bytes; /* of all unanswered requests of a connection,
				 * as parsed [32 MiB] */
	uint32_t in_flight;     /* unanswered requests of a connection [2048] */
	uint32_t running;       /* of those, handed to `run` at once [16] */
	uint32_t page;          /* entries of one list page [100] */
	uint32_t tasks;         /* kept at once, half of them for one
				 * principal [256] */
	size_t task_bytes;      /* of a task's result [256 KiB] */
	int64_t task_keep_ms;   /* a task is kept that long after its end, at
				 * least [5 min] */
};

/* One outgoing message. */
struct mcp_outgoing {
	struct bytes text; /* one line of JSON, without the newline; borrowed */
	void *origin;      /* of the request it belongs to, as given to
			    * mcp_connection_receive; NULL: of none */
	bool is_response;  /* the last message for that origin */
	int error_code;    /* JSON-RPC code of an error response, else 0 */
	bool refused;      /* … which no method has caused: the message itself
			    * was bad, or names no method */
	const char *cursor; /* of mcp_connection_call with `rows`: where the
			     * next page begins; NULL: this was the last */
};

/* On whose behalf a connection's next messages come. */
struct mcp_caller {
	const char *default_db;  /* NULL: that of the configuration */
	enum tool_effects may;   /* the most that tools may do for it */
	bool may_reveal;         /* what the configuration reveals, at most */
	bool whole_answers;      /* see struct tool_config */
	/* Who it is: tasks and request states are its own.  NULL: cannot be
	 * told apart from other callers. */
	const char *principal;
};

/* What the core asks of the loop it runs in. */
struct mcp_host {
	void (*send)(void *context, const struct mcp_outgoing *message);
	/*
	 * Call mcp_request_run(request) on another thread, and after that
	 * mcp_request_done(request) on this one, never from within this call.
	 */
	void (*run)(void *context, struct mcp_request *request);
	/* The client of `origin` has to wait long: it may be let go, where the
	 * transport lets it come back for the answer.  May be NULL. */
	void (*let_go)(void *context, void *origin);
	/* Called on any thread: call mcp_server_poll soon. */
	void (*wake)(void *context);
	/* The connection was closed and nothing of it runs any more: `context`
	 * is not used again.  `wake` may come until then.  May be NULL. */
	void (*released)(void *context);
	/* Bytes of each request that the host uses as it likes. */
	size_t request_bytes;
};

/* NULL with `e` filled when a schema or a prompt is malformed. */
struct mcp_server *mcp_server_new(const struct mcp_content *content,
				  const struct tool_config *config,
				  const struct mcp_limits *limits,
				  struct error *e);
/*
 * From now on calls may become tasks, whose work `host` runs; of it `run`,
 * `wake` and `request_bytes` are used.  It must outlive the server.
 */
void mcp_server_begin_tasks(struct mcp_server *s, const struct mcp_host *host,
			    void *context);
/* Cancels all tasks.  What of them still runs comes back as usual. */
void mcp_server_end_tasks(struct mcp_server *s);
/* All connections must be gone, and tasks ended. */
void mcp_server_free(struct mcp_server *s);
/* The schema of a tool, or NULL; borrowed. */
const json_t *mcp_server_schema(const struct mcp_server *s, const char *tool);
const struct mcp_limits *mcp_server_limits(const struct mcp_server *s);

/* Sends what tools reported from other threads since the last time. */
void mcp_server_poll(struct mcp_server *s);

/*
 * Time: after every call into the core, mcp_server_due says when (monotonic
 * clock, ns; INT64_MAX: never) mcp_server_tick wants to be called.
 */
int64_t mcp_server_due(const struct mcp_server *s);
void mcp_server_tick(struct mcp_server *s, int64_t now_ns);

/* A new conversation.  `host` must outlive it; `context` goes to callbacks. */
struct mcp_connection *mcp_connection_new(struct mcp_server *s,
					  const struct mcp_host *host,
					  void *context);

/*
 * Cancels everything without answering and sends nothing more.  The memory is
 * freed once the last running request is done.
 */
void mcp_connection_close(struct mcp_connection *c);

/*
 * One incoming message (JSON text, any bytes; borrowed).  `origin` comes back
 * with every message that answers it.
 */
void mcp_connection_receive(struct mcp_connection *c, struct bytes message,
			    void *origin);

/* The same for a message that was parsed already; `m` stays the caller's. */
void mcp_connection_take(struct mcp_connection *c, struct mcp_incoming *m,
			 void *origin);

/*
 * From the next message on the client is `caller` (copied).  Until the first
 * time it is one that may do all that the configuration allows.
 */
void mcp_connection_set_caller(struct mcp_connection *c,
			       const struct mcp_caller *caller);

/* The revision that was negotiated, or the newest with a handshake. */
enum mcp_version mcp_connection_version(const struct mcp_connection *c);
bool mcp_connection_is_initialized(const struct mcp_connection *c);

/* A call of a tool without JSON-RPC around it. */
struct mcp_plain_call {
	const char *tool;
	json_t *arguments; /* object; borrowed */
	bool rows;
	void *origin;
};

/*
 * Calls a tool.  What comes is one message: the structured result, or with
 * `rows` what it lists, one a line; after the last page, a line with the rest
 * of the result.  Or {"error":…} with an enum err or enum rpc_code.  One at a
 * time.
 */
void mcp_connection_call(struct mcp_connection *c,
			 const struct mcp_plain_call *call);

/* Answers a message that was too long to be kept. */
void mcp_connection_refuse_oversize(struct mcp_connection *c, void *origin);

/* While paused (the client does not read), no new request is started. */
void mcp_connection_pause(struct mcp_connection *c, bool paused);

/* Ends open subscriptions in an orderly way, because the server goes. */
void mcp_connection_end_subscriptions(struct mcp_connection *c);

/* Requests not yet answered, without subscriptions; and those between
 * `run` and mcp_request_done. */
size_t mcp_connection_in_flight(const struct mcp_connection *c);
size_t mcp_connection_running(const struct mcp_connection *c);

/* See struct mcp_host. */
void mcp_request_run(struct mcp_request *r);
void mcp_request_done(struct mcp_request *r);
void *mcp_request_host(struct mcp_request *r);
