/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of QUIC that two ends share, each with its ids, its keys and
 * what was read of its handshake.  Most ends have one at a time.
 */
#pragma once

#include "dissect/proto/quic_crypto.h"
#include "dissect/proto/quic_protection.h"
#include "dissect/tls/handshake.h"

/* No more are known at once; the oldest is forgotten. */
#define QUIC_SESSIONS 16

struct quic_session {
	struct quic_session *next; /* older */
	uint64_t channel;          /* of its call */
	const struct quic_version *version;
	uint32_t number, asked;    /* of the version, now and at first */
	/* Whom the client asked for first or after a Retry, which the keys
	 * follow from, and what the ends call themselves. */
	struct quic_id original, ends[2];
	struct quic_protection initial[2];
	uint64_t expected[2];      /* numbers of Initial packets */
	struct quic_crypto crypto[2];
	struct handshake handshake;
	bool answered;             /* the server's half has begun */
	bool ended[2];             /* the half has said what it has to */
	bool negotiated;           /* the server refused the version */
};

struct quic_conn {
	struct quic_session *sessions; /* the newest first; owned */
	unsigned count;
	uint64_t channels;             /* how many there ever were */
};

/* A new one, of a client's Initial packet that opened with these keys; NULL
 * when there is no memory left.  One that is forgotten for it ends its call. */
struct quic_session *quic_session_add(struct quic_conn *conn,
				      const struct quic_packet *packet,
				      const struct quic_protection keys[2],
				      struct sink *sink);

/*
 * The next session (behind `from`, or with NULL the newest) that a packet of
 * `side` may belong to, by the id that it is sent to; NULL: no more.
 */
struct quic_session *quic_session_find(const struct quic_conn *conn,
				       const struct quic_session *from,
				       enum side side,
				       const struct quic_packet *packet);

/* Its Initial packets have other keys from here on: of another version, or of
 * another id.  False when libcrypto does not do it. */
bool quic_session_rekey(struct quic_session *s, const struct quic_version *v,
			uint32_t number, const struct quic_id *original);

/* Adds what a CRYPTO frame carries, as memory allows. */
void quic_session_crypto(struct quic_session *s, enum side side,
			 uint64_t offset, struct bytes data,
			 struct sink *sink);

/* Forgets what CRYPTO frames carried. */
void quic_session_drop_crypto(struct quic_session *s, enum side side,
			      struct sink *sink);

/* Frees all. */
void quic_session_free_all(struct quic_conn *conn);
