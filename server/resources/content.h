/* SPDX-License-Identifier: Apache-2.0 */
/* What aftertap serves over MCP: its tools, resources, prompts, and the
 * instructions that tie them together. */
#pragma once

#include "base/err.h"
#include "server/mcp/mcp.h"

/*
 * Fills `content` (valid until content_free).  Call on the main thread before
 * any other thread exists.  An error means the build is broken.
 */
int content_load(struct mcp_content *content, struct error *e);
void content_free(struct mcp_content *content);
