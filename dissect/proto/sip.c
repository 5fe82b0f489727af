/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIP over UDP and TCP (RFC 3261): a call for each transaction.  See sip.md.
 */
#include <stdio.h>

#include "dissect/proto/line.h"
#include "dissect/proto/sip_head.h"
#include "dissect/registry.h"

/* A longer body is passed by the stream, and not looked into. */
#define BODY_HELD (32u << 10)
#define SUMMARY_SIZE 200

struct sip_conn {
	uint64_t left[2]; /* of a long body, by side */
	bool body[2];
};

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	bool whole = transport == TRANSPORT_UDP;

	return sip_probe(client.size ? client : server, whole);
}

static void
say_request(const struct sip_head *head, struct sink *sink)
{
	char text[SUMMARY_SIZE];
	int size = snprintf(text, sizeof(text), "%.*s %.*s",
			    (int)bytes_first(head->method, 32).size,
			    (const char *)head->method.data,
			    (int)bytes_first(head->uri, 160).size,
			    (const char *)head->uri.data);

	sink_field(sink, FIELD_HOST, sip_host(head->uri));
	sink_field(sink, FIELD_PATH, head->uri);
	sink_field(sink, FIELD_SUMMARY, bytes_make(text, (size_t)size));
	/* What accepts an answer is not answered (RFC 3261 §17). */
	if (bytes_equal_nocase(head->method, bytes_of("ACK")))
		sink_flags(sink, MESSAGE_NO_RESPONSE);
}

static void
say_response(const struct sip_head *head, struct sink *sink)
{
	char text[64];
	int size;

	sink_status(sink, head->status);
	sink_field(sink, FIELD_STATUS_TEXT, head->reason);
	if (head->status < 200)
		sink_flags(sink, MESSAGE_INFORMATIONAL);
	if (head->status < 400)
		return;
	sink_flags(sink, MESSAGE_IS_ERROR);
	size = snprintf(text, sizeof(text), "%u %.*s", head->status,
			(int)bytes_first(head->reason, 56).size,
			head->reason.size ? (const char *)head->reason.data
					  : "");
	sink_field(sink, FIELD_ERROR, bytes_make(text, (size_t)size));
}

static void
begin(const struct sip_head *head, enum side side, struct sink *sink)
{
	sink_begin(sink);
	sink_id(sink, sip_transaction(head));
	if (head->response != (side == SIDE_SERVER))
		sink_flags(sink, MESSAGE_REVERSED);
	line_method(head->response ? head->sequence_method : head->method,
		    sink);
	if (head->response)
		say_response(head, sink);
	else
		say_request(head, sink);
	sip_say_fields(head, sink);
	if (head->content_type.size)
		sink_field(sink, FIELD_CONTENT_TYPE, head->content_type);
}

static void
say_body(const struct sip_head *head, struct bytes body, struct sink *sink)
{
	static const char sdp[] = "application/sdp";

	if (!body.size)
		return;
	sink_body(sink, body);
	if (bytes_equal_nocase(bytes_first(head->content_type,
					   sizeof(sdp) - 1),
			       bytes_of(sdp)))
		sip_say_media(body, sink);
}

/* Ends of line keep a connection alive (RFC 5626 §4.4.1). */
static size_t
empty_lines(struct bytes in)
{
	size_t size = 0;

	while (size < in.size &&
	       (in.data[size] == '\r' || in.data[size] == '\n'))
		size++;
	return size;
}

static struct step
datagram(enum side side, struct bytes in, struct sink *sink)
{
	struct sip_head head;
	struct bytes body;

	if (empty_lines(in) == in.size || (in.size <= 4 && !in.data[0]))
		return step_done(in.size);
	if (sip_head(in, true, &head) != VERDICT_YES)
		return step_bad();
	body = bytes_from(in, head.size);
	begin(&head, side, sink);
	if (head.has_length && head.length > body.size)
		sink_truncated(sink);
	if (head.has_length && head.length < body.size)
		body = bytes_first(body, (size_t)head.length);
	say_body(&head, body, sink);
	sink_end(sink, in.size);
	return step_done(in.size);
}

static struct step
message(struct sip_conn *conn, enum side side, struct bytes in,
	struct sink *sink)
{
	struct sip_head head;
	size_t empty = empty_lines(in);

	if (empty)
		return step_done(empty);
	switch (sip_head(in, false, &head)) {
	case VERDICT_NO:
		return step_bad();
	case VERDICT_MAYBE:
		return step_more(in.size + 1);
	case VERDICT_YES:
		break;
	}
	if (head.length > INT64_MAX)
		return step_bad();
	if (head.length > BODY_HELD) {
		begin(&head, side, sink);
		conn->left[side] = head.length;
		conn->body[side] = true;
		return step_done(head.size);
	}
	if (in.size < head.size + head.length)
		return step_more(head.size + head.length);
	begin(&head, side, sink);
	say_body(&head,
		 bytes_first(bytes_from(in, head.size), (size_t)head.length),
		 sink);
	sink_end(sink, head.size + (size_t)head.length);
	return step_done(head.size + head.length);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct sip_conn *conn = state;
	uint64_t left = conn->left[side];

	if (sink_transport(sink) == TRANSPORT_UDP)
		return datagram(side, in, sink);
	if (conn->body[side]) {
		conn->left[side] = 0;
		if (left)
			return step_skip(left);
		conn->body[side] = false;
		sink_end(sink, 0);
	}
	return in.size ? message(conn, side, in, sink) : step_more(1);
}

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct sip_conn *conn = state;

	(void)pending;
	(void)missing;
	(void)sink;
	conn->left[side] = 0;
	conn->body[side] = false;
	return false;
}

static const uint16_t ports[] = { 5060, 5080, 0 };

const struct dissector dissector_sip = {
	.name = "sip",
	.title = "SIP",
	.ports = ports,
	.transport = TRANSPORT_BOTH,
	.pairing = PAIR_BY_ID,
	.conn_size = sizeof(struct sip_conn),
	.strict = true,
	.probe = probe,
	.feed = feed,
	.gap = gap,
};
