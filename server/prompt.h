/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a prompt is, for both sides.  A prompt is one JSON object:
 *
 *   {"name","title","description",
 *    "arguments":[{"name","title"?,"description","required":bool}],
 *    "text":[lines]}
 *
 * With "ask", an object of requests as in struct tool_question, its client is
 * asked for more values: the fields of the forms it fills in.
 *
 * Instead of "text" it may have "messages", an array of MCP prompt messages
 * whose strings are treated the same way.
 *
 * The lines, joined by newlines, become one user message.  In them {{name}}
 * is replaced by the argument's value, and {{name|words}} by the words when
 * the argument was left out.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"

/*
 * The prompts of schema/prompts/ in the order of schema/CMakeLists.txt, as an
 * array (new reference), or NULL with `e` filled when one is malformed.
 */
json_t *prompts_load(struct error *e);
