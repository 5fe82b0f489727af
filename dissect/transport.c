/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/transport.h"

#include <stddef.h>

#include "dissect/icmp.h"
#include "dissect/tunnel.h"

#define TCP_HEADER  20
#define UDP_HEADER  8
#define SCTP_HEADER 12

static enum layer
transport_done(struct decode *d)
{
	d->packet->payload = bytes_make(d->rest.at, d->rest.captured);
	d->packet->payload_length = d->rest.wire;
	return LAYER_DONE;
}

static void
transport_ports(struct packet *p, const uint8_t *at)
{
	p->source.port = layer_be16(at);
	p->target.port = layer_be16(at + 2);
}

/* The shift count of RFC 7323 section 2.2 (at most 14). */
static uint8_t
transport_window_scale(const uint8_t *at, uint32_t size)
{
	for (uint32_t i = 0; i < size && at[i] != 0;) {
		if (at[i] == 1) {
			i++;
			continue;
		}
		if (i + 1 >= size || at[i + 1] < 2)
			break;
		if (at[i] == 3 && at[i + 1] == 3 && i + 2 < size)
			return at[i + 2] < 14 ? at[i + 2] : 14;
		i += at[i + 1];
	}
	return TCP_NO_WINDOW_SCALE;
}

static enum layer
transport_tcp(struct decode *d)
{
	struct packet_tcp *tcp = &d->packet->tcp;
	const uint8_t *at = layer_take(&d->rest, TCP_HEADER);
	uint32_t options, captured;

	if (!at || at[12] >> 4 < TCP_HEADER / 4)
		return LAYER_MALFORMED;
	options = (at[12] >> 4) * 4u - TCP_HEADER;
	if (options > d->rest.wire)
		return LAYER_MALFORMED;
	transport_ports(d->packet, at);
	tcp->seq = layer_be32(at + 4);
	tcp->ack = layer_be32(at + 8);
	tcp->flags = at[13];
	tcp->window = layer_be16(at + 14);
	tcp->window_scale = TCP_NO_WINDOW_SCALE;
	captured = options < d->rest.captured ? options : d->rest.captured;
	if (tcp->flags & TCP_SYN)
		tcp->window_scale =
			transport_window_scale(d->rest.at, captured);
	(void)layer_take(&d->rest, captured);
	d->rest.wire -= options - captured;
	return transport_done(d);
}

/* Remembers the packet as it is, to come back to when the tunnel's inside
 * cannot be decoded. */
static void
transport_keep_outer(struct decode *d)
{
	(void)transport_done(d);
	*d->outer = *d->packet;
	d->tunnelled = true;
}

static enum layer
transport_udp(struct decode *d)
{
	const uint8_t *at = layer_take(&d->rest, UDP_HEADER);
	struct slice before;
	enum layer inner;
	uint32_t length;

	if (!at)
		return LAYER_MALFORMED;
	transport_ports(d->packet, at);
	length = layer_be16(at + 4);
	if (length >= UDP_HEADER) /* 0: a jumbogram (RFC 2675) or offload */
		layer_trim(&d->rest, length - UDP_HEADER);
	before = d->rest;
	inner = tunnel_udp(d, d->packet->source.port, d->packet->target.port);
	if (inner != LAYER_DONE) {
		struct slice after = d->rest;

		d->rest = before;
		transport_keep_outer(d);
		d->rest = after;
		return inner;
	}
	return transport_done(d);
}

static enum layer
transport_with_ports(struct decode *d, uint32_t header)
{
	const uint8_t *at = layer_take(&d->rest, header);

	if (!at)
		return LAYER_MALFORMED;
	transport_ports(d->packet, at);
	return transport_done(d);
}

enum layer
transport_decode(struct decode *d)
{
	struct packet *p = d->packet;

	p->source.port = p->target.port = 0;
	p->transport = bytes_make(d->rest.at, d->rest.captured);
	switch (d->number) {
	case IP_PROTOCOL_TCP:
		return transport_tcp(d);
	case IP_PROTOCOL_UDP:
		return transport_udp(d);
	case IP_PROTOCOL_SCTP:
		return transport_with_ports(d, SCTP_HEADER);
	case IP_PROTOCOL_DCCP:
	case IP_PROTOCOL_UDPLITE:
		return transport_with_ports(d, UDP_HEADER);
	case IP_PROTOCOL_ICMP:
	case IP_PROTOCOL_ICMPV6:
		return icmp_decode(d) ? transport_done(d) : LAYER_MALFORMED;
	case IP_PROTOCOL_IPIP:
	case IP_PROTOCOL_IPV6:
		transport_keep_outer(d);
		return LAYER_IP;
	case IP_PROTOCOL_MPLS:
		transport_keep_outer(d);
		return LAYER_MPLS;
	case IP_PROTOCOL_GRE:
		transport_keep_outer(d);
		return tunnel_gre(d);
	default:
		return transport_done(d);
	}
}
