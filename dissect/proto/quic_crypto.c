/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/quic_crypto.h"

#include <stdlib.h>

#include "base/alloc.h"

#define MESSAGE_HEADER 4

void
quic_crypto_add(struct quic_crypto *c, uint64_t offset, struct bytes in)
{
	uint8_t *bits;

	if (!c->data)
		c->data = alloc_zero(1, QUIC_CRYPTO_MEMORY);
	if (offset >= QUIC_CRYPTO_MAX)
		return;
	in = bytes_first(in, QUIC_CRYPTO_MAX - (size_t)offset);
	bits = c->data + QUIC_CRYPTO_MAX;
	for (size_t i = 0; i < in.size; i++) {
		size_t at = (size_t)offset + i;

		/* What came first counts. */
		if (bits[at / 8] >> (at % 8) & 1)
			continue;
		bits[at / 8] |= (uint8_t)(1u << (at % 8));
		c->data[at] = in.data[i];
	}
	while (c->end < QUIC_CRYPTO_MAX && bits[c->end / 8] >> (c->end % 8) & 1)
		c->end++;
}

struct bytes
quic_crypto_next(struct quic_crypto *c)
{
	struct bytes rest = bytes_make(NULL, 0);
	size_t size;

	if (c->end - c->taken < MESSAGE_HEADER)
		return rest;
	rest = bytes_make(c->data + c->taken, c->end - c->taken);
	size = MESSAGE_HEADER + ((size_t)rest.data[1] << 16 |
				 (size_t)rest.data[2] << 8 | rest.data[3]);
	if (rest.size < size)
		return bytes_make(NULL, 0);
	c->taken += size;
	return bytes_first(rest, size);
}

void
quic_crypto_reset(struct quic_crypto *c)
{
	free(c->data);
	*c = (struct quic_crypto){ .end = 0 };
}
