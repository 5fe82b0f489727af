/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/icmp.h"

#include <string.h>

#include "dissect/ip.h"

/* Of ICMPv6: where the quoted packet of a redirect is (RFC 4861 §4.5, §4.6.3),
 * and where the address of a neighbour. */
#define REDIRECT_OPTIONS 40
#define OPTION_REDIRECTED 4
#define OPTION_HEAD 8
#define NEIGHBOUR_SIZE 24

static enum icmp_kind
kind_v4(uint8_t type)
{
	switch (type) {
	case ICMP_ECHO:
	case ICMP_TIMESTAMP:
	case ICMP_INFORMATION:
	case ICMP_MASK:
		return ICMP_KIND_REQUEST;
	case ICMP_ECHO_REPLY:
	case ICMP_TIMESTAMP_REPLY:
	case ICMP_INFORMATION_REPLY:
	case ICMP_MASK_REPLY:
		return ICMP_KIND_REPLY;
	case ICMP_UNREACHABLE:
	case ICMP_SOURCE_QUENCH:
	case ICMP_REDIRECT:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETER_PROBLEM:
		return ICMP_KIND_ERROR;
	default:
		return ICMP_KIND_OTHER;
	}
}

enum icmp_kind
icmp_kind(bool v6, uint8_t type)
{
	if (!v6)
		return kind_v4(type);
	switch (type) {
	case ICMPV6_ECHO:
		return ICMP_KIND_REQUEST;
	case ICMPV6_ECHO_REPLY:
		return ICMP_KIND_REPLY;
	case ICMPV6_UNREACHABLE:
	case ICMPV6_TOO_BIG:
	case ICMPV6_TIME_EXCEEDED:
	case ICMPV6_PARAMETER_PROBLEM:
	case ICMPV6_REDIRECT:
		return ICMP_KIND_ERROR;
	default:
		return ICMP_KIND_OTHER;
	}
}

/* The bytes that a message quotes; empty when there are none. */
static struct bytes
quoted_bytes(bool v6, struct bytes message)
{
	struct bytes rest;

	if (!v6 || message.data[0] != ICMPV6_REDIRECT)
		return bytes_from(message, ICMP_HEADER);
	rest = bytes_from(message, REDIRECT_OPTIONS);
	while (rest.size >= OPTION_HEAD && rest.data[1]) {
		if (rest.data[0] == OPTION_REDIRECTED)
			return bytes_from(rest, OPTION_HEAD);
		rest = bytes_from(rest, (size_t)rest.data[1] * 8);
	}
	return bytes_make(NULL, 0);
}

/* The ports, or what stands for them, of the first bytes of a transport. */
static void
quote_ports(struct packet_quote *q, struct bytes in)
{
	bool v6 = q->ip_protocol == IP_PROTOCOL_ICMPV6;

	switch (q->ip_protocol) {
	case IP_PROTOCOL_TCP:
	case IP_PROTOCOL_UDP:
	case IP_PROTOCOL_SCTP:
	case IP_PROTOCOL_DCCP:
	case IP_PROTOCOL_UDPLITE:
		if (in.size < 4)
			return;
		q->source.port = layer_be16(in.data);
		q->target.port = layer_be16(in.data + 2);
		return;
	case IP_PROTOCOL_ICMP:
	case IP_PROTOCOL_ICMPV6:
		if (in.size >= ICMP_HEADER &&
		    (icmp_kind(v6, in.data[0]) == ICMP_KIND_REQUEST ||
		     icmp_kind(v6, in.data[0]) == ICMP_KIND_REPLY))
			q->source.port = q->target.port =
				layer_be16(in.data + 4);
		return;
	default:
		return;
	}
}

bool
icmp_quote(bool v6, struct bytes message, struct packet_quote *quote)
{
	struct bytes in = bytes_make(NULL, 0);
	struct packet inner = { .ip_version = 0 };
	struct decode d = { .packet = &inner };
	enum layer layer;

	if (message.size < ICMP_HEADER ||
	    icmp_kind(v6, message.data[0]) != ICMP_KIND_ERROR)
		return false;
	in = quoted_bytes(v6, message);
	d.rest = (struct slice){ in.data, (uint32_t)in.size,
				 (uint32_t)in.size };
	layer = ip_decode(&d);
	if (layer != LAYER_PROTOCOL && layer != LAYER_FRAGMENT)
		return false;
	*quote = (struct packet_quote){ .source = inner.source,
					.target = inner.target,
					.ip_protocol = inner.ip_protocol };
	if (layer == LAYER_PROTOCOL)
		quote_ports(quote, bytes_make(d.rest.at, d.rest.captured));
	else if (inner.fragment.offset == 0)
		quote_ports(quote, inner.payload);
	return true;
}

bool
icmp_decode(struct decode *d)
{
	struct packet *p = d->packet;
	struct bytes message = bytes_make(d->rest.at, d->rest.captured);
	bool v6 = d->number == IP_PROTOCOL_ICMPV6;
	const uint8_t *at = layer_take(&d->rest, ICMP_HEADER);
	enum icmp_kind kind;

	if (!at)
		return false;
	kind = icmp_kind(v6, at[0]);
	p->answer = kind == ICMP_KIND_REPLY || kind == ICMP_KIND_ERROR;
	if (kind == ICMP_KIND_REQUEST || kind == ICMP_KIND_REPLY)
		p->source.port = p->target.port = layer_be16(at + 4);
	if (kind == ICMP_KIND_ERROR)
		p->quotes = icmp_quote(v6, message, &p->quote);
	if (!v6)
		return true;
	p->answer |= at[0] == ICMPV6_NEIGHBOUR_ADVERTISEMENT ||
		     at[0] == ICMPV6_ROUTER_ADVERTISEMENT;
	if (at[0] == ICMPV6_NEIGHBOUR_SOLICITATION &&
	    message.size >= NEIGHBOUR_SIZE && p->target.ip[0] == 0xff)
		memcpy(p->target.ip, at + ICMP_HEADER, sizeof(p->target.ip));
	return true;
}
