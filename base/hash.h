/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyed hashing, so that nobody who writes packets can choose our collisions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct hash_key {
	uint64_t k0, k1;
};

/* A fresh random key (getrandom).  Call before entering a sandbox. */
struct hash_key hash_key_random(void);

/* SipHash-2-4 of `in` (Aumasson and Bernstein, 2012). */
uint64_t hash_bytes(struct hash_key key, struct bytes in);

/* SipHash-1-3 of `in`: where in a table it is.  Half the work, and enough for
 * what never leaves the process (Python and Rust use it for theirs). */
uint64_t hash_place(struct hash_key key, struct bytes in);

#define HASH_SHA256_HEX 65
#define HASH_SHA256_SIZE 32

/* HMAC-SHA-256 of `in` (RFC 2104, FIPS 198-1). */
void hash_hmac_sha256(struct bytes key, struct bytes in,
		      uint8_t mac[HASH_SHA256_SIZE]);

/* Are these the same?  Takes the same time wherever they differ. */
bool hash_equal(const void *a, const void *b, size_t size);

/* Fills `out` with at most 256 random bytes (getrandom). */
void hash_random(void *out, size_t size);

/* SHA-256 of `in` as lower-case hex and a terminator (FIPS 180-4). */
void hash_sha256(struct bytes in, char hex[HASH_SHA256_HEX]);

/* SHA-256 of a file's contents, from its beginning whatever the offset, as
 * lower-case hex and a terminator (FIPS 180-4).  The file offset of `fd` is
 * left at the end.  Returns 0 or ERR_IO. */
int hash_sha256_fd(int fd, char hex[HASH_SHA256_HEX]);
