/* SPDX-License-Identifier: Apache-2.0 */
/* Protection of packets (RFC 9001 §5, RFC 9369 §3.3): of the header by a mask,
 * of what is behind it by the AEAD of the cipher suite. */
#pragma once

#include "dissect/proto/quic_packet.h"
#include "dissect/tls/suite.h"

/* A datagram has no more. */
#define QUIC_PLAIN_MAX 65536

/* The keys of one direction. */
struct quic_protection {
	const struct suite *suite; /* NULL: there are none */
	uint8_t key[32], iv[12], header[32];
};

/* Of a traffic secret; false when it is not of the suite's size, or libcrypto
 * does not do it. */
bool quic_protection_derive(const struct quic_version *version,
			    const struct suite *suite, struct bytes secret,
			    struct quic_protection *out);

/* Of Initial packets, client's and server's: they follow from the connection
 * id that the client chose for the server (§5.2). */
bool quic_protection_initial(const struct quic_version *version,
			     struct bytes id, struct quic_protection out[2]);

/* What is behind the mask of a header. */
struct quic_unmasked {
	uint8_t first;     /* the first byte of the packet */
	uint8_t number[4]; /* the packet number as sent, of `size` bytes */
	size_t size;
	uint64_t full;     /* all of the number (RFC 9000 appendix A.3) */
};

/* `expected` is the number behind the highest of this direction so far; false
 * when the packet is too short to be one. */
bool quic_protection_unmask(const struct quic_protection *p,
			    const struct quic_packet *packet,
			    uint64_t expected, struct quic_unmasked *out);

/* Opens the packet into `out` (room for all of it): what is inside, empty when
 * it is not authentic. */
struct bytes quic_protection_open(const struct quic_protection *p,
				  const struct quic_packet *packet,
				  const struct quic_unmasked *head,
				  uint8_t *out);

/* Whether the server that got a packet to `original` made this Retry packet
 * (§5.8); false when the version has no tags. */
bool quic_protection_retry(const struct quic_packet *packet,
			   const struct quic_id *original);
