/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_tools.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

static atomic_uint interrupts, sleepers, stops;
static json_t *schemas;
static _Atomic(int) counter;

unsigned
fake_interrupts(void)
{
	return atomic_load(&interrupts);
}

unsigned
fake_sleepers(void)
{
	return atomic_load(&sleepers);
}

unsigned
fake_stops(void)
{
	return atomic_load(&stops);
}

static json_int_t
number(const struct tool_call *call, const char *name)
{
	return json_integer_value(json_object_get(call->arguments, name));
}

static void
sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static int
run_echo(struct tool_call *call, struct tool_result *out, struct error *e)
{
	const json_t *text = json_object_get(call->arguments, "text");

	if (text && !json_is_string(text))
		return error_set(e, ERR_INVALID, "text must be a string");
	out->text = alloc_string(text ? json_string_value(text) : "nothing");
	out->structured = json_pack("{s:s}", "text", out->text);
	return TOOL_DONE;
}

static int
run_fail(struct tool_call *call, struct tool_result *out, struct error *e)
{
	(void)call;
	(void)out;
	return error_set(e, ERR_NOTFOUND, "snapshot \"x\" does not exist");
}

static void
count_interrupt(void *stop)
{
	atomic_fetch_add(&interrupts, 1);
	atomic_store((atomic_bool *)stop, true);
}

/* Stops by its interrupt alone, as a query does. */
static int
run_slow(struct tool_call *call, struct tool_result *out, struct error *e)
{
	atomic_bool stop = false;
	json_int_t left = number(call, "ms");

	call->set_interrupt(call->context, count_interrupt, &stop);
	atomic_fetch_add(&sleepers, 1);
	for (; left > 0 && !atomic_load(&stop); left--)
		sleep_ms(1);
	atomic_fetch_sub(&sleepers, 1);
	call->set_interrupt(call->context, NULL, NULL);
	if (left > 0)
		return error_set(e, ERR_CANCELLED, "cancelled");
	out->text = alloc_string("awake");
	out->structured = json_object();
	return TOOL_DONE;
}

/* Ignores every cancellation. */
static int
run_deaf(struct tool_call *call, struct tool_result *out, struct error *e)
{
	(void)e;
	sleep_ms((long)number(call, "ms"));
	out->text = alloc_string("what?");
	out->structured = json_object();
	return TOOL_DONE;
}

/* Declared quick, and as slow as it is told to be. */
static int
run_hasty(struct tool_call *call, struct tool_result *out, struct error *e)
{
	return run_deaf(call, out, e);
}

static int
run_poll(struct tool_call *call, struct tool_result *out, struct error *e)
{
	int64_t passed = clock_monotonic_ns() - call->started_ns;

	(void)e;
	if (passed < number(call, "ms") * CLOCK_NS_PER_MS) {
		out->wait_ms = 5;
		return TOOL_WAIT;
	}
	out->text = alloc_string("ready");
	out->structured = json_object();
	return TOOL_DONE;
}

static int
run_steps(struct tool_call *call, struct tool_result *out, struct error *e)
{
	json_int_t count = number(call, "count");

	(void)e;
	for (json_int_t i = 1; i <= count; i++) {
		call->progress(call->context, (double)i, (double)count,
			       "a step");
		call->progress(call->context, (double)i / 2, (double)count,
			       "backwards: must not be seen");
		sleep_ms(25);
	}
	out->text = alloc_string("done");
	out->structured = json_object();
	return TOOL_DONE;
}

static int
run_big(struct tool_call *call, struct tool_result *out, struct error *e)
{
	size_t bytes = (size_t)number(call, "bytes");

	(void)e;
	out->text = alloc_zero(bytes + 1, 1);
	memset(out->text, 'x', bytes);
	out->structured = json_object();
	return TOOL_DONE;
}

static int
run_noise(struct tool_call *call, struct tool_result *out, struct error *e)
{
	(void)call;
	(void)e;
	printf("a library prints\n");
	fflush(stdout);
	if (write(STDOUT_FILENO, "raw\n", 4) < 0)
		abort();
	out->text = alloc_string("quiet");
	out->structured = json_object();
	return TOOL_DONE;
}

static int
run_job(struct tool_call *call, struct tool_result *out, struct error *e)
{
	call->progress(call->context, call->again ? 50 : 10, 100, "working");
	return run_poll(call, out, e);
}

static void
stop_job(struct tool_call *call)
{
	(void)call;
	atomic_fetch_add(&stops, 1);
}

static int
run_ask(struct tool_call *call, struct tool_result *out, struct error *e)
{
	json_t *answer = json_object_get(call->answers, "name");
	const char *name = json_string_value(
		json_object_get(json_object_get(answer, "content"), "name"));

	(void)e;
	if (!name || !*name) {
		out->question.ask = json_pack(
			"{s:{s:s, s:{s:s, s:{s:s, s:{s:{s:s}}}}}}", "name",
			"method", "elicitation/create", "params", "message",
			"Who?", "requestedSchema", "type", "object",
			"properties", "name", "type", "string");
		out->question.state = json_pack("{s:i}", "asked", 1);
		out->question.in_task = json_is_true(
			json_object_get(call->arguments, "in_task"));
		return TOOL_ASK;
	}
	out->text = alloc_format("hello %s%s", name,
				 call->state ? ", as agreed" : "");
	out->structured = json_object();
	return TOOL_DONE;
}

static const struct tool tool_job = {
	.name = "job",
	.effects = TOOL_WRITES,
	.run = run_job,
	.stop = stop_job,
	.tasks = TOOL_TASKS_OPTIONAL,
};

static const struct tool tool_ask = {
	.name = "ask",
	.run = run_ask,
	.tasks = TOOL_TASKS_OPTIONAL,
};

#define FAKE_MAP(X)                                      \
	X(echo, TOOL_READS, true, "text", "string")      \
	X(fail, TOOL_READS, false, NULL, NULL)           \
	X(slow, TOOL_READS, false, "ms", "integer")      \
	X(deaf, TOOL_READS, false, "ms", "integer")      \
	X(hasty, TOOL_READS, true, "ms", "integer")      \
	X(poll, TOOL_READS, false, "ms", "integer")      \
	X(steps, TOOL_WRITES, false, "count", "integer") \
	X(big, TOOL_READS, false, "bytes", "integer")    \
	X(noise, TOOL_READS, false, NULL, NULL)

#define X(id, what, is_quick, argument, type)  \
	static const struct tool tool_##id = { \
		.name = #id,                   \
		.effects = (what),             \
		.quick = (is_quick),           \
		.run = run_##id,               \
	};
FAKE_MAP(X)
#undef X

static const struct tool *const table[] = {
#define X(id, what, is_quick, argument, type) &tool_##id,
	FAKE_MAP(X)
#undef X
	&tool_job,
	&tool_ask,
	NULL,
};

static json_t *
describe(const char *name, const char *argument, const char *type)
{
	json_t *properties = json_object();

	if (argument)
		json_object_set_new(properties, argument,
				    json_pack("{s:s}", "type", type));
	return json_pack("{s:s, s:s, s:s, s:{s:s, s:o, s:b}, s:{s:s}, s:{s:b}}",
			 "name", name, "title", name, "description",
			 "A tool that exists for tests only.", "inputSchema",
			 "type", "object", "properties", properties,
			 "additionalProperties", 0, "outputSchema", "type",
			 "object", "annotations", "readOnlyHint", 1);
}

static json_t *
fake_schema(const struct tool *tool)
{
	return json_object_get(schemas, tool->name);
}

static int
fake_run(const struct tool *tool, struct tool_call *call,
	 struct tool_result *out, struct error *e)
{
	return tool->run(call, out, e);
}

static bool
matches(const char *uri)
{
	return strncmp(uri, "fake://", 7) == 0;
}

/* fake://note is always the same, fake://counter never, the rest is absent. */
static int
read_resource(struct tool_call *call, const char *uri, json_t **contents,
	      struct error *e)
{
	char text[32] = "a note";

	(void)call;
	if (strcmp(uri, "fake://counter") == 0)
		snprintf(text, sizeof(text), "%d",
			 atomic_fetch_add(&counter, 1));
	else if (strcmp(uri, "fake://note") != 0)
		return error_set(e, ERR_NOTFOUND, "no such thing");
	*contents = json_pack("[{s:s, s:s, s:s}]", "uri", uri, "mimeType",
			      "text/plain", "text", text);
	return 0;
}

static int
complete(struct tool_call *call, const struct resource_completion *request,
	 json_t **values, struct error *e)
{
	char text[16];

	(void)call;
	(void)e;
	*values = json_array();
	for (int i = 0; i < 120; i++) {
		snprintf(text, sizeof(text), "n%d", i);
		if (strncmp(text, request->typed, strlen(request->typed)) == 0)
			json_array_append_new(*values, json_string(text));
	}
	return 0;
}

static struct resource_source source = {
	.matches = matches,
	.read = read_resource,
	.complete = complete,
};

void
fake_content_load(struct mcp_content *content)
{
	schemas = json_object();
#define X(id, what, is_quick, argument, type) \
	json_object_set_new(schemas, #id, describe(#id, argument, type));
	FAKE_MAP(X)
#undef X
	json_object_set_new(schemas, "job", describe("job", "ms", "integer"));
	json_object_set_new(schemas, "ask",
			    describe("ask", "in_task", "boolean"));
	source.list = json_pack("[{s:s, s:s, s:s, s:s}, {s:s, s:s}]", "uri",
				"fake://note", "name", "note", "title",
				"A note", "description", "Always the same.",
				"uri", "fake://counter", "name", "counter");
	source.templates =
		json_pack("[{s:s, s:s, s:s}]", "uriTemplate", "fake://{thing}",
			  "name", "thing", "title", "Any thing");
	*content = (struct mcp_content){
		.name = "fake",
		.title = "Fake",
		.version = "1",
		.instructions = "Call echo.",
		.tools = { table, fake_schema, fake_run },
		.resources = &source,
	};
	content->prompts = json_pack(
		"[{s:s, s:s, s:s, s:[{s:s, s:s, s:b}, {s:s, s:s}], s:[s, s]}]",
		"name", "greet", "title", "Greet", "description", "Says hello.",
		"arguments", "name", "who", "description", "Whom", "required",
		1, "name", "where", "description", "Where", "text",
		"Hello {{who}}!",
		"From {{where|nowhere}}, {{ and }} {{gone}}.");
}

void
fake_content_free(struct mcp_content *content)
{
	json_decref(content->prompts);
	json_decref(schemas);
	json_decref(source.list);
	json_decref(source.templates);
}
