/* SPDX-License-Identifier: Apache-2.0 */
/* Frames (RFC 9000 §12.4 and §19, RFC 9221, drafts that are in use). */
#include "dissect/proto/quic_parts.h"

#define MESSAGE_HEADER 4
#define RESET_TOKEN 16
#define PATH_DATA 8

enum {
	FRAME_PADDING = 0,
	FRAME_PING = 1,
	FRAME_ACK = 2,
	FRAME_ACK_ECN = 3,
	FRAME_RESET_STREAM = 4,
	FRAME_STOP_SENDING = 5,
	FRAME_CRYPTO = 6,
	FRAME_NEW_TOKEN = 7,
	FRAME_STREAM = 8,
	FRAME_STREAM_LAST = 0xf,
	FRAME_MAX_DATA = 0x10,
	FRAME_MAX_STREAM_DATA = 0x11,
	FRAME_STREAM_DATA_BLOCKED = 0x15,
	FRAME_STREAMS_BLOCKED_LAST = 0x17,
	FRAME_NEW_CONNECTION_ID = 0x18,
	FRAME_RETIRE_CONNECTION_ID = 0x19,
	FRAME_PATH_CHALLENGE = 0x1a,
	FRAME_PATH_RESPONSE = 0x1b,
	FRAME_CLOSE = 0x1c,
	FRAME_CLOSE_APPLICATION = 0x1d,
	FRAME_HANDSHAKE_DONE = 0x1e,
	FRAME_IMMEDIATE_ACK = 0x1f,
	FRAME_RESET_STREAM_AT = 0x24,
	FRAME_DATAGRAM = 0x30,
	FRAME_DATAGRAM_SIZED = 0x31,
	FRAME_ACK_FREQUENCY = 0xaf,
};

enum { STREAM_LAST = 1, STREAM_SIZED = 2, STREAM_OFFSET = 4 };

static struct bytes
take_sized(struct reader *r)
{
	uint64_t size = quic_number(r);

	if (r->failed || size > reader_left(r)) {
		r->failed = true;
		return bytes_make(NULL, 0);
	}
	return reader_take(r, (size_t)size);
}

static void
skip_numbers(struct reader *r, unsigned count)
{
	while (count--)
		quic_number(r);
}

/* The handshake. */

/* A message that is whole, of an Initial or a Handshake packet. */
static void
take_message(struct quic_feed *f, enum quic_type type, struct bytes message)
{
	struct bytes body = bytes_from(message, MESSAGE_HEADER);

	if (type == QUIC_HANDSHAKE)
		quic_say_message(f, message.data[0], body);
	else if (f->side == SIDE_CLIENT &&
		 message.data[0] == HANDSHAKE_CLIENT_HELLO)
		quic_say_client_hello(f, body);
	else if (f->side == SIDE_SERVER &&
		 message.data[0] == HANDSHAKE_SERVER_HELLO)
		quic_say_server_hello(f, body);
}

/* Whether what the side says in CRYPTO frames is still of interest. */
static bool
is_awaited(const struct quic_feed *f, enum quic_type type)
{
	if (type == QUIC_HANDSHAKE)
		return f->session->opened && !f->session->ended[SIDE_SERVER];
	if (type != QUIC_INITIAL)
		return false;
	return f->side == SIDE_CLIENT ? !f->session->ended[SIDE_CLIENT]
				      : !f->session->handshake.chosen &&
						!f->session->ended[SIDE_SERVER];
}

static void
take_crypto(struct quic_feed *f, enum quic_type type, struct reader *r)
{
	uint64_t offset = quic_number(r);
	struct bytes data = take_sized(r), message;
	struct quic_crypto *crypto;

	if (r->failed || !is_awaited(f, type))
		return;
	crypto = type == QUIC_HANDSHAKE ? &f->session->opened->crypto[f->side]
					: &f->session->crypto[f->side];
	quic_session_crypto(crypto, offset, data, f->sink);
	while (is_awaited(f, type)) {
		message = quic_crypto_next(crypto);
		if (!message.size)
			return;
		take_message(f, type, message);
	}
	quic_session_drop_crypto(crypto, f->sink);
}

/* What concerns the connection. */

static void
skip_ack(struct reader *r, bool counts)
{
	uint64_t ranges;

	skip_numbers(r, 2);
	ranges = quic_number(r);
	quic_number(r);
	while (ranges-- && !r->failed)
		skip_numbers(r, 2);
	skip_numbers(r, counts ? 3 : 0);
}

static void
take_close(struct quic_feed *f, bool by_application, struct reader *r)
{
	struct quic_closed closed = { .code = quic_number(r),
				      .by_application = by_application };

	if (!by_application)
		quic_number(r); /* the type of the frame that caused it */
	closed.reason = take_sized(r);
	if (!r->failed)
		quic_say_close(f, &closed);
}

static void
take_new_id(struct quic_feed *f, struct reader *r)
{
	struct bytes id;

	skip_numbers(r, 2);
	id = reader_take(r, reader_u8(r));
	reader_skip(r, RESET_TOKEN);
	if (!r->failed && id.size && id.size <= QUIC_ID_MAX)
		quic_session_add_id(f->session, f->side, id);
}

/* Streams. */

static void
take_stream(struct quic_feed *f, unsigned flags, struct reader *r)
{
	struct quic_streams *streams = quic_session_streams(
		f->conn, f->session, f->side, f->sink);
	struct quic_chunk chunk = { .stream = quic_number(r),
				    .last = flags & STREAM_LAST };

	if (flags & STREAM_OFFSET)
		chunk.offset = quic_number(r);
	chunk.data = flags & STREAM_SIZED ? take_sized(r)
					  : reader_take(r, reader_left(r));
	if (r->failed)
		return;
	if (streams)
		quic_streams_data(streams, f->side, &chunk, f->sink);
	else
		sink_undissected(f->sink, chunk.data.size);
}

static void
take_reset(struct quic_feed *f, struct reader *r)
{
	uint64_t id = quic_number(r), code = quic_number(r);

	quic_number(r); /* how long it would be */
	if (!r->failed && f->session->streams)
		quic_streams_reset(f->session->streams, f->side, id, code,
				   f->sink);
}

/* Frames of 0-RTT and 1-RTT packets; false when the type is not known. */
static bool
take_protected(struct quic_feed *f, uint64_t type, struct reader *r)
{
	if (type >= FRAME_STREAM && type <= FRAME_STREAM_LAST) {
		take_stream(f, type & 7, r);
		return true;
	}
	switch (type) {
	case FRAME_RESET_STREAM:
		take_reset(f, r);
		break;
	case FRAME_NEW_TOKEN:
	case FRAME_DATAGRAM_SIZED:
		take_sized(r);
		break;
	case FRAME_DATAGRAM:
		reader_skip(r, reader_left(r));
		break;
	case FRAME_NEW_CONNECTION_ID:
		take_new_id(f, r);
		break;
	case FRAME_PATH_CHALLENGE:
	case FRAME_PATH_RESPONSE:
		reader_skip(r, PATH_DATA);
		break;
	case FRAME_CLOSE_APPLICATION:
		take_close(f, true, r);
		break;
	case FRAME_HANDSHAKE_DONE:
	case FRAME_IMMEDIATE_ACK:
		break;
	case FRAME_STOP_SENDING:
	case FRAME_MAX_STREAM_DATA:
	case FRAME_STREAM_DATA_BLOCKED:
		skip_numbers(r, 2);
		break;
	case FRAME_RESET_STREAM_AT:
	case FRAME_ACK_FREQUENCY:
		skip_numbers(r, 4);
		break;
	default:
		if ((type < FRAME_MAX_DATA ||
		     type > FRAME_STREAMS_BLOCKED_LAST) &&
		    type != FRAME_RETIRE_CONNECTION_ID)
			return false;
		quic_number(r);
		break;
	}
	return true;
}

static bool
take_frame(struct quic_feed *f, enum quic_type packet, uint64_t type,
	   struct reader *r)
{
	switch (type) {
	case FRAME_PADDING:
	case FRAME_PING:
		return true;
	case FRAME_ACK:
	case FRAME_ACK_ECN:
		skip_ack(r, type == FRAME_ACK_ECN);
		return true;
	case FRAME_CRYPTO:
		take_crypto(f, packet, r);
		return true;
	case FRAME_CLOSE:
		/* Whoever saw the ids can make an Initial packet, whose keys
		 * both have dropped by then (RFC 9001 §4.9.1). */
		if (packet != QUIC_INITIAL || !f->session->ended[SIDE_SERVER])
			take_close(f, false, r);
		return false;
	default:
		return packet != QUIC_INITIAL && packet != QUIC_HANDSHAKE &&
		       take_protected(f, type, r);
	}
}

void
quic_frames(struct quic_feed *f, enum quic_type type, struct bytes plain)
{
	struct reader r = reader_make(plain);

	while (reader_left(&r) && take_frame(f, type, quic_number(&r), &r))
		;
}
