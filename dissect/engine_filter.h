/* SPDX-License-Identifier: Apache-2.0 */
/* Which packets an engine looks at, by their addresses, ports and protocol. */
#pragma once

#include "dissect/packet.h"

/* Packets of these ends only; zeroed: all. */
struct engine_filter {
	uint8_t (*ips)[16];     /* either end in this list; NULL: any */
	const uint8_t *ip_bits; /* leading bits that count of each (IPv4: from
				 * 96 on); NULL: all 128 */
	size_t ip_count;
	const uint16_t *ports;  /* either end in this list; NULL: any */
	size_t port_count;
	uint8_t ip_protocol;    /* 0: any */
};

/* Whether the packet is one of them. */
bool engine_filter_passes(const struct engine_filter *f,
			  const struct packet *p);
