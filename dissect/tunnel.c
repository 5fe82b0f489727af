/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/tunnel.h"

#include <stddef.h>

enum tunnel_port {
	PORT_GTP_U = 2152,
	PORT_TEREDO = 3544,
	PORT_VXLAN = 4789,
	PORT_VXLAN_GPE = 4790,
	PORT_GENEVE = 6081,
	PORT_VXLAN_LINUX = 8472,
};

enum gre {
	GRE_CHECKSUM = 0x8000,
	GRE_ROUTING = 0x4000,
	GRE_KEY = 0x2000,
	GRE_SEQUENCE = 0x1000,
	GRE_VERSION = 0x0007,
	GRE_ERSPAN2 = 0x88be,
	GRE_ERSPAN3 = 0x22eb,
};

enum teredo {
	TEREDO_ORIGIN = 0,
	TEREDO_AUTHENTICATION = 1,
	TEREDO_NONCE_AND_CONFIRMATION = 9,
};

enum layer
tunnel_gre(struct decode *d)
{
	const uint8_t *at = layer_take(&d->rest, 4);
	uint32_t options = 0;
	uint16_t flags;

	if (!at)
		return LAYER_MALFORMED;
	flags = layer_be16(at);
	if (flags & (GRE_VERSION | GRE_ROUTING))
		return LAYER_NON_IP;
	options += flags & GRE_CHECKSUM ? 4 : 0;
	options += flags & GRE_KEY ? 4 : 0;
	options += flags & GRE_SEQUENCE ? 4 : 0;
	if (!layer_take(&d->rest, options))
		return LAYER_MALFORMED;
	d->number = layer_be16(at + 2);
	if (d->number == GRE_ERSPAN3)
		return LAYER_ERSPAN3;
	if (d->number != GRE_ERSPAN2)
		return LAYER_ETHERTYPE;
	/* Type I has neither a sequence number nor a header of its own. */
	return flags & GRE_SEQUENCE ? LAYER_ERSPAN2 : LAYER_ETHERNET;
}

enum layer
tunnel_erspan2(struct decode *d)
{
	return layer_take(&d->rest, 8) ? LAYER_ETHERNET : LAYER_MALFORMED;
}

enum layer
tunnel_erspan3(struct decode *d)
{
	const uint8_t *at = layer_take(&d->rest, 12);

	if (!at || ((at[11] & 1) && !layer_take(&d->rest, 8)))
		return LAYER_MALFORMED;
	switch (at[10] >> 2 & 0x1f) { /* frame type */
	case 0:
		return LAYER_ETHERNET;
	case 2:
		return LAYER_IP;
	default:
		return LAYER_NON_IP;
	}
}

/*
 * VXLAN, with the group policy or generic protocol extension
 * (draft-smith-vxlan-group-policy, draft-ietf-nvo3-vxlan-gpe).
 */
static enum layer
tunnel_vxlan(struct decode *d)
{
	const uint8_t *at = d->rest.at;
	bool generic;

	if (d->rest.captured < 8 + 14 || !(at[0] & 0x08) || at[7] != 0)
		return LAYER_DONE;
	generic = at[0] & 0x04;
	if ((at[0] & ~0x8cu) || (generic && (at[3] < 1 || at[3] > 3)))
		return LAYER_DONE;
	(void)layer_take(&d->rest, 8);
	return generic && at[3] < 3 ? LAYER_IP : LAYER_ETHERNET;
}

static enum layer
tunnel_geneve(struct decode *d)
{
	const uint8_t *at = d->rest.at;
	uint32_t size;

	if (d->rest.captured < 8 || at[0] >> 6 != 0 || at[7] != 0)
		return LAYER_DONE;
	size = 8 + (at[0] & 0x3fu) * 4;
	if (d->rest.captured < size)
		return LAYER_DONE;
	d->number = layer_be16(at + 2);
	(void)layer_take(&d->rest, size);
	return LAYER_ETHERTYPE;
}

/* The size of a GTP-U G-PDU's headers before the inner packet, 0: none. */
static uint32_t
tunnel_gtp_header(const struct slice *s)
{
	uint32_t size = 8;
	uint8_t next;

	if (s->captured < 12 || (s->at[0] & 0xf0) != 0x30 || s->at[1] != 255)
		return 0;
	if (!(s->at[0] & 7))
		return size;
	next = s->at[0] & 4 ? s->at[11] : 0;
	size = 12;
	while (next != 0) {
		uint32_t extension;

		if (size + 4 > s->captured)
			return 0;
		extension = s->at[size] * 4u;
		if (extension == 0 || size + extension > s->captured)
			return 0;
		next = s->at[size + extension - 1];
		size += extension;
	}
	return size;
}

static enum layer
tunnel_gtp(struct decode *d)
{
	uint32_t size = tunnel_gtp_header(&d->rest);
	uint8_t version;

	if (size == 0 || d->rest.captured <= size)
		return LAYER_DONE;
	version = d->rest.at[size] >> 4;
	if (version != 4 && version != 6)
		return LAYER_DONE;
	(void)layer_take(&d->rest, size);
	return LAYER_IP;
}

/* The size of what RFC 4380 puts before the IPv6 packet: an authentication
 * (section 5.1.1), then an origin indication (5.1.2); 0 also when it is cut. */
static uint32_t
teredo_indications(const struct slice *s)
{
	uint32_t size = 0;

	if (s->captured >= 4 && layer_be16(s->at) == TEREDO_AUTHENTICATION)
		size = 4u + s->at[2] + s->at[3] + TEREDO_NONCE_AND_CONFIRMATION;
	if (s->captured >= size + 2 &&
	    layer_be16(s->at + size) == TEREDO_ORIGIN)
		size += 8;
	return size <= s->captured ? size : 0;
}

/* The length of the IPv6 packet must fit exactly. */
static enum layer
tunnel_teredo(struct decode *d)
{
	const uint8_t *at = d->rest.at;
	uint32_t skip = teredo_indications(&d->rest);

	if (d->rest.captured < skip + 40 || at[skip] >> 4 != 6 ||
	    layer_be16(at + skip + 4) + 40u + skip != d->rest.wire)
		return LAYER_DONE;
	(void)layer_take(&d->rest, skip);
	return LAYER_IP;
}

enum layer
tunnel_udp(struct decode *d, uint16_t source, uint16_t target)
{
	switch (target) {
	case PORT_VXLAN:
	case PORT_VXLAN_GPE:
	case PORT_VXLAN_LINUX:
		return tunnel_vxlan(d);
	case PORT_GENEVE:
		return tunnel_geneve(d);
	case PORT_GTP_U:
		return tunnel_gtp(d);
	default:
		break;
	}
	if (target == PORT_TEREDO || source == PORT_TEREDO)
		return tunnel_teredo(d);
	return LAYER_DONE;
}
