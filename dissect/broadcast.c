/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/broadcast.h"

#include <string.h>

#define BOOTP_CLIENT 68
#define BOOTP_SERVER 67
#define DHCPV6_CLIENT 546
#define DHCPV6_SERVER 547
/* RFC 2131 §2: addresses and cookie of a message. */
#define CLIENT_ADDRESS 12
#define RELAY_ADDRESS 24
#define COOKIE 236

static const uint8_t zero[4];
static const uint8_t cookie[4] = { 99, 130, 83, 99 };
static const struct endpoint nobody = {
	.ip = { [10] = 0xff, 0xff }, .port = BOOTP_CLIENT
};
static const struct endpoint everybody = {
	.ip = { [10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	.port = BOOTP_SERVER
};
/* All_DHCP_Relay_Agents_and_Servers (RFC 8415 §7.1). */
static const struct endpoint servers = {
	.ip = { 0xff, 2, [13] = 1, [15] = 2 }, .port = DHCPV6_SERVER
};

/* The client has no address, and no relay speaks for it. */
static bool
has_no_address(struct bytes message)
{
	return message.size > COOKIE + sizeof(cookie) &&
	       memcmp(message.data + COOKIE, cookie, sizeof(cookie)) == 0 &&
	       memcmp(message.data + CLIENT_ADDRESS, zero, 4) == 0 &&
	       memcmp(message.data + RELAY_ADDRESS, zero, 4) == 0;
}

void
broadcast_ends(const struct packet *p, struct endpoint *source,
	       struct endpoint *target)
{
	uint16_t from = p->source.port, to = p->target.port;

	*source = p->source;
	*target = p->target;
	if (p->ip_protocol != IP_PROTOCOL_UDP)
		return;
	if (from == BOOTP_CLIENT && to == BOOTP_SERVER &&
	    has_no_address(p->payload)) {
		*source = nobody;
		*target = everybody;
	} else if (from == BOOTP_SERVER && to == BOOTP_CLIENT &&
		   has_no_address(p->payload)) {
		*source = everybody;
		*target = nobody;
	} else if (from == DHCPV6_CLIENT && to == DHCPV6_SERVER) {
		*target = servers;
	} else if (from == DHCPV6_SERVER && to == DHCPV6_CLIENT) {
		*source = servers;
	}
}
