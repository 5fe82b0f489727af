/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/exchange.h"

/* Fills in a half that is zero. */
static void
set_half(struct call_half *half, const struct message *m)
{
	half->first_ns = m->first_ns;
	half->last_ns = m->last_ns;
	half->wire_bytes = m->framed ? m->wire_bytes : m->end - m->start;
	half->body_wire_bytes = m->body_wire_bytes;
	half->body_bytes = m->body_wire_bytes;
	half->content_type = message_field(m, FIELD_CONTENT_TYPE);
	half->head = buf_view(&m->head);
	half->body = buf_view(&m->body);
	half->times = (const struct body_time *)(const void *)m->times.data;
	half->time_count =
		(uint32_t)(m->times.size / sizeof(struct body_time));
	half->encoding = m->encoding;
	half->packet = m->packet;
}

static uint32_t
common_flags(const struct message *m)
{
	uint32_t flags = 0;

	if (m->flags & MESSAGE_IS_ERROR)
		flags |= CALL_IS_ERROR;
	if (m->flags & MESSAGE_RETRANSMISSION)
		flags |= CALL_RETRANSMISSION;
	if (m->flags & MESSAGE_WITHOUT_KEYS)
		flags |= CALL_WITHOUT_KEYS;
	return flags;
}

static uint32_t
request_flags(const struct message *m)
{
	return common_flags(m) | CALL_HAS_REQUEST |
	       (m->flags & MESSAGE_UPGRADE ? (uint32_t)CALL_UPGRADED : 0) |
	       (m->incomplete ? (uint32_t)CALL_REQUEST_INCOMPLETE : 0) |
	       (m->truncated ? (uint32_t)CALL_REQUEST_TRUNCATED : 0);
}

static uint32_t
response_flags(const struct message *m)
{
	return common_flags(m) | CALL_HAS_RESPONSE |
	       (m->flags & MESSAGE_UPGRADE ? (uint32_t)CALL_UPGRADED : 0) |
	       (m->incomplete ? (uint32_t)CALL_RESPONSE_INCOMPLETE : 0) |
	       (m->truncated ? (uint32_t)CALL_RESPONSE_TRUNCATED : 0);
}

static enum protocol
protocol_of(const struct exchange_place *place, const struct message *request,
	    const struct message *response)
{
	if (request && request->protocol)
		return (enum protocol)request->protocol;
	if (response && response->protocol)
		return (enum protocol)response->protocol;
	return place->protocol;
}

static void
set_fields(struct call_event *call, const struct message *request,
	   const struct message *response)
{
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		if (request)
			call->fields[i] = message_field(request, (enum field)i);
		if (response && !call->fields[i].size)
			call->fields[i] = message_field(response,
							(enum field)i);
	}
	call->status = response && response->status >= 0 ? response->status
		       : request			 ? request->status
							 : -1;
}

static void
count(struct exchange_place *place, const struct call_event *call, bool single)
{
	struct coverage *coverage = place->context->coverage;

	place->calls++;
	if (call->flags & CALL_UNCERTAIN)
		coverage->calls_uncertain++;
	if (call->flags & CALL_REQUEST_TRUNCATED)
		coverage->bodies_truncated++;
	if (call->flags & CALL_RESPONSE_TRUNCATED)
		coverage->bodies_truncated++;
	if (!single && (call->flags & (CALL_HAS_REQUEST | CALL_HAS_RESPONSE)) !=
			       (CALL_HAS_REQUEST | CALL_HAS_RESPONSE))
		coverage->calls_unpaired++;
}

void
exchange_emit(struct exchange_place *place, struct message *request,
	      struct message *response, enum call_reason reason)
{
	const struct stream_identity *identity = place->identity;
	const struct message *any = request ? request : response;
	bool reversed = any->flags & MESSAGE_REVERSED;
	struct call_event call = {
		.protocol = protocol_of(place, request, response),
		.connection = identity->connection,
		.client = reversed ? identity->server : identity->client,
		.server = reversed ? identity->client : identity->server,
		.ip_protocol = identity->ip_protocol,
		.reason = request && response ? request->reason : reason,
	};

	if (request) {
		call.flags |= request_flags(request);
		set_half(&call.request, request);
	}
	if (response) {
		call.flags |= response_flags(response);
		set_half(&call.response, response);
	}
	if (request && response && request->reason)
		call.flags |= CALL_UNCERTAIN;
	if (identity->midstream)
		call.flags |= CALL_CONNECTION_MIDSTREAM;
	set_fields(&call, request, response);
	if (identity->tls.size)
		call.fields[FIELD_TLS] = identity->tls;
	count(place, &call,
	      any->alone || any->flags & (MESSAGE_NO_RESPONSE |
					  MESSAGE_RETRANSMISSION));
	place->context->events.call(place->context->events.context, &call);
	if (request)
		message_release(place->context, request);
	if (response)
		message_release(place->context, response);
}
