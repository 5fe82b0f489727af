/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of tools, in the order tools/list shows them: the way of the work,
 * from packets to answers.  Adding one: a line here, server/tools/<name>.c,
 * schema/tools/<name>.json, and both in their CMakeLists.txt.
 */
#pragma once

#include "server/tool.h"

#define TOOLS(X)                         \
	X(list_captures)                 \
	X(import_capture)                \
	X(start_capture)                 \
	X(stop_capture)                  \
	X(get_capture_status)            \
	X(create_snapshot)               \
	X(list_snapshots)                \
	X(get_snapshot)                  \
	X(delete_snapshot)               \
	X(export_snapshot_pcap)          \
	X(start_snapshot_dissection)     \
	X(get_snapshot_dissection_status) \
	X(stop_snapshot_dissection)      \
	X(delete_snapshot_dissection)    \
	X(list_databases)                \
	X(list_api_calls)                \
	X(get_api_call)                  \
	X(get_api_stats)                 \
	X(list_flows)                    \
	X(list_workloads)                \
	X(query_sql)

enum tool_index {
#define X(name) TOOL_INDEX_##name,
	TOOLS(X)
#undef X
	TOOL_COUNT
};

#define X(name) extern const struct tool tool_##name;
TOOLS(X)
#undef X
