/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/jsonrpc.h"

#include <stdio.h>

#include "dissect/application/event_stream.h"
#include "dissect/application/json_scan.h"

#define BATCH_MAX 1000       /* messages of a batch that are looked at */
#define EVENT_MAX (1u << 20) /* bytes of an event's data */

/* A message, each member as it stands there. */
struct message {
	struct bytes method, id, params, result, error;
};

/* The messages of a body: one, or those of a batch. */
struct messages {
	struct json_scan scan;
	struct bytes single;
	unsigned count;
};

static struct messages
messages_of(struct bytes body)
{
	struct messages m = { .single = json_scan_trim(body) };

	if (json_scan_is(m.single, '[')) {
		m.scan = json_scan_of(m.single);
		m.single = bytes_make(NULL, 0);
	}
	return m;
}

static bool
read_message(struct bytes in, struct message *message)
{
	static const char *const names[] = { "jsonrpc", "method", "id",
					     "params",  "result", "error" };
	struct bytes members[6];

	json_scan_members(in, names, members, 6);
	*message = (struct message){ members[1], members[2], members[3],
				     members[4], members[5] };
	return bytes_equal(json_scan_inside(members[0]), bytes_of("2.0"));
}

static bool
next_message(struct messages *m, struct message *message)
{
	struct bytes in = m->single;

	m->single = bytes_make(NULL, 0);
	if (!in.size && (!m->scan.in.size || m->count == BATCH_MAX ||
			 !json_scan_next(&m->scan, NULL, &in)))
		return false;
	m->count++;
	return read_message(in, message);
}

bool
jsonrpc_may_be(struct bytes body)
{
	struct bytes in = json_scan_trim(body);

	return (json_scan_is(in, '{') || json_scan_is(in, '[')) &&
	       json_scan_glance(in, "\"jsonrpc\"", '"');
}

/* Requests. */

/* What a method of MCP is about: a member of its parameters. */
static struct bytes
subject_of(struct bytes method, struct bytes params)
{
	static const char *const subjects[][2] = {
		{ "tools/call", "name" },
		{ "prompts/get", "name" },
		{ "resources/read", "uri" },
		{ "resources/subscribe", "uri" },
		{ "resources/unsubscribe", "uri" },
		{ "logging/setLevel", "level" },
	};

	for (size_t i = 0; i < sizeof(subjects) / sizeof(*subjects); i++)
		if (bytes_equal(method, bytes_of(subjects[i][0])))
			return json_scan_member(params, subjects[i][1]);
	return bytes_make(NULL, 0);
}

static void
put_operation(const struct message *message, struct buf *out)
{
	struct bytes method = message->method;
	struct bytes subject =
		subject_of(json_scan_inside(method), message->params);

	reading_text(out, out->size ? ", " : "");
	if (json_scan_inside(method).size)
		json_scan_text(method, out);
	else
		reading_text(out, "response");
	if (json_scan_inside(subject).size) {
		reading_text(out, " ");
		json_scan_text(subject, out);
	}
}

/* Responses. */

/* What they are judged by. */
struct outcome {
	struct bytes id; /* of the only request; empty: any */
	unsigned failed;
	struct reading *reading;
};

static void
put_rpc_error(struct bytes error, struct buf *out)
{
	reading_put(out, json_scan_member(error, "code"));
	reading_text(out, " ");
	json_scan_text(json_scan_member(error, "message"), out);
}

/* MCP: a tool that failed says so in its result, in words for a model. */
static void
put_tool_error(struct bytes result, struct buf *out)
{
	struct json_scan content =
		json_scan_of(json_scan_member(result, "content"));
	struct bytes block;

	while (json_scan_next(&content, NULL, &block)) {
		struct bytes text = json_scan_member(block, "text");

		if (!json_scan_inside(text).size)
			continue;
		json_scan_text(text, out);
		return;
	}
	reading_text(out, "the tool reports an error");
}

static void
judge(const struct message *message, struct outcome *o)
{
	struct buf *out = &o->reading->error;
	bool tool;

	if (o->id.size && !bytes_equal(message->id, o->id) &&
	    !bytes_equal(message->id, bytes_of("null")))
		return;
	tool = bytes_equal(json_scan_member(message->result, "isError"),
			   bytes_of("true"));
	if (!json_scan_is(message->error, '{') && !tool)
		return;
	o->reading->failed = true;
	if (o->failed++)
		return; /* the first says why */
	if (tool)
		put_tool_error(message->result, out);
	else
		put_rpc_error(message->error, out);
}

static void
judge_body(struct bytes body, struct outcome *o)
{
	struct messages messages = messages_of(body);
	struct message message;

	while (next_message(&messages, &message))
		judge(&message, o);
}

static void
judge_events(struct bytes body, struct outcome *o)
{
	struct stream_event event;
	struct event_stream s;
	struct buf data;

	buf_init(&data, EVENT_MAX);
	s = event_stream_of(body, &data);
	while (event_stream_next(&s, &event))
		judge_body(event.data, o);
	buf_free(&data);
}

/* "3 messages: a, b, c; 1 failed: why"; "1000+" where no more were looked at. */
static void
summarise(unsigned count, const struct outcome *o)
{
	struct reading *r = o->reading;
	char text[40];

	if (count > 1) {
		snprintf(text, sizeof(text), "%u%s messages: ", count,
			 count == BATCH_MAX ? "+" : "");
		reading_text(&r->summary, text);
	}
	reading_put(&r->summary, buf_view(&r->operation));
	if (!r->failed)
		return;
	reading_text(&r->summary, "; ");
	if (count > 1) {
		snprintf(text, sizeof(text), "%u ", o->failed);
		reading_text(&r->summary, text);
	}
	reading_text(&r->summary, "failed: ");
	reading_put(&r->summary, buf_view(&r->error));
}

bool
jsonrpc_read(const struct bodies *bodies, struct reading *reading)
{
	struct outcome outcome = { .reading = reading };
	struct bytes request =
		bodies->request.size ? bodies->request : bodies->response;
	struct messages messages = messages_of(request);
	struct bytes id = bytes_make(NULL, 0);
	struct message message;
	unsigned count = 0;

	while (next_message(&messages, &message)) {
		put_operation(&message, &reading->operation);
		id = message.id;
		count++;
		if (!json_scan_inside(message.method).size)
			judge(&message, &outcome);
	}
	if (!count)
		return false;
	if (bodies->request.size) {
		outcome.id = count == 1 ? id : bytes_make(NULL, 0);
		if (bodies->events)
			judge_events(bodies->response, &outcome);
		else
			judge_body(bodies->response, &outcome);
	}
	summarise(count, &outcome);
	return true;
}
