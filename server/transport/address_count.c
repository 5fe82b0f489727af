/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/address_count.h"

#include <netinet/in.h>
#include <string.h>

#include "base/map.h"

void
address_count_init(struct address_count *a, uint32_t most, size_t connections)
{
	a->most = most;
	a->counts =
		most ? map_new(ADDRESS_KEY, sizeof(uint32_t), connections + 1)
		     : NULL;
}

void
address_count_free(struct address_count *a)
{
	if (a->counts)
		map_free(a->counts);
	a->counts = NULL;
}

/* An IPv4 address is itself in the form that IPv6 has for it (RFC 4291,
 * 2.5.5.2), so that both kinds of socket count it as one. */
void
address_count_key(const struct sockaddr *address, uint8_t key[ADDRESS_KEY])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memset(key, 0, ADDRESS_KEY);
	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		memcpy(key, mapped, sizeof(mapped));
		memcpy(key + 12, &v4.sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		memcpy(&v6, address, sizeof(v6));
		memcpy(key, &v6.sin6_addr,
		       memcmp(&v6.sin6_addr, mapped, 12) == 0 ? 16 : 8);
	}
}

bool
address_count_take(struct address_count *a, const uint8_t key[ADDRESS_KEY])
{
	uint32_t *count;

	if (!a->counts)
		return true;
	count = map_put(a->counts, key, NULL);
	if (!count || *count >= a->most)
		return false;
	(*count)++;
	return true;
}

void
address_count_give(struct address_count *a, const uint8_t key[ADDRESS_KEY])
{
	uint32_t *count = a->counts ? map_get(a->counts, key) : NULL;

	if (count && --*count == 0)
		map_remove(a->counts, key);
}
