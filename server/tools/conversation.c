/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tools/conversation.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool
parse_ip(const char *text, uint8_t ip[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (!text)
		return false;
	if (inet_pton(AF_INET6, text, ip) == 1)
		return true;
	memcpy(ip, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, ip + 12) == 1;
}

static uint8_t
protocol_number(const char *transport)
{
	if (transport && strcmp(transport, "udp") == 0)
		return IPPROTO_UDP;
	if (transport && strcmp(transport, "sctp") == 0)
		return IPPROTO_SCTP;
	if (transport && strcmp(transport, "icmp") == 0)
		return IPPROTO_ICMP;
	if (transport && strcmp(transport, "icmpv6") == 0)
		return IPPROTO_ICMPV6;
	return IPPROTO_TCP;
}

static bool
fill(struct export_conversation *c, json_t *row)
{
	*c = (struct export_conversation){
		.client_port = (uint16_t)json_integer_value(
			json_array_get(row, 1)),
		.server_port = (uint16_t)json_integer_value(
			json_array_get(row, 3)),
		.ip_protocol = protocol_number(
			json_string_value(json_array_get(row, 4))),
		.from_ns = json_integer_value(json_array_get(row, 5)),
		.to_ns = json_integer_value(json_array_get(row, 6)),
	};
	return parse_ip(json_string_value(json_array_get(row, 0)),
			c->client_ip) &&
	       parse_ip(json_string_value(json_array_get(row, 2)),
			c->server_ip);
}

int
conversation_of_call(struct store *s, int64_t id,
		     struct export_conversation *c, struct error *e)
{
	json_t *result = NULL, *row;
	char sql[320];
	int rc;

	snprintf(sql, sizeof(sql),
		 "SELECT k.src_ip, k.src_port, k.dst_ip, k.dst_port, "
		 "k.transport, min(k.ts, a.ts), max(k.last_ts, a.ts) "
		 "FROM api_calls a JOIN connections k ON k.id = a.connection_id "
		 "WHERE a.id = %lld", (long long)id);
	rc = store_sql(s, sql, 1, &result, e);
	if (rc < 0)
		return rc;
	row = json_array_get(json_object_get(result, "rows"), 0);
	if (!row)
		rc = error_set(e, ERR_NOTFOUND,
			       "there is no call %lld, or its connection is "
			       "not recorded yet", (long long)id);
	else if (!fill(c, row))
		rc = error_set(e, ERR_CORRUPT,
			       "the connection of call %lld has no addresses",
			       (long long)id);
	json_decref(result);
	return rc;
}
