/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a browser asks before a page of another origin may send what a client
 * of MCP sends (Fetch standard, 3.3).  Only origins that are allowed come
 * this far; the answers to the requests themselves are http_connection's.
 */
#include "server/transport/http_internal.h"

bool
cors_is_preflight(const struct http_request *r)
{
	return r->method == METHOD_OPTIONS &&
	       http_request_field(r, "Origin").data &&
	       http_request_field(r, "Access-Control-Request-Method").data;
}

void
cors_preflight(struct client *c)
{
	static const char fields[] =
		"Access-Control-Allow-Methods: GET, POST, DELETE\r\n"
		"Access-Control-Allow-Headers: Accept, Authorization, "
		"Content-Type, Last-Event-ID, Mcp-Method, Mcp-Name, "
		"MCP-Protocol-Version, Mcp-Session-Id\r\n"
		"Access-Control-Max-Age: 600\r\n";

	client_answer(c, &(struct http_answer){
				 .status = 204,
				 .fields = fields,
			 });
}
