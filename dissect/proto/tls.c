/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.0 to 1.3 over TCP (RFC 8446, RFC 5246): a call for each handshake, and
 * a stream inside for what can be decrypted.  Records here; what they mean in
 * dissect/tls/.  See tls.md.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "dissect/registry.h"
#include "dissect/sink_inner.h"
#include "dissect/tls/alert.h"
#include "dissect/tls/handshake.h"
#include "dissect/tls/record.h"
#include "dissect/tls/session.h"

#define MESSAGE_MAX (128u << 10)
#define MESSAGE_HEADER 4
/* No record is smaller on the wire, so a hole has no more of them. */
#define RECORD_MIN 22
#define RECORDS_UNKNOWN 256
/* Content of an alert in TLS 1.3, its type and tag; Finished is longer. */
#define HIDDEN_ALERT 19

struct tls_side {
	struct buf message;      /* a handshake message that is not whole */
	struct session *session; /* that its protected records belong to */
	uint64_t skip;           /* bytes to pass, of a record or to the end */
	uint64_t unread;         /* behind the last record that was read … */
	bool unread_unknown;     /* … and more than these */
	bool searching;          /* a record is to be found */
	bool encrypted;          /* TLS 1.2: behind ChangeCipherSpec */
};

struct tls_conn {
	struct handshake handshake;
	struct session *session, *previous; /* owned */
	uint64_t charged;
	bool early_refused; /* early data is not to be believed */
	bool inner_stale;   /* what is inside was refused: begin anew */
	struct tls_side sides[2];
};

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	enum verdict from_client = VERDICT_MAYBE, from_server = VERDICT_MAYBE;

	(void)transport;
	if (client.size)
		from_client = record_probe(client, true);
	if (from_client != VERDICT_MAYBE)
		return from_client;
	if (server.size)
		from_server = record_probe(server, false);
	return from_server;
}

/* Memory that is counted. */

static void
charge(struct tls_conn *conn, struct sink *sink, uint64_t bytes)
{
	conn->charged += bytes;
	sink_context(sink)->buffered += bytes;
}

static void
drop_message(struct tls_conn *conn, struct tls_side *half, struct sink *sink)
{
	conn->charged -= half->message.size;
	sink_context(sink)->buffered -= half->message.size;
	buf_free(&half->message);
}

static void
release(void *state, struct sink *sink)
{
	struct tls_conn *conn = state;

	sink_context(sink)->buffered -= conn->charged;
	for (int side = 0; side < 2; side++)
		buf_free(&conn->sides[side].message);
	session_free(conn->session);
	session_free(conn->previous);
}

/* Sessions. */

static void
begin_session(struct tls_conn *conn, struct sink *sink)
{
	const struct stream_identity *identity = sink_identity(sink);
	const struct key_store *keys = sink_context(sink)->keys;
	struct key_query query = {
		.random = conn->handshake.client_random,
		.time_ns = sink_time(sink),
		.client = identity->client,
		.server = identity->server,
	};

	if (!keys)
		return;
	/* The session before is in use until both sides have switched. */
	if (conn->previous)
		session_free(conn->session);
	else
		conn->previous = conn->session;
	conn->session = session_new(keys, &query,
				    conn->handshake.early_offered);
	for (int side = 0; side < 2; side++) {
		struct tls_side *half = &conn->sides[side];

		if (!half->encrypted || half->session != conn->previous)
			half->session = conn->session;
	}
}

static void
choose_session(struct tls_conn *conn)
{
	const struct handshake *h = &conn->handshake;
	struct session_choice choice = {
		.version = h->version,
		.suite = suite_find(h->suite),
		.random = h->server_random,
		.encrypt_then_mac = h->encrypt_then_mac,
	};

	if (conn->session && h->asked)
		session_choose(conn->session, &choice);
}

static void
refuse_early(struct tls_conn *conn)
{
	conn->early_refused = true;
	conn->inner_stale = true;
}

static void
change_cipher_spec(struct tls_conn *conn, enum side side)
{
	struct tls_side *half = &conn->sides[side];

	/* TLS 1.3 sends it for the sake of others (RFC 8446 appendix D.4). */
	if (!conn->handshake.chosen ||
	    conn->handshake.version == TLS_VERSION_13)
		return;
	half->encrypted = true;
	half->session = conn->session;
	if (half->session)
		session_switch(half->session, side);
	if (conn->sides[side_other(side)].session == conn->session) {
		session_free(conn->previous);
		conn->previous = NULL;
	}
}

static bool
is_protected(const struct tls_conn *conn, enum side side, uint8_t type)
{
	return type == RECORD_DATA || conn->sides[side].encrypted;
}

static bool
is_readable(const struct tls_conn *conn, enum side side)
{
	const struct tls_side *half = &conn->sides[side];

	return half->session && session_is_readable(half->session, side);
}

/* Handshake messages. */

static void
client_hello(struct tls_conn *conn, struct bytes body, size_t consumed,
	     struct sink *sink)
{
	struct handshake *h = &conn->handshake;

	if (h->retried && !h->chosen && !h->over)
		return; /* the second hello, of the same random */
	if (!sink_is_open(sink))
		sink_begin(sink);
	if (handshake_client_hello(h, body, sink)) {
		begin_session(conn, sink);
	} else {
		sink_field(sink, FIELD_METHOD, bytes_of("HANDSHAKE"));
		sink_field(sink, FIELD_ERROR,
			   bytes_of("the ClientHello is malformed"));
		sink_flags(sink, MESSAGE_IS_ERROR);
	}
	sink_end(sink, consumed);
	conn->early_refused = false;
}

static void
server_hello(struct tls_conn *conn, struct bytes body, struct sink *sink)
{
	struct handshake *h = &conn->handshake;

	if (!sink_is_open(sink)) {
		sink_begin(sink);
		if (h->over || h->chosen)
			*h = (struct handshake){ .asked = false };
	}
	if (!handshake_server_hello(h, body, sink))
		return;
	if (h->chosen)
		choose_session(conn);
	else if (sink_inner_is_open(sink))
		refuse_early(conn);
}

static void
finished(struct tls_conn *conn, enum side side)
{
	if (conn->handshake.version == TLS_VERSION_13)
		session_advance(conn->sides[side].session, side);
}

static void
server_extensions(struct tls_conn *conn, struct bytes body, struct sink *sink)
{
	struct handshake *h = &conn->handshake;

	handshake_message(h, SIDE_SERVER, HANDSHAKE_ENCRYPTED_EXTENSIONS, body,
			  sink);
	if (h->early_offered && !h->early_accepted)
		refuse_early(conn);
}

static void
message(struct tls_conn *conn, enum side side, uint8_t type,
	struct bytes body, size_t consumed, struct sink *sink)
{
	struct session *session = conn->sides[side].session;

	if (type == HANDSHAKE_CLIENT_HELLO && side == SIDE_CLIENT)
		client_hello(conn, body, consumed, sink);
	else if (type == HANDSHAKE_SERVER_HELLO && side == SIDE_SERVER)
		server_hello(conn, body, sink);
	else if (type == HANDSHAKE_FINISHED && session)
		finished(conn, side);
	else if (type == HANDSHAKE_END_OF_EARLY_DATA && session)
		session_advance(session, side);
	else if (type == HANDSHAKE_KEY_UPDATE && session)
		session_update(session, side);
	else if (type == HANDSHAKE_ENCRYPTED_EXTENSIONS &&
		 side == SIDE_SERVER)
		server_extensions(conn, body, sink);
	else
		handshake_message(&conn->handshake, side, type, body, sink);
}

/* Takes the whole messages from the front of `in`; how much that was.  What
 * is too long to be a message is passed over. */
static size_t
take_messages(struct tls_conn *conn, enum side side, struct bytes in,
	      size_t consumed, struct sink *sink)
{
	size_t at = 0;

	while (in.size - at >= MESSAGE_HEADER) {
		const uint8_t *p = in.data + at;
		size_t size = (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];

		if (size > MESSAGE_MAX - MESSAGE_HEADER)
			return in.size;
		if (in.size - at - MESSAGE_HEADER < size)
			break;
		message(conn, side, p[0],
			bytes_make(p + MESSAGE_HEADER, size), consumed, sink);
		at += MESSAGE_HEADER + size;
	}
	return at;
}

static void
hold_message(struct tls_conn *conn, struct tls_side *half, struct bytes in,
	     struct sink *sink)
{
	struct stream_context *context = sink_context(sink);

	if (!half->message.limit)
		buf_init(&half->message, MESSAGE_MAX + RECORD_BODY_MAX);
	if (context->buffered + in.size > context->buffered_limit) {
		context->coverage->bytes_given_up += in.size;
		drop_message(conn, half, sink);
		return;
	}
	buf_bytes(&half->message, in);
	charge(conn, sink, in.size);
}

static void
handshake_bytes(struct tls_conn *conn, enum side side, struct bytes in,
		size_t consumed, struct sink *sink)
{
	struct tls_side *half = &conn->sides[side];
	size_t taken;

	if (!half->message.size && in.size && side == SIDE_CLIENT &&
	    in.data[0] == HANDSHAKE_CLIENT_HELLO && !sink_is_open(sink) &&
	    !(conn->handshake.retried && !conn->handshake.chosen))
		sink_begin(sink);
	if (!half->message.size) {
		taken = take_messages(conn, side, in, consumed, sink);
		if (taken < in.size)
			hold_message(conn, half, bytes_from(in, taken), sink);
		return;
	}
	hold_message(conn, half, in, sink);
	taken = take_messages(conn, side, buf_view(&half->message), consumed,
			      sink);
	if (taken == half->message.size) {
		drop_message(conn, half, sink);
		return;
	}
	conn->charged -= taken;
	sink_context(sink)->buffered -= taken;
	buf_drop(&half->message, taken);
}

/* Content of records. */

static bool
is_fatal(const struct tls_conn *conn, struct bytes alert)
{
	if (alert.size != 2 || alert.data[1] == ALERT_CLOSE_NOTIFY ||
	    alert.data[1] == ALERT_USER_CANCELED ||
	    alert.data[1] == ALERT_NO_RENEGOTIATION)
		return false;
	return alert.data[0] == 2 ||
	       conn->handshake.version == TLS_VERSION_13;
}

static void
alert(struct tls_conn *conn, enum side side, struct bytes in, size_t consumed,
      struct sink *sink)
{
	struct handshake *h = &conn->handshake;

	if (in.size == 2 && in.data[1] == ALERT_CLOSE_NOTIFY)
		sink_inner_finish(sink);
	if (!is_fatal(conn, in) || h->over || !h->asked ||
	    (side == SIDE_CLIENT && handshake_is_done(h)))
		return;
	handshake_alert(h, side, in.data[1], false);
	if (side == SIDE_CLIENT)
		return;
	if (!sink_is_open(sink))
		sink_begin(sink);
	handshake_end(h, false, consumed, sink);
}

static void
data(struct tls_conn *conn, const struct session_opened *opened,
     size_t consumed, struct sink *sink)
{
	struct buf label;

	if (!opened->plain.data.size ||
	    (opened->phase == SESSION_EARLY && conn->early_refused &&
	     conn->handshake.version == TLS_VERSION_13))
		return;
	if (!sink_inner_is_open(sink) || conn->inner_stale) {
		buf_init(&label, INNER_LABEL_MAX);
		handshake_label(&conn->handshake, opened->suite, &label);
		conn->inner_stale = false;
		for (int side = 0; side < 2; side++)
			if (conn->sides[side].unread ||
			    conn->sides[side].unread_unknown)
				sink_inner_lost(sink, (enum side)side);
		if (!sink_inner_open(sink, buf_view(&label)))
			sink_context(sink)->coverage->bytes_given_up +=
				opened->plain.data.size;
		buf_free(&label);
	}
	sink_inner_data(sink, opened->plain.data, opened->plain.offset,
			consumed);
}

static void
content(struct tls_conn *conn, enum side side,
	const struct session_opened *opened, size_t consumed,
	struct sink *sink)
{
	struct bytes in = opened->plain.data;

	switch (opened->plain.type) {
	case RECORD_CHANGE_CIPHER_SPEC:
		change_cipher_spec(conn, side);
		break;
	case RECORD_ALERT:
		alert(conn, side, in, consumed, sink);
		break;
	case RECORD_HANDSHAKE:
		handshake_bytes(conn, side, in, consumed, sink);
		break;
	case RECORD_DATA:
		data(conn, opened, consumed, sink);
		break;
	default:
		break;
	}
}

/* Records. */

/* A protected record of `side` begins; `size` of its body. */
static void
note_protected(struct tls_conn *conn, enum side side, bool opaque, size_t size,
	       struct sink *sink)
{
	struct handshake *h = &conn->handshake;

	if (!h->chosen)
		return;
	if (side == SIDE_SERVER && handshake_is_done(h) && sink_is_open(sink))
		handshake_end(h, false, 0, sink);
	if (opaque && side == SIDE_CLIENT && !h->sent[SIDE_CLIENT] &&
	    h->version == TLS_VERSION_13 && size == HIDDEN_ALERT &&
	    !h->early_offered)
		handshake_alert(h, SIDE_CLIENT, 0, true);
	h->sent[side] = true;
}

static bool
is_fatal_alert(const struct tls_conn *conn,
	       const struct session_opened *opened)
{
	return opened->plain.type == RECORD_ALERT &&
	       is_fatal(conn, opened->plain.data);
}

/* What was lost before a record that opened is a hole inside. */
static void
tell_hole(struct tls_side *half, const struct session_opened *opened,
	  struct sink *sink)
{
	uint64_t framing = opened->skipped * opened->overhead;
	bool exact = !half->unread_unknown && !opened->rekeyed &&
		     opened->suite->kind != SUITE_CBC;
	bool hole = half->unread || half->unread_unknown;

	if (hole && opened->phase != SESSION_HANDSHAKE &&
	    (opened->skipped || opened->rekeyed)) {
		if (exact && half->unread > framing)
			sink_inner_gap(sink, half->unread - framing, 0);
		else
			sink_inner_gap(sink, 0, 0);
		sink_context(sink)->coverage->tls_records_lost +=
			opened->skipped;
	}
	half->unread = 0;
	half->unread_unknown = false;
}

/* Reads a protected record that is whole; false when it does not open. */
static bool
read_protected(struct tls_conn *conn, enum side side, struct bytes record,
	       struct sink *sink)
{
	struct tls_side *half = &conn->sides[side];
	uint8_t *out = alloc_resize(NULL, RECORD_BODY_MAX, 1);
	struct session_opened opened;
	bool good = session_open(half->session, side, record, out, &opened);

	if (good) {
		conn->handshake.opened = true;
		half->searching = false;
		tell_hole(half, &opened, sink);
		if (!is_fatal_alert(conn, &opened))
			note_protected(conn, side, false, record.size, sink);
		content(conn, side, &opened, record.size, sink);
	}
	free(out);
	return good;
}

static void
read_clear(struct tls_conn *conn, enum side side, struct bytes record,
	   struct sink *sink)
{
	struct tls_side *half = &conn->sides[side];
	struct session_opened opened = {
		.plain = { .type = record.data[0],
			   .data = bytes_from(record, RECORD_HEADER) },
	};

	half->unread = 0;
	half->unread_unknown = false;
	content(conn, side, &opened, record.size, sink);
}

/* Passes up to `skip` bytes. */
static struct step
pass(struct tls_side *half, struct bytes in)
{
	size_t n = half->skip < in.size ? (size_t)half->skip : in.size;

	if (!n)
		return step_more(1);
	if (half->skip != UINT64_MAX)
		half->skip -= n;
	return step_done(n);
}

/* The server answers a ClientHello with something else, or it is not TLS. */
static struct step
no_record(struct tls_conn *conn, enum side side, struct bytes in,
	  struct sink *sink)
{
	struct handshake *h = &conn->handshake;

	if (side != SIDE_SERVER || !h->asked || h->chosen || h->over)
		return step_bad();
	if (!sink_is_open(sink)) /* it is behind a HelloRetryRequest */
		sink_begin(sink);
	sink_field(sink, FIELD_ERROR,
		   bytes_of("the server does not answer with TLS"));
	sink_flags(sink, MESSAGE_IS_ERROR);
	sink_body(sink, bytes_first(in, HANDSHAKE_TEXT_MAX));
	h->over = true;
	sink_end(sink, in.size);
	conn->sides[SIDE_SERVER].skip = UINT64_MAX;
	return step_done(in.size);
}

static struct step
pass_record(struct tls_conn *conn, enum side side, struct bytes in,
	    const struct record *record, struct sink *sink)
{
	if (is_protected(conn, side, record->type))
		note_protected(conn, side, true,
			       record->whole - RECORD_HEADER, sink);
	conn->sides[side].skip = record->whole;
	return pass(&conn->sides[side], in);
}

/* A record that ought to open and does not: damaged, or not of these keys. */
static void
failed_record(struct tls_conn *conn, enum side side, size_t whole,
	      struct sink *sink)
{
	struct tls_side *half = &conn->sides[side];

	note_protected(conn, side, false, whole, sink);
	session_lost(half->session, side, 1);
	half->unread += whole;
	sink_context(sink)->coverage->tls_records_lost++;
}

static struct step
read_record(struct tls_conn *conn, enum side side, struct bytes in,
	    struct sink *sink)
{
	struct record record;
	enum verdict verdict = record_read(in, &record);
	bool protected;

	if (verdict == VERDICT_NO)
		return no_record(conn, side, in, sink);
	if (verdict == VERDICT_MAYBE)
		return step_more(RECORD_HEADER);
	protected = is_protected(conn, side, record.type);
	if (protected && !is_readable(conn, side))
		return pass_record(conn, side, in, &record, sink);
	if (in.size < record.whole)
		return step_more(record.whole);
	in = bytes_first(in, record.whole);
	if (!protected)
		read_clear(conn, side, in, sink);
	else if (!read_protected(conn, side, in, sink))
		failed_record(conn, side, record.whole, sink);
	return step_done(record.whole);
}

/* Behind a hole. */

enum found { FOUND_NOTHING, FOUND_WAIT, FOUND_RECORD, FOUND_READ };

/* Is there a record at the front?  Of a readable side only what opens is one;
 * else what has another behind it, or the end of what is here. */
static enum found
try_record(struct tls_conn *conn, enum side side, struct bytes in,
	   size_t *whole, struct sink *sink)
{
	struct record record, next;

	if (record_read(in, &record) != VERDICT_YES)
		return FOUND_NOTHING;
	*whole = record.whole;
	if (is_protected(conn, side, record.type) &&
	    is_readable(conn, side)) {
		if (in.size < record.whole)
			return FOUND_WAIT;
		return read_protected(conn, side,
				      bytes_first(in, record.whole), sink)
			       ? FOUND_READ
			       : FOUND_NOTHING;
	}
	if (in.size > record.whole &&
	    record_read(bytes_from(in, record.whole), &next) == VERDICT_NO)
		return FOUND_NOTHING;
	return FOUND_RECORD;
}

static struct step
search(struct tls_conn *conn, enum side side, struct bytes in,
       struct sink *sink)
{
	struct tls_side *half = &conn->sides[side];
	size_t at = 0, whole = 0;

	if (side == SIDE_CLIENT && sink_is_open(sink))
		sink_end(sink, 0); /* a hello that the hole cut */
	for (; at + RECORD_HEADER <= in.size; at++) {
		enum found found;

		if (in.data[at] < RECORD_CHANGE_CIPHER_SPEC ||
		    in.data[at] > RECORD_DATA || in.data[at + 1] != 3)
			continue;
		/* What is read begins at the front of the slice. */
		if (at > 0 && record_read(bytes_from(in, at),
					  &(struct record){ 0 }) ==
				      VERDICT_YES)
			break;
		found = try_record(conn, side, bytes_from(in, at), &whole,
				   sink);
		if (found == FOUND_READ)
			return step_done(whole);
		if (found == FOUND_WAIT)
			return step_more(whole);
		if (found == FOUND_RECORD) {
			half->searching = false;
			return read_record(conn, side, in, sink);
		}
	}
	if (!at)
		return step_more(RECORD_HEADER);
	half->unread += at;
	return step_done(at);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct tls_conn *conn = state;
	struct tls_side *half = &conn->sides[side];

	if (!conn->charged)
		charge(conn, sink, sizeof(*conn));
	if (half->skip)
		return pass(half, in);
	if (half->searching)
		return search(conn, side, in, sink);
	return read_record(conn, side, in, sink);
}

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct tls_conn *conn = state;
	struct tls_side *half = &conn->sides[side];
	uint64_t lost = pending.size + missing;
	uint64_t counted = half->searching ? half->skip : 0;
	struct record record;

	if (half->skip == UINT64_MAX)
		return true;
	if (missing && missing <= half->skip) {
		half->skip -= missing;
		return true;
	}
	drop_message(conn, half, sink);
	half->skip = 0;
	half->searching = true;
	/* The end of a record whose header was seen is known. */
	if (missing && record_read(pending, &record) == VERDICT_YES &&
	    record.whole > lost)
		half->skip = record.whole - lost;
	half->unread += lost + half->skip - counted;
	half->unread_unknown |= !missing;
	if (half->session)
		session_lost(half->session, side,
			     missing ? half->unread / RECORD_MIN + 1
				     : RECORDS_UNKNOWN);
	return true;
}

static void
finish(void *state, enum side side, struct bytes pending, bool clean,
       struct sink *sink)
{
	struct tls_conn *conn = state;

	(void)pending;
	if (side == SIDE_SERVER && sink_is_open(sink))
		handshake_end(&conn->handshake, clean, 0, sink);
}

static const uint16_t ports[] = { 443, 8443, 993, 995, 465, 636, 853, 5671,
				  6443, 8883, 0 };

const struct dissector dissector_tls = {
	.name = "tls",
	.title = "TLS",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_IN_ORDER,
	.conn_size = sizeof(struct tls_conn),
	.probe = probe,
	.feed = feed,
	.gap = gap,
	.finish = finish,
	.release = release,
};
