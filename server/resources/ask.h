/* SPDX-License-Identifier: Apache-2.0 */
/* Resources and completion are other views of what the tools say. */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "server/tool.h"

/*
 * Runs the tool with `arguments` (stolen) on behalf of `call`, and returns its
 * structured result (new reference), or NULL with the code in `*rc`.
 */
json_t *ask_tool(const struct tool_call *call, const char *tool,
		 json_t *arguments, int *rc, struct error *e);
