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
#include <stdint.h>

#include "base/err.h"
#include "capture/export.h"
#include "capture/packet_reader.h"

struct packet_filter;

/* Compiles the filter part of a request; NULL with ERR_INVALID when an address
 * is none.  Nothing of the request is kept. */
struct packet_filter *packet_filter_new(const struct export_request *request,
					struct error *e);
void packet_filter_free(struct packet_filter *f);

/* True when everything matches. */
bool packet_filter_is_open(const struct packet_filter *f);

/* The time that packets of the conversations can lie in. */
struct packet_window packet_filter_window(const struct packet_filter *f);

bool packet_filter_matches(const struct packet_filter *f,
			   const struct packet_record *packet);
