/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the headers of 2026-07-28 say about a message must be what the message
 * says (basic/transports, "Request metadata"), and what revision the header of
 * the older ones names.
 */
#pragma once

#include "server/mcp/incoming.h"
#include "server/transport/http_request.h"

/* 0, or -1 with `e` filled: the headers of a modern request are not what they
 * must be (-32020). */
int mcp_headers_check(const struct http_request *r,
		      const struct mcp_incoming *m, struct rpc_error *e);

/*
 * The same for the arguments of a tools/call that the tool's schema (NULL: no
 * such tool) wants repeated in headers: "x-mcp-header" ("Custom Headers from
 * Tool Parameters").
 */
int mcp_headers_check_arguments(const struct http_request *r,
				const struct mcp_incoming *m,
				const json_t *schema, struct rpc_error *e);

enum mcp_header_era {
	HEADER_ABSENT,
	HEADER_LEGACY,  /* a revision with a handshake */
	HEADER_MODERN,
	HEADER_UNKNOWN, /* no revision of ours */
};

/* What MCP-Protocol-Version names. */
enum mcp_header_era mcp_headers_era(const struct http_request *r);

/*
 * A value as it was before it was made fit for a header: "=?base64?…?=" is
 * decoded (2026-07-28, basic/transports, "Value encoding"), anything else is
 * meant as it stands.  Appends to `out`; false when it is malformed.
 */
bool mcp_header_decode(struct bytes value, struct buf *out);
