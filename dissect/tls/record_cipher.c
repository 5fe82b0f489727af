/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/tls/record_cipher.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "base/alloc.h"

#define TAG_SIZE 16
#define GCM_EXPLICIT 8
#define BLOCK_SIZE 16
#define AAD_SIZE 13

struct record_cipher {
	const struct suite *suite;
	EVP_CIPHER_CTX *context;
	struct record_keys keys;
	bool tls13, encrypt_then_mac;
};

static const EVP_CIPHER *
cipher_of(const struct suite *suite)
{
	bool strong = suite->key_size == 32;

	switch (suite->kind) {
	case SUITE_GCM:
		return strong ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
	case SUITE_CHACHA:
		return EVP_chacha20_poly1305();
	case SUITE_CBC:
		return strong ? EVP_aes_256_cbc() : EVP_aes_128_cbc();
	default:
		return NULL;
	}
}

struct record_cipher *
record_cipher_new(const struct suite *suite, uint16_t version,
		  const struct record_keys *keys, bool encrypt_then_mac)
{
	struct record_cipher *c = alloc_zero(1, sizeof(*c));

	c->suite = suite;
	c->keys = *keys;
	c->tls13 = version == TLS_VERSION_13;
	c->encrypt_then_mac = encrypt_then_mac;
	c->context = EVP_CIPHER_CTX_new();
	if (c->context &&
	    EVP_DecryptInit_ex(c->context, cipher_of(suite), NULL, keys->key,
			       NULL) == 1 &&
	    EVP_CIPHER_CTX_set_padding(c->context, 0) == 1)
		return c;
	record_cipher_free(c);
	return NULL;
}

void
record_cipher_free(struct record_cipher *c)
{
	if (!c)
		return;
	EVP_CIPHER_CTX_free(c->context);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

static void
put_sequence(uint8_t out[8], uint64_t sequence)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(sequence >> (56 - 8 * i));
}

/* What is authenticated beside the content of TLS 1.2: sequence number, type,
 * version, length. */
static void
put_aad(uint8_t out[AAD_SIZE], uint64_t sequence, struct bytes record,
	size_t size)
{
	put_sequence(out, sequence);
	memcpy(out + 8, record.data, 3);
	out[11] = (uint8_t)(size >> 8);
	out[12] = (uint8_t)size;
}

static void
make_nonce(const struct record_cipher *c, uint64_t sequence,
	   const uint8_t *explicit_part, uint8_t nonce[12])
{
	uint8_t number[8];

	memcpy(nonce, c->keys.iv, 12);
	if (explicit_part) {
		memcpy(nonce + 4, explicit_part, GCM_EXPLICIT);
		return;
	}
	put_sequence(number, sequence);
	for (unsigned i = 0; i < 8; i++)
		nonce[4 + i] ^= number[i];
}

static bool
decrypt(EVP_CIPHER_CTX *context, const uint8_t nonce[12], struct bytes aad,
	struct bytes text, const uint8_t *tag, uint8_t *out)
{
	union {
		const uint8_t *borrowed;
		void *given;
	} expected = { .borrowed = tag };
	int size;

	return EVP_DecryptInit_ex(context, NULL, NULL, NULL, nonce) == 1 &&
	       EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE,
				   expected.given) == 1 &&
	       EVP_DecryptUpdate(context, NULL, &size, aad.data,
				 (int)aad.size) == 1 &&
	       EVP_DecryptUpdate(context, out, &size, text.data,
				 (int)text.size) == 1 &&
	       EVP_DecryptFinal_ex(context, out + size, &size) == 1;
}

/* TLSInnerPlaintext: content, type, zeros (RFC 8446 §5.2). */
static bool
strip_padding(struct record_plain *plain)
{
	size_t size = plain->data.size;

	while (size && plain->data.data[size - 1] == 0)
		size--;
	if (!size)
		return false;
	plain->type = plain->data.data[size - 1];
	plain->data.size = size - 1;
	return true;
}

static bool
open_aead(struct record_cipher *c, uint64_t sequence, struct bytes record,
	  uint8_t *out, struct record_plain *plain)
{
	size_t lead = !c->tls13 && c->suite->kind == SUITE_GCM ? GCM_EXPLICIT
							       : 0;
	struct bytes body = bytes_from(record, RECORD_HEADER);
	uint8_t nonce[12], aad[AAD_SIZE];
	struct bytes text, extra;

	if (body.size < lead + TAG_SIZE)
		return false;
	text = bytes_make(body.data + lead, body.size - lead - TAG_SIZE);
	make_nonce(c, sequence, lead ? body.data : NULL, nonce);
	extra = bytes_make(record.data, RECORD_HEADER);
	if (!c->tls13) {
		put_aad(aad, sequence, record, text.size);
		extra = bytes_make(aad, sizeof(aad));
	}
	if (!decrypt(c->context, nonce, extra, text, text.data + text.size,
		     out))
		return false;
	*plain = (struct record_plain){
		.type = record.data[0],
		.data = bytes_make(out, text.size),
		.offset = RECORD_HEADER + lead,
	};
	return !c->tls13 || strip_padding(plain);
}

static const EVP_MD *
mac_hash(const struct suite *suite)
{
	switch (suite->mac_size) {
	case 48:
		return EVP_sha384();
	case 32:
		return EVP_sha256();
	default:
		return EVP_sha1();
	}
}

/* HMAC over what put_aad writes and the data (RFC 5246 §6.2.3.1; the same with
 * IV and ciphertext in RFC 7366). */
static bool
check_mac(const struct record_cipher *c, uint64_t sequence,
	  struct bytes record, struct bytes data, const uint8_t *mac)
{
	uint8_t expected[EVP_MAX_MD_SIZE];
	uint8_t *input = alloc_resize(NULL, AAD_SIZE + data.size, 1);
	bool good;

	put_aad(input, sequence, record, data.size);
	memcpy(input + AAD_SIZE, data.data, data.size);
	good = HMAC(mac_hash(c->suite), c->keys.mac, c->suite->mac_size,
		    input, AAD_SIZE + data.size, expected, NULL) != NULL &&
	       CRYPTO_memcmp(expected, mac, c->suite->mac_size) == 0;
	free(input);
	return good;
}

/* Decrypts IV and blocks; false unless these are whole. */
static bool
decrypt_blocks(struct record_cipher *c, struct bytes in, uint8_t *out)
{
	int size;

	return in.size >= 2 * BLOCK_SIZE && in.size % BLOCK_SIZE == 0 &&
	       EVP_DecryptInit_ex(c->context, NULL, NULL, NULL, in.data) ==
		       1 &&
	       EVP_DecryptUpdate(c->context, out, &size, in.data + BLOCK_SIZE,
				 (int)(in.size - BLOCK_SIZE)) == 1;
}

/* The content without its padding: n bytes of value n, and n itself. */
static bool
strip_blocks(const uint8_t *out, size_t *size)
{
	size_t padding = out[*size - 1];

	if (padding + 1 > *size)
		return false;
	for (size_t i = 0; i < padding; i++)
		if (out[*size - 2 - i] != padding)
			return false;
	*size -= padding + 1;
	return true;
}

static bool
open_cbc(struct record_cipher *c, uint64_t sequence, struct bytes record,
	 uint8_t *out, struct record_plain *plain)
{
	struct bytes body = bytes_from(record, RECORD_HEADER);
	size_t mac = c->suite->mac_size;
	size_t size;

	if (c->encrypt_then_mac) {
		if (body.size < mac)
			return false;
		body.size -= mac;
		if (!check_mac(c, sequence, record, body,
			       body.data + body.size))
			return false;
	}
	if (!decrypt_blocks(c, body, out))
		return false;
	size = body.size - BLOCK_SIZE;
	if (!strip_blocks(out, &size))
		return false;
	if (!c->encrypt_then_mac) {
		if (size < mac)
			return false;
		size -= mac;
		if (!check_mac(c, sequence, record, bytes_make(out, size),
			       out + size))
			return false;
	}
	*plain = (struct record_plain){
		.type = record.data[0],
		.data = bytes_make(out, size),
		.offset = RECORD_HEADER + BLOCK_SIZE,
	};
	return true;
}

bool
record_cipher_open(struct record_cipher *c, uint64_t sequence,
		   struct bytes record, uint8_t *out,
		   struct record_plain *plain)
{
	if (record.size < RECORD_HEADER ||
	    record.size > RECORD_HEADER + RECORD_BODY_MAX)
		return false;
	return c->suite->kind == SUITE_CBC
		       ? open_cbc(c, sequence, record, out, plain)
		       : open_aead(c, sequence, record, out, plain);
}

size_t
record_cipher_overhead(const struct record_cipher *c)
{
	if (c->suite->kind == SUITE_CBC)
		return RECORD_HEADER + BLOCK_SIZE + c->suite->mac_size + 1;
	if (c->tls13)
		return RECORD_HEADER + TAG_SIZE + 1;
	return RECORD_HEADER + TAG_SIZE +
	       (c->suite->kind == SUITE_GCM ? GCM_EXPLICIT : 0);
}

void
record_cipher_prepare(void)
{
	static const uint16_t one_of_each[] = { 0x1301, 0x1302, 0x1303,
						0xc013, 0xc014, 0xc028 };
	static const uint8_t zero[48];
	uint8_t out[EVP_MAX_MD_SIZE];

	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
				    OPENSSL_INIT_ADD_ALL_CIPHERS |
				    OPENSSL_INIT_ADD_ALL_DIGESTS,
			    NULL);
	for (size_t i = 0; i < sizeof(one_of_each) / sizeof(*one_of_each);
	     i++) {
		const struct suite *suite = suite_find(one_of_each[i]);
		struct record_keys keys = { .key = { 0 } };
		struct record_keys both[2];

		record_cipher_free(record_cipher_new(suite, TLS_VERSION_12,
						     &keys, false));
		key_schedule_master(suite, bytes_make(zero, 48), zero, zero,
				    both);
		HMAC(mac_hash(suite), zero, 1, zero, 1, out, NULL);
	}
}
