/* SPDX-License-Identifier: Apache-2.0 */
/* From secrets to the keys of one direction: RFC 8446 §7.1 to §7.3 for TLS
 * 1.3, RFC 5246 §5 and §6.3 for TLS 1.2. */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "dissect/tls/suite.h"

#define KEY_SECRET_MAX 48
#define KEY_RANDOM_SIZE 32

/* What protects the records of one direction. */
struct record_keys {
	uint8_t key[32];
	uint8_t iv[12];  /* whole, or its fixed part of 4 bytes */
	uint8_t mac[48]; /* of CBC suites */
};

/* HKDF-Expand-Label with an empty context (RFC 8446 §7.1), for outputs no
 * longer than the hash and labels of at most 40 characters; false when the
 * secret has not the size of the suite's hash. */
bool key_schedule_label(const struct suite *suite, struct bytes secret,
			const char *label, uint8_t *out, size_t size);

/* The keys of a traffic secret of TLS 1.3; false when the secret has not the
 * size of the suite's hash. */
bool key_schedule_traffic(const struct suite *suite, struct bytes secret,
			  struct record_keys *out);

/* The secret behind a KeyUpdate, in place (RFC 8446 §7.2). */
bool key_schedule_update(const struct suite *suite, uint8_t *secret,
			 size_t size);

/* The keys of both directions, client's first, of a master secret of TLS 1.2
 * (48 bytes, whether extended or not). */
bool key_schedule_master(const struct suite *suite, struct bytes master,
			 const uint8_t client_random[KEY_RANDOM_SIZE],
			 const uint8_t server_random[KEY_RANDOM_SIZE],
			 struct record_keys out[2]);
