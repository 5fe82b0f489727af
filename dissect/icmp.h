/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which conversation an ICMP message belongs to (RFC 792, RFC 4443, RFC 4861),
 * and the packet that an error quotes.
 */
#pragma once

#include "dissect/layer.h"

/* Types that this program tells apart. */
enum icmp_type {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_SOURCE_QUENCH = 4,
	ICMP_REDIRECT = 5,
	ICMP_ECHO = 8,
	ICMP_ROUTER_ADVERTISEMENT = 9,
	ICMP_ROUTER_SOLICITATION = 10,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER_PROBLEM = 12,
	ICMP_TIMESTAMP = 13,
	ICMP_TIMESTAMP_REPLY = 14,
	ICMP_INFORMATION = 15,
	ICMP_INFORMATION_REPLY = 16,
	ICMP_MASK = 17,
	ICMP_MASK_REPLY = 18,
};

enum icmpv6_type {
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_TOO_BIG = 2,
	ICMPV6_TIME_EXCEEDED = 3,
	ICMPV6_PARAMETER_PROBLEM = 4,
	ICMPV6_ECHO = 128,
	ICMPV6_ECHO_REPLY = 129,
	ICMPV6_LISTENER_QUERY = 130,
	ICMPV6_LISTENER_REPORT = 131,
	ICMPV6_LISTENER_DONE = 132,
	ICMPV6_ROUTER_SOLICITATION = 133,
	ICMPV6_ROUTER_ADVERTISEMENT = 134,
	ICMPV6_NEIGHBOUR_SOLICITATION = 135,
	ICMPV6_NEIGHBOUR_ADVERTISEMENT = 136,
	ICMPV6_REDIRECT = 137,
	ICMPV6_LISTENER_REPORT_2 = 143,
};

#define ICMP_HEADER 8

/* What a message asks, or which question it answers. */
enum icmp_kind {
	ICMP_KIND_OTHER,
	ICMP_KIND_REQUEST, /* by identifier and sequence number */
	ICMP_KIND_REPLY,
	ICMP_KIND_ERROR,   /* quotes a packet */
};

/* Of a message of this type (`v6`: of ICMPv6). */
enum icmp_kind icmp_kind(bool v6, uint8_t type);

/*
 * The packet that a message quotes, as far as it is there: the ports are 0
 * when they are not.  False when it quotes none that makes sense.
 */
bool icmp_quote(bool v6, struct bytes message, struct packet_quote *quote);

/*
 * An echo's identifier stands where others have ports, and a neighbour that is
 * asked for by multicast stands where the group does, so that the answer is of
 * the same conversation.  False when the header is not there.
 */
bool icmp_decode(struct decode *d);
