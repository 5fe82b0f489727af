/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversations that begin with a broadcast: what answers comes from another
 * address than was asked, or goes to one that the asker did not have yet.
 */
#pragma once

#include "dissect/packet.h"

/*
 * The ends by which the conversation of a packet is found.  Of DHCP while a
 * client has no address they are 0.0.0.0:68 and 255.255.255.255:67, and of
 * DHCPv6 the client's and the group of servers, whoever answers; else they are
 * the packet's own.
 */
void broadcast_ends(const struct packet *p, struct endpoint *source,
		    struct endpoint *target);
