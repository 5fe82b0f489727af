/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/engine_filter.h"

#include <string.h>

/* The first `bits` bits are the same. */
static bool
same_prefix(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 &&
	       (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

static bool
filter_ip(const struct engine_filter *f, const struct packet *p)
{
	for (size_t i = 0; i < f->ip_count; i++) {
		unsigned bits = f->ip_bits ? f->ip_bits[i] : 128;

		if (same_prefix(f->ips[i], p->source.ip, bits) ||
		    same_prefix(f->ips[i], p->target.ip, bits))
			return true;
	}
	return false;
}

static bool
filter_port(const struct engine_filter *f, const struct packet *p)
{
	for (size_t i = 0; i < f->port_count; i++)
		if (f->ports[i] == p->source.port ||
		    f->ports[i] == p->target.port)
			return true;
	return false;
}

bool
engine_filter_passes(const struct engine_filter *f, const struct packet *p)
{
	return (!f->ips || filter_ip(f, p)) &&
	       (!f->ports || filter_port(f, p)) &&
	       (!f->ip_protocol || f->ip_protocol == p->ip_protocol);
}
