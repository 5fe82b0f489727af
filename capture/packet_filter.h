/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which packets an export takes: by address, port and conversation.
 *
 * A packet is looked at layer by layer: its outer IP header and, through
 * IP-in-IP, GRE, VXLAN (UDP 4789) and GENEVE (UDP 6081), the ones inside, four
 * at most.  It matches when any one layer does.  A fragment but the first has
 * no ports: it is taken when its addresses (and for conversations its
 * protocol) match, so that an export may hold a few packets too many, never
 * too few.  Anything that is not IP matches only when nothing is asked for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/packet_reader.h"

/* Packets between two endpoints (either direction), within a time range. */
struct export_conversation {
	uint8_t client_ip[16], server_ip[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t client_port, server_port;
	uint8_t ip_protocol;
	int64_t from_ns, to_ns; /* inclusive */
};

/* A packet matches when it matches each list that is not empty: one of its
 * ends one of the addresses, one of its ports one of the ports. */
struct packet_filter_lists {
	const char *const *addresses; /* "10.0.0.1", "10.0.0.0/8", "::1" */
	size_t address_count;
	const uint16_t *ports;
	size_t port_count;
	const struct export_conversation *conversations;
	size_t conversation_count;
};

struct packet_filter;

/* Compiles the lists, keeping nothing of them; NULL with ERR_INVALID when an
 * address is none. */
struct packet_filter *packet_filter_new(const struct packet_filter_lists *lists,
					struct error *e);

/* NULL is allowed. */
void packet_filter_free(struct packet_filter *f);

/* True when everything matches. */
bool packet_filter_is_open(const struct packet_filter *f);

/* The time that packets of the conversations can lie in. */
struct packet_window packet_filter_window(const struct packet_filter *f);

/* Whether the packet is to be exported. */
bool packet_filter_matches(const struct packet_filter *f,
			   const struct packet_record *packet);
