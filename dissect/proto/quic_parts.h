/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the QUIC dissector, shared by its own files only. */
#pragma once

#include "dissect/proto/quic_session.h"
#include "dissect/sink_inner.h"

/* A datagram, and the session that its packet belongs to. */
struct quic_feed {
	struct quic_conn *conn;
	struct quic_session *session;
	struct sink *sink;
	enum side side;
	size_t size;
	unsigned tries; /* of the keys of other versions */
};

/* What is said (dissect/proto/quic_say.c). */

/* Opens the half of the side that speaks, or finds it open; false when it has
 * ended. */
bool quic_say_begin(struct quic_feed *f);

/* The whole ClientHello or ServerHello, with the half of its side open. */
void quic_say_client_hello(struct quic_feed *f, struct bytes body);
void quic_say_server_hello(struct quic_feed *f, struct bytes body);

/* The versions that the server speaks, none of which was asked for. */
void quic_say_versions(struct quic_feed *f, struct bytes versions);

/* Another message of the handshake, which was encrypted. */
void quic_say_message(struct quic_feed *f, uint8_t type, struct bytes body);

/* A CONNECTION_CLOSE of the side that speaks (RFC 9000 §19.19). */
struct quic_closed {
	uint64_t code;
	bool by_application; /* the code is one of HTTP/3 */
	struct bytes reason;
};
void quic_say_close(struct quic_feed *f, const struct quic_closed *closed);

/* Ends the server's half, if it is there, and with it the call. */
void quic_say_end(struct quic_feed *f);

/* Frames (dissect/proto/quic_frame.c). */

/* Takes the frames of a packet of the session that was opened. */
void quic_frames(struct quic_feed *f, enum quic_type type, struct bytes plain);
