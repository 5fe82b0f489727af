/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of QUIC and what identifies them (RFC 9000 §17, RFC 9369 §3.2). */
#pragma once

#include "base/reader.h"
#include "dissect/proto/quic_version.h"

#define QUIC_ID_MAX 20

enum quic_type {
	QUIC_INITIAL,
	QUIC_EARLY, /* 0-RTT */
	QUIC_HANDSHAKE,
	QUIC_RETRY,
	QUIC_NEGOTIATION,
	QUIC_SHORT, /* 1-RTT: only `whole` is known */
};

struct quic_packet {
	enum quic_type type;
	uint32_t number;       /* of the version */
	const struct quic_version *version;
	struct bytes whole;    /* the packet, of a datagram that may have more */
	size_t number_at;      /* where the protected number begins */
	struct bytes to, from; /* connection ids */
	struct bytes versions; /* QUIC_NEGOTIATION: 32-bit numbers */
};

/* A connection id; empty ones exist. */
struct quic_id {
	uint8_t size;
	uint8_t data[QUIC_ID_MAX];
};

/* An integer of 1, 2, 4 or 8 bytes (RFC 9000 §16). */
uint64_t quic_number(struct reader *r);

/*
 * The packet at the front of `in`; false when it is none, or of a version that
 * is not known.  The fixed bit is not looked at: peers may agree to vary it
 * (RFC 9287), and what a packet is is proved by its authentication.
 */
bool quic_packet_read(struct bytes in, struct quic_packet *out);

/* Copies at most QUIC_ID_MAX bytes. */
struct quic_id quic_id_make(struct bytes in);

/* Whether they are the same. */
bool quic_id_is(const struct quic_id *id, struct bytes in);
