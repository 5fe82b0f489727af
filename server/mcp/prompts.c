/* SPDX-License-Identifier: Apache-2.0 */
/* prompts/list and prompts/get. */
#include <string.h>

#include "server/mcp/internal.h"

#define MAX_ARGUMENT 8192 /* bytes of one prompt argument */

int
handle_prompts_list(struct mcp_request *r)
{
	return answer_page(r, LIST_PROMPTS);
}

json_t *
prompt_find(const struct mcp_server *s, const char *name)
{
	json_t *prompt;
	size_t i;

	json_array_foreach(s->content->prompts, i, prompt)
		if (strcmp(json_string_value(json_object_get(prompt, "name")),
			   name) == 0)
			return prompt;
	return NULL;
}

json_t *
prompt_argument(json_t *prompt, const char *name)
{
	json_t *argument;
	size_t i;

	json_array_foreach(json_object_get(prompt, "arguments"), i, argument)
		if (strcmp(json_string_value(json_object_get(argument,
							     "name")),
			   name) == 0)
			return argument;
	return NULL;
}

static int
check_given(struct mcp_request *r, json_t *prompt, json_t *given)
{
	const char *name;
	json_t *value;

	if (given && !json_is_object(given))
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"params.arguments must be an object");
	json_object_foreach(given, name, value) {
		if (!prompt_argument(prompt, name))
			return rpc_fail(&r->error, RPC_INVALID_PARAMS,
					"the prompt has no argument "
					"\"%.100s\"", name);
		if (!json_is_string(value) ||
		    json_string_length(value) > MAX_ARGUMENT)
			return rpc_fail(&r->error, RPC_INVALID_PARAMS,
					"argument \"%.100s\" must be a string "
					"of at most %d bytes", name,
					MAX_ARGUMENT);
	}
	return 0;
}

static int
check_required(struct mcp_request *r, json_t *prompt, json_t *given)
{
	json_t *argument;
	size_t i;

	json_array_foreach(json_object_get(prompt, "arguments"), i, argument) {
		const char *name =
			json_string_value(json_object_get(argument, "name"));

		if (json_is_true(json_object_get(argument, "required")) &&
		    !json_object_get(given, name))
			return rpc_fail(&r->error, RPC_INVALID_PARAMS,
					"argument \"%s\" is required", name);
	}
	return 0;
}

/* One {{name}} or {{name|words}}; `in` is what stands between the braces. */
static void
expand(struct buf *out, struct bytes in, const json_t *given)
{
	const uint8_t *bar = memchr(in.data, '|', in.size);
	size_t name_size = bar ? (size_t)(bar - in.data) : in.size;
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)given, name, value) {
		if (bytes_equal(bytes_of(name), bytes_first(in, name_size))) {
			buf_text(out, json_string_value(value));
			return;
		}
	}
	if (bar)
		buf_bytes(out, bytes_from(in, name_size + 1));
}

static void
render(struct buf *out, struct bytes text, const json_t *given)
{
	while (text.size > 0) {
		const uint8_t *open = memmem(text.data, text.size, "{{", 2);
		size_t before = open ? (size_t)(open - text.data) : text.size;
		const uint8_t *close;
		size_t inside;

		buf_bytes(out, bytes_first(text, before));
		text = bytes_from(text, before);
		close = open ? memmem(text.data, text.size, "}}", 2) : NULL;
		if (!close) {
			buf_bytes(out, text);
			return;
		}
		inside = (size_t)(close - text.data) - 2;
		expand(out, bytes_first(bytes_from(text, 2), inside), given);
		text = bytes_from(text, inside + 4);
	}
}

/* A value with the strings in it rendered (new reference). */
static json_t *
render_value(json_t *value, const json_t *given, size_t limit)
{
	json_t *copy, *member;
	const char *name;
	struct buf text;
	size_t i;

	if (json_is_string(value)) {
		buf_init(&text, limit);
		render(&text, bytes_of(json_string_value(value)), given);
		copy = json_string(buf_cstr(&text));
		buf_free(&text);
		return copy;
	}
	if (json_is_array(value)) {
		copy = json_array();
		json_array_foreach(value, i, member)
			json_array_append_new(copy, render_value(member, given,
								 limit));
		return copy;
	}
	if (!json_is_object(value))
		return json_incref(value);
	copy = json_object();
	json_object_foreach(value, name, member)
		json_object_set_new(copy, name,
				    render_value(member, given, limit));
	return copy;
}

static void
write_messages(struct buf *out, json_t *prompt, const json_t *given)
{
	json_t *messages = render_value(json_object_get(prompt, "messages"),
					given, out->limit);

	buf_text(out, "{\"description\":");
	rpc_write_json(out, json_object_get(prompt, "description"));
	buf_text(out, ",\"messages\":");
	rpc_write_json(out, messages);
	buf_u8(out, '}');
	json_decref(messages);
}

static void
write_prompt(struct buf *out, json_t *prompt, const json_t *given)
{
	json_t *line;
	struct buf text;
	size_t i;

	buf_init(&text, out->limit);
	json_array_foreach(json_object_get(prompt, "text"), i, line) {
		if (i > 0)
			buf_u8(&text, '\n');
		render(&text, bytes_of(json_string_value(line)), given);
	}
	buf_text(out, "{\"description\":");
	rpc_write_json(out, json_object_get(prompt, "description"));
	buf_text(out, ",\"messages\":[{\"role\":\"user\",\"content\":"
		      "{\"type\":\"text\",\"text\":");
	rpc_write_string(out, buf_view(&text));
	buf_text(out, "}}]}");
	buf_free(&text);
}

/* A prompt may need to know more than its arguments say.  True when that has
 * to be asked now. */
static bool
needs_answers(struct mcp_request *r, json_t *prompt)
{
	json_t *missing = json_object(), *one;
	const char *name;

	json_object_foreach(json_object_get(prompt, "ask"), name, one)
		if (!json_object_get(r->answers, name))
			json_object_set(missing, name, one);
	if (json_object_size(missing) > 0) {
		r->question.ask = missing;
		return true;
	}
	json_decref(missing);
	return false;
}

/* The arguments, and what was filled in (new reference). */
static json_t *
all_values(const struct mcp_request *r, json_t *given)
{
	json_t *all = given ? json_copy(given) : json_object(), *one, *value;
	const char *name;

	json_object_foreach(r->answers, name, one) {
		json_t *content = json_object_get(one, "content");
		const char *field;

		json_object_foreach(content, field, value)
			if (json_is_string(value))
				json_object_set(all, field, value);
	}
	return all;
}

static int
write_answer(struct mcp_request *r, json_t *prompt, json_t *given)
{
	json_t *values;

	if (needs_answers(r, prompt))
		return HANDLED;
	values = all_values(r, given);
	if (json_object_get(prompt, "messages"))
		write_messages(&r->body, prompt, values);
	else
		write_prompt(&r->body, prompt, values);
	json_decref(values);
	return HANDLED;
}

int
handle_prompts_get(struct mcp_request *r)
{
	const char *name = require_string(r, "name");
	json_t *given = json_object_get(r->params, "arguments");
	json_t *prompt;

	if (!name)
		return HANDLED_FAILED;
	prompt = prompt_find(r->connection->server, name);
	if (!prompt)
		return rpc_fail(&r->error, RPC_INVALID_PARAMS,
				"unknown prompt \"%.128s\"", name);
	if (check_given(r, prompt, given) < 0 ||
	    check_required(r, prompt, given) < 0)
		return HANDLED_FAILED;
	if (mcp_is_modern(r->version) && ask_take_answers(r) < 0)
		return HANDLED_FAILED;
	return write_answer(r, prompt, given);
}
