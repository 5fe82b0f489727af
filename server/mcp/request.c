/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a request: queued, running on another thread, waiting to be run
 * again, answered or dropped.
 *
 * Invariant: a request that has been cancelled, or whose connection is closed,
 * is never answered.  It is freed at once unless it is running; then it is
 * freed when the host brings it back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/mcp/internal.h"

static char *
json_text(const json_t *value)
{
	return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* A request keeps what its caller was when it came. */
static void
take_caller(struct mcp_request *r)
{
	const struct mcp_caller *caller = &r->connection->caller;

	r->config = *r->connection->server->config;
	r->config.allow_reveal &= caller->may_reveal;
	r->config.allow_capture &= caller->may == TOOL_CONTROLS;
	r->config.whole_answers |= caller->whole_answers;
	if (!caller->default_db)
		return;
	r->default_db = alloc_string(caller->default_db);
	r->config.default_db = r->default_db;
}

struct mcp_request *
request_new(struct mcp_connection *c, const struct rpc_message *m)
{
	struct mcp_request *r =
		alloc_zero(1, sizeof(*r) + c->host->request_bytes);

	r->connection = c;
	r->log_level = SEVERITY_OFF;
	r->started_ns = clock_monotonic_ns();
	atomic_init(&r->cancelled, false);
	pthread_mutex_init(&r->lock, NULL);
	buf_init(&r->body, c->server->limits.result_bytes);
	take_caller(r);
	if (m) {
		r->id = json_text(m->id);
		r->params = json_incref(m->params);
	}
	return r;
}

struct mcp_request *
request_of_runner(const struct mcp_request *r)
{
	struct mcp_request *own =
		request_new(r->connection->server->runner, NULL);

	own->version = r->version;
	own->method = r->method;
	own->abilities = r->abilities;
	own->params = json_incref(r->params);
	own->config = r->config;
	if (r->default_db) {
		own->default_db = alloc_string(r->default_db);
		own->config.default_db = own->default_db;
	}
	return own;
}

void
request_free(struct mcp_request *r)
{
	struct mcp_server *s = r->connection->server;

	pthread_mutex_lock(&s->lock);
	if (r->report.pending)
		TAILQ_REMOVE(&s->reported, r, reported);
	pthread_mutex_unlock(&s->lock);
	if (r->listened)
		uri_set_clear(r->listened);
	if (r->listened_tasks)
		uri_set_clear(r->listened_tasks);
	free(r->listened);
	free(r->listened_tasks);
	question_clear(&r->question);
	json_decref(r->answers);
	json_decref(r->remembered);
	for (size_t i = 0; i < r->report.line_count; i++)
		free(r->report.lines[i]);
	free(r->report.message);
	free(r->progress_token);
	free(r->default_db);
	free(r->cursor);
	free(r->id);
	json_decref(r->params);
	json_decref(r->error.data);
	buf_free(&r->body);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void
request_link(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;

	TAILQ_INSERT_TAIL(&c->in_flight, r, in_flight);
	r->linked = true;
	c->in_flight_count++;
	c->in_flight_bytes += r->cost;
	if (r->state != REQUEST_LISTENING)
		return;
	c->listening++;
	TAILQ_INSERT_TAIL(&c->server->listeners, r, listener);
}

static void
unlink_in_flight(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;

	if (!r->linked)
		return;
	TAILQ_REMOVE(&c->in_flight, r, in_flight);
	r->linked = false;
	c->in_flight_count--;
	c->in_flight_bytes -= r->cost;
	if (r->state != REQUEST_LISTENING)
		return;
	c->listening--;
	TAILQ_REMOVE(&c->server->listeners, r, listener);
}

/* Here, or on another thread. */
static void
start(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;

	r->state = REQUEST_RUNNING;
	if (r->pace && pace_is_quick(r->pace)) {
		mcp_request_run(r);
		request_finish(r);
		return;
	}
	c->running++;
	c->host->run(c->context, r);
}

static bool
slot_is_free(const struct mcp_connection *c)
{
	return !c->paused && c->running < c->server->limits.running;
}

static void
start_or_queue(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;

	if (TAILQ_EMPTY(&c->queue) && slot_is_free(c)) {
		start(r);
		return;
	}
	r->state = REQUEST_QUEUED;
	TAILQ_INSERT_TAIL(&c->queue, r, place);
}

void
request_submit(struct mcp_request *r)
{
	if (r->id)
		request_link(r);
	start_or_queue(r);
}

void
request_keep_open(struct mcp_request *r)
{
	r->state = REQUEST_LISTENING;
	request_link(r);
	watch_adjust(r->connection);
}

void
connection_start_queued(struct mcp_connection *c)
{
	struct mcp_request *r;

	while ((r = TAILQ_FIRST(&c->queue)) && slot_is_free(c)) {
		TAILQ_REMOVE(&c->queue, r, place);
		start(r);
	}
}

void
request_wait(struct mcp_request *r)
{
	struct mcp_server *s = r->connection->server;
	struct mcp_request *later;

	r->due_ns = clock_monotonic_ns() +
		    (int64_t)r->wait_ms * CLOCK_NS_PER_MS;
	r->wait_ms = 0;
	r->state = REQUEST_WAITING;
	TAILQ_FOREACH(later, &s->waiting, place) {
		if (later->due_ns > r->due_ns) {
			TAILQ_INSERT_BEFORE(later, r, place);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&s->waiting, r, place);
}

void
request_stop_waiting(struct mcp_request *r)
{
	if (r->state != REQUEST_WAITING)
		return;
	TAILQ_REMOVE(&r->connection->server->waiting, r, place);
	r->state = REQUEST_HELD;
	r->on_due = NULL;
}

void
request_resume(struct mcp_request *r)
{
	void (*on_due)(struct mcp_request *) = r->on_due;

	request_stop_waiting(r);
	if (on_due)
		on_due(r);
	else
		start_or_queue(r);
}

/* What has no work is what a method answers at once. */
void
request_run_again(struct mcp_request *r)
{
	json_decref(r->remembered);
	r->remembered = json_incref(r->question.state);
	question_clear(&r->question);
	if (r->work) {
		start_or_queue(r);
		return;
	}
	r->method->handle(r);
	if (r->question.ask)
		request_ask(r);
	else
		request_answer(r);
}

void
request_drop(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;

	if (r->stop_after)
		task_stop_tool(r);
	ask_forget(r);
	task_forget_waiting(r);
	task_forget_work(r);
	unlink_in_flight(r);
	if (r->batch)
		batch_end(c, r->batch);
	if (c->watcher == r)
		c->watcher = NULL;
	if (r->watch)
		watch_free(r->watch);
	request_free(r);
}

void
request_answer(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;
	struct batch *batch = r->batch;

	unlink_in_flight(r);
	send_response(r);
	request_free(r);
	if (batch)
		batch_end(c, batch);
}

void
request_cancel(struct mcp_request *r)
{
	atomic_store(&r->cancelled, true);
	switch (r->state) {
	case REQUEST_QUEUED:
		TAILQ_REMOVE(&r->connection->queue, r, place);
		request_drop(r);
		break;
	case REQUEST_WAITING:
		TAILQ_REMOVE(&r->connection->server->waiting, r, place);
		request_drop(r);
		break;
	case REQUEST_LISTENING:
	case REQUEST_HELD:
		request_drop(r);
		break;
	case REQUEST_RUNNING:
		pthread_mutex_lock(&r->lock);
		if (r->interrupt)
			r->interrupt(r->interrupt_arg);
		pthread_mutex_unlock(&r->lock);
		break;
	}
}

struct mcp_request *
request_find(struct mcp_connection *c, const char *id)
{
	struct mcp_request *r;

	TAILQ_FOREACH(r, &c->in_flight, in_flight)
		if (strcmp(r->id, id) == 0)
			return r;
	return NULL;
}

/* A tool on its thread names what stops its query.  Registered too late for a
 * cancellation, it is stopped right here. */
static void
set_interrupt(void *request, void (*interrupt)(void *), void *arg)
{
	struct mcp_request *r = request;

	pthread_mutex_lock(&r->lock);
	r->interrupt = interrupt;
	r->interrupt_arg = arg;
	if (interrupt && atomic_load(&r->cancelled))
		interrupt(arg);
	pthread_mutex_unlock(&r->lock);
}

struct tool_call
request_call(struct mcp_request *r)
{
	return (struct tool_call){
		.config = &r->config,
		.arguments = json_object_get(r->params, "arguments"),
		.now_ns = clock_wall_ns(),
		.started_ns = r->started_ns,
		.again = r->ran,
		.cancelled = &r->cancelled,
		.set_interrupt = set_interrupt,
		.progress = progress_report,
		.log = progress_log,
		.context = r,
		.abilities = r->abilities,
		.is_task = r->is_task,
		.answers = r->answers,
		.state = r->remembered,
	};
}

void *
mcp_request_host(struct mcp_request *r)
{
	return r->host;
}

void
mcp_request_run(struct mcp_request *r)
{
	int64_t began_ns = clock_monotonic_ns();

	if (!atomic_load(&r->cancelled))
		r->work(r);
	set_interrupt(r, NULL, NULL);
	r->took_ns = clock_monotonic_ns() - began_ns;
}

static void
wait_for_more(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;

	if (r->let_go && !r->was_let_go && c->host->let_go && r->origin &&
	    !r->batch) {
		r->was_let_go = true;
		c->host->let_go(c->context, r->origin);
	}
	request_wait(r);
}

void
request_finish(struct mcp_request *r)
{
	if (r->pace)
		pace_took(r->pace, r->took_ns);
	if (r->finished)
		r->finished(r);
	if (r->wait_ms) {
		wait_for_more(r);
		return;
	}
	progress_flush(r);
	if (r->question.ask)
		request_ask(r);
	else if (r->task)
		task_finish(r);
	else if (r->id)
		request_answer(r);
	else
		request_drop(r);
}

void
mcp_request_done(struct mcp_request *r)
{
	struct mcp_connection *c = r->connection;

	c->running--;
	if (c->closed || atomic_load(&r->cancelled))
		request_drop(r);
	else
		request_finish(r);
	if (c->closed)
		connection_release(c);
	else
		connection_start_queued(c);
}
