/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "server/mcp/internal.h"
#include "server/mcp/sealed_state.h"

#define WAIT_FOR_CLIENT_MS 600000
#define WAIT_FOR_TASK_MS 3600000

void
question_clear(struct tool_question *q)
{
	json_decref(q->ask);
	json_decref(q->state);
	*q = (struct tool_question){ 0 };
}

unsigned
ask_abilities(const json_t *capabilities)
{
	const json_t *elicit = json_object_get(capabilities, "elicitation");
	const json_t *extensions =
		json_object_get(capabilities, "extensions");
	unsigned abilities = 0;

	/* Without a mode it is forms. */
	if (json_is_object(elicit) && (json_object_size(elicit) == 0 ||
				       json_object_get(elicit, "form")))
		abilities |= CLIENT_ELICITS;
	if (json_is_object(json_object_get(capabilities, "sampling")))
		abilities |= CLIENT_SAMPLES;
	if (json_is_object(json_object_get(capabilities, "roots")))
		abilities |= CLIENT_HAS_ROOTS;
	if (json_is_object(json_object_get(extensions, TASK_EXTENSION)))
		abilities |= CLIENT_HAS_TASKS;
	return abilities;
}

static const struct {
	const char *method, *capability;
	unsigned ability;
} questions[] = {
	{ "elicitation/create", "elicitation", CLIENT_ELICITS },
	{ "sampling/createMessage", "sampling", CLIENT_SAMPLES },
	{ "roots/list", "roots", CLIENT_HAS_ROOTS },
};

/* The capabilities that the questions need and the client lacks (new
 * reference), or NULL. */
static json_t *
lacking(unsigned abilities, json_t *ask)
{
	json_t *missing = json_object(), *one;
	const char *name;

	json_object_foreach(ask, name, one) {
		const char *method = json_string_value(
			json_object_get(one, "method"));

		for (size_t i = 0; i < 3; i++)
			if (strcmp(method, questions[i].method) == 0 &&
			    !(abilities & questions[i].ability))
				json_object_set_new(missing,
						    questions[i].capability,
						    json_object());
	}
	if (json_object_size(missing) > 0)
		return missing;
	json_decref(missing);
	return NULL;
}

/* ElicitResult, CreateMessageResult or ListRootsResult. */
static bool
is_answer(const json_t *answer)
{
	static const char *const actions[] = { "accept", "decline", "cancel" };
	const char *action =
		json_string_value(json_object_get(answer, "action"));
	const json_t *content = json_object_get(answer, "content");

	for (size_t i = 0; action && i < 3; i++)
		if (strcmp(action, actions[i]) == 0)
			return !content || json_is_object(content);
	if (json_is_array(json_object_get(answer, "roots")))
		return true;
	return content && json_is_string(json_object_get(answer, "role")) &&
	       json_is_string(json_object_get(answer, "model"));
}

bool
ask_are_answers(const json_t *answers)
{
	const char *name;
	json_t *answer;

	if (!json_is_object(answers))
		return false;
	json_object_foreach((json_t *)(uintptr_t)answers, name, answer)
		if (!is_answer(answer))
			return false;
	return true;
}

int
ask_take_answers(struct mcp_request *r)
{
	json_t *answers = json_object_get(r->params, "inputResponses");
	const json_t *state = json_object_get(r->params, "requestState");

	if (answers && !ask_are_answers(answers))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"params.inputResponses must be an object of "
				"results of what was asked");
	if (state && !json_is_string(state))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"params.requestState must be a string");
	if (state)
		r->remembered = state_open(r, json_string_value(state));
	if (r->error.code)
		return -1;
	r->answers = json_incref(answers);
	return 0;
}

/* Its end, one way or the other. */
static void
conclude(struct mcp_request *r)
{
	if (r->task)
		task_finish(r);
	else
		request_answer(r);
}

void
ask_fail(struct mcp_request *r, const char *why)
{
	question_clear(&r->question);
	if (r->tool && !r->plain)
		tool_fail(r, why);
	else
		rpc_fail(&r->error, r->plain ? ERR_INVALID : RPC_INTERNAL_ERROR,
			 "%s", why);
	conclude(r);
}

/* A modern client is told by an error what it would have to declare. */
static void
refuse(struct mcp_request *r, json_t *missing)
{
	char *names = json_dumps(missing, JSON_COMPACT);
	char *why = alloc_format("this needs a client with %s", names);

	if (mcp_is_modern(r->version)) {
		question_clear(&r->question);
		r->error.data = json_pack("{s:O}", "requiredCapabilities",
					  missing);
		rpc_fail(&r->error, MCP_MISSING_CAPABILITY, "%s", why);
		conclude(r);
	} else {
		ask_fail(r, why);
	}
	free(names);
	free(why);
	json_decref(missing);
}

/* InputRequiredResult: the request is over, and what it has to remember goes
 * with it. */
static void
ask_by_answer(struct mcp_request *r)
{
	const struct tool_question *q = &r->question;

	buf_reset(&r->body);
	r->result_type = "input_required";
	buf_text(&r->body, "{\"inputRequests\":");
	rpc_write_json(&r->body, q->ask);
	if (q->state) {
		buf_text(&r->body, ",\"requestState\":\"");
		state_seal(r, q->state, &r->body);
		buf_u8(&r->body, '"');
	}
	buf_u8(&r->body, '}');
	request_answer(r);
}

void
request_ask(struct mcp_request *r)
{
	json_t *missing = lacking(r->abilities, r->question.ask);

	assert(json_object_size(r->question.ask) <= ASK_MAX);
	if (missing)
		refuse(r, missing);
	else if (r->task)
		task_ask(r);
	else if (mcp_is_modern(r->version))
		ask_by_answer(r);
	else
		ask_client(r, r->connection, r->origin);
}

static void
on_silence(struct mcp_request *r)
{
	ask_forget(r);
	ask_fail(r, "the client did not answer what it was asked");
}

/* The question as a request; with the task it belongs to. */
static void
put(struct question *q, const json_t *ask, struct mcp_connection *c,
    void *origin)
{
	json_t *params = json_deep_copy(json_object_get(ask, "params"));
	const struct task *t = q->request->task;
	struct buf text;

	if (!params)
		params = json_object();
	if (t)
		json_object_set_new(params, "_meta",
				    json_pack("{s:{s:s}}", META_TASK, "taskId",
					      t->id));
	buf_init(&text, SIZE_MAX);
	rpc_write_json(&text, params);
	send_question(c, origin, q->number,
		      json_string_value(json_object_get(ask, "method")),
		      buf_cstr(&text));
	buf_free(&text);
	json_decref(params);
}

void
ask_client(struct mcp_request *r, struct mcp_connection *c, void *origin)
{
	const char *name;
	json_t *one;

	if (r->id && !r->linked) {
		if (request_check_room(r) < 0) {
			question_clear(&r->question);
			request_answer(r);
			return;
		}
		request_link(r);
	}
	r->asked = c;
	r->on_due = on_silence;
	r->wait_ms = r->task ? WAIT_FOR_TASK_MS : WAIT_FOR_CLIENT_MS;
	request_wait(r);
	if (!r->answers)
		r->answers = json_object();
	json_object_foreach(r->question.ask, name, one) {
		struct question *q = alloc_zero(1, sizeof(*q));

		q->request = r;
		q->number = ++c->next_question;
		q->name = alloc_string(name);
		TAILQ_INSERT_TAIL(&c->questions, q, link);
		r->open_questions++;
		put(q, one, c, origin);
	}
}

static void
question_free(struct mcp_connection *c, struct question *q)
{
	TAILQ_REMOVE(&c->questions, q, link);
	q->request->open_questions--;
	free(q->name);
	free(q);
}

void
ask_forget(struct mcp_request *r)
{
	struct mcp_connection *c = r->asked;
	struct question *q, *next;

	if (!c)
		return;
	for (q = TAILQ_FIRST(&c->questions); q; q = next) {
		char *params;

		next = TAILQ_NEXT(q, link);
		if (q->request != r)
			continue;
		params = alloc_format("{\"requestId\":\"ask-%llu\"",
				      (unsigned long long)q->number);
		send_notification(c, r->task ? NULL : r->origin,
				  "notifications/cancelled", params, NULL);
		free(params);
		question_free(c, q);
	}
	r->asked = NULL;
}

static struct question *
find(struct mcp_connection *c, const char *id)
{
	struct question *q;
	uint64_t number;

	if (!id || strncmp(id, "ask-", 4) != 0 ||
	    !text_u64(bytes_of(id + 4), &number))
		return NULL;
	TAILQ_FOREACH(q, &c->questions, link)
		if (q->number == number)
			return q;
	return NULL;
}

/* The client says no to one of the questions. */
static void
refused(struct mcp_request *r, const json_t *error)
{
	const char *text =
		json_string_value(json_object_get(error, "message"));
	char *why = alloc_format("the client refused: %.200s",
				 text ? text : "its answer is malformed");

	request_stop_waiting(r);
	ask_forget(r);
	ask_fail(r, why);
	free(why);
}

void
ask_receive(struct mcp_connection *c, const json_t *message)
{
	struct question *q =
		find(c, json_string_value(json_object_get(message, "id")));
	json_t *result = json_object_get(message, "result");
	struct mcp_request *r;

	if (!q)
		return;
	r = q->request;
	if (result && is_answer(result))
		json_object_set(r->answers, q->name, result);
	question_free(c, q);
	if (!result || !is_answer(result)) {
		refused(r, json_object_get(message, "error"));
	} else if (r->open_questions == 0) {
		request_stop_waiting(r);
		r->asked = NULL;
		request_run_again(r);
	}
}

void
ask_close(struct mcp_connection *c)
{
	struct question *q;

	while ((q = TAILQ_FIRST(&c->questions))) {
		struct mcp_request *r = q->request;

		request_stop_waiting(r);
		ask_forget(r);
		ask_fail(r, "the client has gone");
	}
}
