/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/quic_seal.h"

#include <assert.h>
#include <openssl/evp.h>

#define LONG_HEADER 0x80

/* AES-128 of one block. */
static void
mask(const uint8_t *key, const uint8_t *sample, uint8_t out[QUIC_SEAL_TAG])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int size = 0;

	assert(EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, key, NULL));
	assert(EVP_EncryptUpdate(c, out, &size, sample, QUIC_SEAL_TAG));
	EVP_CIPHER_CTX_free(c);
}

static void
encrypt(const uint8_t *key, const uint8_t *iv, struct bytes head,
	struct bytes frames, uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int size = 0;

	assert(EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, iv));
	assert(EVP_EncryptUpdate(c, NULL, &size, head.data, (int)head.size));
	assert(EVP_EncryptUpdate(c, out, &size, frames.data,
				 (int)frames.size));
	assert(EVP_EncryptFinal_ex(c, out + frames.size, &size));
	assert(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, QUIC_SEAL_TAG,
				   out + frames.size));
	EVP_CIPHER_CTX_free(c);
}

size_t
quic_seal(const struct quic_protection *keys, struct bytes head,
	  uint32_t number, struct bytes frames, uint8_t *out)
{
	size_t at = head.size - QUIC_SEAL_NUMBER;
	uint8_t bits[QUIC_SEAL_TAG], iv[12];

	memcpy(iv, keys->iv, sizeof(iv));
	for (int i = 0; i < QUIC_SEAL_NUMBER; i++)
		iv[8 + i] ^= (uint8_t)(number >> (24 - 8 * i));
	encrypt(keys->key, iv, head, frames, out + head.size);
	mask(keys->header, out + at + QUIC_SEAL_NUMBER, bits);
	memcpy(out, head.data, head.size);
	out[0] ^= bits[0] & (out[0] & LONG_HEADER ? 0x0f : 0x1f);
	for (size_t i = 0; i < QUIC_SEAL_NUMBER; i++)
		out[at + i] ^= bits[1 + i];
	return head.size + frames.size + QUIC_SEAL_TAG;
}
