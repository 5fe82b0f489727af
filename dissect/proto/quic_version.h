/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of QUIC and the constants that are theirs: RFC 9001 §5.2 and §5.8,
 * RFC 9369 §3, draft-ietf-quic-tls, draft-ietf-quic-v2. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct quic_version {
	uint32_t first, last; /* the numbers that have these constants */
	uint8_t salt[20];     /* of the secrets of Initial packets */
	bool is_second;       /* other labels and types of packets */
	bool has_tag;         /* Retry packets have one, made with these: */
	uint8_t retry_key[16], retry_nonce[12];
};

/* NULL when it is not known. */
const struct quic_version *quic_version_find(uint32_t number);

/* "1", "2", "2-draft", "draft-29", the letters of Google's ("Q043"), or the number in
 * hexadecimal digits. */
#define QUIC_VERSION_TEXT 16
const char *quic_version_name(uint32_t number, char out[QUIC_VERSION_TEXT]);
