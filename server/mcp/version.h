/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol revisions, oldest first, and what changed between them. */
#pragma once

#include <stdbool.h>

/* The member of _meta that names the revision of a modern request. */
#define META_VERSION "io.modelcontextprotocol/protocolVersion"

#define MCP_VERSION_MAP(X)              \
	X(2024_11_05, "2024-11-05")     \
	X(2025_03_26, "2025-03-26")     \
	X(2025_06_18, "2025-06-18")     \
	X(2025_11_25, "2025-11-25")     \
	X(2026_07_28, "2026-07-28")

enum mcp_version {
#define X(name, text) MCP_##name,
	MCP_VERSION_MAP(X)
#undef X
	MCP_VERSION_COUNT,
	MCP_NEWEST_LEGACY = MCP_2025_11_25,
	MCP_MODERN = MCP_2026_07_28, /* the first without a handshake */
};

/* "2025-11-25"; never NULL. */
const char *mcp_version_text(enum mcp_version v);

/* False when `text` names no revision we speak. */
bool mcp_version_parse(const char *text, enum mcp_version *v);

/* Version per request in _meta, no handshake, resultType in every result. */
static inline bool
mcp_is_modern(enum mcp_version v)
{
	return v >= MCP_MODERN;
}

/* title, outputSchema and structuredContent exist. */
static inline bool
mcp_has_structured(enum mcp_version v)
{
	return v >= MCP_2025_06_18;
}

/* Tool annotations, the completions capability, progress messages exist. */
static inline bool
mcp_has_annotations(enum mcp_version v)
{
	return v >= MCP_2025_03_26;
}

/* JSON-RPC batches exist in this one revision only. */
static inline bool
mcp_has_batches(enum mcp_version v)
{
	return v == MCP_2025_03_26;
}

/* An error response may leave out an id that could not be read (before:
 * null, as in plain JSON-RPC). */
static inline bool
mcp_omits_unknown_id(enum mcp_version v)
{
	return v >= MCP_2025_11_25;
}
