/* SPDX-License-Identifier: Apache-2.0 */
/* The list of protocols.  Adding one: a line here; see CONTRIBUTING.md. */
#pragma once

#include "dissect/dissector.h"

#define DISSECTORS(X) \
	X(http)       \
	X(dns)        \
	X(tls)        \
	X(redis)      \
	X(postgresql) \
	X(mysql)      \
	X(memcached)  \
	X(mongodb)    \
	X(http2)      \
	X(kafka)      \
	X(websocket)  \
	X(amqp)       \
	X(amqp1)      \
	X(mqtt)       \
	X(icmp)       \
	X(ldap)       \
	X(nats)       \
	X(smtp)       \
	X(ntp)        \
	X(snmp)       \
	X(syslog)     \
	X(radius)     \
	X(dhcp)       \
	X(dhcp6)      \
	X(diameter)   \
	X(ssh)        \
	X(ftp)        \
	X(pop3)       \
	X(imap)       \
	X(sip)        \
	X(quic)       \
	X(cql)

/* Protocols within those: calls have their names, connections do not. */
#define INNER_PROTOCOLS(Y) \
	Y(grpc, "gRPC")         \
	Y(jsonrpc, "JSON-RPC")  \
	Y(graphql, "GraphQL")

#define X(name) extern const struct dissector dissector_##name;
DISSECTORS(X)
#undef X

enum protocol {
	PROTOCOL_UNKNOWN,
#define X(name) PROTOCOL_##name,
	DISSECTORS(X)
#undef X
#define Y(name, title) PROTOCOL_##name,
	INNER_PROTOCOLS(Y)
#undef Y
	PROTOCOL_COUNT
};

/* The dissector of a protocol, or NULL for PROTOCOL_UNKNOWN and beyond. */
const struct dissector *registry_dissector(unsigned protocol);

/* PROTOCOL_UNKNOWN when no protocol has that name. */
enum protocol registry_find(struct bytes name);
