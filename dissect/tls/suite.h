/* SPDX-License-Identifier: Apache-2.0 */
/* Cipher suites (the IANA registry "TLS Cipher Suites"): their names, and how
 * records of those that can be decrypted are protected. */
#pragma once

#include <stdint.h>

#define TLS_VERSION_12 0x0303
#define TLS_VERSION_13 0x0304

enum suite_kind {
	SUITE_UNREADABLE, /* known by name only */
	SUITE_GCM,        /* AES-GCM: RFC 5288, RFC 8446 */
	SUITE_CHACHA,     /* ChaCha20-Poly1305: RFC 7905, RFC 8446 */
	SUITE_CBC,        /* AES-CBC with HMAC: RFC 5246, 7366 */
};

struct suite {
	uint16_t id;
	uint8_t kind;     /* enum suite_kind */
	uint8_t key_size; /* bytes */
	uint8_t mac_size; /* of HMAC (CBC): 20, 32, 48 bytes; else 0 */
	uint16_t hash;    /* of key derivation, in bits: 256 or 384 */
	const char *name;
};

/* NULL when it is not in the table. */
const struct suite *suite_find(uint16_t id);

/* "TLS_AES_128_GCM_SHA256", or "0x1a2b" written to `out`. */
#define SUITE_NAME_SIZE 8
const char *suite_name(uint16_t id, char out[SUITE_NAME_SIZE]);

/* "1.3", or "0x7f1c" written to `out`. */
const char *suite_version_name(uint16_t version, char out[SUITE_NAME_SIZE]);
