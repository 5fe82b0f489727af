/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP 1.0, as the OASIS standard has it.  See amqp1.md. */
#include <stdlib.h>

#include "dissect/proto/amqp1_parts.h"
#include "dissect/proto/statements.h"
#include "dissect/registry.h"

#define PROTOCOL_HEADER_SIZE 8
#define FRAME_HEAD 8
#define FRAME_LIMIT (64u << 20)
/* Frames that are waited for as a whole: all but transfers. */
#define FRAME_HELD (192u << 10)
/* What is looked at to tell a transfer, in steps; its performative at most. */
#define LOOK 32
#define LOOK_LIMIT 300
#define TRANSFER_LIMIT (64u << 10)

/* Protocol ids of the header. */
#define ID_AMQP 0
#define ID_TLS 2
#define ID_SASL 3

/* Detection. */

static enum verdict
probe_header(struct bytes in)
{
	static const uint8_t name[] = { 'A', 'M', 'Q', 'P' };
	size_t size = in.size < 4 ? in.size : 4;

	if (memcmp(in.data, name, size) != 0)
		return VERDICT_NO;
	if (in.size > 4 && in.data[4] != ID_AMQP && in.data[4] != ID_TLS &&
	    in.data[4] != ID_SASL)
		return VERDICT_NO;
	if ((in.size > 5 && in.data[5] != 1) || (in.size > 6 && in.data[6]) ||
	    (in.size > 7 && in.data[7]))
		return VERDICT_NO;
	return in.size < PROTOCOL_HEADER_SIZE ? VERDICT_MAYBE : VERDICT_YES;
}

static bool
is_list(uint8_t code)
{
	return code == 0x45 || code == 0xc0 || code == 0xd0;
}

/* Whether a frame with a performative begins here; on a connection that is
 * `known` to speak it one without any is enough. */
static enum verdict
probe_frame(struct bytes in, bool known)
{
	struct reader r = reader_make(in);
	uint32_t size = reader_be32(&r);
	unsigned offset = reader_u8(&r), kind = reader_u8(&r);
	uint64_t type;
	size_t described;

	if ((in.size > 0 && in.data[0] > FRAME_LIMIT >> 24) ||
	    (in.size > 4 && (offset < 2 || offset > 8)) ||
	    (in.size > 5 && kind > 1))
		return VERDICT_NO;
	if (in.size < FRAME_HEAD)
		return VERDICT_MAYBE;
	if (size > FRAME_LIMIT || size < offset * 4)
		return VERDICT_NO;
	if (size == offset * 4)
		return known && !kind ? VERDICT_YES : VERDICT_NO;
	in = bytes_first(bytes_from(in, offset * 4), size - offset * 4);
	described = amqp1_descriptor(in, &type);
	if (!described)
		return in.size < 32 ? VERDICT_MAYBE : VERDICT_NO;
	if (!amqp1_name(type) || (kind == 1) != (type >= AMQP1_SASL_MECHANISMS))
		return VERDICT_NO;
	if (in.size <= described)
		return VERDICT_MAYBE;
	return is_list(in.data[described]) ? VERDICT_YES : VERDICT_NO;
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	struct bytes in = client.size ? client : server;

	(void)transport;
	if (!in.size)
		return VERDICT_NO;
	return in.data[0] == 'A' ? probe_header(in) : probe_frame(in, false);
}

static enum verdict
resync(enum side side, struct bytes in)
{
	(void)side;
	return in.size && in.data[0] == 'A' ? probe_header(in)
					    : probe_frame(in, true);
}

/* Protocol headers. */

/* Both sides agree on TLS: what follows is its records. */
static void
begin_tls(struct amqp1_frame *f)
{
	sink_channel(f->sink, amqp1_exchange_new(f->conn), SIDE_SERVER, true);
	sink_begin_alone(f->sink);
	sink_wire(f->sink, f->size);
	amqp1_say_begin(f, "tls");
	amqp1_say_path(f, bytes_make(NULL, 0));
	sink_field(f->sink, FIELD_STATUS_TEXT, bytes_of("accepted"));
	sink_flags(f->sink, MESSAGE_UPGRADE);
	sink_end(f->sink, f->size);
}

/* The server answers with what it speaks instead, and closes. */
static void
refuse(struct amqp1_frame *f, struct bytes in)
{
	static const char sasl[] = "the server wants SASL first";
	static const char tls[] = "the server wants TLS first";
	static const char other[] = "the server speaks another version";

	sink_channel(f->sink, amqp1_exchange_new(f->conn), SIDE_SERVER, true);
	sink_begin_alone(f->sink);
	sink_wire(f->sink, f->size);
	amqp1_say_begin(f, "protocol-header");
	amqp1_say_path(f, bytes_make(NULL, 0));
	sink_field(f->sink, FIELD_ERROR,
		   bytes_of(in.data[5] != 1		 ? other
			    : in.data[4] == ID_SASL ? sasl
			    : in.data[4] == ID_TLS  ? tls
						    : other));
	sink_flags(f->sink, MESSAGE_IS_ERROR);
	sink_end(f->sink, f->size);
}

static struct step
take_header(struct amqp1_frame *f, struct bytes in)
{
	struct amqp1_conn *conn = f->conn;
	uint8_t asked = conn->sides[SIDE_CLIENT].header, id;

	if (in.size < PROTOCOL_HEADER_SIZE)
		return step_more(PROTOCOL_HEADER_SIZE);
	if (!bytes_starts_with(in, "AMQP"))
		return step_bad();
	id = in.data[4] + 1;
	f->size = PROTOCOL_HEADER_SIZE;
	conn->sides[f->side].header = id;
	if (f->side == SIDE_SERVER && asked &&
	    (asked != id || in.data[5] != 1))
		refuse(f, in);
	else if (f->side == SIDE_SERVER && asked == ID_TLS + 1)
		begin_tls(f);
	return step_done(PROTOCOL_HEADER_SIZE);
}

/* Performatives. */

static void
take_begin(struct amqp1_frame *f)
{
	struct amqp1_value remote = amqp1_field(&f->body, 0);
	bool answers = remote.kind == AMQP1_UNSIGNED;
	uint32_t session = amqp1_session_begin(
		f, answers ? (int32_t)(remote.number & 0xffff) : -1);

	if (answers)
		amqp1_answer(f, amqp1_asked(f, AMQP1_BEGIN, 0, session));
	else
		amqp1_ask(f, 0, session);
}

/* Whether what the server's frame answers may not have been seen. */
static bool
may_answer(const struct amqp1_frame *f)
{
	return f->side == SIDE_SERVER &&
	       (f->conn->sides[SIDE_CLIENT].holes ||
		!sink_is_from_start(f->sink));
}

static void
ask_or_answer(struct amqp1_frame *f, uint64_t name, uint32_t session)
{
	struct amqp1_waiting *w =
		amqp1_asked(f, (uint8_t)f->type, name, session);

	if (w || may_answer(f))
		amqp1_answer(f, w);
	else
		amqp1_ask(f, name, session);
}

static struct bytes
address_of(const struct amqp1_value *terminus)
{
	struct amqp1_value address = amqp1_field(terminus, 0);

	if (terminus->described && terminus->descriptor == AMQP1_COORDINATOR)
		return bytes_of("coordinator");
	return address.kind == AMQP1_STRING ? address.bytes
					    : bytes_make(NULL, 0);
}

/* The link and its node, which the other side may be the one to name. */
static void
take_attach(struct amqp1_frame *f)
{
	struct amqp1_value name = amqp1_field(&f->body, 0);
	struct amqp1_value handle = amqp1_field(&f->body, 1);
	bool receiver = amqp1_field(&f->body, 2).number != 0;
	bool from_server = (f->side == SIDE_SERVER) != receiver;
	struct amqp1_value node = amqp1_field(&f->body, from_server ? 5 : 6);
	struct bytes address = address_of(&node);
	struct amqp1_link *link = amqp1_link_of(f, (uint32_t)handle.number);
	struct amqp1_link *peer;
	uint64_t key = statements_name(name.bytes) ^ from_server;

	if (link) {
		amqp1_content_cut(f, link);
		link->name = key;
		link->from_server = from_server;
		peer = amqp1_link_peer(f, link);
		if (!address.size && peer)
			address = bytes_make(peer->address, peer->address_size);
		else if (peer && !peer->address_size)
			amqp1_link_address(f, peer, address);
		amqp1_link_address(f, link, address);
	}
	ask_or_answer(f, key, amqp1_session_of(f));
}

static void
take_detach(struct amqp1_frame *f)
{
	struct amqp1_value handle = amqp1_field(&f->body, 0);
	struct amqp1_value error = amqp1_field(&f->body, 2);
	struct amqp1_link *link = amqp1_link_of(f, (uint32_t)handle.number);
	uint64_t name = link ? link->name : 0;
	uint32_t session = amqp1_session_of(f);
	char text[AMQP1_ERROR_SIZE];
	struct bytes why = amqp1_error_text(&error, text);

	ask_or_answer(f, name, session);
	if (why.size && name)
		amqp1_fail(f, session, name, why);
	if (link) {
		amqp1_content_cut(f, link);
		amqp1_link_forget(f, link);
	}
}

static void
take_end(struct amqp1_frame *f)
{
	struct amqp1_value error = amqp1_field(&f->body, 0);
	uint32_t session = amqp1_session_of(f);
	char text[AMQP1_ERROR_SIZE];
	struct bytes why = amqp1_error_text(&error, text);

	ask_or_answer(f, 0, f->type == AMQP1_END ? session : 0);
	if (why.size)
		amqp1_fail(f, f->type == AMQP1_END ? session : 0, 0, why);
	if (f->type == AMQP1_END)
		amqp1_session_end(f);
}

static void
take_performative(struct amqp1_frame *f)
{
	switch (f->type) {
	case AMQP1_OPEN:
		ask_or_answer(f, 0, 0);
		break;
	case AMQP1_BEGIN:
		take_begin(f);
		break;
	case AMQP1_ATTACH:
		take_attach(f);
		break;
	case AMQP1_DETACH:
		take_detach(f);
		break;
	case AMQP1_END:
	case AMQP1_CLOSE:
		take_end(f);
		break;
	case AMQP1_DISPOSITION:
		amqp1_disposition(f);
		break;
	case AMQP1_SASL_INIT:
		amqp1_ask(f, 0, 0);
		break;
	case AMQP1_SASL_OUTCOME:
		amqp1_answer(f, amqp1_asked(f, AMQP1_SASL_INIT, 0, 0));
		break;
	case AMQP1_FLOW:
	case AMQP1_SASL_MECHANISMS:
		amqp1_single(f);
		break;
	default:
		break; /* challenges and their responses are not kept */
	}
}

/* Frames. */

static struct step
transfer(struct amqp1_frame *f, struct bytes in, size_t offset)
{
	struct reader r = reader_make(
		bytes_from(bytes_first(in, f->size), offset));
	size_t end;

	if (!amqp1_read(&r, &f->body)) {
		if (in.size >= f->size || in.size >= TRANSFER_LIMIT)
			return step_bad();
		return step_more(in.size + LOOK < f->size ? in.size + LOOK
							  : f->size);
	}
	end = (size_t)(r.at - in.data);
	amqp1_transfer(f, (uint32_t)(f->size - end));
	if (end == f->size)
		amqp1_transfer_end(f, end);
	return step_done(end);
}

static struct step
take_frame(struct amqp1_frame *f, struct bytes in, size_t offset, bool sasl)
{
	struct bytes body = bytes_from(bytes_first(in, f->size), offset);
	struct reader r = reader_make(body);

	if (f->size == offset) /* it says that the sender lives */
		return in.size < f->size ? step_more(f->size)
					 : step_done(f->size);
	if (!amqp1_descriptor(body, &f->type) && in.size < f->size &&
	    in.size < offset + LOOK_LIMIT)
		return step_more(in.size + 1);
	if (!amqp1_name(f->type) ||
	    sasl != (f->type >= AMQP1_SASL_MECHANISMS))
		return step_bad();
	if (f->type == AMQP1_TRANSFER)
		return transfer(f, in, offset);
	if (f->size > FRAME_HELD)
		return step_bad();
	if (in.size < f->size)
		return step_more(f->size);
	if (!amqp1_read(&r, &f->body) || f->body.kind != AMQP1_LIST)
		return step_bad();
	take_performative(f);
	return step_done(f->size);
}

static struct step
start_frame(struct amqp1_frame *f, struct bytes in)
{
	struct reader r = reader_make(in);
	unsigned offset, kind;

	if (in.size && in.data[0] == 'A')
		return take_header(f, in);
	f->size = reader_be32(&r);
	offset = reader_u8(&r) * 4u;
	kind = reader_u8(&r);
	f->channel = reader_be16(&r);
	if (r.failed)
		return step_more(FRAME_HEAD);
	if (f->size > FRAME_LIMIT || offset < FRAME_HEAD || f->size < offset ||
	    kind > 1)
		return step_bad();
	if (kind)
		f->channel = 0;
	return take_frame(f, in, offset, kind == 1);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct amqp1_conn *conn = state;
	struct amqp1_side *s = &conn->sides[side];
	struct amqp1_frame f = { .conn = conn, .sink = sink, .side = side };
	struct step step;

	if (s->lost) /* what was asked until here may be answered unread */
		amqp1_note_hole(conn, side, sink);
	s->lost = false;
	if (s->state == AMQP1_IN_PAYLOAD && !s->left)
		amqp1_transfer_end(&f, 0);
	if (s->state == AMQP1_AT_FRAME)
		return start_frame(&f, in);
	step = amqp1_payload(&f, in);
	if (step.kind == STEP_DONE && !s->left)
		amqp1_transfer_end(&f, (size_t)step.n);
	return step;
}

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct amqp1_conn *conn = state;

	(void)pending;
	(void)missing;
	conn->sides[side].state = AMQP1_AT_FRAME;
	conn->sides[side].left = 0;
	amqp1_note_hole(conn, side, sink);
	conn->sides[side].lost = true;
	return false;
}

static void
release(void *state, struct sink *sink)
{
	struct amqp1_conn *conn = state;

	(void)sink;
	for (uint32_t i = 0; i < conn->link_count; i++) {
		free(conn->links[i].address);
		free(conn->links[i].content.held);
	}
	free(conn->links);
	free(conn->unsettled);
}

static const uint16_t ports[] = { 5672, 5671, 0 };

const struct dissector dissector_amqp1 = {
	.name = "amqp1",
	.title = "AMQP 1.0",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_BY_CHANNEL,
	.conn_size = sizeof(struct amqp1_conn),
	.channel_size = 8,
	.strict = true,
	.calls = "amqp",
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
	.release = release,
};
