/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of each line and message of NATS. */
#include <stdio.h>

#include "base/text.h"
#include "dissect/proto/attribute.h"
#include "dissect/proto/json_member.h"
#include "dissect/proto/nats_parts.h"

#define TEXT_SIZE 400
#define SHOWN 256
#define API "$JS.API."
#define ACK "$JS.ACK."

static int
shown(struct bytes in)
{
	return (int)(in.size < SHOWN ? in.size : SHOWN);
}

static const char *
text_of(struct bytes in)
{
	return in.size ? (const char *)in.data : "";
}

void
nats_say_method(struct nats_frame *f, const char *method)
{
	attribute_method(f->sink, method,
			 bytes_make(f->conn->client, f->conn->client_size));
}

static void
say_summary(struct nats_frame *f, struct bytes what, const char *suffix)
{
	struct bytes method = sink_value(f->sink, FIELD_METHOD);
	char text[TEXT_SIZE];

	snprintf(text, sizeof(text), "%.*s%s%.*s%s", shown(method),
		 text_of(method), what.size ? " " : "", shown(what),
		 text_of(what), suffix);
	sink_field(f->sink, FIELD_SUMMARY, bytes_of(text));
}

static void
say_header(struct nats_frame *f, const char *name, struct bytes value)
{
	if (value.size)
		sink_header(f->sink, bytes_of(name), value);
}

static void
say_failure(struct nats_frame *f, struct bytes error)
{
	sink_field(f->sink, FIELD_ERROR, error);
	sink_flags(f->sink, MESSAGE_IS_ERROR);
}

/* INFO, CONNECT and -ERR. */

void
nats_say_info(struct nats_frame *f)
{
	struct bytes text = f->line.text;
	bool tls =
		bytes_equal(json_member_find(text, "tls_required"),
			    bytes_of("true")) ||
		bytes_equal(json_member_find(text, "tls_available"),
			    bytes_of("true"));

	nats_say_method(f, "INFO");
	sink_field(f->sink, FIELD_HOST, json_member_find(text, "server_name"));
	sink_field(f->sink, FIELD_VERSION, json_member_find(text, "version"));
	sink_field(f->sink, FIELD_CONTENT_TYPE, bytes_of("application/json"));
	sink_body(f->sink, text);
	say_summary(f, sink_value(f->sink, FIELD_HOST), "");
	if (tls) /* the client may go on with a ClientHello */
		sink_flags(f->sink, MESSAGE_UPGRADE);
}

static bool
is_secret(struct bytes name)
{
	static const char *const secrets[] = { "pass", "auth_token", "jwt",
					       "sig", NULL };

	for (const char *const *secret = secrets; *secret; secret++)
		if (bytes_equal_nocase(name, bytes_of(*secret)))
			return true;
	return false;
}

static void
set_client(struct nats_frame *f, struct bytes text)
{
	struct bytes language = json_member_find(text, "lang");
	struct bytes version = json_member_find(text, "version");
	struct bytes name = json_member_find(text, "name");
	int size = 0;

	if (name.size && name.size < NATS_CLIENT_SIZE)
		size = snprintf(f->conn->client, NATS_CLIENT_SIZE, "%.*s",
				shown(name), text_of(name));
	else if (language.size)
		size = snprintf(f->conn->client, NATS_CLIENT_SIZE,
				"nats-%.*s/%.*s",
				(int)(language.size < 30 ? language.size : 30),
				text_of(language),
				(int)(version.size < 30 ? version.size : 30),
				text_of(version));
	f->conn->client_size = (uint8_t)size;
}

void
nats_say_connect(struct nats_frame *f)
{
	struct bytes rest = json_members(f->line.text);
	struct bytes user = json_member_find(f->line.text, "user");
	struct json_member member;
	char suffix[TEXT_SIZE];

	set_client(f, f->line.text);
	nats_say_method(f, "CONNECT");
	while (json_member_next(&rest, &member))
		if (!is_secret(member.name) && member.value.size)
			sink_header(f->sink, member.name, member.value);
	sink_field(f->sink, FIELD_PATH, user);
	snprintf(suffix, sizeof(suffix), "%s%.*s", user.size ? " as " : "",
		 shown(user), text_of(user));
	say_summary(f, bytes_make(f->conn->client, f->conn->client_size),
		    suffix);
}

void
nats_say_error(struct nats_frame *f)
{
	struct bytes text = f->line.text;

	if (text.size > 2 && text.data[0] == '\'' &&
	    text.data[text.size - 1] == '\'')
		text = bytes_make(text.data + 1, text.size - 2);
	if (!text.size)
		text = bytes_of("error");
	say_failure(f, text);
	sink_field(f->sink, FIELD_STATUS_TEXT, bytes_of("ERR"));
	if (bytes_equal(sink_value(f->sink, FIELD_METHOD), bytes_of("-ERR")))
		say_summary(f, text, "");
}

void
nats_say_subscription(struct nats_frame *f)
{
	bool begins = f->line.verb == NATS_SUB;

	nats_say_method(f, begins ? "SUB" : "UNSUB");
	sink_field(f->sink, FIELD_PATH, f->line.subject);
	say_header(f, "sid", f->line.sid);
	say_header(f, "queue", f->line.queue);
	say_header(f, "max", f->line.max);
	say_summary(f, begins ? f->line.subject : f->line.sid, "");
}

/* Messages. */

/* "NATS/1.0 503 No Responders": a status, where there is one. */
static void
say_status_line(struct nats_frame *f, struct bytes line)
{
	struct bytes rest = bytes_trim(bytes_from(line, strlen("NATS/1.0")));
	char text[TEXT_SIZE];
	uint64_t status;

	if (rest.size < 3 || !text_u64(bytes_first(rest, 3), &status))
		return;
	rest = bytes_trim(bytes_from(rest, 3));
	if (!rest.size && status == 503)
		rest = bytes_of("No Responders");
	sink_status(f->sink, (int32_t)status);
	sink_field(f->sink, FIELD_STATUS_TEXT, rest);
	if (status < 400)
		return;
	snprintf(text, sizeof(text), "%u %.*s", (unsigned)status, shown(rest),
		 text_of(rest));
	say_failure(f, bytes_of(text));
}

static void
say_service_error(struct nats_frame *f, struct bytes name, struct bytes value)
{
	uint64_t code;

	if (bytes_equal_nocase(name, bytes_of("Nats-Service-Error")))
		say_failure(f, value);
	if (bytes_equal_nocase(name, bytes_of("Nats-Service-Error-Code")) &&
	    text_u64(value, &code) && code <= INT32_MAX)
		sink_status(f->sink, (int32_t)code);
}

static void
say_headers(struct nats_frame *f)
{
	struct bytes rest = f->headers;
	bool first = true;

	while (rest.size) {
		const uint8_t *end = memchr(rest.data, '\n', rest.size);
		struct bytes line = rest;
		const uint8_t *colon;

		if (end)
			line.size = (size_t)(end - rest.data);
		rest = bytes_from(rest, line.size + 1);
		if (line.size && line.data[line.size - 1] == '\r')
			line.size--;
		if (first)
			say_status_line(f, line);
		first = false;
		colon = line.size ? memchr(line.data, ':', line.size) : NULL;
		if (colon) {
			struct bytes name = bytes_make(
				line.data, (size_t)(colon - line.data));
			struct bytes value = bytes_trim(
				bytes_from(line, name.size + 1));

			sink_header(f->sink, name, value);
			say_service_error(f, name, value);
		}
	}
}

/* The next token of a subject. */
static struct bytes
next_token(struct bytes *rest)
{
	const uint8_t *dot =
		rest->size ? memchr(rest->data, '.', rest->size) : NULL;
	struct bytes token = *rest;

	if (dot)
		token.size = (size_t)(dot - rest->data);
	*rest = bytes_from(*rest, token.size + 1);
	return token;
}

/*
 * Operations of JetStream's API
 * (https://docs.nats.io/reference/reference-protocols/nats_api_reference):
 * what the tokens behind them name.
 */
static const struct {
	const char *operation;
	const char *names[2];
} operations[] = {
	{ "CONSUMER.CREATE", { "stream", "consumer" } },
	{ "CONSUMER.DELETE", { "stream", "consumer" } },
	{ "CONSUMER.DURABLE.CREATE", { "stream", "consumer" } },
	{ "CONSUMER.INFO", { "stream", "consumer" } },
	{ "CONSUMER.LEADER.STEPDOWN", { "stream", "consumer" } },
	{ "CONSUMER.LIST", { "stream", NULL } },
	{ "CONSUMER.MSG.NEXT", { "stream", "consumer" } },
	{ "CONSUMER.NAMES", { "stream", NULL } },
	{ "CONSUMER.PAUSE", { "stream", "consumer" } },
	{ "DIRECT.GET", { "stream", "subject" } },
	{ "INFO", { NULL, NULL } },
	{ "META.LEADER.STEPDOWN", { NULL, NULL } },
	{ "STREAM.CREATE", { "stream", NULL } },
	{ "STREAM.DELETE", { "stream", NULL } },
	{ "STREAM.INFO", { "stream", NULL } },
	{ "STREAM.LEADER.STEPDOWN", { "stream", NULL } },
	{ "STREAM.LIST", { NULL, NULL } },
	{ "STREAM.MSG.DELETE", { "stream", NULL } },
	{ "STREAM.MSG.GET", { "stream", NULL } },
	{ "STREAM.NAMES", { NULL, NULL } },
	{ "STREAM.PEER.REMOVE", { "stream", NULL } },
	{ "STREAM.PURGE", { "stream", NULL } },
	{ "STREAM.RESTORE", { "stream", NULL } },
	{ "STREAM.SNAPSHOT", { "stream", NULL } },
	{ "STREAM.UPDATE", { "stream", NULL } },
};

/* Names the operation, and what it is about. */
static bool
say_operation(struct nats_frame *f, struct bytes subject)
{
	struct bytes rest = bytes_from(subject, strlen(API));
	char method[64];

	if (!bytes_starts_with(subject, API))
		return false;
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
		const char *name = operations[i].operation;
		size_t size = strlen(name);
		struct bytes tokens = bytes_from(rest, size + 1);

		if (!bytes_starts_with(rest, name) ||
		    (rest.size > size && rest.data[size] != '.'))
			continue;
		snprintf(method, sizeof(method), "JS.%s", name);
		nats_say_method(f, method);
		for (int k = 0; k < 2 && operations[i].names[k]; k++)
			say_header(f, operations[i].names[k],
				   next_token(&tokens));
		return true;
	}
	nats_say_method(f, "JS.API");
	return true;
}

/* $JS.ACK.stream.consumer.…: which message it is of. */
static void
say_acknowledged(struct nats_frame *f, struct bytes subject)
{
	struct bytes rest = bytes_from(subject, strlen(ACK));

	say_header(f, "stream", next_token(&rest));
	say_header(f, "consumer", next_token(&rest));
}

static void
say_size(struct nats_frame *f, struct bytes subject)
{
	char suffix[32];

	snprintf(suffix, sizeof(suffix), ", %u byte%s", f->payload,
		 f->payload == 1 ? "" : "s");
	say_summary(f, subject, suffix);
}

bool
nats_say_message(struct nats_frame *f)
{
	const struct nats_line *line = &f->line;
	bool api = say_operation(f, line->subject);

	if (!api && bytes_starts_with(line->subject, ACK)) {
		nats_say_method(f, "JS.ACK");
		say_acknowledged(f, line->subject);
	} else if (!api) {
		nats_say_method(f, f->side == SIDE_CLIENT ? "PUB" : "MSG");
	}
	if (bytes_starts_with(line->reply, ACK))
		say_acknowledged(f, line->reply);
	sink_field(f->sink, FIELD_PATH, line->subject);
	say_header(f, "reply-to", line->reply);
	say_header(f, "sid", line->sid);
	say_headers(f);
	say_size(f, line->subject);
	return api && f->side == SIDE_CLIENT;
}

void
nats_say_answer(struct nats_frame *f)
{
	say_header(f, "sid", f->line.sid);
	say_header(f, "reply-to", f->line.reply);
	say_headers(f);
}

void
nats_say_jetstream(struct nats_frame *f, struct bytes payload)
{
	struct bytes error = json_member_find(payload, "error");
	struct bytes code = json_member_find(error, "code");
	struct bytes text = json_member_find(error, "description");
	char sentence[TEXT_SIZE];
	uint64_t status;

	if (!error.size)
		return;
	if (text_u64(code, &status) && status <= INT32_MAX)
		sink_status(f->sink, (int32_t)status);
	sink_field(f->sink, FIELD_STATUS_TEXT, text);
	snprintf(sentence, sizeof(sentence), "%.*s%s%.*s", shown(code),
		 text_of(code), code.size ? " " : "", shown(text),
		 text_of(text));
	say_failure(f, bytes_of(sentence));
}
