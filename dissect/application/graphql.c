/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/graphql.h"

#include <stdio.h>

#include "base/text.h"
#include "dissect/application/event_stream.h"
#include "dissect/application/graphql_document.h"
#include "dissect/application/json_scan.h"

#define DOCUMENT_MAX  (64u << 10) /* bytes of a document that are looked at */
#define NAME_MAX_SIZE 128
#define BATCH_MAX     100
#define EVENT_MAX     (1u << 20)

bool
graphql_may_be(struct bytes body)
{
	struct bytes in = json_scan_trim(body);

	return (json_scan_is(in, '{') || json_scan_is(in, '[')) &&
	       (json_scan_glance(in, "\"query\"", '"') ||
		json_scan_glance(in, "\"persistedQuery\"", '{'));
}

/* Of every request: queries are short, and memmem(3) makes a table first. */
static bool
has(struct bytes in, const char *text)
{
	const uint8_t *at;

	while (in.size && (at = memchr(in.data, text[0], in.size))) {
		in = bytes_from(in, (size_t)(at - in.data));
		if (bytes_starts_with(in, text))
			return true;
		in = bytes_from(in, 1);
	}
	return false;
}

bool
graphql_may_be_query(struct bytes query)
{
	return has(query, "query=") || has(query, "persistedQuery");
}

/* Requests. */

/* A request: {"query": document, "operationName": …, "extensions": …}. */
static bool
put_request(struct bytes request, struct buf *out)
{
	static const char *const names[] = { "query", "operationName",
					     "extensions" };
	struct bytes members[3], persisted;
	struct buf document, wanted;
	bool found = false;

	buf_init(&document, DOCUMENT_MAX);
	buf_init(&wanted, NAME_MAX_SIZE);
	json_scan_members(request, names, members, 3);
	json_scan_text(members[0], &document);
	json_scan_text(members[1], &wanted);
	persisted = json_scan_member(members[2], "persistedQuery");
	if (document.size)
		found = graphql_document_operation(buf_view(&document),
						   buf_view(&wanted), out);
	else if (json_scan_is(persisted, '{')) {
		reading_text(out, wanted.size ? "persisted " : "persisted");
		reading_put(out, buf_view(&wanted));
		found = true;
	}
	buf_free(&document);
	buf_free(&wanted);
	return found;
}

static bool
put_requests(struct bytes body, struct buf *out)
{
	struct bytes in = json_scan_trim(body), request;
	struct json_scan s = json_scan_of(in);
	unsigned count = 0;

	if (json_scan_is(in, '{'))
		return put_request(in, out);
	while (count < BATCH_MAX && json_scan_is(in, '[') &&
	       json_scan_next(&s, NULL, &request)) {
		if (count)
			reading_text(out, ", ");
		if (!put_request(request, out))
			break;
		count++;
	}
	return count > 0;
}

/* The value of a parameter of a URL, its percent-encoding undone. */
static void
parameter(struct bytes query, const char *name, struct buf *out)
{
	size_t size = strlen(name);

	while (query.size) {
		const uint8_t *end = memchr(query.data, '&', query.size);
		struct bytes one = bytes_first(
			query, end ? (size_t)(end - query.data) : query.size);

		query = bytes_from(query, one.size + 1);
		if (one.size <= size || one.data[size] != '=' ||
		    memcmp(one.data, name, size) != 0)
			continue;
		text_form_decode(bytes_from(one, size + 1), out);
		return;
	}
}

static bool
put_query(struct bytes query, struct buf *out)
{
	struct buf document, wanted, extensions;
	bool found = false;

	buf_init(&document, DOCUMENT_MAX);
	buf_init(&wanted, NAME_MAX_SIZE);
	buf_init(&extensions, DOCUMENT_MAX);
	parameter(query, "query", &document);
	parameter(query, "operationName", &wanted);
	parameter(query, "extensions", &extensions);
	if (document.size)
		found = graphql_document_operation(buf_view(&document),
						   buf_view(&wanted), out);
	else if (json_scan_member(buf_view(&extensions), "persistedQuery")
			 .size) {
		reading_text(out, wanted.size ? "persisted " : "persisted");
		reading_put(out, buf_view(&wanted));
		found = true;
	}
	buf_free(&document);
	buf_free(&wanted);
	buf_free(&extensions);
	return found;
}

/* Responses. */

/* "errors" of a response (§7.1.2): it failed, whatever HTTP's status says. */
static void
judge_errors(struct bytes errors, struct reading *reading)
{
	struct json_scan s = json_scan_of(errors);
	struct bytes error;
	unsigned count = 0;
	char text[32];

	while (count < BATCH_MAX && json_scan_is(errors, '[') &&
	       json_scan_next(&s, NULL, &error)) {
		if (!count++ && !reading->error.size)
			json_scan_text(json_scan_member(error, "message"),
				       &reading->error);
	}
	if (!count)
		return;
	if (!reading->error.size)
		reading_text(&reading->error, "GraphQL error");
	if (!reading->failed && count > 1) {
		snprintf(text, sizeof(text), " (and %u more)", count - 1);
		reading_text(&reading->error, text);
	}
	reading->failed = true;
}

static void
judge(struct bytes body, struct reading *reading)
{
	struct bytes in = json_scan_trim(body), response;
	struct json_scan s = json_scan_of(in);
	unsigned count = 0;

	if (json_scan_is(in, '{')) {
		judge_errors(json_scan_member(in, "errors"), reading);
		return;
	}
	while (count++ < BATCH_MAX && json_scan_is(in, '[') &&
	       json_scan_next(&s, NULL, &response))
		judge_errors(json_scan_member(response, "errors"), reading);
}

static void
judge_events(struct bytes body, struct reading *reading)
{
	struct stream_event event;
	struct event_stream s;
	struct buf data;

	buf_init(&data, EVENT_MAX);
	s = event_stream_of(body, &data);
	while (event_stream_next(&s, &event))
		judge(event.data, reading);
	buf_free(&data);
}

static void
summarise(struct reading *reading)
{
	reading_put(&reading->summary, buf_view(&reading->operation));
	if (!reading->failed)
		return;
	reading_text(&reading->summary, "; failed: ");
	reading_put(&reading->summary, buf_view(&reading->error));
}

bool
graphql_read(const struct bodies *bodies, bool document,
	     struct reading *reading)
{
	struct buf *out = &reading->operation;
	bool found;

	if (bodies->query.size)
		found = put_query(bodies->query, out);
	else if (document)
		found = graphql_document_operation(bodies->request,
						   bytes_make(NULL, 0), out);
	else
		found = put_requests(bodies->request, out);
	if (!found)
		return false;
	if (bodies->events)
		judge_events(bodies->response, reading);
	else
		judge(bodies->response, reading);
	summarise(reading);
	return true;
}

/* WebSocket. */

static bool
is_one_of(struct bytes word, const char *const *words)
{
	for (; *words; words++)
		if (bytes_equal(word, bytes_of(*words)))
			return true;
	return false;
}

/* Its payload is an object with "errors", or for "error" the errors. */
static void
judge_payload(struct bytes type, struct bytes payload, struct reading *reading)
{
	if (!bytes_equal(type, bytes_of("error"))) {
		judge_errors(json_scan_member(payload, "errors"), reading);
		return;
	}
	judge_errors(payload, reading);
	if (!reading->failed) {
		json_scan_text(json_scan_member(payload, "message"),
			       &reading->error);
		if (!reading->error.size)
			reading_text(&reading->error, "GraphQL error");
	}
	reading->failed = true;
}

enum graphql_message
graphql_read_message(struct bytes message, struct bytes *id,
		     struct reading *reading)
{
	static const char *const begins[] = { "subscribe", "start", NULL };
	static const char *const on[] = { "next",     "data", "error",
					  "complete", "stop", NULL };
	static const char *const control[] = { "connection_init",
					       "connection_ack",
					       "connection_error",
					       "connection_terminate",
					       "connection_keep_alive",
					       "ka",
					       NULL };
	static const char *const names[] = { "type", "payload", "id" };
	struct bytes members[3], type, payload;

	json_scan_members(message, names, members, 3);
	type = json_scan_inside(members[0]);
	payload = members[1];
	*id = members[2];
	if (is_one_of(type, begins) && id->size)
		return put_request(payload, &reading->operation)
			       ? GRAPHQL_BEGINS
			       : GRAPHQL_NO_MESSAGE;
	if (is_one_of(type, on) && id->size) {
		judge_payload(type, payload, reading);
		reading_put(&reading->operation, type);
		return GRAPHQL_GOES_ON;
	}
	if (!is_one_of(type, control) || id->size)
		return GRAPHQL_NO_MESSAGE;
	reading_put(&reading->operation, type);
	if (bytes_equal(type, bytes_of("connection_error")))
		judge_payload(bytes_of("error"), payload, reading);
	return GRAPHQL_CONTROL;
}
