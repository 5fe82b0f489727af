/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session's decryption: which keys each side uses now and which number its
 * next record has.  Nothing is believed: a secret, a phase and a number are
 * right when they open a record, so that candidates of the recorder, early
 * data that was refused and records that were lost need no cases of their own.
 */
#pragma once

#include "dissect/dissector.h"
#include "dissect/tls/key_store.h"
#include "dissect/tls/record_cipher.h"

/* Which keys of TLS 1.3 (RFC 8446 §7.1); TLS 1.2 has the last only. */
enum session_phase {
	SESSION_EARLY,
	SESSION_HANDSHAKE,
	SESSION_TRAFFIC,
	SESSION_PHASES
};

/* The secret of TLS 1.3 that a side's keys of a phase come from, in QUIC as
 * well (RFC 9001 §5.1); SECRET_LABEL_COUNT: servers have no early data. */
enum secret_label session_secret(enum side side, enum session_phase phase);

struct session;

/* Of the handshake that `query` names (its label is not used); `early`: the
 * ClientHello offers early data.  The store is borrowed. */
struct session *session_new(const struct key_store *keys,
			    const struct key_query *query, bool early);

/* Wipes and frees; NULL is allowed. */
void session_free(struct session *s);

/* What the ServerHello chose. */
struct session_choice {
	uint16_t version;
	const struct suite *suite; /* NULL: not known */
	const uint8_t *random;     /* of 32 bytes */
	bool encrypt_then_mac;
};

/* Keys can be had from here on. */
void session_choose(struct session *s, const struct session_choice *choice);

/* There are secrets for what `side` sends now or later. */
bool session_has_keys(const struct session *s, enum side side);

/* Keeps being false once too many records could not be opened. */
bool session_is_readable(const struct session *s, enum side side);

/* ChangeCipherSpec of TLS 1.2: the next record of `side` is number 0. */
void session_switch(struct session *s, enum side side);

/* `side` has said Finished, or EndOfEarlyData: its next phase of TLS 1.3. */
void session_advance(struct session *s, enum side side);

/* `side` has said KeyUpdate. */
void session_update(struct session *s, enum side side);

/* Up to `records` of `side` may be missing here. */
void session_lost(struct session *s, enum side side, uint64_t records);

/* What opening a record told. */
struct session_opened {
	struct record_plain plain;
	enum session_phase phase;
	const struct suite *suite;
	size_t overhead;  /* of each record, at least */
	uint64_t skipped; /* records before it that were lost, same keys */
	bool rekeyed;     /* keys changed unseen: `skipped` does not say all */
};

/* Opens a whole record of `side` into `out` of RECORD_BODY_MAX bytes. */
bool session_open(struct session *s, enum side side, struct bytes record,
		  uint8_t *out, struct session_opened *opened);
