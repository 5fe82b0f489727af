/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of tasks.  A task's work is an internal request of the runner; it
 * points to its task, and the task to it, until one of them goes.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "server/mcp/internal.h"

/* A call that is over within that long is answered as if it were no task. */
#define CREATION_MS 200
#define TTL_MS 900000        /* unless the client asks for another */
#define TTL_MOST_MS 86400000
#define LIFE_MOST_NS (86400 * CLOCK_NS_PER_S) /* of a task that never ends */

static void
choose_id(struct task *t)
{
	uint8_t random[TASK_ID_SIZE / 2];

	hash_random(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(t->id + 2 * i, 3, "%02x", random[i]);
}

static bool
is_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool
task_is_of(const struct task *t, const char *principal)
{
	return is_same(t->principal, principal);
}

bool
task_is_over(const struct task *t)
{
	return t->state == TASK_ENDED || t->state == TASK_CANCELLED;
}

static int
check_room(struct mcp_request *r)
{
	const struct mcp_server *s = r->connection->server;
	const char *principal = r->connection->caller.principal;
	const struct task *t;
	size_t own = 0;

	TAILQ_FOREACH(t, &s->tasks.list, link)
		own += task_is_of(t, principal);
	if (s->tasks.count < s->limits.tasks && own < s->limits.tasks / 2)
		return 0;
	return rpc_fail(&r->error, MCP_BUSY,
			"%zu tasks are kept already: call the tool without "
			"one, or wait until their ttl is over", own);
}

/* The request that does it; it has what `r` has, and its own life. */
static struct mcp_request *
work_of(struct task *t, struct mcp_request *r)
{
	struct mcp_request *w = request_of_runner(r);

	w->task = t;
	w->is_task = true;
	w->tool = r->tool;
	w->work = r->work;
	w->finished = r->finished;
	w->answers = json_incref(r->answers);
	w->remembered = json_incref(r->remembered);
	buf_free(&w->body);
	buf_init(&w->body, r->connection->server->limits.task_bytes);
	if (!t->is_modern) {
		w->log_level = r->log_level;
		w->progress_token = r->progress_token;
		r->progress_token = NULL;
	}
	return w;
}

struct task *
task_begin(struct mcp_request *r, int64_t ttl_ms)
{
	struct mcp_connection *c = r->connection;
	struct mcp_server *s = c->server;
	struct task *t;

	if (check_room(r) < 0)
		return NULL;
	t = alloc_zero(1, sizeof(*t));
	t->server = s;
	choose_id(t);
	t->number = ++s->tasks.next;
	if (c->caller.principal)
		t->principal = alloc_string(c->caller.principal);
	t->is_modern = mcp_is_modern(r->version);
	t->created_ns = t->updated_ns = clock_wall_ns();
	t->born_ns = clock_monotonic_ns();
	t->ttl_ms = ttl_ms <= 0 ? TTL_MS : ttl_ms;
	if (t->ttl_ms > TTL_MOST_MS)
		t->ttl_ms = TTL_MOST_MS;
	t->tool = r->tool;
	t->client = t->is_modern ? NULL : c;
	TAILQ_INIT(&t->waiting);
	buf_init(&t->body, s->limits.task_bytes);
	TAILQ_INSERT_TAIL(&s->tasks.list, t, link);
	s->tasks.count++;
	t->work = work_of(t, r);
	request_submit(t->work);
	return t;
}

/* Removes it with everything it has. */
static void
task_free(struct task *t)
{
	struct mcp_server *s = t->server;

	assert(!t->creator && TAILQ_EMPTY(&t->waiting));
	if (t->work)
		t->work->task = NULL;
	TAILQ_REMOVE(&s->tasks.list, t, link);
	s->tasks.count--;
	json_decref(t->error.data);
	json_decref(t->asked);
	json_decref(t->names);
	buf_free(&t->body);
	free(t->principal);
	free(t->message);
	free(t);
}

struct task *
task_find(struct mcp_server *s, const char *id, const char *principal)
{
	struct task *t;

	TAILQ_FOREACH(t, &s->tasks.list, link)
		if (strcmp(t->id, id) == 0)
			return task_is_of(t, principal) ? t : NULL;
	return NULL;
}

/* How long it is kept: as long as was granted, and a while after its end. */
static int64_t
ttl_of(const struct task *t)
{
	int64_t now = t->ended_ns ? t->ended_ns : clock_monotonic_ns();
	int64_t least = (now - t->born_ns) / CLOCK_NS_PER_MS +
			t->server->limits.task_keep_ms;

	return t->ttl_ms > least ? t->ttl_ms : least;
}

static int64_t
end_of(const struct task *t)
{
	return t->ended_ns ? t->born_ns + ttl_of(t) * CLOCK_NS_PER_MS :
			     t->born_ns + LIFE_MOST_NS;
}

int64_t
tasks_due(const struct mcp_server *s)
{
	const struct task *t;
	int64_t due = INT64_MAX;

	TAILQ_FOREACH(t, &s->tasks.list, link)
		if (end_of(t) < due)
			due = end_of(t);
	return due;
}

void
tasks_expire(struct mcp_server *s, int64_t now_ns)
{
	struct task *t, *next;

	for (t = TAILQ_FIRST(&s->tasks.list); t; t = next) {
		next = TAILQ_NEXT(t, link);
		if (end_of(t) > now_ns)
			continue;
		if (task_is_over(t))
			task_free(t);
		else
			task_cancel(t);
	}
}

/* What is told of its state. */

/* In 2025-11-25 a tool's failure is the task's (basic/utilities/tasks), in
 * the extension it is a result like any other. */
static const char *
state_name(const struct task *t, bool modern)
{
	switch (t->state) {
	case TASK_WORKING:
		return "working";
	case TASK_ASKING:
		return "input_required";
	case TASK_CANCELLED:
		return "cancelled";
	case TASK_ENDED:
	default:
		return t->error.code || (t->failed_tool && !modern) ?
			       "failed" :
			       "completed";
	}
}

static void
write_common(struct buf *out, const struct task *t, bool modern)
{
	char created[CLOCK_TEXT_SIZE], updated[CLOCK_TEXT_SIZE];

	buf_format(out,
		   "\"taskId\":\"%s\",\"status\":\"%s\",\"createdAt\":\"%s\","
		   "\"lastUpdatedAt\":\"%s\"",
		   t->id, state_name(t, modern),
		   clock_format(t->created_ns, created),
		   clock_format(t->updated_ns, updated));
	if (t->error.code || t->message) {
		buf_text(out, ",\"statusMessage\":");
		rpc_write_string(out, bytes_of(t->error.code ? t->error.text :
							       t->message));
	}
}

/* How often it is worth asking. */
static int
poll_ms(const struct task *t)
{
	return clock_monotonic_ns() - t->born_ns < 10 * CLOCK_NS_PER_S ? 500 :
									  2000;
}

void
task_write_legacy(struct buf *out, const struct task *t)
{
	write_common(out, t, false);
	buf_format(out, ",\"ttl\":%lld,\"pollInterval\":%d",
		   (long long)ttl_of(t), poll_ms(t));
}

void
task_write_modern(struct buf *out, const struct task *t)
{
	write_common(out, t, true);
	buf_format(out, ",\"ttlMs\":%lld,\"pollIntervalMs\":%d",
		   (long long)ttl_of(t), poll_ms(t));
}

void
task_write_details(struct buf *out, const struct task *t)
{
	task_write_modern(out, t);
	if (t->state == TASK_ASKING && t->asked) {
		buf_text(out, ",\"inputRequests\":");
		rpc_write_json(out, t->asked);
	} else if (t->state == TASK_ENDED && t->error.code) {
		buf_text(out, ",\"error\":");
		rpc_write_error_object(out, &t->error);
	} else if (t->state == TASK_ENDED) {
		buf_text(out, ",\"result\":");
		buf_bytes(out, buf_view(&t->body));
	}
}

void
task_answer_result(struct mcp_request *r, const struct task *t)
{
	if (t->state == TASK_CANCELLED) {
		rpc_fail(&r->error, RPC_INTERNAL_ERROR,
			 "the task was cancelled");
	} else if (t->error.code) {
		rpc_fail(&r->error, t->error.code, "%s", t->error.text);
		r->error.data = json_incref(t->error.data);
	} else {
		buf_append(&r->body, t->body.data, t->body.size - 1);
		buf_format(&r->body,
			   ",\"_meta\":{\"" META_TASK "\":{\"taskId\":\"%s\"}}}",
			   t->id);
	}
}

static void
tell_listeners(const struct task *t)
{
	struct mcp_request *r;
	struct buf params;

	buf_init(&params, SIZE_MAX);
	buf_u8(&params, '{');
	task_write_details(&params, t);
	TAILQ_FOREACH(r, &t->server->listeners, listener)
		if (uri_set_has(r->listened_tasks, t->id))
			send_notification(r->connection, r->origin,
					  "notifications/tasks",
					  buf_cstr(&params), r);
	buf_free(&params);
}

static void
tell_client(const struct task *t)
{
	struct buf params;

	if (!t->client)
		return;
	buf_init(&params, SIZE_MAX);
	buf_u8(&params, '{');
	task_write_legacy(&params, t);
	send_notification(t->client, NULL, "notifications/tasks/status",
			  buf_cstr(&params), NULL);
	buf_free(&params);
}

static void
change_state(struct task *t, enum task_state state)
{
	t->state = state;
	t->updated_ns = clock_wall_ns();
	if (task_is_over(t))
		t->ended_ns = clock_monotonic_ns();
	if (t->creator) /* its answer tells */
		return;
	tell_client(t);
	tell_listeners(t);
}

/* The creator of a modern task, which is answered late. */

static void
forget_creator(struct task *t)
{
	t->creator->awaited = NULL;
	t->creator = NULL;
}

static void
answer_created(struct mcp_request *r)
{
	struct task *t = r->awaited;

	forget_creator(t);
	r->result_type = "task";
	buf_u8(&r->body, '{');
	task_write_modern(&r->body, t);
	buf_u8(&r->body, '}');
	request_answer(r);
}

void
task_hold_creator(struct task *t, struct mcp_request *r)
{
	t->creator = r;
	r->awaited = t;
	r->on_due = answer_created;
	r->wait_ms = CREATION_MS;
	request_link(r);
	request_wait(r);
}

/* It is over before anybody was told of it. */
static void
answer_at_once(struct task *t)
{
	struct mcp_request *r = t->creator;

	request_stop_waiting(r);
	if (t->tool->tasks == TOOL_TASKS_ALWAYS) {
		answer_created(r);
		return;
	}
	forget_creator(t);
	buf_bytes(&r->body, buf_view(&t->body));
	r->error = t->error;
	t->error.data = NULL;
	task_free(t);
	request_answer(r);
}

static void
answer_waiting(struct task *t)
{
	struct mcp_request *r;

	while ((r = TAILQ_FIRST(&t->waiting))) {
		TAILQ_REMOVE(&t->waiting, r, place);
		r->awaited = NULL;
		task_answer_result(r, t);
		request_answer(r);
	}
}

void
task_forget_waiting(struct mcp_request *r)
{
	struct task *t = r->awaited;

	r->awaited = NULL;
	if (!t)
		return;
	if (t->creator != r) {
		TAILQ_REMOVE(&t->waiting, r, place);
		return;
	}
	/* Its client has gone without having heard of it. */
	t->creator = NULL;
	task_cancel(t);
	task_free(t);
}

/* What its work says. */

void
task_progress(struct mcp_request *w, const struct report *report)
{
	struct task *t = w->task;

	if (!t || !report->valued)
		return;
	free(t->message);
	t->message = report->total > 0 ?
			     alloc_format("%s, %d %%",
					  report->message ? report->message :
							    t->tool->name,
					  (int)(report->value * 100 /
						report->total)) :
			     alloc_string(report->message ? report->message :
							    t->tool->name);
	t->updated_ns = clock_wall_ns();
	if (t->is_modern && !t->creator)
		tell_listeners(t);
}

void
task_forget_work(struct mcp_request *w)
{
	if (w->task)
		w->task->work = NULL;
	w->task = NULL;
}

void
task_finish(struct mcp_request *w)
{
	struct task *t = w->task;

	if (!w->error.code && w->body.failed)
		tool_fail(w, "the result is too large for a task");
	t->failed_tool = w->failed_tool;
	t->error = w->error;
	w->error.data = NULL;
	buf_bytes(&t->body, buf_view(&w->body));
	json_decref(t->asked);
	json_decref(t->names);
	t->asked = t->names = NULL;
	task_forget_work(w);
	request_drop(w);
	change_state(t, TASK_ENDED);
	if (t->creator)
		answer_at_once(t);
	else
		answer_waiting(t);
}

/* Its questions get names on the wire that are never used again. */
static void
name_questions(struct task *t, json_t *ask)
{
	const char *name;
	json_t *one;

	t->asked = json_object();
	t->names = json_object();
	json_object_foreach(ask, name, one) {
		char *wire = alloc_format("%s-%llu", name,
					  (unsigned long long)
						  ++t->next_question);

		json_object_set(t->asked, wire, one);
		json_object_set_new(t->names, wire, json_string(name));
		free(wire);
	}
}

static void
on_silence(struct mcp_request *w)
{
	ask_fail(w, "the client did not answer what it was asked");
}

/* A tool that asks before it has begun asks the one who called it. */
static void
ask_creator(struct task *t)
{
	struct mcp_request *r = t->creator;

	request_stop_waiting(r);
	forget_creator(t);
	r->question = t->work->question;
	t->work->question = (struct tool_question){ 0 };
	request_drop(t->work);
	task_free(t);
	request_ask(r);
}

static void
ask_legacy(struct task *t)
{
	const struct mcp_request *reader = TAILQ_FIRST(&t->waiting);

	if (!t->client) {
		ask_fail(t->work, "the client has gone");
		return;
	}
	change_state(t, TASK_ASKING);
	ask_client(t->work, t->client,
		   reader && reader->connection == t->client ? reader->origin :
							       NULL);
}

void
task_ask(struct mcp_request *w)
{
	struct task *t = w->task;

	if (t->creator && !w->question.in_task) {
		ask_creator(t);
		return;
	}
	if (!t->is_modern) {
		ask_legacy(t);
		return;
	}
	name_questions(t, w->question.ask);
	w->on_due = on_silence;
	w->wait_ms = 3600000;
	request_wait(w);
	change_state(t, TASK_ASKING);
}

void
task_take_answers(struct task *t, json_t *answers)
{
	struct mcp_request *w = t->work;
	const char *wire;
	json_t *answer;

	if (t->state != TASK_ASKING || !t->asked)
		return;
	if (!w->answers)
		w->answers = json_object();
	json_object_foreach(answers, wire, answer) {
		const char *name =
			json_string_value(json_object_get(t->names, wire));

		if (!json_object_get(t->asked, wire))
			continue;
		json_object_set(w->answers, name, answer);
		json_object_del(t->asked, wire);
	}
	if (json_object_size(t->asked) > 0)
		return;
	json_decref(t->asked);
	json_decref(t->names);
	t->asked = t->names = NULL;
	change_state(t, TASK_WORKING);
	request_stop_waiting(w);
	request_run_again(w);
}

/* What the tool has left running is ended by a request of its own. */
static void
stop_work(struct mcp_request *r)
{
	struct tool_call call = request_call(r);

	r->tool->stop(&call);
}

void
task_stop_tool(const struct mcp_request *w)
{
	struct mcp_request *r;

	/* Until it has run and waits, what goes by that name is another's. */
	if (!w->tool->stop || !w->ran || w->connection->closed)
		return;
	r = request_of_runner(w);
	r->tool = w->tool;
	r->work = stop_work;
	request_submit(r);
}

void
task_cancel(struct task *t)
{
	struct mcp_request *w = t->work;

	if (task_is_over(t))
		return;
	change_state(t, TASK_CANCELLED);
	if (w) {
		w->stop_after = true;
		request_cancel(w);
	}
	answer_waiting(t);
}

void
tasks_forget_client(struct mcp_connection *c)
{
	struct task *t;

	TAILQ_FOREACH(t, &c->server->tasks.list, link)
		if (t->client == c)
			t->client = NULL;
}

void
tasks_end(struct mcp_server *s)
{
	struct mcp_connection *runner = s->runner;
	struct task *t;

	if (!runner)
		return;
	s->runner = NULL;
	runner->closed = true;
	while ((t = TAILQ_FIRST(&s->tasks.list))) {
		if (t->creator)
			request_cancel(t->creator);
		else {
			task_cancel(t);
			task_free(t);
		}
	}
	while (!TAILQ_EMPTY(&runner->queue))
		request_cancel(TAILQ_FIRST(&runner->queue));
	connection_release(runner);
}
