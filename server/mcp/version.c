/* SPDX-License-Identifier: Apache-2.0 */
#include "server/mcp/version.h"

#include <string.h>

static const char *const texts[MCP_VERSION_COUNT] = {
#define X(name, text) text,
	MCP_VERSION_MAP(X)
#undef X
};

const char *
mcp_version_text(enum mcp_version v)
{
	return texts[v];
}

bool
mcp_version_parse(const char *text, enum mcp_version *v)
{
	for (unsigned i = 0; i < MCP_VERSION_COUNT; i++) {
		if (strcmp(texts[i], text) == 0) {
			*v = (enum mcp_version)i;
			return true;
		}
	}
	return false;
}
