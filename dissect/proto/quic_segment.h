/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams that the kernel has not yet taken apart (UDP_SEGMENT, GRO): several
 * of one size, and a last one that may be shorter, are captured as one.  Where
 * one ends is seen at the id that the next is sent to, and proved by opening it.
 */
#pragma once

#include "dissect/proto/quic_session.h"

/*
 * Opens a packet with secrets as quic_session_open; one with a short header
 * may turn out to be the first of several, and then `packet->whole` becomes
 * shorter.
 */
struct bytes quic_segment_open(struct quic_session *s, enum side side,
			       struct quic_packet *packet, uint8_t *out);
