/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of QUIC that two ends share, each with its ids, its keys and
 * what was read of its handshake.  Most ends have one at a time.
 */
#pragma once

#include "dissect/proto/quic_crypto.h"
#include "dissect/proto/quic_keys.h"
#include "dissect/proto/quic_streams.h"
#include "dissect/tls/handshake.h"

/* No more are known at once; the oldest is forgotten. */
#define QUIC_SESSIONS 16

/* Ids of an end that are known beside its first, the latest. */
#define QUIC_OTHER_IDS 8

/* What secrets open. */
struct quic_opened {
	struct quic_keys keys;
	struct quic_crypto crypto[2]; /* of Handshake packets */
};

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
	struct quic_opened *opened;    /* NULL: there are no secrets; owned */
	struct quic_streams *streams;  /* of HTTP/3; NULL: none yet; owned */
	struct quic_id others[2][QUIC_OTHER_IDS];
	uint32_t other_count[2];
	size_t segment[2];         /* of datagrams captured as one; 0: none */
	uint32_t guesses;          /* of that size */
	bool is_http3;             /* as far as the handshake tells */
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
void quic_session_crypto(struct quic_crypto *crypto, uint64_t offset,
			 struct bytes data, struct sink *sink);

/* Forgets what CRYPTO frames carried. */
void quic_session_drop_crypto(struct quic_crypto *crypto, struct sink *sink);

/* An id that an end gave itself (RFC 9000 §19.15). */
void quic_session_add_id(struct quic_session *s, enum side side,
			 struct bytes id);

/* The size of the id that a short header of `side` is sent to, of those that
 * are known; that of the other end's first id when it is none. */
size_t quic_session_id_size(const struct quic_session *s, enum side side,
			    struct bytes packet);

/* The ClientHello was read: secrets may be there. */
void quic_session_has_hello(struct quic_session *s, struct sink *sink);

/* Opens a packet with secrets, as quic_keys_open. */
struct bytes quic_session_open(struct quic_session *s, enum side side,
			       const struct quic_packet *packet, uint8_t *out);

/* The streams, made when there are none; NULL: it is no HTTP/3, or there is no
 * memory. */
struct quic_streams *quic_session_streams(struct quic_conn *conn,
					  struct quic_session *s,
					  enum side side, struct sink *sink);

/* Frees all. */
void quic_session_free_all(struct quic_conn *conn);
