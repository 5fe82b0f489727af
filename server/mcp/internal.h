/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of server/mcp/ share; nobody else includes it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "server/mcp/asking.h"
#include "server/mcp/catalogue.h"
#include "server/mcp/mcp.h"
#include "server/mcp/pace.h"
#include "server/mcp/rpc.h"
#include "server/mcp/severity.h"
#include "server/mcp/subscribe.h"
#include "server/mcp/tasks.h"
#include "server/mcp/version.h"
#include "server/mcp/work.h"

/* Keys of _meta (2026-07-28, basic/index#_meta). */
#define META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"
#define META_LOG_LEVEL "io.modelcontextprotocol/logLevel"
#define META_SERVER "io.modelcontextprotocol/serverInfo"
#define META_SUBSCRIPTION "io.modelcontextprotocol/subscriptionId"

#define MAX_URI 2048
#define MAX_BATCH 100

enum list_kind {
	LIST_TOOLS,
	LIST_PROMPTS,
	LIST_RESOURCES,
	LIST_TEMPLATES,
	LIST_COUNT,
};


struct mcp_server {
	const struct mcp_content *content;
	const struct tool_config *config;
	struct mcp_limits limits;
	char *info;        /* serverInfo as JSON text */
	struct catalogue lists[LIST_COUNT][MCP_VERSION_COUNT];
	struct request_list waiting; /* by `due` */
	size_t connections;
	struct pace *paces;          /* of the tools, in their order */
	struct buf out;              /* the message being composed */
	struct mcp_connection *runner; /* of what tasks do; NULL: no tasks */
	struct task_table tasks;
	struct request_list listeners; /* subscriptions to tasks */
	uint8_t secret[32];          /* seals request states */
	pthread_mutex_t lock;        /* guards `reported` and request->report */
	struct request_list reported; /* have progress to send */
};

/* A 2025-03-26 batch whose answers are still being collected. */
struct batch {
	struct buf answers; /* each followed by a comma */
	size_t open;        /* requests not yet answered, +1 while reading */
	void *origin;
};

struct mcp_connection {
	struct mcp_server *server;
	const struct mcp_host *host;
	void *context;
	struct mcp_caller caller;   /* its default_db is owned */
	bool initialized;           /* legacy handshake seen */
	bool modern_seen;
	enum mcp_version version;   /* negotiated, when initialized */
	enum log_severity log_level; /* logging/setLevel */
	bool paused;
	bool closed;
	struct request_list in_flight; /* all, oldest first */
	struct request_list queue;     /* those that wait for a slot */
	size_t in_flight_count;        /* of those */
	size_t listening;              /* of those, subscriptions */
	size_t in_flight_bytes;
	size_t running;
	struct uri_set subscribed;     /* resources/subscribe */
	struct mcp_request *watcher;   /* looks for changes, or NULL */
	unsigned abilities;            /* of the client, as in initialize */
	struct question_list questions; /* put to the client, unanswered */
	uint64_t next_question;
};

/* methods.c */
const struct method *method_find(const char *name);

/* connection.c */
/* Frees a closed connection when nothing of it runs. */
void connection_release(struct mcp_connection *c);
/* -1 with r->error when its client has too many unanswered ones already. */
int request_check_room(struct mcp_request *r);

/* send.c */
void send_response(struct mcp_request *r);
void send_plain(struct mcp_request *r); /* what server->out holds */
void send_error(struct mcp_connection *c, void *origin, struct batch *batch,
		const char *id, struct rpc_error *e);
/* A request to the client, with the id "ask-<number>"; `params` is JSON. */
void send_question(struct mcp_connection *c, void *origin, uint64_t number,
		   const char *method, const char *params);
void send_progress(struct mcp_request *r, const struct report *report);
void send_log(struct mcp_request *r, enum log_severity severity,
	      const char *format, ...) __attribute__((format(printf, 3, 4)));
/* One notification; `params` is JSON text without its closing brace.
 * `listener` (or NULL) adds its subscription id. */
void send_notification(struct mcp_connection *c, void *origin,
		       const char *method, const char *params,
		       const struct mcp_request *listener);
void batch_end(struct mcp_connection *c, struct batch *b);

/* plain.c: what is to be sent is kept (on the tool's thread), then sent. */
void plain_deliver(struct mcp_request *r, int rc,
		   const struct tool_result *result, const struct error *e);
void plain_send(struct mcp_request *r);

/* progress.c: called on pool threads */
void progress_report(void *request, double value, double total,
		     const char *message);
void progress_log(void *request, const char *text);
/* Sends what is pending (loop thread). */
void progress_flush(struct mcp_request *r);

/* lifecycle.c */
int handle_initialize(struct mcp_request *r);
int handle_discover(struct mcp_request *r);
int handle_ping(struct mcp_request *r);
int handle_set_level(struct mcp_request *r);

/* tools.c */
int handle_tools_list(struct mcp_request *r);
int handle_tools_call(struct mcp_request *r);
/* Its result is that the tool has failed. */
void tool_fail(struct mcp_request *r, const char *text);

/* resources.c */
int handle_resources_list(struct mcp_request *r);
int handle_templates_list(struct mcp_request *r);
int handle_resources_read(struct mcp_request *r);
int handle_complete(struct mcp_request *r);
/* params.uri when it has the shape of one of ours, or NULL with r->error. */
const char *require_resource(struct mcp_request *r);

/* prompts.c */
int handle_prompts_list(struct mcp_request *r);
int handle_prompts_get(struct mcp_request *r);
json_t *prompt_find(const struct mcp_server *s, const char *name);
json_t *prompt_argument(json_t *prompt, const char *name);

/* A string member of the params, or NULL with r->error set. */
const char *require_string(struct mcp_request *r, const char *name);
/* The answer of a list method: one page of a catalogue. */
int answer_page(struct mcp_request *r, enum list_kind kind);
