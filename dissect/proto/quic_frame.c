/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of Initial packets (RFC 9000 §12.4 and §19). */
#include "dissect/proto/quic_parts.h"

#define MESSAGE_HEADER 4

enum {
	FRAME_PADDING = 0,
	FRAME_PING = 1,
	FRAME_ACK = 2,
	FRAME_ACK_ECN = 3,
	FRAME_CRYPTO = 6,
	FRAME_CLOSE = 0x1c,
};

static void
take_message(struct quic_feed *f, struct bytes message)
{
	struct bytes body = bytes_from(message, MESSAGE_HEADER);

	if (f->side == SIDE_CLIENT && message.data[0] == HANDSHAKE_CLIENT_HELLO)
		quic_say_client_hello(f, body);
	else if (f->side == SIDE_SERVER &&
		 message.data[0] == HANDSHAKE_SERVER_HELLO)
		quic_say_server_hello(f, body);
}

/* Whether what the side says in CRYPTO frames is still of interest. */
static bool
is_awaited(const struct quic_feed *f)
{
	return f->side == SIDE_CLIENT ? !f->session->ended[SIDE_CLIENT]
				      : !f->session->handshake.chosen &&
						!f->session->ended[SIDE_SERVER];
}

static void
take_crypto(struct quic_feed *f, struct reader *r)
{
	struct quic_session *s = f->session;
	uint64_t offset = quic_number(r), size = quic_number(r);
	struct bytes data, message;

	if (r->failed || size > reader_left(r)) {
		r->failed = true;
		return;
	}
	data = reader_take(r, (size_t)size);
	if (!is_awaited(f))
		return;
	quic_session_crypto(s, f->side, offset, data, f->sink);
	while (is_awaited(f)) {
		message = quic_crypto_next(&s->crypto[f->side]);
		if (!message.size)
			return;
		take_message(f, message);
	}
	quic_session_drop_crypto(s, f->side, f->sink);
}

static void
skip_ack(struct reader *r, bool counts)
{
	uint64_t ranges;

	quic_number(r);
	quic_number(r);
	ranges = quic_number(r);
	quic_number(r);
	while (ranges-- && !r->failed) {
		quic_number(r);
		quic_number(r);
	}
	for (int i = 0; i < 3 && counts; i++)
		quic_number(r);
}

static void
take_close(struct quic_feed *f, struct reader *r)
{
	uint64_t code = quic_number(r), size;

	quic_number(r); /* the type of the frame that caused it */
	size = quic_number(r);
	if (!r->failed && size <= reader_left(r))
		quic_say_close(f, code, reader_take(r, (size_t)size));
}

void
quic_frames(struct quic_feed *f, struct bytes plain)
{
	struct reader r = reader_make(plain);

	while (reader_left(&r)) {
		switch (quic_number(&r)) {
		case FRAME_PADDING:
		case FRAME_PING:
			break;
		case FRAME_ACK:
			skip_ack(&r, false);
			break;
		case FRAME_ACK_ECN:
			skip_ack(&r, true);
			break;
		case FRAME_CRYPTO:
			take_crypto(f, &r);
			break;
		case FRAME_CLOSE:
			take_close(f, &r);
			return;
		default: /* Initial packets have no others */
			return;
		}
	}
}
