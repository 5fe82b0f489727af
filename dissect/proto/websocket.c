/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket (RFC 6455) with permessage-deflate (RFC 7692).  Every message is a
 * call of its own: a request when the client sent it, else a response.  Control
 * messages come between the fragments of others: two channels a side.  Binary
 * messages of some subprotocols are the bytes of a stream inside.  See
 * websocket.md.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/reader.h"
#include "dissect/proto/websocket_frame.h"
#include "dissect/proto/websocket_inflate.h"
#include "dissect/registry.h"
#include "dissect/sink_inner.h"

/* Payload is unmasked in pieces of this size. */
#define PIECE (4u << 10)
#define SUMMARY_SIZE 192

struct websocket_side {
	struct websocket_frame frame; /* the one of which `left` bytes follow */
	uint64_t left;
	uint64_t size;   /* of the message's payload so far */
	bool in_frame;
	bool inside;     /* the message is of the stream inside */
	bool skipping;   /* the stream passes the rest of the frame */
	bool compressed; /* the message is, and it is undone */
	bool undone_not; /* the message is, and it is kept as it is */
	bool forgets;    /* every message is compressed for itself */
	bool lost;       /* what compressed messages refer to is not known */
	struct websocket_inflate *inflate;
};

struct websocket_conn {
	struct websocket_side sides[2];
	bool deflate; /* permessage-deflate was agreed upon */
	bool known;   /* and nothing else that changes frames, beyond doubt */
	bool carries; /* a stream, in binary messages */
	struct bytes host, path; /* in `names` */
	uint8_t *names;
};

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	enum verdict verdict = VERDICT_MAYBE;

	(void)transport;
	if (client.size)
		verdict = websocket_judge(client, SIDE_CLIENT, false);
	if (verdict == VERDICT_MAYBE && server.size)
		verdict = websocket_judge(server, SIDE_SERVER, false);
	return verdict;
}

static enum verdict
resync(enum side side, struct bytes in)
{
	return websocket_judge(in, side, true);
}

/* Messages. */

/* Selects the message of that kind and side. */
static bool
select_message(enum side which, bool control, bool create, struct sink *sink)
{
	return sink_channel(sink, 1u + which + (control ? 2u : 0u), which,
			    create) &&
	       sink_is_open(sink);
}

static void
begin(const struct websocket_conn *conn, uint8_t opcode, struct sink *sink)
{
	sink_begin(sink);
	sink_flags(sink, MESSAGE_NO_RESPONSE);
	sink_field(sink, FIELD_METHOD,
		   bytes_of(websocket_opcode_name(opcode)));
	if (conn->host.size)
		sink_field(sink, FIELD_HOST, conn->host);
	if (conn->path.size)
		sink_field(sink, FIELD_PATH, conn->path);
}

/* "text, 57 bytes" */
static void
summarise(const struct websocket_side *side, struct sink *sink)
{
	struct bytes method = sink_value(sink, FIELD_METHOD);
	char text[SUMMARY_SIZE];
	uint64_t size = side->compressed && side->inflate
				? websocket_inflate_size(side->inflate)
				: side->size;

	snprintf(text, sizeof(text), "%.*s, %llu byte%s%s", (int)method.size,
		 (const char *)method.data, (unsigned long long)size,
		 size == 1 ? "" : "s",
		 side->undone_not ? " compressed" : "");
	sink_field(sink, FIELD_SUMMARY, bytes_of(text));
}

/* Whether what is compressed on that side can be undone from here on. */
static bool
can_inflate(struct websocket_conn *conn, struct websocket_side *side,
	    struct sink *sink)
{
	if (!conn->deflate || (side->lost && !side->forgets))
		return false;
	if (!side->inflate && sink_keep(sink, WEBSOCKET_INFLATE_MEMORY)) {
		side->inflate = websocket_inflate_new();
		if (!side->inflate)
			sink_give_back(sink, WEBSOCKET_INFLATE_MEMORY);
	}
	if (!side->inflate) {
		side->lost = true;
		return false;
	}
	websocket_inflate_begin(side->inflate, side->lost || side->forgets);
	side->lost = false;
	return true;
}

/* Whether the message that begins is one of what is carried, and can be given
 * to it; what goes on from an unknown start is, unless it may be compressed. */
static bool
is_carried(const struct websocket_conn *conn, const struct websocket_side *side)
{
	if (side->frame.opcode == WEBSOCKET_CONTINUATION)
		return conn->carries && !conn->deflate;
	return conn->carries && side->frame.opcode == WEBSOCKET_BINARY &&
	       !side->undone_not;
}

/* The first frame of a message; or a later one whose first was not seen. */
static void
begin_data(struct websocket_conn *conn, enum side which, struct sink *sink)
{
	struct websocket_side *side = &conn->sides[which];
	const struct websocket_frame *f = &side->frame;

	if (select_message(which, false, false, sink)) {
		if (f->opcode == WEBSOCKET_CONTINUATION)
			return;
		sink_incomplete(sink);
		sink_end(sink, 0);
	}
	if (side->inside && f->opcode == WEBSOCKET_CONTINUATION)
		return;
	side->size = 0;
	side->compressed = f->reserved == WEBSOCKET_COMPRESSED &&
			   f->opcode != WEBSOCKET_CONTINUATION &&
			   can_inflate(conn, side, sink);
	side->undone_not = f->reserved && !side->compressed &&
			   f->opcode != WEBSOCKET_CONTINUATION;
	side->inside = is_carried(conn, side);
	if (side->inside)
		return;
	if (conn->carries && f->opcode != WEBSOCKET_TEXT)
		sink_inner_gap(sink, 0, f->head);
	select_message(which, false, true, sink);
	begin(conn, f->opcode, sink);
	if (f->opcode == WEBSOCKET_CONTINUATION)
		sink_incomplete(sink);
	if (side->undone_not)
		sink_encoding(sink, ENCODING_UNKNOWN);
}

/* Compressed bytes that are damaged: no more of the side is understood until
 * something begins that does not refer to them. */
static void
lose(struct websocket_side *side, size_t end, struct sink *sink)
{
	side->lost = true;
	if (!side->inside)
		return;
	sink_inner_gap(sink, 0, end);
	sink_context(sink)->coverage->bad_messages++;
}

/* Behind the last byte of a frame's payload. */
static void
end_frame(struct websocket_side *side, size_t consumed, struct sink *sink)
{
	const struct websocket_output out = {
		.sink = sink,
		.inside = side->inside,
		.offset = consumed,
		.end = consumed,
	};

	side->in_frame = side->skipping = false;
	if (!side->frame.final || (!side->inside && !sink_is_open(sink)))
		return;
	if (side->compressed && !side->lost &&
	    !websocket_inflate_end(side->inflate, &out))
		lose(side, consumed, sink);
	if (side->inside) {
		side->inside = false;
		return;
	}
	if (side->compressed && side->lost)
		sink_incomplete(sink);
	summarise(side, sink);
	sink_end(sink, consumed);
}

/* Payload of a data frame. */
static void
take(struct websocket_side *side, struct bytes in, struct sink *sink)
{
	struct websocket_output out = { .sink = sink, .inside = side->inside };
	uint64_t offset = side->frame.size - side->left;
	uint8_t plain[PIECE];

	if (!side->inside && !sink_is_open(sink))
		return;
	while (in.size) {
		struct bytes part = bytes_first(in, sizeof(plain));

		websocket_unmask(&side->frame, offset, part, plain);
		in = bytes_from(in, part.size);
		offset += part.size;
		part.data = plain;
		out.offset = out.end;
		out.end += part.size;
		if (!side->compressed)
			websocket_give(&out, part);
		else if (!side->lost &&
			 !websocket_inflate_data(side->inflate, part, &out))
			lose(side, out.end, sink);
	}
}

static struct step
feed_payload(struct websocket_conn *conn, enum side which, struct bytes in,
	     struct sink *sink)
{
	struct websocket_side *side = &conn->sides[which];
	size_t size = side->left < in.size ? (size_t)side->left : in.size;

	select_message(which, false, false, sink);
	if (!side->frame.masked && !side->compressed && !side->inside) {
		uint64_t left = side->left;

		side->skipping = true;
		side->left = 0;
		return step_skip(left);
	}
	if (!size)
		return step_more(1);
	take(side, bytes_first(in, size), sink);
	side->left -= size;
	if (!side->left)
		end_frame(side, size, sink);
	return step_done(size);
}

/* Control messages. */

static void
close_message(struct bytes payload, struct sink *sink)
{
	unsigned code = (unsigned)(payload.data[0] << 8 | payload.data[1]);
	struct bytes reason = bytes_from(payload, 2);
	const char *name = websocket_close_name(code);
	char text[SUMMARY_SIZE];

	sink_status(sink, (int32_t)code);
	if (name)
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of(name));
	if (websocket_close_is_error(code)) {
		sink_flags(sink, MESSAGE_IS_ERROR);
		sink_field(sink, FIELD_ERROR,
			   reason.size ? reason : bytes_of(name));
	}
	snprintf(text, sizeof(text), "close %u%s%s%s%.*s", code,
		 name ? " " : "", name ? name : "", reason.size ? ": " : "",
		 (int)reason.size, reason.size ? (const char *)reason.data : "");
	sink_field(sink, FIELD_SUMMARY, bytes_of(text));
	if (reason.size)
		sink_body(sink, reason);
}

/* A whole control frame is at the front. */
static struct step
feed_control(const struct websocket_conn *conn, enum side which,
	     const struct websocket_frame *f, struct bytes in,
	     struct sink *sink)
{
	struct websocket_side none = { .size = f->size };
	uint8_t payload[WEBSOCKET_CONTROL_MAX];
	size_t size = (size_t)f->size;

	websocket_unmask(f, 0, bytes_first(bytes_from(in, f->head), size),
			 payload);
	select_message(which, true, true, sink);
	begin(conn, f->opcode, sink);
	sink_wire(sink, f->head + size);
	if (f->opcode == WEBSOCKET_CLOSE && size >= 2) {
		close_message(bytes_make(payload, size), sink);
	} else {
		summarise(&none, sink);
		if (size)
			sink_body(sink, bytes_make(payload, size));
	}
	sink_end(sink, f->head + size);
	return step_done(f->head + size);
}

/* RSV bits mean something only where an extension gave them one (§5.2). */
static bool
is_reserved_well(const struct websocket_conn *conn,
		 const struct websocket_frame *f)
{
	if (!f->reserved || !conn->known)
		return true;
	return conn->deflate && f->reserved == WEBSOCKET_COMPRESSED &&
	       (f->opcode == WEBSOCKET_TEXT || f->opcode == WEBSOCKET_BINARY);
}

static struct step
feed_head(struct websocket_conn *conn, enum side which, struct bytes in,
	  struct sink *sink)
{
	struct websocket_side *side = &conn->sides[which];
	struct websocket_frame f;
	size_t needed;
	enum verdict verdict = websocket_frame_read(in, which, &f, &needed);

	if (verdict == VERDICT_NO)
		return step_bad();
	if (verdict == VERDICT_MAYBE)
		return step_more(needed);
	if (!is_reserved_well(conn, &f))
		return step_bad();
	if (websocket_is_control(&f)) {
		if (in.size < f.head + f.size)
			return step_more(f.head + (size_t)f.size);
		return feed_control(conn, which, &f, in, sink);
	}
	side->frame = f;
	side->left = f.size;
	side->in_frame = true;
	begin_data(conn, which, sink);
	side->size += f.size;
	if (!side->inside)
		sink_wire(sink, f.head + f.size);
	if (!f.size)
		end_frame(side, f.head, sink);
	return step_done(f.head);
}

static struct step
feed(void *state, enum side which, struct bytes in, struct sink *sink)
{
	struct websocket_conn *conn = state;
	struct websocket_side *side = &conn->sides[which];
	struct step step;

	if (side->skipping) {
		select_message(which, false, false, sink);
		end_frame(side, 0, sink);
	}
	if (side->in_frame)
		return feed_payload(conn, which, in, sink);
	step = feed_head(conn, which, in, sink);
	if (step.kind == STEP_BAD) {
		side->inside = false;
		sink_inner_gap(sink, 0, 0);
	}
	return step;
}

static bool
gap(void *state, enum side which, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct websocket_conn *conn = state;
	struct websocket_side *side = &conn->sides[which];

	if (!side->in_frame || side->skipping || !missing ||
	    missing > side->left) {
		side->in_frame = side->skipping = side->inside = false;
		side->lost = true;
		sink_inner_gap(sink, 0, 0);
		return false;
	}
	side->lost |= side->compressed;
	side->left -= missing;
	if (side->inside)
		sink_inner_gap(sink, side->compressed ? 0 : missing,
			       pending.size + (size_t)missing);
	if (select_message(which, false, false, sink))
		sink_incomplete(sink);
	if (!side->left)
		end_frame(side, 0, sink);
	return true;
}

/* What the handshake said. */

/* Takes what comes before the next semicolon, which goes too. */
static struct bytes
next_part(struct bytes *list)
{
	size_t size = 0;
	struct bytes part;

	while (size < list->size && list->data[size] != ';')
		size++;
	part = bytes_trim(bytes_first(*list, size));
	*list = bytes_from(*list, size + 1);
	return part;
}

static bool
is(struct bytes name, const char *text)
{
	return bytes_equal_nocase(name, bytes_of(text));
}

/* The parameters of permessage-deflate (RFC 7692 §7.1), when it is there. */
static void
read_extensions(struct websocket_conn *conn, struct bytes value)
{
	struct bytes part;

	conn->known = !value.size || !memchr(value.data, ',', value.size);
	if (!value.size)
		return;
	conn->deflate = is(next_part(&value), "permessage-deflate");
	if (!conn->deflate)
		conn->known = false;
	while (value.size) {
		part = next_part(&value);
		if (is(part, "client_no_context_takeover"))
			conn->sides[SIDE_CLIENT].forgets = true;
		if (is(part, "server_no_context_takeover"))
			conn->sides[SIDE_SERVER].forgets = true;
	}
}

/* Subprotocols whose binary messages are bytes of a stream, wherever they are
 * cut: MQTT 5.0 §6; clients of 3.1 say its version. */
static void
open_carried(struct websocket_conn *conn, struct bytes subprotocol,
	     struct sink *sink)
{
	uint64_t protocols = sink_context(sink)->options.protocols;

	if ((!is(subprotocol, "mqtt") && !is(subprotocol, "mqttv3.1")) ||
	    !(protocols >> PROTOCOL_mqtt & 1) ||
	    !sink_inner_open(sink, sink_identity(sink)->tls))
		return;
	sink_inner_adopt(sink, dissector_mqtt.name, bytes_make(NULL, 0));
	conn->carries = true;
}

/* `settings`: extensions, host, path and subprotocol (http.c). */
static void
upgraded(void *state, struct bytes settings, struct sink *sink)
{
	struct websocket_conn *conn = state;
	struct reader r = reader_make(settings);

	read_extensions(conn, reader_string(&r));
	reader_string(&r);
	reader_string(&r);
	open_carried(conn, reader_string(&r), sink);
	if (!settings.size || !sink_keep(sink, settings.size))
		return;
	conn->names = alloc_zero(1, settings.size);
	memcpy(conn->names, settings.data, settings.size);
	r = reader_make(bytes_make(conn->names, settings.size));
	reader_string(&r);
	conn->host = reader_string(&r);
	conn->path = reader_string(&r);
}

static void
release(void *state, struct sink *sink)
{
	struct websocket_conn *conn = state;

	(void)sink;
	websocket_inflate_free(conn->sides[SIDE_CLIENT].inflate);
	websocket_inflate_free(conn->sides[SIDE_SERVER].inflate);
	free(conn->names);
}

const struct dissector dissector_websocket = {
	.name = "websocket",
	.title = "WebSocket",
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_NONE,
	.conn_size = sizeof(struct websocket_conn),
	.channel_size = 1,
	.strict = true,
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
	.upgraded = upgraded,
	.release = release,
};
