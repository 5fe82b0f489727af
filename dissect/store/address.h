/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and networks as text, and as the 16 bytes the store keeps. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct address {
	uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
};

/* "10.0.0.1", "2001:db8::1"; false when it is neither. */
bool address_parse(const char *text, struct address *out);

/* "10.0.0.0/8", "2001:db8::/32", or one address: its first and last. */
bool address_network(const char *text, struct address *first,
		     struct address *last);

/* As people write it (RFC 5952; IPv4 mapped as IPv4); returns `out`. */
const char *address_text(const uint8_t bytes[16], char out[INET6_ADDRSTRLEN]);
