/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a record (RFC 8446 §5.1), and what a stream of TLS begins
 * with. */
#pragma once

#include "dissect/dissector.h"
#include "dissect/tls/record_cipher.h"

enum record_type {
	RECORD_CHANGE_CIPHER_SPEC = 20,
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_DATA = 23,
};

struct record {
	uint8_t type;
	size_t whole; /* bytes, the header with them */
};

/* Reads the header at the front of `in`; NO when it is none, MAYBE when there
 * is too little of it. */
enum verdict record_read(struct bytes in, struct record *out);

/* Whether what one side says begins with TLS. */
enum verdict record_probe(struct bytes in, bool client);
