/* SPDX-License-Identifier: Apache-2.0 */
/* A request being worked on, as the files of server/mcp/ see it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "server/mcp/mcp.h"
#include "server/mcp/rpc.h"
#include "server/mcp/severity.h"
#include "server/mcp/version.h"

#define REPORT_LINES 16 /* log messages on their way, at most */

struct batch;
struct pace;
struct task;
struct uri_set;
struct watch;

enum request_state {
	REQUEST_QUEUED,    /* in connection->queue */
	REQUEST_RUNNING,   /* with the host */
	REQUEST_WAITING,   /* in server->waiting */
	REQUEST_LISTENING, /* subscriptions/listen, until cancelled */
	REQUEST_HELD,      /* in task->waiting, until that ends */
};

struct request_list;
TAILQ_HEAD(request_list, mcp_request);

/* Progress as last reported, on its way to the client. */
struct report {
	bool pending;
	bool valued;      /* `value` and so on are to be told */
	double value, total;
	char *message;
	char *lines[REPORT_LINES]; /* log messages, oldest first */
	size_t line_count;
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
	bool let_go;        /* the client need not hold its stream meanwhile */
	bool was_let_go;    /* it has been told so, once */
	const char *result_type; /* of a modern result */
	bool failed_tool;   /* the body is an isError result */
	bool ran;           /* and will be again */
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

	/* What its client can be asked, what it has answered so far, and what
	 * is to be asked now (ask.c). */
	unsigned abilities;          /* bits of enum tool_ability */
	json_t *answers;             /* object, owned; or NULL */
	json_t *remembered;          /* what came with the question */
	struct tool_question question; /* owned; `ask` NULL: nothing */
	struct mcp_connection *asked;  /* whose client is being asked */
	size_t open_questions;         /* of those, unanswered */

	/* Tasks (task.c). */
	void (*on_due)(struct mcp_request *r); /* instead of running it */
	struct task *task;    /* whose work it is; loop thread only */
	bool is_task;         /* it is, or was, the work of one */
	bool stop_after;      /* what the tool has begun is to be ended */
	struct task *awaited; /* whose end, or birth, it waits for */

	struct uri_set *listened; /* subscriptions/listen */
	struct uri_set *listened_tasks; /* … to the states of these */
	TAILQ_ENTRY(mcp_request) listener; /* server->listeners */
	bool linked;              /* in connection->in_flight */
	struct watch *watch;     /* of the watcher */
	max_align_t host[];
};

/* What a handler says. */
enum handled {
	HANDLED,       /* r->body is the result */
	HANDLED_LATER, /* r->work is to be run on another thread */
	HANDLED_OPEN,  /* stays open; answers when it ends */
	HANDLED_HELD,  /* the handler has put it where it waits */
	HANDLED_FAILED = -1, /* r->error says why */
};

struct method {
	const char *name;
	bool legacy, modern;
	enum mcp_version since; /* the first legacy one that has it */
	int (*handle)(struct mcp_request *r);
	int32_t ttl_ms;     /* modern results: -1 no caching members */
	const char *scope;  /* "public" or "private" */
};

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
/* Waits r->wait_ms before it is run again, or r->on_due called. */
void request_wait(struct mcp_request *r);
/* … and that no longer. */
void request_stop_waiting(struct mcp_request *r);
/* Runs its work again, with what it has been told meanwhile. */
void request_run_again(struct mcp_request *r);
/* It is part of its connection's unanswered requests. */
void request_link(struct mcp_request *r);
/* Its work is over: answers, asks or waits, as it says. */
void request_finish(struct mcp_request *r);
/* Forgets it without an answer. */
void request_drop(struct mcp_request *r);
/* A further request of the runner with the same rights. */
struct mcp_request *request_of_runner(const struct mcp_request *r);
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
