/* SPDX-License-Identifier: Apache-2.0 */
/* What serving needs to know, whatever the transport. */
#pragma once

#include <stdbool.h>

#include "server/mcp/mcp.h"
#include "server/tool.h"

/* Descriptors of ours begin here, away from 0, 1, 2 and jobs' 3. */
#define SERVE_PRIVATE_FD 10

struct serve_options {
	const struct tool_config *config; /* its `lifeline` is set by the loop */
	const struct mcp_content *content; /* from content_load
					    * (server/resources/content.h) */
	bool jobs_outlive; /* jobs go on when the client leaves */
};
