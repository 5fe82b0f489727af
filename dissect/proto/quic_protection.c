/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/quic_protection.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "dissect/tls/key_schedule.h"

#define SECRET 32
#define TAG 16
#define SAMPLE 16
#define NUMBER_MAX 4
#define LONG_HEADER 0x80
#define INITIAL_SUITE 0x1301 /* TLS_AES_128_GCM_SHA256 */

bool
quic_protection_derive(const struct quic_version *version,
		       const struct suite *suite, struct bytes secret,
		       struct quic_protection *out)
{
	bool second = version->is_second;

	*out = (struct quic_protection){ .suite = NULL };
	if ((suite->kind != SUITE_GCM && suite->kind != SUITE_CHACHA) ||
	    !key_schedule_label(suite, secret,
				second ? "quicv2 key" : "quic key", out->key,
				suite->key_size) ||
	    !key_schedule_label(suite, secret,
				second ? "quicv2 iv" : "quic iv", out->iv,
				sizeof(out->iv)) ||
	    !key_schedule_label(suite, secret,
				second ? "quicv2 hp" : "quic hp", out->header,
				suite->key_size))
		return false;
	out->suite = suite;
	return true;
}

bool
quic_protection_initial(const struct quic_version *version, struct bytes id,
			struct quic_protection out[2])
{
	static const char *const labels[] = { "client in", "server in" };
	const struct suite *suite = suite_find(INITIAL_SUITE);
	uint8_t initial[SECRET], secret[SECRET];
	bool good = HMAC(EVP_sha256(), version->salt, sizeof(version->salt),
			 id.size ? id.data : initial, id.size, initial,
			 NULL) != NULL;

	out[0].suite = out[1].suite = NULL;
	for (int side = 0; side < 2 && good; side++)
		good = key_schedule_label(suite, bytes_make(initial, SECRET),
					  labels[side], secret, SECRET) &&
		       quic_protection_derive(version, suite,
					      bytes_make(secret, SECRET),
					      &out[side]);
	return good;
}

/* The mask that the sample gives (§5.4.3, §5.4.4). */
static bool
mask_of(const struct quic_protection *p, const uint8_t *sample,
	uint8_t mask[SAMPLE])
{
	static const uint8_t zeros[SAMPLE];
	bool chacha = p->suite->kind == SUITE_CHACHA;
	const EVP_CIPHER *cipher = chacha	      ? EVP_chacha20()
				   : p->suite->key_size == 32
					   ? EVP_aes_256_ecb()
					   : EVP_aes_128_ecb();
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int size = 0;
	bool good = c &&
		    EVP_EncryptInit_ex(c, cipher, NULL, p->header,
				       chacha ? sample : NULL) == 1 &&
		    EVP_EncryptUpdate(c, mask, &size, chacha ? zeros : sample,
				      SAMPLE) == 1 &&
		    size == SAMPLE;

	EVP_CIPHER_CTX_free(c);
	return good;
}

/* The number nearest to the expected one that ends in these bits. */
static uint64_t
whole_number(uint64_t sent, size_t size, uint64_t expected)
{
	uint64_t window = UINT64_C(1) << (8 * size), half = window / 2;
	uint64_t near = (expected & ~(window - 1)) | sent;

	if (near + half <= expected && near < (UINT64_C(1) << 62) - window)
		return near + window;
	if (near > expected + half && near >= window)
		return near - window;
	return near;
}

bool
quic_protection_unmask(const struct quic_protection *p,
		       const struct quic_packet *packet, uint64_t expected,
		       struct quic_unmasked *out)
{
	const uint8_t *at = packet->whole.data + packet->number_at;
	uint64_t sent = 0;
	uint8_t mask[SAMPLE];

	if (!p->suite ||
	    packet->whole.size < packet->number_at + NUMBER_MAX + SAMPLE ||
	    !mask_of(p, at + NUMBER_MAX, mask))
		return false;
	out->first = packet->whole.data[0];
	out->first ^= mask[0] & (out->first & LONG_HEADER ? 0x0f : 0x1f);
	out->size = (out->first & 3u) + 1;
	for (size_t i = 0; i < out->size; i++) {
		out->number[i] = at[i] ^ mask[1 + i];
		sent = sent << 8 | out->number[i];
	}
	out->full = whole_number(sent, out->size, expected);
	return true;
}

static const EVP_CIPHER *
cipher_of(const struct suite *suite)
{
	if (suite->kind == SUITE_CHACHA)
		return EVP_chacha20_poly1305();
	return suite->key_size == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
}

static bool
authenticate(EVP_CIPHER_CTX *c, struct bytes in)
{
	int size;

	return !in.size ||
	       EVP_DecryptUpdate(c, NULL, &size, in.data, (int)in.size) == 1;
}

struct bytes
quic_protection_open(const struct quic_protection *p,
		     const struct quic_packet *packet,
		     const struct quic_unmasked *head, uint8_t *out)
{
	struct bytes none = bytes_make(NULL, 0);
	struct bytes sealed = bytes_from(packet->whole,
					 packet->number_at + head->size);
	uint8_t iv[sizeof(p->iv)], tag[TAG];
	int size = 0, last = 0;
	EVP_CIPHER_CTX *c;
	bool good;

	if (!p->suite || sealed.size <= TAG)
		return none;
	sealed.size -= TAG;
	memcpy(tag, sealed.data + sealed.size, TAG);
	memcpy(iv, p->iv, sizeof(iv));
	for (size_t i = 0; i < 8; i++)
		iv[sizeof(iv) - 1 - i] ^= (uint8_t)(head->full >> (8 * i));
	c = EVP_CIPHER_CTX_new();
	good = c &&
	       EVP_DecryptInit_ex(c, cipher_of(p->suite), NULL, p->key, iv) ==
		       1 &&
	       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
	       authenticate(c, bytes_make(&head->first, 1)) &&
	       authenticate(c, bytes_make(packet->whole.data + 1,
					  packet->number_at - 1)) &&
	       authenticate(c, bytes_make(head->number, head->size)) &&
	       EVP_DecryptUpdate(c, out, &size, sealed.data,
				 (int)sealed.size) == 1 &&
	       EVP_DecryptFinal_ex(c, out + size, &last) == 1;
	EVP_CIPHER_CTX_free(c);
	return good ? bytes_make(out, (size_t)size) : none;
}

bool
quic_protection_retry(const struct quic_packet *packet,
		      const struct quic_id *original)
{
	const struct quic_version *v = packet->version;
	struct bytes body = packet->whole;
	EVP_CIPHER_CTX *c;
	uint8_t made[TAG];
	int size;
	bool good;

	if (!v->has_tag || body.size <= TAG)
		return false;
	body.size -= TAG;
	c = EVP_CIPHER_CTX_new();
	good = c &&
	       EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, v->retry_key,
				  v->retry_nonce) == 1 &&
	       EVP_EncryptUpdate(c, NULL, &size, &original->size, 1) == 1 &&
	       (!original->size ||
		EVP_EncryptUpdate(c, NULL, &size, original->data,
				  original->size) == 1) &&
	       EVP_EncryptUpdate(c, NULL, &size, body.data, (int)body.size) ==
		       1 &&
	       EVP_EncryptFinal_ex(c, made, &size) == 1 &&
	       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, made) == 1;
	EVP_CIPHER_CTX_free(c);
	return good && CRYPTO_memcmp(made, body.data + body.size, TAG) == 0;
}
