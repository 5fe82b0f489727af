/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a recorded packet to its innermost transport header: link layer
 * (dissect/link.h), tunnels (dissect/tunnel.h), IP (dissect/ip.h), transport
 * (dissect/transport.h).  Nothing is allocated; checksums are not looked at
 * (offloading leaves them empty in captures).
 */
#pragma once

#include "dissect/packet.h"

/*
 * Decodes `record`.  When headers inside a tunnel cannot be decoded, the
 * tunnel's own packet is the result.
 */
enum packet_verdict decode_packet(const struct packet_record *record,
				  struct packet *p);

/*
 * Goes on where PACKET_FRAGMENT ended: `data` is the reassembled payload, of
 * which `length` bytes were on the wire.
 */
enum packet_verdict decode_reassembled(struct packet *p, struct bytes data,
				       uint32_t length);
