/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of server/mcp/ share; nobody else includes it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "server/mcp/catalogue.h"
#include "server/mcp/mcp.h"
#include "server/mcp/pace.h"
#include "server/mcp/rpc.h"
#include "server/mcp/severity.h"
#include "server/mcp/subscribe.h"
#include "server/mcp/version.h"

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

enum request_state {
	REQUEST_QUEUED,    /* in connection->queue */
	REQUEST_RUNNING,   /* with the host */
	REQUEST_WAITING,   /* in server->waiting */
	REQUEST_LISTENING, /* subscriptions/listen, until cancelled */
};

struct request_list;
TAILQ_HEAD(request_list, mcp_request);

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
};

/* Progress as last reported, on its way to the client. */
struct report {
	bool pending;
	double value, total;
	char *message;
};

struct method;

/* What an answer has around it. */
enum plain {
	PLAIN_NO,     /* JSON-RPC */
	PLAIN_RESULT, /* nothing */
	PLAIN_ROWS,   /* nothing, and one row a line */
};

struct mcp_request {
	struct mcp_connection *connection;
	const struct method *method;
	void *origin;
	struct batch *batch;
	enum mcp_version version;
	enum request_state state;
	char *id;           /* JSON text; NULL: internal, never answered */
	json_t *params;     /* object, owned; may be NULL */
	size_t cost;        /* counted in connection->in_flight_bytes */

	TAILQ_ENTRY(mcp_request) in_flight;
	TAILQ_ENTRY(mcp_request) place; /* queue or waiting */
	TAILQ_ENTRY(mcp_request) reported;

	/* What to do on the pool thread, and what it leaves behind. */
	void (*work)(struct mcp_request *r);
	void (*finished)(struct mcp_request *r); /* loop thread; may be NULL */
	const struct tool *tool;
	struct pace *pace;       /* of a tool that may run here; NULL: never */
	struct tool_config config; /* the server's, narrowed to its caller */
	char *default_db;          /* of `config`, when it is the caller's */
	struct buf body;    /* the result object as JSON text */
	enum plain plain;
	char *cursor;       /* of PLAIN_ROWS, or NULL */
	struct rpc_error error;
	uint32_t wait_ms;   /* not 0: call `work` again after that long */
	bool failed_tool;   /* the body is an isError result */
	int64_t started_ns, took_ns; /* monotonic; of its last run */
	int64_t due_ns;     /* monotonic, while waiting */

	atomic_bool cancelled;
	pthread_mutex_t lock; /* guards the next two */
	void (*interrupt)(void *arg);
	void *interrupt_arg;

	char *progress_token;  /* JSON text, or NULL */
	struct report report;
	int64_t last_report_ns;
	enum log_severity log_level;

	struct uri_set *listened; /* subscriptions/listen */
	bool linked;              /* in connection->in_flight */
	struct watch *watch;     /* of the watcher */
	max_align_t host[];
};

/* What a handler says. */
enum handled {
	HANDLED,       /* r->body is the result */
	HANDLED_LATER, /* r->work is to be run on another thread */
	HANDLED_OPEN,  /* stays open; answers when it ends */
	HANDLED_FAILED = -1, /* r->error says why */
};

struct method {
	const char *name;
	bool legacy, modern;
	int (*handle)(struct mcp_request *r);
	int32_t ttl_ms;     /* modern results: -1 no caching members */
	const char *scope;  /* "public" or "private" */
};

/* methods.c */
const struct method *method_find(const char *name);

/* request.c */
struct mcp_request *request_new(struct mcp_connection *c,
				const struct rpc_message *m);
void request_free(struct mcp_request *r);
/* Starts it, or lets it wait for a slot. */
void request_submit(struct mcp_request *r);
/* Keeps it open until it is cancelled or the server goes. */
void request_keep_open(struct mcp_request *r);
/* Its time of waiting is over. */
void request_resume(struct mcp_request *r);
/* Sends r->body or r->error and frees the request. */
void request_answer(struct mcp_request *r);
/* Stops it and makes sure that it is never answered.  The request may be gone
 * afterwards. */
void request_cancel(struct mcp_request *r);
struct mcp_request *request_find(struct mcp_connection *c, const char *id);
/* Starts queued requests while there are slots. */
void connection_start_queued(struct mcp_connection *c);
/* What tools and resources get to see of a request (on its thread). */
struct tool_call request_call(struct mcp_request *r);

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
