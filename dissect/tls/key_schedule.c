/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/tls/key_schedule.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define MASTER_SIZE 48
#define HASH_MAX 64
/* Two MAC keys, two keys and two fixed parts of the nonce at most. */
#define KEY_BLOCK_MAX (2 * (48 + 32 + 12))

static const EVP_MD *
hash_of(const struct suite *suite)
{
	return suite->hash == 384 ? EVP_sha384() : EVP_sha256();
}

static bool
hmac(const EVP_MD *hash, struct bytes key, struct bytes data,
     uint8_t out[HASH_MAX])
{
	return HMAC(hash, key.data, (int)key.size, data.data, data.size, out,
		    NULL) != NULL;
}

/* HKDF-Expand-Label with an empty context (RFC 8446 §7.1), for outputs that
 * take one round of HKDF-Expand. */
static bool
expand_label(const EVP_MD *hash, struct bytes secret, const char *label,
	     uint8_t *out, size_t size)
{
	uint8_t info[64], block[HASH_MAX];
	size_t length = strlen(label);
	size_t at = 0;
	bool done;

	info[at++] = (uint8_t)(size >> 8);
	info[at++] = (uint8_t)size;
	info[at++] = (uint8_t)(6 + length);
	memcpy(info + at, "tls13 ", 6);
	memcpy(info + at + 6, label, length);
	at += 6 + length;
	info[at++] = 0;
	info[at++] = 1;
	done = size <= (size_t)EVP_MD_get_size(hash) &&
	       hmac(hash, secret, bytes_make(info, at), block);
	if (done)
		memcpy(out, block, size);
	explicit_bzero(block, sizeof(block));
	return done;
}

bool
key_schedule_label(const struct suite *suite, struct bytes secret,
		   const char *label, uint8_t *out, size_t size)
{
	return secret.size == suite->hash / 8u &&
	       expand_label(hash_of(suite), secret, label, out, size);
}

bool
key_schedule_traffic(const struct suite *suite, struct bytes secret,
		     struct record_keys *out)
{
	return key_schedule_label(suite, secret, "key", out->key,
				  suite->key_size) &&
	       key_schedule_label(suite, secret, "iv", out->iv,
				  sizeof(out->iv));
}

bool
key_schedule_update(const struct suite *suite, uint8_t *secret, size_t size)
{
	return key_schedule_label(suite, bytes_make(secret, size),
				  "traffic upd", secret, size);
}

/* P_hash (RFC 5246 §5): A(i) = HMAC(A(i - 1)), out = HMAC(A(i) + seed) … */
static bool
expand_prf(const EVP_MD *hash, struct bytes secret, struct bytes seed,
	   uint8_t *out, size_t size)
{
	size_t block_size = (size_t)EVP_MD_get_size(hash);
	uint8_t a[HASH_MAX + 128], block[HASH_MAX];
	bool good = seed.size <= 128 && hmac(hash, secret, seed, a);

	for (size_t at = 0; good && at < size; at += block_size) {
		size_t part = size - at < block_size ? size - at : block_size;

		memcpy(a + block_size, seed.data, seed.size);
		good = hmac(hash, secret,
			    bytes_make(a, block_size + seed.size), block);
		memcpy(out + at, block, part);
		good = good && hmac(hash, secret, bytes_make(a, block_size),
				    block);
		memcpy(a, block, block_size);
	}
	explicit_bzero(a, sizeof(a));
	explicit_bzero(block, sizeof(block));
	return good;
}

/* How much of the nonce comes from the key block. */
static size_t
fixed_iv_size(const struct suite *suite)
{
	switch (suite->kind) {
	case SUITE_GCM:
		return 4;
	case SUITE_CHACHA:
		return 12;
	default:
		return 0; /* CBC: explicit in each record */
	}
}

bool
key_schedule_master(const struct suite *suite, struct bytes master,
		    const uint8_t client_random[KEY_RANDOM_SIZE],
		    const uint8_t server_random[KEY_RANDOM_SIZE],
		    struct record_keys out[2])
{
	static const char label[] = "key expansion";
	uint8_t seed[sizeof(label) - 1 + 2 * KEY_RANDOM_SIZE];
	uint8_t block[KEY_BLOCK_MAX];
	size_t mac = suite->mac_size, key = suite->key_size;
	size_t iv = fixed_iv_size(suite);
	const uint8_t *at = block;
	bool good;

	memcpy(seed, label, sizeof(label) - 1);
	memcpy(seed + sizeof(label) - 1, server_random, KEY_RANDOM_SIZE);
	memcpy(seed + sizeof(label) - 1 + KEY_RANDOM_SIZE, client_random,
	       KEY_RANDOM_SIZE);
	good = master.size == MASTER_SIZE &&
	       expand_prf(hash_of(suite), master,
			  bytes_make(seed, sizeof(seed)), block,
			  2 * (mac + key + iv));
	for (int i = 0; good && i < 2; i++) {
		memcpy(out[i].mac, at + (size_t)i * mac, mac);
		memcpy(out[i].key, at + 2 * mac + (size_t)i * key, key);
		memcpy(out[i].iv, at + 2 * (mac + key) + (size_t)i * iv, iv);
	}
	explicit_bzero(block, sizeof(block));
	return good;
}
