/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets inside packets: GRE (RFC 2784, 2890) with ERSPAN
 * (draft-foschiano-erspan), VXLAN (RFC 7348), GENEVE (RFC 8926), GTP-U
 * (3GPP TS 29.281) and Teredo (RFC 4380).
 */
#pragma once

#include "dissect/layer.h"

/* The layer behind a GRE header; an outcome when it is not decoded. */
enum layer tunnel_gre(struct decode *d);
enum layer tunnel_erspan2(struct decode *d);
enum layer tunnel_erspan3(struct decode *d);

/*
 * Is the datagram at `d->rest`, between these UDP ports, a tunnel?  Its
 * header is taken and the inner layer returned, or LAYER_DONE and nothing
 * taken.
 */
enum layer tunnel_udp(struct decode *d, uint16_t source, uint16_t target);
