/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which secret belongs to which handshake.  A secret of TLS 1.3 is taken where
 * the client random is not at hand; the socket that the thread used last, and
 * the time, tell where it belongs.  What remains in doubt stays: several
 * secrets for one handshake and label, the likeliest last.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "capture/secrets.h"
#include "capture/tls_hello.h"

/* No more secrets than these are matched to one label of one handshake. */
#define SECRET_MATCHES_MAX 8

/* What a match rests on, weakest first. */
enum secret_evidence {
	SECRET_BY_TIME = 1, /* derived soon after, and fits nothing better */
	SECRET_BY_PORT,     /* the client's port (addresses are translated) */
	SECRET_BY_PORTS,    /* both ports */
	SECRET_BY_ENDS,     /* both addresses and ports */
	SECRET_BY_RANDOM,   /* it came with the client random: certain */
};

struct secret_match {
	uint32_t hello;  /* index into the handshakes */
	uint32_t secret; /* index into the list */
	uint8_t label;   /* enum secret_label */
	uint8_t evidence;
};

/*
 * Matches all secrets to all handshakes, ordered by handshake, label and, the
 * best last, evidence.  Equal values are given once.  `*matches` is freed with
 * free(3); returns how many there are.
 */
size_t secrets_resolve(const struct secret_list *secrets,
		       const struct tls_hello *hellos, size_t count,
		       struct secret_match **matches);

/*
 * Appends the matches as a key log (draft-ietf-tls-keylogfile), one line each;
 * a reader that keeps one secret for a random and label keeps the last.
 * Returns how many handshakes have lines.
 */
size_t secrets_key_log(struct buf *out, const struct secret_list *secrets,
		       const struct tls_hello *hellos,
		       const struct secret_match *matches, size_t count);
