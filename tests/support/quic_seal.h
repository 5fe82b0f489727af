/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of QUIC for those who test what reads them (RFC 9001 §5.3, §5.4). */
#pragma once

#include "dissect/proto/quic_protection.h"

/* Bytes of the number that a head ends with, and of what is behind. */
#define QUIC_SEAL_NUMBER 4
#define QUIC_SEAL_TAG 16

/* Protects frames behind a head that ends with packet number `number`, with
 * AES-128-GCM, into `out` (room for both and the tag); its size. */
size_t quic_seal(const struct quic_protection *keys, struct bytes head,
		 uint32_t number, struct bytes frames, uint8_t *out);
