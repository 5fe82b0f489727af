/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public keys of an issuer, as a JSON Web Key Set says them (RFC 7517, 5),
 * and whether one of them has signed a token.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "server/transport/jwt.h"

#define JWKS_MAX_BYTES ((size_t)64 << 10)
#define JWKS_MAX_KEYS  64

struct jwks; /* immutable */

/*
 * The keys that can check one of our signatures; others, weak ones (RSA below
 * 2048 bits, points that are not on their curve) and those for encryption are
 * left out.  NULL with `e` filled: no set, or none of its keys is of use.
 */
struct jwks *jwks_parse(struct bytes text, struct error *e);
void jwks_free(struct jwks *set);
size_t jwks_count(const struct jwks *set);

enum jwks_verdict {
	JWKS_SIGNED,
	JWKS_FORGED,      /* a key was there, and it was not this one */
	JWKS_UNKNOWN_KEY, /* no key of that name and kind */
};

/*
 * By the key that the token names and whose kind fits its algorithm.  A token
 * without a name is tried with the only key of its kind, if there is just
 * one.
 */
enum jwks_verdict jwks_verify(const struct jwks *set, const struct jwt *t);
