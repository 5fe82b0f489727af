/* SPDX-License-Identifier: Apache-2.0 */
/* The body of one half of a call as a resource. */
#pragma once

#include "base/err.h"
#include "server/resources/uri.h"
#include "server/tool.h"

/* The "contents" array, or NULL with `*rc` set: NOTFOUND when the call is not
 * there or that half of it has no body. */
json_t *resource_body(struct tool_call *call, const char *text,
		      const struct uri *uri, int *rc, struct error *e);
