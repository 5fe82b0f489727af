/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks: calls of tools that outlive the request that began them, and may be
 * looked after from another connection (2025-11-25, basic/utilities/tasks; of
 * 2026-07-28 the extension io.modelcontextprotocol/tasks).
 *
 * A task's work is a request of the server's own connection, the runner.  It
 * belongs to a principal, or where there are none to whoever knows its id.
 * Both eras see the same tasks, each in its own words.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <jansson.h>

#include "base/buf.h"
#include "server/mcp/work.h"

#define TASK_EXTENSION "io.modelcontextprotocol/tasks"
#define META_TASK "io.modelcontextprotocol/related-task"
#define TASK_ID_SIZE 32 /* hexadecimal digits of 128 random bits */

enum task_state {
	TASK_WORKING,
	TASK_ASKING,    /* its client has to answer before it goes on */
	TASK_ENDED,     /* there is a result, or an error */
	TASK_CANCELLED,
};

struct task {
	TAILQ_ENTRY(task) link;
	struct mcp_server *server;
	char id[TASK_ID_SIZE + 1];
	uint64_t number;            /* rising; where a page of a list begins */
	char *principal;            /* owned; NULL: not known */
	enum task_state state;
	bool is_modern;             /* how it was begun, and so how it asks */
	int64_t created_ns, updated_ns; /* UTC */
	int64_t born_ns, ended_ns;      /* monotonic */
	int64_t ttl_ms;             /* as granted, from its creation */
	char *message;              /* owned, or NULL */
	const struct tool *tool;
	struct mcp_request *work;   /* NULL once it has ended */
	struct mcp_request *creator; /* still to be answered; or NULL */
	struct mcp_connection *client; /* to be told of changes (legacy) */
	struct request_list waiting;   /* tasks/result */

	struct buf body;            /* the result as JSON text */
	bool failed_tool;           /* it has isError */
	struct rpc_error error;     /* … or this instead */

	json_t *asked;              /* questions by their names on the wire */
	json_t *names;              /* the tool's names for those */
	uint64_t next_question;     /* no name is used twice */
};

TAILQ_HEAD(task_list, task);

struct task_table {
	struct task_list list; /* oldest first */
	size_t count;
	uint64_t next;
};

/*
 * Begins a task that does what `r`, a checked tools/call, asks for.  NULL with
 * r->error when there are too many.  `ttl_ms` is what was asked for; 0:
 * nothing was.
 */
struct task *task_begin(struct mcp_request *r, int64_t ttl_ms);
/* `r` is answered with the task once that has lived for a moment, or with its
 * result when that is there before. */
void task_hold_creator(struct task *t, struct mcp_request *r);
/* The task of that id that the caller may see; NULL: none. */
struct task *task_find(struct mcp_server *s, const char *id,
		       const char *principal);
/* Is it the caller's? */
bool task_is_of(const struct task *t, const char *principal);
/* Its state is final. */
bool task_is_over(const struct task *t);

/* What its work has to say: asked and finished are the ends of a run. */
void task_progress(struct mcp_request *work, const struct report *report);
void task_ask(struct mcp_request *work);
void task_finish(struct mcp_request *work);
/* Ends what the tool has left running; `work` has been cancelled. */
void task_stop_tool(const struct mcp_request *work);
/* Its work is being forgotten. */
void task_forget_work(struct mcp_request *work);
/* `r` waits for it no longer. */
void task_forget_waiting(struct mcp_request *r);

/* Answers by names on the wire; what was not asked is ignored. */
void task_take_answers(struct task *t, json_t *answers);
void task_cancel(struct task *t);
/* Cancels all of a server's tasks, and ends its runner. */
void tasks_end(struct mcp_server *s);
/* Removes those whose time is over, and says when the next one's is. */
void tasks_expire(struct mcp_server *s, int64_t now_ns);
int64_t tasks_due(const struct mcp_server *s);
/* The connection is closing: it is told of no more. */
void tasks_forget_client(struct mcp_connection *c);

/* Members of a task without braces: legacy, modern, and modern with what it
 * asks or has come to. */
void task_write_legacy(struct buf *out, const struct task *t);
void task_write_modern(struct buf *out, const struct task *t);
void task_write_details(struct buf *out, const struct task *t);
/* Answers tasks/result. */
void task_answer_result(struct mcp_request *r, const struct task *t);

/* task_methods.c: each returns an enum handled */
int handle_tasks_get(struct mcp_request *r);
int handle_tasks_result(struct mcp_request *r);
int handle_tasks_list(struct mcp_request *r);
int handle_tasks_cancel(struct mcp_request *r);
int handle_tasks_update(struct mcp_request *r);
/* A tools/call whose tool is known: makes it a task, when it is to be one.
 * HANDLED_LATER: it is not. */
int task_consider(struct mcp_request *r);
/* Does the server have tasks, and may this client list its own? */
bool tasks_are_offered(const struct mcp_server *s);
bool tasks_can_be_listed(const struct mcp_connection *c);
/* -1 with the error of a client that has not declared the extension. */
int task_require_extension(struct mcp_request *r);
