/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/packet_peek.h"

#include "base/reader.h"
#include "capture/link_types.h"

#define VLAN_TAGS_MAX  4
#define EXTENSIONS_MAX 8

enum ip_protocol {
	IP_HOP_BY_HOP = 0,
	IP_IN_IP = 4,
	IP_TCP = 6,
	IP_UDP = 17,
	IP_IPV6 = 41,
	IP_ROUTING = 43,
	IP_FRAGMENT = 44,
	IP_GRE = 47,
	IP_AH = 51,
	IP_DESTINATION = 60,
	IP_SCTP = 132,
	IP_UDPLITE = 136,
};

enum tunnel_port { PORT_VXLAN = 4789, PORT_GENEVE = 6081 };

static struct bytes
reader_rest(struct reader *r)
{
	return reader_take(r, reader_left(r));
}

/* Steps over VLAN tags (802.1Q, 802.1ad) and MPLS labels. */
static uint16_t
peek_tags(struct reader *r, uint16_t type)
{
	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		if (type != 0x8100 && type != 0x88a8 && type != 0x9100)
			break;
		reader_skip(r, 2);
		type = reader_be16(r);
	}
	if (type == 0x8847 || type == 0x8848) { /* MPLS: up to the last label */
		uint32_t label;

		do
			label = reader_be32(r);
		while (!r->failed && !(label & 0x100));
		type = 0;
		if (reader_left(r) > 0 && r->at[0] >> 4 == 4)
			type = PACKET_IPV4;
		else if (reader_left(r) > 0 && r->at[0] >> 4 == 6)
			type = PACKET_IPV6;
	}
	return r->failed ? 0 : type;
}

static uint16_t
peek_ethernet(struct reader *r)
{
	reader_skip(r, 12);
	return peek_tags(r, reader_be16(r));
}

/* IPv4 or IPv6 by the version in the first byte. */
static uint16_t
peek_version(const struct reader *r)
{
	if (reader_left(r) == 0)
		return 0;
	return r->at[0] >> 4 == 4   ? PACKET_IPV4
	       : r->at[0] >> 4 == 6 ? PACKET_IPV6
				    : 0;
}

uint16_t
packet_peek_link(uint16_t link_type, struct bytes packet, struct bytes *inside)
{
	struct reader r = reader_make(packet);
	uint16_t type = 0;

	switch (link_type) {
	case LINK_TYPE_ETHERNET:
		type = peek_ethernet(&r);
		break;
	case LINK_TYPE_LINUX_SLL:
		reader_skip(&r, 14);
		type = peek_tags(&r, reader_be16(&r));
		break;
	case LINK_TYPE_LINUX_SLL2:
		type = reader_be16(&r);
		reader_skip(&r, 18);
		type = peek_tags(&r, type);
		break;
	case LINK_TYPE_NULL: /* the family's number varies: look inside */
	case LINK_TYPE_LOOP:
		reader_skip(&r, 4);
		type = peek_version(&r);
		break;
	default:
		type = peek_version(&r);
		break;
	}
	*inside = reader_rest(&r);
	return type;
}

/* GRE (RFC 2784, 2890): optional fields by flag. */
static void
peek_gre(struct reader *r, struct packet_layer *layer)
{
	uint16_t flags = reader_be16(r);
	uint16_t type = reader_be16(r);

	reader_skip(r, (flags & 0x8000 ? 4u : 0) + (flags & 0x2000 ? 4u : 0) +
			       (flags & 0x1000 ? 4u : 0));
	layer->inner = reader_rest(r);
	if ((flags & 7) == 0 && !r->failed)
		layer->inner_type = type;
}

static void
peek_udp_tunnel(struct reader *r, struct packet_layer *layer)
{
	uint8_t first;
	uint16_t type = PACKET_ETHERNET;

	reader_skip(r, 4); /* length and checksum */
	first = reader_u8(r);
	reader_skip(r, 1);
	if (layer->target_port == PORT_GENEVE) { /* RFC 8926 */
		type = reader_be16(r);
		reader_skip(r, 4 + (first & 0x3f) * 4u);
	} else { /* RFC 7348 */
		reader_skip(r, 6);
	}
	layer->inner = reader_rest(r);
	if (!r->failed)
		layer->inner_type = type;
}

/* Ports, or what the tunnel holds; `length` as the IP header has it for what
 * is still to be read, 0 or too large where offloading left it so. */
static void
peek_upper(struct reader r, size_t length, struct packet_layer *layer)
{
	layer->upper = bytes_make(r.at, reader_left(&r));
	if (length > 0)
		layer->upper = bytes_first(layer->upper, length);
	switch (layer->protocol) {
	case IP_TCP:
	case IP_UDP:
	case IP_UDPLITE:
	case IP_SCTP:
		layer->source_port = reader_be16(&r);
		layer->target_port = reader_be16(&r);
		layer->has_ports = !r.failed;
		if (layer->has_ports && layer->protocol == IP_UDP &&
		    (layer->target_port == PORT_VXLAN ||
		     layer->target_port == PORT_GENEVE))
			peek_udp_tunnel(&r, layer);
		break;
	case IP_IN_IP:
		layer->inner_type = PACKET_IPV4;
		layer->inner = reader_rest(&r);
		break;
	case IP_IPV6:
		layer->inner_type = PACKET_IPV6;
		layer->inner = reader_rest(&r);
		break;
	case IP_GRE:
		peek_gre(&r, layer);
		break;
	default:
		break;
	}
}

static void
peek_map_ipv4(uint8_t out[16], struct bytes address)
{
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, address.data, 4);
}

static bool
peek_ipv4(struct reader *r, struct packet_layer *layer)
{
	uint8_t first = reader_u8(r);
	uint16_t fragment, total;
	size_t header = (first & 0xfu) * 4;
	struct bytes source, target;

	reader_skip(r, 1);
	total = reader_be16(r);
	reader_skip(r, 2);
	fragment = reader_be16(r);
	reader_skip(r, 1);
	layer->protocol = reader_u8(r);
	reader_skip(r, 2);
	source = reader_take(r, 4);
	target = reader_take(r, 4);
	if (r->failed || first >> 4 != 4 || (first & 0xf) < 5)
		return false;
	peek_map_ipv4(layer->source, source);
	peek_map_ipv4(layer->target, target);
	reader_skip(r, ((first & 0xfu) - 5) * 4);
	layer->is_fragment = (fragment & 0x1fff) != 0;
	if (!layer->is_fragment)
		peek_upper(*r, total > header ? total - header : 0, layer);
	return true;
}

/* Extension headers (RFC 8200) up to the upper layer; false at a fragment that
 * is not the first. */
static bool
peek_extensions(struct reader *r, struct packet_layer *layer)
{
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		uint8_t next, length;
		uint16_t fragment;

		if (layer->protocol != IP_HOP_BY_HOP &&
		    layer->protocol != IP_ROUTING &&
		    layer->protocol != IP_DESTINATION &&
		    layer->protocol != IP_FRAGMENT && layer->protocol != IP_AH)
			return true;
		next = reader_u8(r);
		length = reader_u8(r);
		fragment = reader_be16(r);
		if (layer->protocol == IP_FRAGMENT) {
			reader_skip(r, 4);
			if (fragment & 0xfff8) {
				layer->protocol = next;
				layer->is_fragment = true;
				return false;
			}
		} else if (layer->protocol == IP_AH) {
			reader_skip(r, (length + 2u) * 4 - 4);
		} else {
			reader_skip(r, (length + 1u) * 8 - 4);
		}
		layer->protocol = next;
	}
	return false;
}

static bool
peek_ipv6(struct reader *r, struct packet_layer *layer)
{
	uint8_t first = reader_u8(r);
	uint16_t total;
	const uint8_t *start;
	struct bytes source, target;

	reader_skip(r, 3);
	total = reader_be16(r);
	layer->protocol = reader_u8(r);
	reader_skip(r, 1);
	source = reader_take(r, 16);
	target = reader_take(r, 16);
	if (r->failed || first >> 4 != 6)
		return false;
	memcpy(layer->source, source.data, 16);
	memcpy(layer->target, target.data, 16);
	start = r->at;
	if (peek_extensions(r, layer)) {
		size_t header = (size_t)(r->at - start);

		peek_upper(*r, total > header ? total - header : 0, layer);
	}
	return true;
}

bool
packet_peek_layer(struct bytes in, uint16_t type, struct packet_layer *layer)
{
	struct reader r = reader_make(in);

	*layer = (struct packet_layer){ .protocol = 0 };
	if (type == PACKET_ETHERNET)
		type = peek_ethernet(&r);
	if (type == PACKET_IPV4)
		return peek_ipv4(&r, layer);
	if (type == PACKET_IPV6)
		return peek_ipv6(&r, layer);
	return false;
}
