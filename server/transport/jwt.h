/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON Web Token in its compact form (RFC 7519, RFC 7515, 3.1), taken apart
 * but believed in nothing: the signature is jwks.h's affair.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/bytes.h"

#define JWT_MAX       16384 /* bytes of a token */
#define JWT_MAX_DEPTH 16    /* levels of its JSON */

/* The signatures that are understood: asymmetric ones only, so that a public
 * key can never serve as a secret (RFC 8725, 3.1). */
enum jwt_algorithm {
	JWT_RS256, /* RFC 7518, 3.3 */
	JWT_ES256, /* RFC 7518, 3.4 */
	JWT_EDDSA, /* RFC 8037, 3.1, with Ed25519 */
	JWT_ALGORITHM_COUNT,
};

/* "RS256"; false: none of ours, "none" and the HMACs among them. */
bool jwt_algorithm_parse(const char *name, enum jwt_algorithm *algorithm);

struct jwt {
	enum jwt_algorithm algorithm;
	json_t *header, *claims;  /* objects, owned */
	const char *kid;          /* in `header`, or NULL */
	struct bytes signed_part; /* of the text it was parsed from */
	struct buf signature;
};

/*
 * False, with a reason that may be shown: not a token that can be checked.
 * Every member that a header must not be trusted for (jwk, jku, x5u, x5c) is
 * ignored; "crit" is refused, since nothing of it is understood.  `text` is
 * borrowed by the result, which is to be freed in either case.
 */
bool jwt_parse(struct jwt *t, struct bytes text, const char **reason);
void jwt_free(struct jwt *t);

/* base64url without padding (RFC 7515, 2), appended to `out`; false: it is
 * none, or has bits left over. */
bool jwt_decode_base64url(struct bytes in, struct buf *out);

/* What a token has to say to be one for us. */
struct jwt_expected {
	const char *issuer;
	const char *audience;
	int64_t now_s;    /* Unix time */
	int64_t leeway_s; /* by which clocks may differ */
};

/* RFC 7519, 4.1: iss, aud, exp and nbf.  False with a reason. */
bool jwt_check_claims(const struct jwt *t, const struct jwt_expected *expected,
		      const char **reason);

/* Is the word in "scope" (RFC 8693, 4.2), or in "scp", as some issuers name
 * it? */
bool jwt_has_scope(const struct jwt *t, const char *scope);
