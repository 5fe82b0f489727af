/* SPDX-License-Identifier: Apache-2.0 */
/* What CRYPTO frames carry, put together in order (RFC 9000 §19.6). */
#pragma once

#include "base/bytes.h"

/* More than any hello, with keys of several kinds. */
#define QUIC_CRYPTO_MAX (16u << 10)

struct quic_crypto {
	uint8_t *data; /* QUIC_CRYPTO_MAX bytes, and a bit for each; owned */
	size_t end;    /* bytes from the beginning that are there */
	size_t taken;  /* of them, that were read */
};

/* What it takes once it is used. */
#define QUIC_CRYPTO_MEMORY (QUIC_CRYPTO_MAX + QUIC_CRYPTO_MAX / 8)

/* Adds bytes; those beyond the maximum are left out.  The memory is made when
 * there is none yet, whatever is added. */
void quic_crypto_add(struct quic_crypto *c, uint64_t offset, struct bytes in);

/* The next handshake message that is whole, with its header of 4 bytes; empty:
 * none.  Valid until the next quic_crypto_add. */
struct bytes quic_crypto_next(struct quic_crypto *c);

/* Forgets all. */
void quic_crypto_reset(struct quic_crypto *c);
