/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/store/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/text.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

bool
address_parse(const char *text, struct address *out)
{
	memcpy(out->bytes, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, out->bytes + 12) == 1 ||
	       inet_pton(AF_INET6, text, out->bytes) == 1;
}

bool
address_network(const char *text, struct address *first, struct address *last)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	uint64_t bits = 128;
	unsigned shift;

	if (!slash)
		slash = text + strlen(text);
	if ((size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (!address_parse(address, first))
		return false;
	shift = strchr(address, ':') ? 0 : 96;
	if (*slash && (!text_u64(bytes_of(slash + 1), &bits) ||
		       bits > 128 - shift))
		return false;
	bits = *slash ? bits + shift : 128;
	*last = *first;
	for (unsigned i = 0; i < 16; i++) {
		unsigned kept = bits > 8 * i ? (unsigned)bits - 8 * i : 0;
		uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00u >> kept);

		first->bytes[i] &= mask;
		last->bytes[i] |= (uint8_t)~mask;
	}
	return true;
}

const char *
address_text(const uint8_t bytes[16], char out[INET6_ADDRSTRLEN])
{
	if (memcmp(bytes, mapped, sizeof(mapped)) == 0)
		return inet_ntop(AF_INET, bytes + 12, out, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, bytes, out, INET6_ADDRSTRLEN);
}
