/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resources/ask.h"

#include <assert.h>

json_t *
ask_tool(const struct tool_call *call, const char *tool, json_t *arguments,
	 int *rc, struct error *e)
{
	const struct tool *t = tool_find(tool);
	struct tool_call mine = *call;
	struct tool_result result = { 0 };
	json_t *structured = NULL;

	assert(t);
	mine.arguments = arguments;
	*rc = tool_run(t, &mine, &result, e);
	if (*rc == TOOL_DONE)
		structured = json_incref(result.structured);
	tool_result_free(&result);
	json_decref(arguments);
	return structured;
}
