/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the decoders of single layers share: each takes its header from the
 * front of `rest` and names the layer that follows.
 */
#pragma once

#include "dissect/packet.h"

/* What to decode next, or how decoding ended. */
enum layer {
	LAYER_ETHERNET,
	LAYER_ETHERTYPE, /* number: EtherType */
	LAYER_MPLS,
	LAYER_PPP,
	LAYER_IP,        /* version by the first nibble */
	LAYER_PROTOCOL,  /* number: IP protocol */
	LAYER_ERSPAN2,
	LAYER_ERSPAN3,
	LAYER_END,       /* everything from here on is an outcome */
	LAYER_DONE = LAYER_END,
	LAYER_FRAGMENT,
	LAYER_NON_IP,
	LAYER_MALFORMED,
	LAYER_UNSUPPORTED,
};

/* Bytes not decoded yet: `captured` are at `at`, `wire` were sent. */
struct slice {
	const uint8_t *at;
	uint32_t captured;
	uint32_t wire; /* >= captured */
};

struct decode {
	struct slice rest;
	struct packet *packet;
	uint16_t number;
	bool tunnelled;       /* `outer` is set */
	struct packet *outer; /* the packet that carries the current tunnel */
};

static inline uint16_t
layer_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t
layer_be32(const uint8_t *at)
{
	return (uint32_t)layer_be16(at) << 16 | layer_be16(at + 2);
}

/* The next `size` bytes, or NULL when that many were not captured. */
static inline const uint8_t *
layer_take(struct slice *s, uint32_t size)
{
	const uint8_t *at = s->at;

	if (s->captured < size)
		return NULL;
	s->at += size;
	s->captured -= size;
	s->wire -= size;
	return at;
}

/* Cuts padding behind `size` bytes. */
static inline void
layer_trim(struct slice *s, uint32_t size)
{
	if (s->wire > size)
		s->wire = size;
	if (s->captured > s->wire)
		s->captured = s->wire;
}
