/* SPDX-License-Identifier: Apache-2.0 */
/* The two functions of our struct resource_source (server/resource.h). */
#pragma once

#include <stdbool.h>

#include "server/resource.h"

/* True when `uri` has the shape of one of ours. */
bool resource_matches(const char *uri);
/* The contents of one. */
int resource_read(struct tool_call *call, const char *uri, json_t **contents,
		  struct error *e);
