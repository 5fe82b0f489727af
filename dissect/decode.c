/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/decode.h"

#include <assert.h>
#include <string.h>

#include "dissect/ip.h"
#include "dissect/layer.h"
#include "dissect/link.h"
#include "dissect/transport.h"
#include "dissect/tunnel.h"

static enum layer
decode_layer(struct decode *d, enum layer layer)
{
	switch (layer) {
	case LAYER_ETHERNET:
		return link_ethernet(d);
	case LAYER_ETHERTYPE:
		return link_ethertype(d);
	case LAYER_MPLS:
		return link_mpls(d);
	case LAYER_PPP:
		return link_ppp(d);
	case LAYER_IP:
		return ip_decode(d);
	case LAYER_PROTOCOL:
		return transport_decode(d);
	case LAYER_ERSPAN2:
		return tunnel_erspan2(d);
	case LAYER_ERSPAN3:
		return tunnel_erspan3(d);
	case LAYER_DONE:
	case LAYER_FRAGMENT:
	case LAYER_NON_IP:
	case LAYER_MALFORMED:
	case LAYER_UNSUPPORTED:
		break;
	}
	return layer;
}

static enum packet_verdict
verdict_of(enum layer outcome)
{
	if (outcome == LAYER_DONE)
		return PACKET_OK;
	if (outcome == LAYER_FRAGMENT)
		return PACKET_FRAGMENT;
	if (outcome == LAYER_NON_IP)
		return PACKET_NON_IP;
	if (outcome == LAYER_UNSUPPORTED)
		return PACKET_UNSUPPORTED;
	return PACKET_MALFORMED;
}

static enum packet_verdict
decode_run(struct decode *d, enum layer layer)
{
	struct packet *p = d->packet;
	enum packet_verdict verdict;

	while (layer < LAYER_END) {
		if (p->layers++ == PACKET_LAYER_LIMIT)
			layer = LAYER_MALFORMED;
		else
			layer = decode_layer(d, layer);
	}
	verdict = verdict_of(layer);
	if (d->tunnelled && verdict != PACKET_OK &&
	    verdict != PACKET_FRAGMENT) {
		*p = *d->outer;
		return PACKET_OK;
	}
	return verdict;
}

/*
 * A digest of what changes when a packet is forwarded: the interface it was
 * recorded on, whether it went out or came in there, and its link header (the
 * IP decoder adds the TTL).
 */
static uint64_t
decode_path(const struct packet_record *record)
{
	uint64_t words[2] = { 0, 0 };

	if (record->captured >= sizeof(words) &&
	    link_has_addresses(record->link_type))
		memcpy(words, record->data, sizeof(words));
	return (words[0] ^ (words[1] << 17 | words[1] >> 47)) *
		       0x9e3779b97f4a7c15u +
	       record->interface + ((uint64_t)record->direction << 40);
}

enum packet_verdict
decode_packet(const struct packet_record *record, struct packet *p)
{
	uint32_t captured = record->captured;
	struct packet outer;
	struct decode d = {
		.rest = { record->data, captured,
			  record->length > captured ? record->length
						    : captured },
		.packet = p,
		.outer = &outer,
	};

	p->answer = p->quotes = false;
	p->vlan = 0;
	p->layers = 0;
	p->path = decode_path(record);
	return decode_run(&d, link_first(&d, record->link_type));
}

enum packet_verdict
decode_reassembled(struct packet *p, struct bytes data, uint32_t length)
{
	struct packet outer;
	struct decode d = {
		.rest = { data.data, (uint32_t)data.size, length },
		.packet = p,
		.number = p->ip_protocol,
		.outer = &outer,
	};

	assert(data.size <= length);
	p->ip_length = length + (p->ip_version == 4 ? 20 : 40);
	return decode_run(&d, LAYER_PROTOCOL);
}
