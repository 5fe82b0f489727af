/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/ip.h"

#include <string.h>

#define IPV4_HEADER          20
#define IPV6_HEADER          40
#define IPV6_EXTENSION_LIMIT 12

enum ipv6_extension {
	EXTENSION_HOP_BY_HOP = 0,
	EXTENSION_ROUTING = 43,
	EXTENSION_FRAGMENT = 44,
	EXTENSION_AH = 51,
	EXTENSION_DESTINATION = 60,
	EXTENSION_MOBILITY = 135,
	EXTENSION_HIP = 139,
	EXTENSION_SHIM6 = 140,
};

static void
ip_map_v4(uint8_t ip[16], const uint8_t *at)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(ip, prefix, sizeof(prefix));
	memcpy(ip + 12, at, 4);
}

static enum layer
ip_fragment(struct decode *d, uint32_t id, uint32_t offset, bool more)
{
	struct packet *p = d->packet;

	p->fragment.id = id;
	p->fragment.offset = offset;
	p->fragment.more = more;
	p->payload = bytes_make(d->rest.at, d->rest.captured);
	p->payload_length = d->rest.wire;
	return LAYER_FRAGMENT;
}

static enum layer
ip_v4(struct decode *d)
{
	struct packet *p = d->packet;
	uint32_t frame = d->rest.wire;
	const uint8_t *at = layer_take(&d->rest, IPV4_HEADER);
	uint32_t header, total;
	uint16_t fragment;

	if (!at)
		return LAYER_MALFORMED;
	header = (at[0] & 0x0fu) * 4;
	total = layer_be16(at + 2);
	if (total == 0) /* segmentation offload: the length was not filled in */
		total = frame;
	if (header < IPV4_HEADER || total < header ||
	    !layer_take(&d->rest, header - IPV4_HEADER))
		return LAYER_MALFORMED;
	layer_trim(&d->rest, total - header);
	p->ip_version = 4;
	p->ip_length = d->rest.wire + header;
	p->ip_id = layer_be16(at + 4);
	p->ip_protocol = at[9];
	p->path += (uint64_t)at[8] << 56;
	ip_map_v4(p->source.ip, at + 12);
	ip_map_v4(p->target.ip, at + 16);
	d->number = at[9];
	fragment = layer_be16(at + 6);
	if (fragment & 0x3fff)
		return ip_fragment(d, p->ip_id, (fragment & 0x1fffu) * 8,
				   fragment & 0x2000);
	return LAYER_PROTOCOL;
}

/* The length of a jumbogram (RFC 2675), 0 when there is no such option. */
static uint32_t
ip_jumbo_length(const struct slice *s)
{
	uint32_t size = s->captured >= 8 ? ((uint32_t)s->at[1] + 1) * 8 : 0;

	if (size > s->captured)
		return 0;
	for (uint32_t i = 2; i + 1 < size;) {
		if (s->at[i] == 0) { /* Pad1 */
			i++;
			continue;
		}
		if (s->at[i] == 0xc2 && s->at[i + 1] == 4 && i + 6 <= size)
			return layer_be32(s->at + i + 2);
		i += 2 + (uint32_t)s->at[i + 1];
	}
	return 0;
}

/* RFC 8200 section 4.5; offset 0 without more is whole (RFC 6946). */
static enum layer
ip_v6_fragment(struct decode *d)
{
	const uint8_t *at = layer_take(&d->rest, 8);
	uint16_t offset;

	if (!at)
		return LAYER_MALFORMED;
	d->number = d->packet->ip_protocol = at[0];
	offset = layer_be16(at + 2);
	d->packet->ip_id = layer_be16(at + 6);
	if (!(offset & 0xfff9))
		return LAYER_PROTOCOL;
	return ip_fragment(d, layer_be32(at + 4), offset & 0xfff8, offset & 1);
}

static enum layer
ip_v6_extensions(struct decode *d)
{
	for (unsigned i = 0; i < IPV6_EXTENSION_LIMIT; i++) {
		const uint8_t *at = d->rest.at;
		uint32_t size;

		switch (d->number) {
		case EXTENSION_HOP_BY_HOP:
		case EXTENSION_ROUTING:
		case EXTENSION_DESTINATION:
		case EXTENSION_MOBILITY:
		case EXTENSION_HIP:
		case EXTENSION_SHIM6:
			size = d->rest.captured < 2 ? 8 : (at[1] + 1u) * 8;
			break;
		case EXTENSION_AH:
			size = d->rest.captured < 2 ? 8 : (at[1] + 2u) * 4;
			break;
		case EXTENSION_FRAGMENT: {
			enum layer next = ip_v6_fragment(d);

			if (next != LAYER_PROTOCOL)
				return next;
			continue;
		}
		default:
			d->packet->ip_protocol = (uint8_t)d->number;
			return LAYER_PROTOCOL;
		}
		if (!layer_take(&d->rest, size))
			return LAYER_MALFORMED;
		d->number = at[0];
	}
	return LAYER_MALFORMED;
}

static enum layer
ip_v6(struct decode *d)
{
	struct packet *p = d->packet;
	const uint8_t *at = layer_take(&d->rest, IPV6_HEADER);
	uint32_t length;

	if (!at)
		return LAYER_MALFORMED;
	length = layer_be16(at + 4);
	if (length == 0 && at[6] == EXTENSION_HOP_BY_HOP)
		length = ip_jumbo_length(&d->rest);
	if (length == 0 && at[6] != 59) /* offload; 59: no next header */
		length = d->rest.wire;
	layer_trim(&d->rest, length);
	p->ip_version = 6;
	p->ip_length = d->rest.wire + IPV6_HEADER;
	p->ip_id = 0;
	p->ip_protocol = at[6];
	p->path += (uint64_t)at[7] << 56;
	memcpy(p->source.ip, at + 8, 16);
	memcpy(p->target.ip, at + 24, 16);
	d->number = at[6];
	return ip_v6_extensions(d);
}

enum layer
ip_decode(struct decode *d)
{
	if (d->rest.captured == 0)
		return LAYER_MALFORMED;
	switch (d->rest.at[0] >> 4) {
	case 4:
		return ip_v4(d);
	case 6:
		return ip_v6(d);
	default:
		return LAYER_MALFORMED;
	}
}
