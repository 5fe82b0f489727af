/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/pair.h"

#include <assert.h>
#include <stdio.h>

/* Requests by id that are open at once, and how long one is waited for. */
#define BY_ID_OPEN 1024
#define BY_ID_NS (INT64_C(60) * 1000000000)
/* Requests kept open for a server that has not been seen yet. */
#define ONE_DIRECTION_OPEN 8

void
pair_init(struct pair *p, const struct exchange_place *place,
	  const struct lane *lanes)
{
	*p = (struct pair){ .place = *place, .lanes = lanes };
	p->tail = &p->first;
}

void
pair_start(struct pair *p, enum protocol protocol, enum pairing kind)
{
	p->place.protocol = protocol;
	p->kind = kind;
	p->chain = p->place.identity->midstream ? CHAIN_LOST : CHAIN_CERTAIN;
	p->answered_known = p->has_last = p->has_response = false;
	p->has_stray = false;
}

/* The queue. */

static void
push(struct pair *p, struct message *m)
{
	m->next = NULL;
	*p->tail = m;
	p->tail = &m->next;
	p->count++;
}

static void
push_front(struct pair *p, struct message *m)
{
	m->next = p->first;
	p->first = m;
	if (!m->next)
		p->tail = &m->next;
	p->count++;
}

/* Removes *link from the queue. */
static struct message *
unlink_at(struct pair *p, struct message **link)
{
	struct message *m = *link;

	*link = m->next;
	if (!*link)
		p->tail = link;
	m->next = NULL;
	p->count--;
	return m;
}

/* Halves that stay alone. */

static bool
never_seen(const struct pair *p, enum side side)
{
	return p->lanes[side].received == 0;
}

static enum call_reason
request_reason(const struct pair *p, const struct message *r,
	       enum call_reason otherwise)
{
	const struct lane *server = &p->lanes[SIDE_SERVER];

	if ((p->kind != PAIR_IN_ORDER && p->kind != PAIR_BY_CHANNEL) ||
	    otherwise == CALL_REASON_STREAM_RESET)
		return otherwise;
	if (never_seen(p, SIDE_SERVER) &&
	    (server->holes || p->lanes[SIDE_CLIENT].acknowledged >
				      p->lanes[SIDE_CLIENT].first_acknowledged))
		return CALL_REASON_ONE_DIRECTION;
	if (server->holes && server->hole_end > r->acknowledged)
		return CALL_REASON_RESPONSE_NOT_CAPTURED;
	return otherwise;
}

static enum call_reason
response_reason(const struct pair *p)
{
	const struct lane *client = &p->lanes[SIDE_CLIENT];

	if (p->kind != PAIR_BY_ID && never_seen(p, SIDE_CLIENT) &&
	    (client->holes || !p->place.identity->midstream))
		return CALL_REASON_ONE_DIRECTION;
	if (p->pipelined && p->first)
		return CALL_REASON_PIPELINED_HOLE;
	return CALL_REASON_REQUEST_NOT_CAPTURED;
}

static void
emit_request(struct pair *p, struct message **link, enum call_reason reason)
{
	struct message *r = unlink_at(p, link);

	assert(r->ended);
	exchange_emit(&p->place, r, NULL, reason);
}

void
pair_flush(struct pair *p, enum call_reason reason)
{
	while (p->first)
		emit_request(p, &p->first,
			     request_reason(p, p->first, reason));
	p->chain = CHAIN_LOST;
}

/* More requests are open than may be, or than there is memory for. */
static bool
too_many_open(const struct pair *p)
{
	const struct stream_context *context = p->place.context;

	return p->count > context->options.pending_limit ||
	       (p->kind == PAIR_BY_ID && p->count > BY_ID_OPEN) ||
	       (p->count > 1 && context->buffered > context->buffered_limit);
}

static void
limit_open(struct pair *p)
{
	while (p->first && too_many_open(p) && p->first->ended) {
		emit_request(p, &p->first, CALL_REASON_EVICTED);
		p->chain = CHAIN_LOST;
	}
}

/* In order. */

/* Only the client was captured: what it acknowledges has answered it. */
static void
flush_one_direction(struct pair *p, uint64_t acknowledged)
{
	while (p->count > ONE_DIRECTION_OPEN && p->first->ended &&
	       p->first->acknowledged < acknowledged)
		emit_request(p, &p->first, CALL_REASON_ONE_DIRECTION);
}

static void
request_begin(struct pair *p, struct message *r)
{
	if (p->has_last && p->last_acknowledged == r->acknowledged)
		p->pipelined = true;
	p->last_acknowledged = r->acknowledged;
	p->has_last = true;
	if (never_seen(p, SIDE_SERVER))
		flush_one_direction(p, r->acknowledged);
	r->late = p->has_stray && r->start < p->stray_acknowledged;
	if (r->late)
		return;
	push(p, r);
	limit_open(p);
}

static void
request_end(struct pair *p, struct message *r)
{
	struct message *response = r->peer;

	if (r->late) {
		exchange_emit(&p->place, r, NULL,
			      r->flags & MESSAGE_NO_RESPONSE
				      ? CALL_REASON_NONE
				      : CALL_REASON_RESPONSE_NOT_CAPTURED);
		return;
	}
	if (r->claimed) {
		if (response)
			exchange_emit(&p->place, r, response,
				      CALL_REASON_NONE);
		return;
	}
	if (r->flags & MESSAGE_NO_RESPONSE) {
		struct message **link = &p->first;

		while (*link != r)
			link = &(*link)->next;
		emit_request(p, link, CALL_REASON_NONE);
	}
}

/* What the server had received of the client when it sent the last bytes that
 * were seen before `response`; false when that is not known. */
static bool
received_before(const struct pair *p, const struct message *response,
		uint64_t *position)
{
	if (response->has_before)
		*position = response->acknowledged_before;
	else if (!p->place.identity->midstream)
		*position = p->lanes[SIDE_CLIENT].origin;
	else
		return false;
	return true;
}

/* An open request whose response cannot be in a hole. */
static bool
still_open(const struct pair *p, const struct message *r)
{
	const struct lane *server = &p->lanes[SIDE_SERVER];

	return r->ended &&
	       (!server->holes || server->hole_end <= r->acknowledged);
}

/* Whether all that the client sent before `r` (after `previous` in the queue,
 * or first) is known to have been answered before `response` began. */
static bool
nothing_unseen_before(struct pair *p, const struct message *previous,
		      const struct message *r, const struct message *response)
{
	uint64_t received;

	if (p->answered_known && p->answered == r->start)
		return true;
	if ((r->end_known && response->acknowledged > r->end) ||
	    (previous && still_open(p, previous)))
		p->pipelined = true;
	if (p->pipelined)
		return false;
	if (received_before(p, response, &received) && received == r->start)
		return true;
	return previous && !r->broken_before && previous->end_known &&
	       previous->end == r->start &&
	       previous->acknowledged < r->acknowledged;
}

/*
 * Bytes of the client before `r` are missing, and the server had not received
 * them when it sent what is directly before the response: what was in them had
 * not been answered, so the response is rather to that.
 */
static bool
unseen_before(const struct pair *p, const struct message *r,
	      const struct message *response)
{
	uint64_t received;

	return !response->broken_before &&
	       received_before(p, response, &received) && received < r->start;
}

static struct message *
claim(struct pair *p, struct message **link, const struct message *response,
      bool certain)
{
	struct message *r = unlink_at(p, link);

	if (r->end_known && response->acknowledged > r->end)
		p->pipelined = true; /* the server had more than `r` by then */
	r->claimed = true;
	p->chain = certain ? CHAIN_CERTAIN : CHAIN_LIKELY;
	p->answered_known = certain && r->end_known;
	p->answered = r->end;
	return r;
}

/* A hole of the server's side holds the answers to what was sent before. */
static void
flush_lost(struct pair *p, const struct message *response)
{
	const struct lane *server = &p->lanes[SIDE_SERVER];

	if (p->pipelined || !server->holes)
		return;
	while (p->first && p->first->ended &&
	       p->first->acknowledged < response->start &&
	       p->first->acknowledged < server->hole_end)
		emit_request(p, &p->first,
			     CALL_REASON_RESPONSE_NOT_CAPTURED);
}

static bool
sent_at(const struct message *r, const struct message *response)
{
	return response->acknowledged > r->start &&
	       (r->acknowledged == response->start ||
		r->acknowledged_last == response->start);
}

/* The server had all of a request and nothing more, and yet this response is
 * not the next after it was sent: others were outstanding, unless it is that an
 * interim response is missing. */
static struct message *
contradicted(struct pair *p, const struct message *response)
{
	for (const struct message *r = p->first; r; r = r->next)
		if (r->end_known && r->end == response->acknowledged &&
		    !p->has_interim)
			p->pipelined = true;
	return NULL;
}

/* The request that the TCP numbers give to a response behind a hole. */
static struct message *
claim_by_numbers(struct pair *p, const struct message *response)
{
	struct message *previous = NULL, *before = NULL;
	struct message **match = NULL;
	unsigned matches = 0;
	bool certain;

	for (struct message **link = &p->first; *link; link = &(*link)->next) {
		if (sent_at(*link, response) && matches++ == 0) {
			match = link;
			before = previous;
		}
		previous = *link;
	}
	if (!match)
		return contradicted(p, response);
	certain = (*match)->acknowledged == response->start &&
		  nothing_unseen_before(p, before, *match, response);
	if (!certain && (matches > 1 || (before && p->pipelined) ||
			 unseen_before(p, *match, response)))
		return NULL;
	(*match)->reason = certain ? CALL_REASON_NONE : CALL_REASON_HOLE_BEFORE;
	while (*match != p->first && p->first->ended) {
		bool last = match == &p->first->next;

		emit_request(p, &p->first,
			     request_reason(
				     p, p->first,
				     p->pipelined
					     ? CALL_REASON_PIPELINED_HOLE
					     : CALL_REASON_RESPONSE_NOT_CAPTURED));
		if (last)
			match = &p->first;
	}
	return claim(p, match, response, certain);
}

/* The oldest open request, unless the numbers contradict. */
static struct message *
claim_by_order(struct pair *p, const struct message *response)
{
	struct message *r = p->first;
	bool certain = p->chain == CHAIN_CERTAIN;

	if (!r || response->acknowledged <= r->start ||
	    response->start < r->acknowledged ||
	    (!certain && unseen_before(p, r, response)))
		return NULL;
	r->reason = certain ? CALL_REASON_NONE : CALL_REASON_PIPELINED_HOLE;
	return claim(p, &p->first, response, certain);
}

/* Whether order is worth a guess, which is marked as one. */
static bool
order_is_likely(const struct pair *p)
{
	return p->chain == CHAIN_LIKELY ||
	       (p->pipelined && p->first && still_open(p, p->first));
}

static void
response_begin(struct pair *p, struct message *response)
{
	if (response->broken_before || (p->first && p->first->broken_before))
		p->chain = CHAIN_LOST;
	if (p->has_response && !response->broken_before &&
	    p->response_acknowledged == response->acknowledged)
		p->pipelined = true;
	p->response_acknowledged = response->acknowledged;
	p->has_response = true;
	/* While nothing is missing, no request means that there was none. */
	if (p->chain == CHAIN_CERTAIN) {
		response->reason = CALL_REASON_NONE;
		response->peer = claim_by_order(p, response);
	} else {
		response->reason = response_reason(p);
		response->peer = claim_by_numbers(p, response);
		if (!response->peer && order_is_likely(p))
			response->peer = claim_by_order(p, response);
	}
	if (response->peer)
		return;
	if (!p->has_stray || p->stray_acknowledged < response->acknowledged)
		p->stray_acknowledged = response->acknowledged;
	p->has_stray = true;
	p->chain = CHAIN_LOST;
	p->answered_known = false;
	flush_lost(p, response);
}

/* "100 Continue", or what there is of it; the size that it needs. */
static int
put_interim(char *out, size_t room, const char *separator, int32_t status,
	    struct bytes text)
{
	const char *start = text.size ? (const char *)text.data : "";

	if (text.size >= room)
		text.size = 0;
	if (status < 0)
		return snprintf(out, room, "%s%.*s", separator,
				(int)text.size, start);
	return snprintf(out, room, "%s%d%s%.*s", separator, (int)status,
			text.size ? " " : "", (int)text.size, start);
}

void
pair_interim(struct pair *p, struct message *r, struct message *response)
{
	struct bytes text = message_field(response, FIELD_STATUS_TEXT);
	char *out = r->interim + r->interim_size;
	size_t left = sizeof(r->interim) - r->interim_size;
	const char *separator = r->interim_size ? ", " : "";
	int size = put_interim(out, left, separator, response->status, text);

	/* Rather the number alone than nothing; not a separator alone. */
	if (size > 0 && (size_t)size >= left && response->status >= 0)
		size = put_interim(out, left, separator, response->status,
				   bytes_make(NULL, 0));
	if (size > 0 && (size_t)size < left)
		r->interim_size = (uint8_t)(r->interim_size + size);
	message_release(p->place.context, response);
}

/* 1xx: the request goes on waiting, and what answers it begins later. */
static void
interim_end(struct pair *p, struct message *response)
{
	struct message *r = response->peer;

	r->claimed = false;
	r->acknowledged = response->end;
	p->answered_known = false;
	push_front(p, r);
	pair_interim(p, r, response);
}

static void
response_end(struct pair *p, struct message *response)
{
	struct message *r = response->peer;
	bool guessed = p->lanes[SIDE_SERVER].broken; /* where it ends */

	for (const struct message *m = p->first; m && !guessed; m = m->next)
		if (m->acknowledged > response->start &&
		    m->acknowledged < response->end)
			p->pipelined = true;
	/* What comes behind an interim response answers the same request. */
	if (response->flags & MESSAGE_INFORMATIONAL) {
		p->has_response = false;
		p->has_interim = true;
	}
	if (!r)
		exchange_emit(&p->place, NULL, response, response->reason);
	else if (response->flags & MESSAGE_INFORMATIONAL)
		interim_end(p, response);
	else if (r->ended)
		exchange_emit(&p->place, r, response, CALL_REASON_NONE);
	else
		r->peer = response;
}

void
pair_emit(struct pair *p, struct message *request, struct message *response,
	  enum call_reason reason)
{
	if (p->kind == PAIR_NONE || (request && response) ||
	    (response && response->alone))
		reason = CALL_REASON_NONE;
	else if (request)
		reason = request_reason(p, request, reason);
	else
		reason = response_reason(p);
	exchange_emit(&p->place, request, response, reason);
}

/* By id. */

static bool
same_question(const struct message *a, const struct message *b)
{
	struct bytes path = message_field(a, FIELD_PATH);

	return a->id == b->id &&
	       !((a->flags ^ b->flags) & MESSAGE_REVERSED) &&
	       (!path.size || !message_field(b, FIELD_PATH).size ||
		(bytes_equal_nocase(path, message_field(b, FIELD_PATH)) &&
		 bytes_equal(message_field(a, FIELD_METHOD),
			     message_field(b, FIELD_METHOD))));
}

static struct message **
find_open(struct pair *p, const struct message *m)
{
	for (struct message **link = &p->first; *link; link = &(*link)->next)
		if (same_question(*link, m))
			return link;
	return NULL;
}

/* The response to an open request; one that is not the last is noted there. */
static void
answer_by_id(struct pair *p, struct message **open, struct message *m)
{
	struct message *r = *open;

	if (m->flags & MESSAGE_INFORMATIONAL) {
		pair_interim(p, r, m);
		return;
	}
	if (r->interim_size)
		message_add_header(p->place.context, m, bytes_of(":interim"),
				   bytes_make(r->interim, r->interim_size));
	exchange_emit(&p->place, unlink_at(p, open), m, CALL_REASON_NONE);
}

static void
end_by_id(struct pair *p, struct message *m, bool response)
{
	struct message **open = m->has_id ? find_open(p, m) : NULL;

	if (response && open)
		answer_by_id(p, open, m);
	else if (response)
		exchange_emit(&p->place, NULL, m, response_reason(p));
	else if (open) {
		m->flags |= MESSAGE_RETRANSMISSION;
		exchange_emit(&p->place, m, NULL, CALL_REASON_NONE);
	} else if (!m->has_id || m->flags & MESSAGE_NO_RESPONSE) {
		exchange_emit(&p->place, m, NULL, CALL_REASON_NONE);
	} else {
		while (p->first && !p->first->interim_size &&
		       p->first->last_ns + BY_ID_NS < m->first_ns)
			emit_request(p, &p->first, CALL_REASON_NO_RESPONSE);
		push(p, m);
		limit_open(p);
	}
}

void
pair_begin(struct pair *p, struct message *m, enum side side)
{
	if (p->kind != PAIR_IN_ORDER || m->alone)
		return;
	if (side == SIDE_CLIENT)
		request_begin(p, m);
	else
		response_begin(p, m);
}

void
pair_end(struct pair *p, struct message *m, enum side side)
{
	bool response = (side == SIDE_SERVER) !=
			((m->flags & MESSAGE_REVERSED) != 0);

	m->ended = true;
	if (p->kind == PAIR_BY_ID && !m->alone)
		end_by_id(p, m, response);
	else if (p->kind == PAIR_NONE || m->alone)
		exchange_emit(&p->place, response ? NULL : m,
			      response ? m : NULL, CALL_REASON_NONE);
	else if (side == SIDE_CLIENT)
		request_end(p, m);
	else
		response_end(p, m);
}
