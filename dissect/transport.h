/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What IP carries: TCP (RFC 9293), UDP (RFC 768), SCTP (RFC 9260), ICMP
 * (RFC 792, 4443), and tunnels.
 */
#pragma once

#include "dissect/layer.h"

/* Goes by d->number, the IP protocol. */
enum layer transport_decode(struct decode *d);
