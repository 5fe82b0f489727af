/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/application.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "dissect/application/event_stream.h"
#include "dissect/application/graphql.h"
#include "dissect/application/grpc_messages.h"
#include "dissect/application/json_scan.h"
#include "dissect/application/jsonrpc.h"
#include "dissect/application/operations.h"
#include "dissect/application/reflection.h"
#include "dissect/content.h"
#include "dissect/payload.h"

/* Of a head, with what is put before it. */
#define HEAD_LIMIT (2u << 20)

struct application {
	struct application_options options;
	struct content_decoder *decoder;
	struct buf decoded[2]; /* bodies of the request, of the response */
	struct buf messages[2];
	struct buf head; /* of the request */
	struct reading reading;
	struct operations *operations; /* begun in WebSockets */
	struct reflection *reflection; /* NULL: nobody asked for types yet */
};

struct application *
application_new(const struct application_options *options)
{
	struct application *a = alloc_zero(1, sizeof(*a));

	a->options = *options;
	a->decoder = content_decoder_new();
	for (int side = 0; side < 2; side++) {
		buf_init(&a->decoded[side], options->body_limit);
		buf_init(&a->messages[side], PAYLOAD_MESSAGES_LIMIT);
	}
	buf_init(&a->head, HEAD_LIMIT);
	buf_init(&a->reading.operation, READING_OPERATION);
	buf_init(&a->reading.error, READING_ERROR);
	buf_init(&a->reading.summary, READING_SUMMARY);
	a->operations = operations_new();
	return a;
}

void
application_free(struct application *a)
{
	if (!a)
		return;
	content_decoder_free(a->decoder);
	for (int side = 0; side < 2; side++) {
		buf_free(&a->decoded[side]);
		buf_free(&a->messages[side]);
	}
	buf_free(&a->head);
	buf_free(&a->reading.operation);
	buf_free(&a->reading.error);
	buf_free(&a->reading.summary);
	operations_free(a->operations);
	reflection_free(a->reflection);
	free(a);
}

/* What the server says of its types is for all calls, whoever has them. */
static void
reflect(struct application *a, const struct grpc_reader *reader,
	const struct call_event *call)
{
	if (!a->options.reflected.file ||
	    !reflection_is_method(call->fields[FIELD_METHOD]))
		return;
	if (!a->reflection)
		a->reflection = reflection_new(a->options.reflected);
	reflection_call(a->reflection, reader, call);
}

static void
grpc_call(struct application *a, struct call_event *call)
{
	struct call_half *halves[2] = { &call->request, &call->response };
	uint32_t types[2] = { DESCRIPTORS_NONE, DESCRIPTORS_NONE };
	const struct grpc_reader reader = {
		.decoder = a->decoder,
		.scratch = &a->decoded[0],
		.descriptors = a->options.descriptors,
		.ratio_limit = a->options.ratio_limit,
	};

	if (reader.descriptors)
		descriptors_method(reader.descriptors,
				   call->fields[FIELD_METHOD], &types[0],
				   &types[1]);
	for (int side = 0; side < 2; side++) {
		if (!halves[side]->body.size)
			continue;
		buf_reset(&a->messages[side]);
		grpc_messages(&reader, halves[side], types[side],
			      &a->messages[side]);
		halves[side]->messages = buf_view(&a->messages[side]);
	}
	reflect(a, &reader, call);
}

/* The body of a half without its encoding; empty when that is not undone. */
static struct bytes
plain_body(struct application *a, const struct call_half *half, enum side side)
{
	struct buf *out = &a->decoded[side];
	uint64_t size;

	if (half->encoding == ENCODING_NONE || !half->body.size)
		return half->body;
	buf_reset(out);
	if (content_decode(a->decoder, half->encoding, half->body,
			   a->options.ratio_limit, out, &size) == CONTENT_BAD)
		return bytes_make(NULL, 0);
	return buf_view(out);
}

static struct reading *
new_reading(struct application *a)
{
	buf_reset(&a->reading.operation);
	buf_reset(&a->reading.error);
	buf_reset(&a->reading.summary);
	a->reading.failed = false;
	return &a->reading;
}

/* The call is one of `protocol`, and is what was read. */
static void
apply(const struct application *a, struct call_event *call,
      enum protocol protocol)
{
	const struct reading *r = &a->reading;

	call->protocol = protocol;
	call->fields[FIELD_METHOD] = buf_view(&r->operation);
	call->fields[FIELD_SUMMARY] = buf_view(&r->summary);
	if (r->error.size)
		call->fields[FIELD_ERROR] = buf_view(&r->error);
	if (r->failed)
		call->flags |= CALL_IS_ERROR;
}

/* HTTP. */

/* The operation takes the place of HTTP's method, which stays as a header, as
 * it is in HTTP/2. */
static void
keep_method(struct application *a, struct call_event *call)
{
	struct bytes method = call->fields[FIELD_METHOD];

	if (bytes_equal(call->fields[FIELD_VERSION], bytes_of("2")) ||
	    !method.size)
		return;
	buf_reset(&a->head);
	buf_string(&a->head, bytes_of(":method"));
	buf_string(&a->head, method);
	buf_bytes(&a->head, call->request.head);
	if (!a->head.failed)
		call->request.head = buf_view(&a->head);
}

static bool
begins(struct bytes type, const char *wanted)
{
	return bytes_equal_nocase(bytes_first(type, strlen(wanted)),
				  bytes_of(wanted));
}

/* "application/json", "application/graphql-response+json; charset=utf-8" */
static bool
is_json(struct bytes type)
{
	for (; type.size >= 4 && type.data[0] != ';';
	     type = bytes_from(type, 1))
		if (begins(type, "json"))
			return true;
	return false;
}

/* What may be read of a request: nothing for nearly all. */
static struct bodies
request_of(struct application *a, const struct call_event *call, bool *document)
{
	struct bytes type = call->request.content_type;
	struct bytes query = call->fields[FIELD_QUERY];
	struct bodies b = { .events = false };

	*document = begins(type, "application/graphql") && !is_json(type);
	if (*document || is_json(type))
		b.request = plain_body(a, &call->request, SIDE_CLIENT);
	else if (query.size && graphql_may_be_query(query) &&
		 bytes_equal(call->fields[FIELD_METHOD], bytes_of("GET")))
		b.query = query;
	return b;
}

/* Another protocol inside of HTTP. */
static void
read_http(struct application *a, struct call_event *call, bool events)
{
	struct bytes type = call->response.content_type;
	bool document, rpc, graphql;
	struct bodies b = request_of(a, call, &document);
	enum protocol protocol = PROTOCOL_UNKNOWN;

	rpc = !document && jsonrpc_may_be(b.request);
	graphql = (document && b.request.size) || b.query.size ||
		  graphql_may_be(b.request);
	b.events = events;
	if (!(call->flags & CALL_HAS_REQUEST) && is_json(type) &&
	    call->response.encoding == ENCODING_NONE)
		rpc = jsonrpc_may_be(call->response.body);
	if (!rpc && !graphql)
		return;
	if (events || is_json(type))
		b.response = plain_body(a, &call->response, SIDE_SERVER);
	if (rpc && jsonrpc_read(&b, new_reading(a)))
		protocol = PROTOCOL_jsonrpc;
	else if (graphql && graphql_read(&b, document, new_reading(a)))
		protocol = PROTOCOL_graphql;
	if (!protocol)
		return;
	keep_method(a, call);
	apply(a, call, protocol);
}

static void
read_events(struct application *a, struct call_half *half)
{
	struct bytes body = plain_body(a, half, SIDE_SERVER);
	struct call_half where = *half;

	/* Times are those of bytes on the wire. */
	if (half->encoding != ENCODING_NONE)
		where.time_count = 0;
	buf_reset(&a->messages[SIDE_SERVER]);
	event_stream_messages(&where, body, &a->messages[SIDE_SERVER]);
	half->messages = buf_view(&a->messages[SIDE_SERVER]);
}

static void
http_call(struct application *a, struct call_event *call)
{
	bool events = begins(call->response.content_type, "text/event-stream");

	read_http(a, call, events);
	if (events && call->response.body.size)
		read_events(a, &call->response);
}

/* WebSocket. */

static void
summarise(struct reading *r)
{
	buf_reset(&r->summary);
	reading_put(&r->summary, buf_view(&r->operation));
	if (r->failed) {
		reading_text(&r->summary, "; failed: ");
		reading_put(&r->summary, buf_view(&r->error));
	}
}

/* "next query GetUser": what the message is to what was begun. */
static void
add_operation(struct reading *r, struct bytes begun)
{
	reading_text(&r->operation, " ");
	reading_put(&r->operation, begun);
	summarise(r);
}

static bool
read_rpc_message(struct application *a, const struct call_event *call,
		 enum side side, struct bytes body)
{
	struct reading *r = new_reading(a);
	struct bodies b = { .request = body };
	struct bytes id = json_scan_member(json_scan_trim(body), "id"), begun;

	if (!jsonrpc_may_be(body) || !jsonrpc_read(&b, r))
		return false;
	if (!id.size)
		return true;
	if (!bytes_equal(buf_view(&r->operation), bytes_of("response"))) {
		operations_begin(a->operations, call->connection, side, id,
				 buf_view(&r->operation));
		return true;
	}
	begun = operations_name(a->operations, call->connection,
				side_other(side), id);
	if (begun.size)
		add_operation(r, begun);
	return true;
}

static bool
read_graphql_message(struct application *a, const struct call_event *call,
		     struct bytes body)
{
	struct reading *r = new_reading(a);
	struct bytes id, begun;
	enum graphql_message kind =
		graphql_read_message(json_scan_trim(body), &id, r);

	if (kind == GRAPHQL_NO_MESSAGE)
		return false;
	if (kind == GRAPHQL_BEGINS)
		operations_begin(a->operations, call->connection, SIDE_CLIENT,
				 id, buf_view(&r->operation));
	if (kind != GRAPHQL_GOES_ON) {
		summarise(r);
		return true;
	}
	begun = operations_name(a->operations, call->connection, SIDE_CLIENT,
				id);
	if (begun.size)
		add_operation(r, begun);
	return begun.size > 0;
}

static void
websocket_call(struct application *a, struct call_event *call)
{
	bool client = call->flags & CALL_HAS_REQUEST;
	enum side side = client ? SIDE_CLIENT : SIDE_SERVER;
	struct bytes body = client ? call->request.body : call->response.body;
	struct bytes in = json_scan_trim(body);

	if ((!json_scan_is(in, '{') && !json_scan_is(in, '[')) ||
	    !bytes_equal(call->fields[FIELD_METHOD], bytes_of("text")))
		return;
	if (read_rpc_message(a, call, side, body))
		apply(a, call, PROTOCOL_jsonrpc);
	else if (json_scan_is(in, '{') && read_graphql_message(a, call, body))
		apply(a, call, PROTOCOL_graphql);
}

void
application_call(struct application *a, struct call_event *call)
{
	if (call->protocol == PROTOCOL_grpc)
		grpc_call(a, call);
	else if (call->protocol == PROTOCOL_http)
		http_call(a, call);
	else if (call->protocol == PROTOCOL_websocket)
		websocket_call(a, call);
}

uint64_t
application_descriptors_left_out(const struct application *a)
{
	return a->reflection ? reflection_left_out(a->reflection) : 0;
}
