/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who said hello: a scanner over packets, independent of any reassembly, that
 * finds the TLS handshakes over TCP and the two randoms that name them
 * (RFC 8446 §4.1.2, §4.1.3; the same places in RFC 5246).  It looks at the
 * first 43 bytes of what a segment begins with, so that it sees TLS wherever
 * it begins (STARTTLS, proxies); those bytes may come in several segments, in
 * order.  A ClientHello that is cut into TLS records of less than 43 bytes,
 * DTLS and QUIC are not seen.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/packet_reader.h"

#define TLS_RANDOM_SIZE 32
/* More handshakes than these are counted, not kept. */
#define TLS_HELLOS_MAX 262144u

struct tls_hello {
	int64_t time_ns;  /* of the ClientHello */
	int64_t until_ns; /* of the next one between these ends, or INT64_MAX */
	uint8_t client[16], server[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t client_port, server_port;
	bool has_server;  /* the answer was seen */
	uint8_t client_random[TLS_RANDOM_SIZE];
	uint8_t server_random[TLS_RANDOM_SIZE];
};

struct tls_hellos;

/* A scanner that has seen nothing; free with tls_hellos_free(NULL allowed). */
struct tls_hellos *tls_hellos_new(void);
void tls_hellos_free(struct tls_hellos *h);

/* Looks at a packet, in any order of connections. */
void tls_hellos_packet(struct tls_hellos *h,
		       const struct packet_record *packet);

/* What was found, in the order in which it was found; borrowed. */
const struct tls_hello *tls_hellos_list(const struct tls_hellos *h,
					size_t *count);

/* Handshakes that were not kept. */
uint64_t tls_hellos_dropped(const struct tls_hellos *h);
