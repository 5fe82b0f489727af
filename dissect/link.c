/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/link.h"

#include <stddef.h>

#define ETHERNET_HEADER 14
#define SLL_HEADER      16
#define SLL2_HEADER     20

enum ethertype {
	ETHERTYPE_LENGTH_LIMIT = 0x0600, /* below: an 802.3 length */
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_TEB = 0x6558, /* transparent Ethernet bridging, RFC 7637 */
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_MPLS_MULTICAST = 0x8848,
	ETHERTYPE_PPPOE_SESSION = 0x8864,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_ETAG = 0x893f, /* IEEE 802.1BR */
	ETHERTYPE_QINQ_OLD = 0x9100,
};

enum link_type {
	LINK_NULL = 0,
	LINK_ETHERNET = 1,
	LINK_RAW_BSD = 12,
	LINK_RAW_OPENBSD = 14,
	LINK_RAW = 101,
	LINK_LOOP = 108,
	LINK_SLL = 113,
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_SLL2 = 276,
};

/* LINKTYPE_NULL holds a host's AF_ number in the byte order of that host;
 * AF_INET is 2 everywhere, AF_INET6 is not. */
static enum layer
link_family(struct decode *d)
{
	const uint8_t *at = layer_take(&d->rest, 4);
	uint32_t family;

	if (!at)
		return LAYER_MALFORMED;
	family = layer_be32(at);
	if (family > 0xffff)
		family = (uint32_t)at[1] << 8 | at[0];
	switch (family) {
	case 2:
	case 10: /* Linux */
	case 23: /* Windows */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* macOS */
		return LAYER_IP;
	default:
		return LAYER_NON_IP;
	}
}

static enum layer
link_cooked(struct decode *d, uint32_t size, uint32_t protocol_at)
{
	const uint8_t *at = layer_take(&d->rest, size);

	if (!at)
		return LAYER_MALFORMED;
	d->number = layer_be16(at + protocol_at);
	if (d->number < ETHERTYPE_LENGTH_LIMIT)
		return LAYER_NON_IP;
	return LAYER_ETHERTYPE;
}

enum layer
link_first(struct decode *d, uint16_t link_type)
{
	switch (link_type) {
	case LINK_ETHERNET:
		return LAYER_ETHERNET;
	case LINK_RAW:
	case LINK_RAW_BSD:
	case LINK_RAW_OPENBSD:
	case LINK_IPV4:
	case LINK_IPV6:
		return LAYER_IP;
	case LINK_NULL:
	case LINK_LOOP:
		return link_family(d);
	case LINK_SLL:
		return link_cooked(d, SLL_HEADER, 14);
	case LINK_SLL2:
		return link_cooked(d, SLL2_HEADER, 0);
	default:
		return LAYER_UNSUPPORTED;
	}
}

bool
link_has_addresses(uint16_t link_type)
{
	return link_type == LINK_ETHERNET || link_type == LINK_SLL ||
	       link_type == LINK_SLL2;
}

/* IEEE 802.2 with SNAP (RFC 1042): an EtherType behind AA AA 03 00 00 00. */
static enum layer
link_llc(struct decode *d)
{
	static const uint8_t snap[6] = { 0xaa, 0xaa, 0x03, 0, 0, 0 };
	const uint8_t *at = layer_take(&d->rest, 8);

	if (!at || memcmp(at, snap, sizeof(snap)) != 0)
		return LAYER_NON_IP;
	d->number = layer_be16(at + 6);
	return LAYER_ETHERTYPE;
}

enum layer
link_ethernet(struct decode *d)
{
	const uint8_t *at = layer_take(&d->rest, ETHERNET_HEADER);

	if (!at)
		return LAYER_MALFORMED;
	d->number = layer_be16(at + 12);
	if (d->number >= ETHERTYPE_LENGTH_LIMIT)
		return LAYER_ETHERTYPE;
	layer_trim(&d->rest, d->number);
	return link_llc(d);
}

static enum layer
link_vlan(struct decode *d)
{
	const uint8_t *at = layer_take(&d->rest, 4);

	if (!at)
		return LAYER_MALFORMED;
	if (d->packet->vlan == 0)
		d->packet->vlan = layer_be16(at) & 0x0fff;
	d->number = layer_be16(at + 2);
	if (d->number >= ETHERTYPE_LENGTH_LIMIT)
		return LAYER_ETHERTYPE;
	return link_llc(d);
}

static enum layer
link_pppoe(struct decode *d)
{
	const uint8_t *at = layer_take(&d->rest, 6);

	if (!at || at[0] != 0x11)
		return LAYER_MALFORMED;
	if (at[1] != 0)
		return LAYER_NON_IP;
	layer_trim(&d->rest, layer_be16(at + 4));
	return LAYER_PPP;
}

enum layer
link_ppp(struct decode *d)
{
	const uint8_t *at = layer_take(&d->rest, 1);
	uint16_t protocol;

	if (!at)
		return LAYER_MALFORMED;
	protocol = at[0];
	if (!(protocol & 1)) { /* else compressed (RFC 1661 section 6.5) */
		if (!layer_take(&d->rest, 1))
			return LAYER_MALFORMED;
		protocol = layer_be16(at);
	}
	switch (protocol) {
	case 0x0021:
	case 0x0057:
		return LAYER_IP;
	case 0x0281:
		return LAYER_MPLS;
	default:
		return LAYER_NON_IP;
	}
}

/*
 * RFC 3032: no protocol is named behind the label stack; what follows is
 * told by its first nibble (RFC 4928), 0 being a pseudo-wire's control word.
 */
enum layer
link_mpls(struct decode *d)
{
	const uint8_t *at;

	do {
		at = layer_take(&d->rest, 4);
		if (!at)
			return LAYER_MALFORMED;
	} while (!(at[2] & 1));
	if (d->rest.captured == 0)
		return LAYER_MALFORMED;
	switch (d->rest.at[0] >> 4) {
	case 4:
	case 6:
		return LAYER_IP;
	case 0:
		if (!layer_take(&d->rest, 4))
			return LAYER_MALFORMED;
		return LAYER_ETHERNET;
	default:
		return LAYER_ETHERNET;
	}
}

static enum layer
link_etag(struct decode *d)
{
	const uint8_t *at = layer_take(&d->rest, 8);

	if (!at)
		return LAYER_MALFORMED;
	d->number = layer_be16(at + 6);
	return LAYER_ETHERTYPE;
}

enum layer
link_ethertype(struct decode *d)
{
	switch (d->number) {
	case ETHERTYPE_IPV4:
	case ETHERTYPE_IPV6:
		return LAYER_IP;
	case ETHERTYPE_VLAN:
	case ETHERTYPE_QINQ:
	case ETHERTYPE_QINQ_OLD:
		return link_vlan(d);
	case ETHERTYPE_MPLS:
	case ETHERTYPE_MPLS_MULTICAST:
		return LAYER_MPLS;
	case ETHERTYPE_PPPOE_SESSION:
		return link_pppoe(d);
	case ETHERTYPE_TEB:
		return LAYER_ETHERNET;
	case ETHERTYPE_ETAG:
		return link_etag(d);
	default:
		return LAYER_NON_IP;
	}
}
