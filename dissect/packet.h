/* SPDX-License-Identifier: Apache-2.0 */
/* What one recorded packet says, as dissect/decode.h finds it. */
#pragma once

#include <stdbool.h>

#include "capture/packet_reader.h"
#include "dissect/event.h"

/* Layers decoded in one packet before it is taken for an attack. */
#define PACKET_LAYER_LIMIT 16

/* IP protocol numbers (IANA) that this program tells apart. */
enum ip_protocol {
	IP_PROTOCOL_ICMP = 1,
	IP_PROTOCOL_IPIP = 4,
	IP_PROTOCOL_TCP = 6,
	IP_PROTOCOL_UDP = 17,
	IP_PROTOCOL_DCCP = 33,
	IP_PROTOCOL_IPV6 = 41,
	IP_PROTOCOL_GRE = 47,
	IP_PROTOCOL_ICMPV6 = 58,
	IP_PROTOCOL_SCTP = 132,
	IP_PROTOCOL_UDPLITE = 136,
	IP_PROTOCOL_MPLS = 137,
};

/* RFC 9293 section 3.1. */
enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
};

#define TCP_NO_WINDOW_SCALE 255

struct packet_tcp {
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
	uint8_t window_scale; /* of a SYN's option; else TCP_NO_WINDOW_SCALE */
};

struct packet_fragment {
	uint32_t id;
	uint32_t offset; /* bytes */
	bool more;
};

enum packet_verdict {
	PACKET_OK,
	PACKET_FRAGMENT,    /* `payload` is one fragment, see `fragment` */
	PACKET_NON_IP,
	PACKET_MALFORMED,   /* or cut within its headers */
	PACKET_UNSUPPORTED, /* link type */
};

/* The packet that an ICMP message is about (dissect/icmp.h). */
struct packet_quote {
	struct endpoint source, target; /* as in struct packet */
	uint8_t ip_protocol;
};

/* What the innermost headers say.  Slices are borrowed from the record. */
struct packet {
	struct endpoint source, target; /* no ports: 0; ICMP echo: its id */
	uint8_t ip_protocol;
	uint8_t ip_version;
	bool answer;             /* by its type a reply or report (ICMP) */
	bool quotes;             /* an ICMP message about `quote` */
	uint16_t vlan;           /* outermost, 0: none */
	uint16_t ip_id;          /* IPv4 identification; 0: none */
	uint32_t ip_length;      /* of header and payload, as on the wire */
	uint32_t payload_length; /* on the wire */
	struct bytes payload;    /* transport payload, as far as captured */
	struct bytes transport;  /* transport header and payload, captured */
	uint64_t path; /* differs between places the same packet is seen at */
	unsigned layers;         /* decoded so far */
	struct packet_tcp tcp;
	struct packet_fragment fragment;
	struct packet_quote quote;
};

/* What a stream of datagrams is given of it: the payload, of ICMP the whole
 * message.  Empty for other protocols. */
static inline struct bytes
packet_datagram(const struct packet *p)
{
	if (p->ip_protocol == IP_PROTOCOL_UDP)
		return p->payload;
	if (p->ip_protocol == IP_PROTOCOL_ICMP ||
	    p->ip_protocol == IP_PROTOCOL_ICMPV6)
		return p->transport;
	return bytes_make(NULL, 0);
}
