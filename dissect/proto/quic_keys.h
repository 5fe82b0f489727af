/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of one connection behind its Initial packets (RFC 9001 §4 to §6).
 * Nothing is believed: secrets of the store, a cipher suite that was not seen
 * and a key phase are right when they open a packet.
 */
#pragma once

#include "dissect/dissector.h"
#include "dissect/proto/quic_protection.h"
#include "dissect/tls/key_schedule.h"
#include "dissect/tls/key_store.h"
#include "dissect/tls/session.h"

/* 1-RTT keys of one direction, which are updated. */
struct quic_traffic {
	struct quic_protection before, next; /* of the phases around */
	uint8_t secret[KEY_SECRET_MAX];      /* of `next` */
	uint8_t secret_size;
	bool phase;                          /* the bit of the keys in use */
};

struct quic_keys {
	const struct key_store *store;  /* borrowed */
	struct key_query query;
	uint8_t random[KEY_RANDOM_SIZE];
	const struct suite *suite;      /* NULL: the ServerHello was not seen */
	struct quic_protection levels[2][SESSION_PHASES]; /* in use */
	struct quic_traffic traffic[2];
	uint64_t expected[2][SESSION_PHASES]; /* packet numbers; 0-RTT and 1-RTT
					    * have the same */
	uint32_t failures[2][SESSION_PHASES]; /* since a packet opened */
};

/* Begins with the ClientHello that `query` names (its random is copied). */
void quic_keys_begin(struct quic_keys *k, const struct key_store *store,
		     const struct key_query *query);

/* Which keys a packet has; false when it is of another kind. */
bool quic_keys_level(const struct quic_packet *packet, enum session_phase *level);

/*
 * Opens a packet of `side` whose number begins at packet->number_at, with the
 * labels of `version`, into `out` (room for all of it).  Empty: there are no
 * keys for it, or it is not authentic.
 */
struct bytes quic_keys_open(struct quic_keys *k, enum side side,
			    const struct quic_version *version,
			    const struct quic_packet *packet, uint8_t *out);

/* Wipes it. */
void quic_keys_end(struct quic_keys *k);
