/* SPDX-License-Identifier: Apache-2.0 */
/* ClientHello and ServerHello (RFC 8446 §4.1, RFC 5246 §7.4.1). */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"

/* What one says; slices are borrowed, lists as on the wire without their
 * length. */
struct hello {
	bool client;
	uint16_t legacy_version;
	uint16_t version;         /* highest offered, or chosen */
	uint16_t suite;           /* chosen by the server */
	struct bytes random;      /* 32 bytes */
	struct bytes session_id;
	struct bytes suites;      /* offered: 16-bit numbers */
	struct bytes extensions;  /* all: type, size, content */
	struct bytes versions, groups, signatures; /* 16-bit numbers */
	struct bytes formats;     /* of points: 8-bit numbers */
	struct bytes name;        /* SNI, or empty */
	struct bytes alpn;        /* offered or chosen: size and name, … */
	struct bytes ticket;      /* of TLS 1.2, offered */
	bool has_ticket;          /* the extension is there, full or empty */
	bool has_psk;             /* offers one; or accepts one */
	bool has_early_data;
	bool encrypt_then_mac, extended_master;
	bool retry;               /* a HelloRetryRequest */
};

/* Reads the body of a handshake message; false when it is none. */
bool hello_read(struct bytes body, bool client, struct hello *out);

/* A value that means nothing (RFC 8701). */
static inline bool
hello_is_grease(uint16_t value)
{
	return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

/* The next extension of `rest`; false at the end. */
bool hello_next_extension(struct bytes *rest, uint16_t *type,
			  struct bytes *content);

/* The next number of a list; false at the end. */
bool hello_next_number(struct bytes *rest, uint16_t *value);

/* The next protocol name of ALPN; false at the end. */
bool hello_next_alpn(struct bytes *rest, struct bytes *name);
