/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link layers and what stands between them and IP: Ethernet, LLC/SNAP, VLAN
 * tags (IEEE 802.1Q, 802.1ad), PPPoE (RFC 2516), MPLS (RFC 3032), Linux SLL
 * and SLL2, BSD null and loop, raw IP.
 */
#pragma once

#include "dissect/layer.h"

/* The first layer of a packet of this LINKTYPE_. */
enum layer link_first(struct decode *d, uint16_t link_type);

/* True when a packet begins with 16 bytes that differ from hop to hop; false
 * where it begins with IP, or with no more than a family in front of that. */
bool link_has_addresses(uint16_t link_type);

/* Each takes its header and returns what follows it; link_ethertype goes by
 * d->number. */
enum layer link_ethernet(struct decode *d);
enum layer link_ethertype(struct decode *d);
enum layer link_mpls(struct decode *d);
enum layer link_ppp(struct decode *d);
