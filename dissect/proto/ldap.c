/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LDAP version 3 (RFC 4511) over TCP, and CLDAP over UDP (MS-ADTS 6.3.3): a
 * message with its answers is a channel, by the message's id.  See ldap.md.
 */
#include "dissect/proto/ldap_parts.h"
#include "dissect/registry.h"

/* A message that is longer is read as far as so many octets of it. */
#define MESSAGE_HELD (32u << 10)
/* A longer one is no message. */
#define MESSAGE_LIMIT (64u << 20)
#define CONTROLS_SHOWN 16
/* Of what nothing answers, and of notices without a request. */
#define CHANNEL_ALONE (UINT64_C(1) << 40)

/* What begins a message: its size, and that of the head before the id. */
struct envelope {
	size_t head, size;
	int64_t id;
	uint8_t operation;
	struct bytes body; /* of the operation, as far as it is there */
	size_t body_size;
	struct bytes rest; /* behind it, within the message */
};

static bool
is_request(uint8_t operation)
{
	switch (operation) {
	case LDAP_BIND_REQUEST:
	case LDAP_UNBIND_REQUEST:
	case LDAP_SEARCH_REQUEST:
	case LDAP_MODIFY_REQUEST:
	case LDAP_ADD_REQUEST:
	case LDAP_DELETE_REQUEST:
	case LDAP_MODIFY_DN_REQUEST:
	case LDAP_COMPARE_REQUEST:
	case LDAP_ABANDON_REQUEST:
	case LDAP_EXTENDED_REQUEST:
		return true;
	default:
		return false;
	}
}

/* YES: all up to the operation's body is there and makes sense. */
static enum verdict
read_envelope(struct bytes in, struct envelope *e)
{
	size_t head, length, left;
	struct bytes rest;
	enum verdict verdict;
	uint8_t tag;

	verdict = ber_head(in, &tag, &e->head, &length);
	if (in.size && in.data[0] != BER_SEQUENCE)
		return VERDICT_NO;
	if (verdict != VERDICT_YES)
		return verdict;
	if (length < 5 || length > MESSAGE_LIMIT)
		return VERDICT_NO;
	e->size = e->head + length;
	rest = bytes_first(bytes_from(in, e->head), length);
	if (rest.size < 2)
		return VERDICT_MAYBE;
	if (rest.data[0] != BER_INTEGER || rest.data[1] < 1 ||
	    rest.data[1] > 4)
		return VERDICT_NO;
	if (rest.size < 2u + rest.data[1])
		return VERDICT_MAYBE;
	head = 2u + rest.data[1];
	ber_integer(bytes_make(rest.data + 2, rest.data[1]), &e->id);
	rest = bytes_from(rest, head);
	left = length - head;
	verdict = ber_head(rest, &tag, &head, &length);
	if (rest.size && !ldap_method(tag))
		return VERDICT_NO;
	if (verdict != VERDICT_YES)
		return verdict;
	if (e->id < 0 || head + length > left)
		return VERDICT_NO;
	e->operation = tag;
	e->body = bytes_first(bytes_from(rest, head), length);
	e->body_size = length;
	e->rest = bytes_from(rest, head + length);
	return VERDICT_YES;
}

/* Detection. */

/* The next octets of `in`, of which MAYBE more come, must be an element of this
 * tag and of at most `limit` octets. */
static enum verdict
skip_element(struct bytes *in, uint8_t tag, size_t limit)
{
	size_t head, length;
	uint8_t found;
	enum verdict verdict = ber_head(*in, &found, &head, &length);

	if (in->size && in->data[0] != tag)
		return VERDICT_NO;
	if (verdict != VERDICT_YES)
		return verdict;
	if (length > limit)
		return VERDICT_NO;
	if (in->size < head + length)
		return VERDICT_MAYBE;
	*in = bytes_from(*in, head + length);
	return VERDICT_YES;
}

/* The tags that a body begins with. */
static const char *
body_shape(uint8_t operation)
{
	switch (operation) {
	case LDAP_BIND_REQUEST:
		return "\x02\x04";
	case LDAP_SEARCH_REQUEST:
		return "\x04\x0a\x0a\x02\x02\x01";
	case LDAP_SEARCH_ENTRY:
	case LDAP_SEARCH_REFERENCE:
	case LDAP_MODIFY_REQUEST:
	case LDAP_ADD_REQUEST:
	case LDAP_COMPARE_REQUEST:
		return "\x04";
	case LDAP_MODIFY_DN_REQUEST:
		return "\x04\x04\x01";
	case LDAP_EXTENDED_REQUEST:
		return "\x80";
	case LDAP_UNBIND_REQUEST:
	case LDAP_ABANDON_REQUEST:
	case LDAP_DELETE_REQUEST:
	case LDAP_INTERMEDIATE_RESPONSE:
		return "";
	default:
		return "\x0a\x04\x04";
	}
}

/* What an operation without a shape must be like. */
static bool
is_plain_body(const struct envelope *e)
{
	if (e->operation == LDAP_UNBIND_REQUEST)
		return e->body_size == 0 && e->id > 0;
	if (e->operation == LDAP_ABANDON_REQUEST)
		return e->body_size >= 1 && e->body_size <= 4;
	return e->operation == LDAP_DELETE_REQUEST && e->body_size >= 3 &&
	       e->body.size &&
	       memchr(e->body.data, '=', e->body.size) != NULL;
}

static enum verdict
probe_body(const struct envelope *e)
{
	const char *shape = body_shape(e->operation);
	struct bytes in = e->body;

	if (!*shape)
		return e->body.size < e->body_size ? VERDICT_MAYBE
		       : is_plain_body(e)	   ? VERDICT_YES
						   : VERDICT_NO;
	for (; *shape; shape++) {
		size_t limit = *shape == BER_OCTETS || *shape == '\x80'
				       ? 4096
				       : 4;
		enum verdict verdict = skip_element(&in, (uint8_t)*shape,
						    limit);

		if (verdict != VERDICT_YES)
			return verdict;
	}
	return VERDICT_YES;
}

static enum verdict
probe_side(struct bytes in, bool client, bool whole)
{
	struct envelope e;
	enum verdict verdict = read_envelope(in, &e);

	if (verdict != VERDICT_YES)
		return whole ? VERDICT_NO : verdict;
	if (is_request(e.operation) != client ||
	    (whole && e.size > in.size))
		return VERDICT_NO;
	verdict = probe_body(&e);
	return whole && verdict == VERDICT_MAYBE ? VERDICT_NO : verdict;
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	bool whole = transport == TRANSPORT_UDP;
	enum verdict verdict = VERDICT_MAYBE;

	if (client.size)
		verdict = probe_side(client, true, whole);
	if (verdict == VERDICT_MAYBE && server.size)
		verdict = probe_side(server, false, whole);
	return verdict;
}

/* Messages. */

void
ldap_header(const struct ldap_message *m, const char *name, struct bytes value)
{
	struct buf text;

	buf_init(&text, LDAP_TEXT);
	attribute_put_text(&text, bytes_first(value, LDAP_TEXT / 4));
	sink_header(m->sink, bytes_of(name), buf_view(&text));
	buf_free(&text);
}

void
ldap_controls(const struct ldap_message *m)
{
	struct reader r = reader_make(m->controls), list;
	struct buf text;

	list = reader_make(ber_take(&r, LDAP_CONTROLS));
	buf_init(&text, LDAP_TEXT);
	for (unsigned i = 0; i < CONTROLS_SHOWN && reader_left(&list); i++) {
		struct reader one = reader_make(ber_take(&list, BER_SEQUENCE));
		struct bytes oid = ber_take(&one, BER_OCTETS);

		if (list.failed || one.failed)
			break;
		buf_reset(&text);
		ldap_put_oid(&text, oid);
		sink_header(m->sink, bytes_of("control"), buf_view(&text));
	}
	buf_free(&text);
}

static bool
may_have_entries(uint8_t operation)
{
	return operation == LDAP_SEARCH_ENTRY ||
	       operation == LDAP_SEARCH_REFERENCE ||
	       operation == LDAP_SEARCH_DONE ||
	       operation == LDAP_INTERMEDIATE_RESPONSE;
}

/* Opens or finds the message of this id and role. */
static void
select_message(struct ldap_message *m, bool request)
{
	enum side role = request ? SIDE_CLIENT : SIDE_SERVER;
	uint64_t id = (uint64_t)m->id + 1;

	if (!m->id && !request)
		id = CHANNEL_ALONE;
	/* Its id was of another, the end of whose answer was not seen. */
	if (request && sink_channel(m->sink, id, role, false))
		sink_channel_close(m->sink, false);
	m->exchange = sink_channel(m->sink, id, role, true);
	if (sink_is_open(m->sink))
		return;
	if (request)
		*m->exchange =
			(struct ldap_exchange){ .holes = m->conn->holes };
	if (id == CHANNEL_ALONE)
		sink_begin_alone(m->sink);
	else
		sink_begin(m->sink);
	/* Its first entries may be in a hole since the request. */
	if (may_have_entries(m->operation) &&
	    m->exchange->holes != m->conn->holes)
		sink_incomplete(m->sink);
	sink_field(m->sink, FIELD_METHOD, bytes_of(ldap_method(m->operation)));
	attribute_header(m->sink, "message-id", "%lld", (long long)m->id);
}

/* The request of this id is not wanted any more; what is answered to it yet
 * goes with it. */
static void
abandon(struct ldap_message *m)
{
	int64_t id;

	if (!ber_integer(m->body, &id) || id < 0)
		return;
	if (sink_channel(m->sink, (uint64_t)id + 1, SIDE_CLIENT, false))
		sink_fail(m->sink, bytes_of("abandoned by the client"));
}

static void
take_message(struct ldap_message *m, enum side side, size_t taken)
{
	bool request = is_request(m->operation), last = false;

	select_message(m, request);
	if (request != (side == SIDE_CLIENT))
		sink_flags(m->sink, MESSAGE_REVERSED);
	sink_wire(m->sink, m->size);
	if (request) {
		ldap_request(m);
		last = m->operation == LDAP_UNBIND_REQUEST ||
		       m->operation == LDAP_ABANDON_REQUEST;
		if (last)
			sink_flags(m->sink, MESSAGE_NO_RESPONSE);
		sink_end(m->sink, taken);
	} else if (ldap_response(m)) {
		last = true;
		sink_end(m->sink, taken);
	}
	if (last)
		sink_channel_close(m->sink, false);
	if (m->operation == LDAP_ABANDON_REQUEST)
		abandon(m);
}

/* One message at the front of `in`, of which the first `limit` octets are
 * read; more are passed over. */
static struct step
feed_message(struct ldap_conn *conn, enum side side, struct bytes in,
	     size_t limit, struct sink *sink)
{
	struct envelope e;
	enum verdict verdict = read_envelope(in, &e);
	struct ldap_message m = { .conn = conn, .sink = sink };
	size_t wanted;

	if (verdict == VERDICT_NO)
		return step_bad();
	if (verdict == VERDICT_MAYBE)
		return step_more(in.size + 1);
	wanted = e.size < limit ? e.size : limit;
	if (in.size < wanted)
		return step_more(wanted);
	read_envelope(bytes_first(in, wanted), &e);
	m.id = e.id;
	m.operation = e.operation;
	m.body = e.body;
	m.controls = e.rest;
	m.size = e.size;
	m.cut = wanted < e.size;
	take_message(&m, side, wanted);
	conn->left[side] = e.size - wanted;
	return step_done(wanted);
}

/* What a security layer wraps (RFC 4422 §3.7): a length, and octets that nobody
 * can read. */
static struct step
feed_wrapped(struct ldap_conn *conn, enum side side, struct bytes in)
{
	struct reader r = reader_make(in);
	uint32_t size = reader_be32(&r);

	if (r.failed)
		return step_more(4);
	if (!size || size > MESSAGE_LIMIT)
		return step_bad();
	conn->left[side] = size;
	return step_done(4);
}

static struct step
feed_datagram(struct ldap_conn *conn, enum side side, struct bytes in,
	      struct sink *sink)
{
	struct bytes rest = in;

	while (rest.size) {
		struct step step = feed_message(conn, side, rest, SIZE_MAX,
						sink);

		if (step.kind != STEP_DONE)
			return step_bad();
		rest = bytes_from(rest, (size_t)step.n);
	}
	return step_done(in.size);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct ldap_conn *conn = state;
	uint64_t left = conn->left[side];

	if (sink_transport(sink) == TRANSPORT_UDP)
		return feed_datagram(conn, side, in, sink);
	if (left) {
		conn->left[side] = 0;
		return step_skip(left);
	}
	if (!in.size)
		return step_more(1);
	if (conn->sasl && in.data[0] == 0)
		return feed_wrapped(conn, side, in);
	return feed_message(conn, side, in, MESSAGE_HELD, sink);
}

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct ldap_conn *conn = state;

	(void)pending;
	(void)missing;
	(void)sink;
	conn->left[side] = 0;
	conn->holes += side == SIDE_SERVER;
	return false;
}

static const uint16_t ports[] = { 389, 3268, 0 };

const struct dissector dissector_ldap = {
	.name = "ldap",
	.title = "LDAP",
	.ports = ports,
	.transport = TRANSPORT_BOTH,
	.pairing = PAIR_BY_CHANNEL,
	.conn_size = sizeof(struct ldap_conn),
	.channel_size = sizeof(struct ldap_exchange),
	.strict = true,
	.probe = probe,
	.feed = feed,
	.gap = gap,
};
