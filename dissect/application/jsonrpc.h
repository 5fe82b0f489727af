/* SPDX-License-Identifier: Apache-2.0 */
/* JSON-RPC 2.0, and MCP over it; see dissect/proto/jsonrpc.md. */
#pragma once

#include "dissect/application/reading.h"

/* Whether a body may be JSON-RPC, at a glance: worth jsonrpc_read. */
bool jsonrpc_may_be(struct bytes body);

/* What request and response say; false when the request (without one, the
 * response) is no JSON-RPC. */
bool jsonrpc_read(const struct bodies *bodies, struct reading *reading);
