/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/jwks.h"

#include <stdlib.h>
#include <string.h>

/* <openssl/types.h> has a type of that name, base/err.h a code. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#undef ERR_STATE

#include "base/alloc.h"
#include "base/buf.h"

#define NUMBER_MAX    1024 /* bytes of one number: RSA of 8192 bits */
#define RSA_MIN_BITS  2048 /* RFC 7518, 3.3 */
#define RSA_MAX_BITS  8192
#define P256_BYTES    32
#define ED25519_BYTES 32

struct key {
	char *kid; /* owned, or NULL */
	enum jwt_algorithm algorithm;
	EVP_PKEY *public;
};

struct jwks {
	struct key keys[JWKS_MAX_KEYS];
	size_t count;
};

/* The bytes of a member; false: it is absent or none. */
static bool
take_number(const json_t *key, const char *name, struct buf *out)
{
	const json_t *text = json_object_get(key, name);

	buf_init(out, NUMBER_MAX);
	return json_is_string(text) &&
	       jwt_decode_base64url(bytes_make(json_string_value(text),
					       json_string_length(text)),
				    out) &&
	       out->size > 0;
}

/* A checked key of that type, or NULL. */
static EVP_PKEY *
make_key(const char *type, OSSL_PARAM_BLD *parts)
{
	OSSL_PARAM *params = parts ? OSSL_PARAM_BLD_to_param(parts) : NULL;
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY_CTX *check = NULL;
	EVP_PKEY *key = NULL;

	if (params && context && EVP_PKEY_fromdata_init(context) == 1 &&
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) == 1)
		check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	if (!check || EVP_PKEY_public_check(check) != 1) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	EVP_PKEY_CTX_free(check);
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(params);
	return key;
}

static EVP_PKEY *
build_rsa(const struct buf *modulus, const struct buf *exponent)
{
	OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_bin2bn(modulus->data, (int)modulus->size, NULL);
	BIGNUM *e = BN_bin2bn(exponent->data, (int)exponent->size, NULL);
	EVP_PKEY *key = NULL;

	if (parts && n && e && BN_num_bits(n) >= RSA_MIN_BITS &&
	    BN_num_bits(n) <= RSA_MAX_BITS && BN_num_bits(e) <= 64 &&
	    OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_N, n) &&
	    OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_E, e))
		key = make_key("RSA", parts);
	OSSL_PARAM_BLD_free(parts);
	BN_free(n);
	BN_free(e);
	return key;
}

/* RFC 7518, 6.3.1. */
static EVP_PKEY *
take_rsa(const json_t *jwk)
{
	struct buf modulus, exponent = { 0 };
	EVP_PKEY *key = NULL;

	if (take_number(jwk, "n", &modulus) && take_number(jwk, "e", &exponent))
		key = build_rsa(&modulus, &exponent);
	buf_free(&modulus);
	buf_free(&exponent);
	return key;
}

static EVP_PKEY *
build_p256(const struct buf *x, const struct buf *y)
{
	OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
	uint8_t point[1 + 2 * P256_BYTES] = { 4 }; /* uncompressed */
	EVP_PKEY *key = NULL;

	memcpy(point + 1, x->data, P256_BYTES);
	memcpy(point + 1 + P256_BYTES, y->data, P256_BYTES);
	if (parts &&
	    OSSL_PARAM_BLD_push_utf8_string(parts, OSSL_PKEY_PARAM_GROUP_NAME,
					    "prime256v1", 0) &&
	    OSSL_PARAM_BLD_push_octet_string(parts, OSSL_PKEY_PARAM_PUB_KEY,
					     point, sizeof(point)))
		key = make_key("EC", parts);
	OSSL_PARAM_BLD_free(parts);
	return key;
}

/* RFC 7518, 6.2.1. */
static EVP_PKEY *
take_p256(const json_t *jwk)
{
	struct buf x, y = { 0 };
	EVP_PKEY *key = NULL;

	if (take_number(jwk, "x", &x) && take_number(jwk, "y", &y) &&
	    x.size == P256_BYTES && y.size == P256_BYTES)
		key = build_p256(&x, &y);
	buf_free(&x);
	buf_free(&y);
	return key;
}

/* RFC 8037, 2. */
static EVP_PKEY *
take_ed25519(const json_t *jwk)
{
	struct buf x;
	EVP_PKEY *key = NULL;

	if (take_number(jwk, "x", &x) && x.size == ED25519_BYTES)
		key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
						  x.data, x.size);
	buf_free(&x);
	return key;
}

/* Which key makes which signature is the key's to say, not the token's. */
static const struct {
	const char *type, *curve;
	enum jwt_algorithm algorithm;
	EVP_PKEY *(*take)(const json_t *jwk);
} kinds[] = {
	{ "RSA", NULL, JWT_RS256, take_rsa },
	{ "EC", "P-256", JWT_ES256, take_p256 },
	{ "OKP", "Ed25519", JWT_EDDSA, take_ed25519 },
};

static bool
member_is(const json_t *jwk, const char *name, const char *expected)
{
	const char *text = json_string_value(json_object_get(jwk, name));

	return text && strcmp(text, expected) == 0;
}

/* RFC 7517, 4.2 and 4.4: a key may say what it is for. */
static bool
is_for(const json_t *jwk, enum jwt_algorithm algorithm)
{
	enum jwt_algorithm named;

	if (json_object_get(jwk, "use") && !member_is(jwk, "use", "sig"))
		return false;
	if (!json_object_get(jwk, "alg"))
		return true;
	return jwt_algorithm_parse(
		       json_string_value(json_object_get(jwk, "alg")),
		       &named) &&
	       named == algorithm;
}

static void
add_key(struct jwks *set, const json_t *jwk)
{
	const char *kid = json_string_value(json_object_get(jwk, "kid"));
	struct key *key = &set->keys[set->count];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!member_is(jwk, "kty", kinds[i].type) ||
		    (kinds[i].curve &&
		     !member_is(jwk, "crv", kinds[i].curve)) ||
		    !is_for(jwk, kinds[i].algorithm))
			continue;
		key->public = kinds[i].take(jwk);
		if (!key->public)
			continue;
		key->algorithm = kinds[i].algorithm;
		key->kid = kid ? alloc_string(kid) : NULL;
		set->count++;
		return;
	}
}

struct jwks *
jwks_parse(struct bytes text, struct error *e)
{
	json_error_t why = { .text = "too long" };
	struct jwks *set = alloc_zero(1, sizeof(*set));
	json_t *whole = NULL, *list, *jwk;
	size_t i;

	if (text.size > 0 && text.size <= JWKS_MAX_BYTES)
		whole = json_loadb((const char *)text.data, text.size,
				   JSON_REJECT_DUPLICATES, &why);
	list = json_object_get(whole, "keys");
	json_array_foreach (list, i, jwk)
		if (set->count < JWKS_MAX_KEYS)
			add_key(set, jwk);
	ERR_clear_error();
	if (!whole)
		error_set(e, ERR_INVALID, "no JSON: %s", why.text);
	else if (!json_is_array(list))
		error_set(e, ERR_INVALID, "no JSON Web Key Set");
	else if (set->count == 0)
		error_set(e, ERR_EMPTY, "no key for RS256, ES256 or EdDSA");
	json_decref(whole);
	if (set->count > 0)
		return set;
	jwks_free(set);
	return NULL;
}

void
jwks_free(struct jwks *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->count; i++) {
		EVP_PKEY_free(set->keys[i].public);
		free(set->keys[i].kid);
	}
	free(set);
}

size_t
jwks_count(const struct jwks *set)
{
	return set->count;
}

static bool
verify_plain(EVP_PKEY *key, const EVP_MD *digest, struct bytes text,
	     struct bytes signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good =
		context &&
		EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
		EVP_DigestVerify(context, signature.data, signature.size,
				 text.data, text.size) == 1;

	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return good;
}

/* Two numbers one after the other (RFC 7518, 3.4); OpenSSL takes DER. */
static bool
verify_p256(EVP_PKEY *key, struct bytes text, struct bytes signature)
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r, *s;
	unsigned char *der = NULL;
	int size = 0;
	bool good = false;

	if (signature.size != (size_t)2 * P256_BYTES || !pair) {
		ECDSA_SIG_free(pair);
		return false;
	}
	r = BN_bin2bn(signature.data, P256_BYTES, NULL);
	s = BN_bin2bn(signature.data + P256_BYTES, P256_BYTES, NULL);
	if (r && s && ECDSA_SIG_set0(pair, r, s) == 1)
		size = i2d_ECDSA_SIG(pair, &der);
	if (size > 0)
		good = verify_plain(key, EVP_sha256(), text,
				    bytes_make(der, (size_t)size));
	OPENSSL_free(der);
	ECDSA_SIG_free(pair);
	return good;
}

static bool
verify(const struct key *key, const struct jwt *t)
{
	struct bytes signature = buf_view(&t->signature);

	switch (key->algorithm) {
	case JWT_RS256:
		return verify_plain(key->public, EVP_sha256(), t->signed_part,
				    signature);
	case JWT_ES256:
		return verify_p256(key->public, t->signed_part, signature);
	case JWT_EDDSA:
		return verify_plain(key->public, NULL, t->signed_part,
				    signature);
	case JWT_ALGORITHM_COUNT:
	default:
		return false;
	}
}

enum jwks_verdict
jwks_verify(const struct jwks *set, const struct jwt *t)
{
	const struct key *found = NULL;
	size_t count = 0;

	for (size_t i = 0; set && i < set->count; i++) {
		const struct key *key = &set->keys[i];

		if (key->algorithm != t->algorithm ||
		    (t->kid && (!key->kid || strcmp(key->kid, t->kid) != 0)))
			continue;
		found = key;
		count++;
	}
	if (count != 1)
		return JWKS_UNKNOWN_KEY;
	return verify(found, t) ? JWKS_SIGNED : JWKS_FORGED;
}
