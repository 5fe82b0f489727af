/* SPDX-License-Identifier: Apache-2.0 */
/* What the tools around a running recorder share. */
#pragma once

#include <jansson.h>

#include "server/tool.h"

/* DENIED without --allow-capture; INVALID for a name that is none. */
int recordings_check(const struct tool_config *config, const char *name,
		     struct error *e);

/*
 * The state of a recording: what its recorder says, or, when none runs or none
 * may be asked, what its directory says.  NOTFOUND.  New reference.
 */
int recordings_status(struct tool_call *call, const char *name,
		      json_t **status, struct error *e);
