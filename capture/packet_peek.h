/* SPDX-License-Identifier: Apache-2.0 */
/* The IP layers of a packet and their ends, just enough to filter by. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* One IP header and the ports behind it. */
struct packet_layer {
	uint8_t source[16], target[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t source_port, target_port; /* 0 without has_ports */
	uint8_t protocol;               /* IANA number of the upper layer */
	bool has_ports;
	bool is_fragment;               /* not the first one: no ports */
	struct bytes upper;             /* the upper layer's header and what
					 * follows, without link padding;
					 * empty for a later fragment */
	struct bytes inner;             /* of a tunnel: what follows … */
	uint16_t inner_type;            /* … as an EtherType; 0: no tunnel */
};

/* EtherTypes that packet_peek_layer understands. */
#define PACKET_IPV4 0x0800
#define PACKET_IPV6 0x86dd
/* Transparent Ethernet bridging: an Ethernet header comes first. */
#define PACKET_ETHERNET 0x6558

/* Steps over the link header; returns the EtherType of `*inside`, or 0. */
uint16_t packet_peek_link(uint16_t link_type, struct bytes packet,
			  struct bytes *inside);

/* Reads the IP header at the front of `in`; false when there is none. */
bool packet_peek_layer(struct bytes in, uint16_t type,
		       struct packet_layer *layer);
