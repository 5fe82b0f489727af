/* SPDX-License-Identifier: Apache-2.0 */
/* Opens the records of one direction with one set of keys (RFC 8446 §5.2, RFC
 * 5246 §6.2.3, RFC 7366).  Only what authenticates is given out. */
#pragma once

#include <stdbool.h>

#include "dissect/tls/key_schedule.h"

#define RECORD_HEADER 5
#define RECORD_PLAIN_MAX 16384
/* TLS 1.3 allows 256 bytes beyond, TLS 1.2 allows 2048. */
#define RECORD_BODY_MAX (RECORD_PLAIN_MAX + 2048)

struct record_cipher;

/* `version` TLS_VERSION_12 or _13; `encrypt_then_mac` for CBC.  Free with
 * record_cipher_free (NULL allowed), which wipes the keys. */
struct record_cipher *record_cipher_new(const struct suite *suite,
					uint16_t version,
					const struct record_keys *keys,
					bool encrypt_then_mac);
void record_cipher_free(struct record_cipher *c);

/* An opened record. */
struct record_plain {
	uint8_t type;       /* of the content, TLS 1.3's inner one */
	struct bytes data;  /* in the buffer that was given */
	size_t offset;      /* of the first byte within the record */
};

/*
 * Opens `record` (header and whole body) as the one of number `sequence`, into
 * `out` of RECORD_BODY_MAX bytes.  False: it is not this record of these keys.
 */
bool record_cipher_open(struct record_cipher *c, uint64_t sequence,
			struct bytes record, uint8_t *out,
			struct record_plain *plain);

/* The bytes that every record is longer than its content at least. */
size_t record_cipher_overhead(const struct record_cipher *c);

/* Makes libcrypto ready, before a sandbox is entered. */
void record_cipher_prepare(void);
