/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

/* <openssl/types.h> has a type of that name, base/err.h a code. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#undef ERR_STATE

#include "base/alloc.h"
#include "base/err.h"

#define SHA256_SIZE HASH_SHA256_SIZE
#define READ_SIZE   ((size_t)128 << 10)

/* Up to 256 bytes come whole once the pool is initialised. */
void
hash_random(void *out, size_t size)
{
	ssize_t n;

	do
		n = getrandom(out, size, 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)size)
		abort();
}

struct hash_key
hash_key_random(void)
{
	struct hash_key key;

	hash_random(&key, sizeof(key));
	return key;
}

static inline uint64_t
rotate_left(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline uint64_t
load_le64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

/* The last `in.size % 8` bytes as the low bytes of a word. */
static inline uint64_t
load_tail(struct bytes in)
{
	size_t size = in.size % 8;
	uint64_t word = 0;

	/* At once where they end a whole word of the input. */
	if (size && in.size >= 8)
		return load_le64(in.data + in.size - 8) >> (8 * (8 - size));
	for (size_t i = 0; i < size; i++)
		word |= (uint64_t)in.data[i] << (8 * i);
	return word;
}

static inline void
sip_rounds(uint64_t v[4], unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate_left(v[1], 13) ^ v[0];
		v[3] = rotate_left(v[3], 16) ^ v[2];
		v[0] = rotate_left(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate_left(v[1], 17) ^ v[2];
		v[3] = rotate_left(v[3], 21) ^ v[0];
		v[2] = rotate_left(v[2], 32);
	}
}

/* `compression` rounds a word and `finalization` rounds at the end. */
static inline uint64_t
siphash(struct hash_key key, struct bytes in, unsigned compression,
	unsigned finalization)
{
	/* "somepseudorandomlygeneratedbytes", the paper's initial state */
	uint64_t v[4] = {
		key.k0 ^ 0x736f6d6570736575,
		key.k1 ^ 0x646f72616e646f6d,
		key.k0 ^ 0x6c7967656e657261,
		key.k1 ^ 0x7465646279746573,
	};
	uint64_t last = (uint64_t)in.size << 56 | load_tail(in);

	for (size_t i = 0; i + 8 <= in.size; i += 8) {
		uint64_t word = load_le64(in.data + i);

		v[3] ^= word;
		sip_rounds(v, compression);
		v[0] ^= word;
	}
	v[3] ^= last;
	sip_rounds(v, compression);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_rounds(v, finalization);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t
hash_bytes(struct hash_key key, struct bytes in)
{
	return siphash(key, in, 2, 4);
}

uint64_t
hash_place(struct hash_key key, struct bytes in)
{
	return siphash(key, in, 1, 3);
}

/* Feeds everything `fd` still has to `context`. */
static int
sha256_read(EVP_MD_CTX *context, int fd)
{
	uint8_t *chunk = alloc_zero(READ_SIZE, 1);
	int rc = 0;

	for (;;) {
		ssize_t n = read(fd, chunk, READ_SIZE);

		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || EVP_DigestUpdate(context, chunk, (size_t)n) != 1) {
			rc = ERR_IO;
			break;
		}
	}
	free(chunk);
	return rc;
}

static void
sha256_hex(const uint8_t digest[SHA256_SIZE], char hex[HASH_SHA256_HEX])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA256_SIZE; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[HASH_SHA256_HEX - 1] = '\0';
}

void
hash_sha256(struct bytes in, char hex[HASH_SHA256_HEX])
{
	uint8_t digest[SHA256_SIZE];

	if (EVP_Digest(in.data, in.size, digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
	sha256_hex(digest, hex);
}

int
hash_sha256_fd(int fd, char hex[HASH_SHA256_HEX])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t digest[SHA256_SIZE];
	int rc = ERR_IO;

	if (!context)
		abort();
	/* A pipe has no beginning to go back to, and needs none. */
	if (lseek(fd, 0, SEEK_SET) < 0 && errno != ESPIPE)
		goto out;
	if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
		goto out;
	rc = sha256_read(context, fd);
	if (rc < 0)
		goto out;
	if (EVP_DigestFinal_ex(context, digest, NULL) != 1) {
		rc = ERR_IO;
		goto out;
	}
	sha256_hex(digest, hex);
out:
	EVP_MD_CTX_free(context);
	return rc;
}

void
hash_hmac_sha256(struct bytes key, struct bytes in,
		 uint8_t mac[HASH_SHA256_SIZE])
{
	unsigned size = HASH_SHA256_SIZE;

	if (!HMAC(EVP_sha256(), key.data, (int)key.size, in.data, in.size,
		  mac, &size))
		abort();
}

bool
hash_equal(const void *a, const void *b, size_t size)
{
	return CRYPTO_memcmp(a, b, size) == 0;
}
