/* SPDX-License-Identifier: Apache-2.0 */
/* What an X.509 certificate says (RFC 5280), as text. */
#pragma once

#include "base/buf.h"

#define CERTIFICATE_SIZE_MAX (64u << 10)

struct certificate {
	struct buf subject, issuer; /* RFC 2253 */
	struct buf names;           /* DNS names and addresses, ", " between */
	char not_before[24], not_after[24]; /* "2026-01-31T12:00:00Z" */
	struct buf serial;          /* hexadecimal */
	char fingerprint[65];       /* SHA-256 of all of it */
};

/* Reads one in DER; false when it is none (nothing to free then). */
bool certificate_read(struct bytes der, struct certificate *out);
void certificate_free(struct certificate *c);
