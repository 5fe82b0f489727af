/* SPDX-License-Identifier: Apache-2.0 */
/* What the performatives of AMQP 1.0 say, as fields and headers. */
#include <stdio.h>

#include "base/text.h"
#include "dissect/proto/amqp1_parts.h"

#define VALUE_LIMIT 2048
#define MAP_ENTRIES 128
#define SUMMARY_PATH 200

/* Names of the fields of lists, in their order. */
static const struct {
	uint8_t type;
	const char *name, *fields;
} lists[] = {
	{ AMQP1_OPEN, "open",
	  "container-id hostname max-frame-size channel-max idle-time-out"
	  " outgoing-locales incoming-locales offered-capabilities"
	  " desired-capabilities properties" },
	{ AMQP1_BEGIN, "begin",
	  "remote-channel next-outgoing-id incoming-window outgoing-window"
	  " handle-max offered-capabilities desired-capabilities properties" },
	{ AMQP1_ATTACH, "attach",
	  "name handle role snd-settle-mode rcv-settle-mode source target"
	  " unsettled incomplete-unsettled initial-delivery-count"
	  " max-message-size offered-capabilities desired-capabilities"
	  " properties" },
	{ AMQP1_FLOW, "flow",
	  "next-incoming-id incoming-window next-outgoing-id outgoing-window"
	  " handle delivery-count link-credit available drain echo"
	  " properties" },
	{ AMQP1_TRANSFER, "transfer",
	  "handle delivery-id delivery-tag message-format settled more"
	  " rcv-settle-mode state resume aborted batchable" },
	{ AMQP1_DISPOSITION, "disposition",
	  "role first last settled state batchable" },
	{ AMQP1_DETACH, "detach", "handle closed error" },
	{ AMQP1_END, "end", "error" },
	{ AMQP1_CLOSE, "close", "error" },
	{ AMQP1_SOURCE, "source",
	  "address durable expiry-policy timeout dynamic"
	  " dynamic-node-properties distribution-mode filter default-outcome"
	  " outcomes capabilities" },
	{ AMQP1_TARGET, "target",
	  "address durable expiry-policy timeout dynamic"
	  " dynamic-node-properties capabilities" },
	{ AMQP1_COORDINATOR, "target", "capabilities" },
	{ AMQP1_SASL_MECHANISMS, "sasl-mechanisms", "sasl-server-mechanisms" },
	{ AMQP1_SASL_INIT, "sasl-init", "mechanism initial-response hostname" },
	{ AMQP1_SASL_CHALLENGE, "sasl-challenge", "" },
	{ AMQP1_SASL_RESPONSE, "sasl-response", "" },
	{ AMQP1_SASL_OUTCOME, "sasl-outcome", "code" },
};

static const char *const states[] = { "received", "accepted", "rejected",
				      "released", "modified" };

const char *
amqp1_name(uint64_t type)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (lists[i].type == type && type != AMQP1_SOURCE &&
		    type != AMQP1_TARGET && type != AMQP1_COORDINATOR)
			return lists[i].name;
	return NULL;
}

struct amqp1_value
amqp1_field(const struct amqp1_value *list, unsigned n)
{
	struct amqp1_items items = amqp1_items(list);
	struct amqp1_value value = { .kind = AMQP1_NULL };

	do
		if (list->kind != AMQP1_LIST || !amqp1_next(&items, &value))
			return (struct amqp1_value){ .kind = AMQP1_NULL };
	while (n--);
	return value;
}

static bool
is_text(const struct amqp1_value *value)
{
	return value->kind == AMQP1_STRING || value->kind == AMQP1_SYMBOL;
}

static struct bytes
text_of(const struct amqp1_value *value)
{
	return is_text(value) ? value->bytes : bytes_make(NULL, 0);
}

void
amqp1_say(struct sink *sink, const char *prefix, struct bytes name,
	  const struct amqp1_value *value)
{
	struct buf key, text;

	if (value->kind == AMQP1_NULL)
		return;
	buf_init(&key, VALUE_LIMIT);
	buf_init(&text, VALUE_LIMIT);
	buf_text(&key, prefix);
	buf_bytes(&key, bytes_first(name, VALUE_LIMIT / 2));
	amqp1_text(value, &text);
	sink_header(sink, buf_view(&key), buf_view(&text));
	if (text.size >= VALUE_LIMIT)
		sink_truncated(sink);
	buf_free(&key);
	buf_free(&text);
}

static void
say_number(struct sink *sink, struct bytes name, uint64_t number)
{
	struct amqp1_value value = { .kind = AMQP1_UNSIGNED, .number = number };

	amqp1_say(sink, "", name, &value);
}

void
amqp1_say_map(struct sink *sink, const char *prefix, const struct amqp1_value *map)
{
	struct amqp1_items items = amqp1_items(map);
	struct amqp1_value key, value;

	for (int i = 0; i < MAP_ENTRIES && amqp1_next(&items, &key); i++) {
		if (!amqp1_next(&items, &value))
			break;
		if (is_text(&key))
			amqp1_say(sink, prefix, key.bytes, &value);
	}
	if (items.in.failed)
		sink_incomplete(sink);
}

/* Errors and states. */

struct bytes
amqp1_error_text(const struct amqp1_value *error, char out[AMQP1_ERROR_SIZE])
{
	struct amqp1_value condition = amqp1_field(error, 0);
	struct amqp1_value description = amqp1_field(error, 1);
	struct bytes name = bytes_first(text_of(&condition), 128);
	struct bytes text = bytes_first(text_of(&description), 400);
	int size;

	if (error->descriptor != AMQP1_ERROR || !error->described)
		return bytes_make(NULL, 0);
	size = snprintf(out, AMQP1_ERROR_SIZE, "%.*s%s%.*s", (int)name.size,
			name.size ? (const char *)name.data : "",
			text.size && name.size ? ": " : "", (int)text.size,
			text.size ? (const char *)text.data : "");
	return size > 0 ? bytes_make(out, (size_t)size)
			: bytes_of("an error that is not named");
}

static void
say_error(struct sink *sink, const struct amqp1_value *error)
{
	char out[AMQP1_ERROR_SIZE];
	struct bytes text = amqp1_error_text(error, out);
	struct amqp1_value condition = amqp1_field(error, 0);
	struct amqp1_value info = amqp1_field(error, 2);

	if (!text.size)
		return;
	sink_field(sink, FIELD_ERROR, text);
	sink_flags(sink, MESSAGE_IS_ERROR);
	if (!sink_value(sink, FIELD_STATUS_TEXT).size)
		sink_field(sink, FIELD_STATUS_TEXT, text_of(&condition));
	if (info.kind == AMQP1_MAP)
		amqp1_say_map(sink, "info.", &info);
}

bool
amqp1_is_final(const struct amqp1_value *state)
{
	if (state->descriptor == AMQP1_TRANSACTIONAL && state->described) {
		struct amqp1_value outcome = amqp1_field(state, 1);

		return outcome.described;
	}
	return state->described && state->descriptor != AMQP1_RECEIVED;
}

static void
say_modified(struct amqp1_frame *f, const struct amqp1_value *state,
	     enum side side)
{
	struct amqp1_value failed = amqp1_field(state, 0);
	struct amqp1_value elsewhere = amqp1_field(state, 1);

	amqp1_say(f->sink, "", bytes_of("delivery-failed"), &failed);
	amqp1_say(f->sink, "", bytes_of("undeliverable-here"), &elsewhere);
	if (side == SIDE_CLIENT || failed.number)
		sink_flags(f->sink, MESSAGE_IS_ERROR);
}

void
amqp1_say_state(struct amqp1_frame *f, const struct amqp1_value *state,
		enum side side)
{
	struct amqp1_value inner;
	const char *name;

	if (!state->described)
		return;
	if (state->descriptor == AMQP1_TRANSACTIONAL ||
	    state->descriptor == AMQP1_DECLARED) {
		inner = amqp1_field(state, 0);
		amqp1_say(f->sink, "", bytes_of("txn-id"), &inner);
		if (state->descriptor == AMQP1_DECLARED)
			sink_field(f->sink, FIELD_STATUS_TEXT,
				   bytes_of("declared"));
		inner = amqp1_field(state, 1);
		/* An outcome, which has no other inside. */
		if (inner.descriptor <= AMQP1_MODIFIED)
			amqp1_say_state(f, &inner, side);
		return;
	}
	if (state->descriptor < AMQP1_RECEIVED ||
	    state->descriptor > AMQP1_MODIFIED)
		return;
	name = states[state->descriptor - AMQP1_RECEIVED];
	sink_field(f->sink, FIELD_STATUS_TEXT, bytes_of(name));
	if (state->descriptor == AMQP1_REJECTED) {
		inner = amqp1_field(state, 0);
		sink_flags(f->sink, MESSAGE_IS_ERROR);
		say_error(f->sink, &inner);
	} else if (state->descriptor == AMQP1_MODIFIED) {
		say_modified(f, state, side);
	} else if (state->descriptor == AMQP1_RELEASED &&
		   side == SIDE_CLIENT) {
		sink_flags(f->sink, MESSAGE_IS_ERROR);
	}
	/* Whoever sent it learns that it was not taken. */
	if (side == SIDE_CLIENT && state->descriptor > AMQP1_ACCEPTED &&
	    !sink_value(f->sink, FIELD_ERROR).size)
		sink_field(f->sink, FIELD_ERROR,
			   bytes_of("the message was not taken"));
}

/* Fields. */

static void say_list(struct amqp1_frame *f, const struct amqp1_value *list,
		     const char *prefix, const char *names);

static void
say_terminus(struct amqp1_frame *f, const struct amqp1_value *value)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (lists[i].type == value->descriptor)
			say_list(f, value,
				 value->descriptor == AMQP1_SOURCE ? "source."
								   : "target.",
				 lists[i].fields);
}

/* The user of PLAIN, without what follows it. */
static void
say_user(struct amqp1_frame *f, const struct amqp1_value *response)
{
	struct amqp1_value mechanism = amqp1_field(&f->body, 0);
	const struct bytes in = response->bytes;
	const uint8_t *start, *end;

	if (response->kind != AMQP1_BINARY || !in.size ||
	    !bytes_equal(text_of(&mechanism), bytes_of("PLAIN")))
		return;
	start = memchr(in.data, 0, in.size);
	if (!start)
		return;
	start++;
	end = memchr(start, 0, in.size - (size_t)(start - in.data));
	if (end && end > start)
		sink_field(f->sink, FIELD_PATH,
			   bytes_make(start, (size_t)(end - start)));
}

static void
say_outcome(struct amqp1_frame *f, const struct amqp1_value *code)
{
	static const char *const names[] = { "ok", "auth", "sys", "sys-perm",
					     "sys-temp" };
	static const char *const errors[] = {
		"", "authentication failed", "the server failed",
		"the server failed for good", "the server failed for now"
	};

	sink_status(f->sink, (int32_t)(code->number & 0xff));
	if (code->number > 4)
		return;
	sink_field(f->sink, FIELD_STATUS_TEXT, bytes_of(names[code->number]));
	if (!code->number)
		return;
	sink_field(f->sink, FIELD_ERROR, bytes_of(errors[code->number]));
	sink_flags(f->sink, MESSAGE_IS_ERROR);
}

/* Those that are more than a header; false for others. */
static bool
say_special(struct amqp1_frame *f, struct bytes name,
	    const struct amqp1_value *value)
{
	static const char *const roles[] = { "sender", "receiver" };

	if (bytes_equal(name, bytes_of("role"))) {
		sink_header(f->sink, name,
			    bytes_of(roles[value->number != 0]));
	} else if (bytes_equal(name, bytes_of("initial-response"))) {
		say_user(f, value);
	} else if (bytes_equal(name, bytes_of("code"))) {
		say_outcome(f, value);
	} else if (bytes_equal(name, bytes_of("error"))) {
		say_error(f->sink, value);
	} else if (bytes_equal(name, bytes_of("state"))) {
		amqp1_say_state(f, value,
				f->type == AMQP1_DISPOSITION
					? side_other(f->side)
					: f->side);
	} else if (value->described && (value->descriptor == AMQP1_SOURCE ||
					value->descriptor == AMQP1_TARGET ||
					value->descriptor ==
						AMQP1_COORDINATOR)) {
		say_terminus(f, value);
	} else if (bytes_equal(name, bytes_of("properties"))) {
		amqp1_say_map(f->sink, "properties.", value);
	} else {
		return false;
	}
	return true;
}

static void
say_list(struct amqp1_frame *f, const struct amqp1_value *list,
	 const char *prefix, const char *names)
{
	struct amqp1_items items = amqp1_items(list);
	struct amqp1_value value;

	while (*names && amqp1_next(&items, &value)) {
		size_t size = strcspn(names, " ");
		struct bytes name = bytes_make(names, size);

		if (value.kind != AMQP1_NULL &&
		    (*prefix || !say_special(f, name, &value)))
			amqp1_say(f->sink, prefix, name, &value);
		names += size;
		names += *names == ' ';
	}
	if (items.in.failed)
		sink_incomplete(f->sink);
}

/* Takes what the calls after it have in common. */
static void
take_open(struct amqp1_frame *f)
{
	struct amqp1_conn *conn = f->conn;
	struct amqp1_value container = amqp1_field(&f->body, 0);
	struct amqp1_value host = amqp1_field(&f->body, 1);
	struct bytes kept = bytes_first(text_of(&host), AMQP1_HOST);

	sink_field(f->sink, FIELD_PATH, text_of(&container));
	if (f->side == SIDE_SERVER)
		return;
	conn->host_size = (uint8_t)kept.size;
	if (kept.size)
		memcpy(conn->host, kept.data, kept.size);
	kept = bytes_first(text_of(&container), AMQP1_HOST);
	conn->agent_size = (uint8_t)kept.size;
	if (kept.size)
		memcpy(conn->agent, kept.data, kept.size);
	sink_field(f->sink, FIELD_HOST, text_of(&host));
	sink_field(f->sink, FIELD_USER_AGENT, text_of(&container));
}

void
amqp1_say_begin(struct amqp1_frame *f, const char *method)
{
	struct amqp1_conn *conn = f->conn;

	sink_field(f->sink, FIELD_METHOD, bytes_of(method));
	sink_field(f->sink, FIELD_VERSION, bytes_of("1.0"));
	sink_field(f->sink, FIELD_HOST, bytes_make(conn->host, conn->host_size));
	sink_field(f->sink, FIELD_USER_AGENT,
		   bytes_make(conn->agent, conn->agent_size));
}

void
amqp1_say_path(struct amqp1_frame *f, struct bytes path)
{
	char text[SUMMARY_PATH + 64];
	struct bytes method;
	int size;

	if (path.size)
		sink_field(f->sink, FIELD_PATH, path);
	path = bytes_first(sink_value(f->sink, FIELD_PATH), SUMMARY_PATH);
	method = sink_value(f->sink, FIELD_METHOD);
	size = snprintf(text, sizeof(text), "%.*s%s%.*s", (int)method.size,
			(const char *)method.data, path.size ? " " : "",
			(int)path.size,
			path.size ? (const char *)path.data : "");
	sink_field(f->sink, FIELD_SUMMARY, bytes_make(text, (size_t)size));
}

void
amqp1_say_fields(struct amqp1_frame *f)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (lists[i].type == f->type)
			say_list(f, &f->body, "", lists[i].fields);
	if (f->type == AMQP1_OPEN)
		take_open(f);
	if (f->channel)
		say_number(f->sink, bytes_of("channel"), f->channel);
}
