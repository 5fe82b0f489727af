/* SPDX-License-Identifier: Apache-2.0 */
/* Completion of prompt and template arguments (server/resource.h). */
#pragma once

#include "server/resource.h"

/*
 * db, db_before, db_after: addresses of databases; snapshot; dissection (of
 * the snapshot in the context, if any); capture; filter: its last word as a
 * field's name.  Everything else has no completion.
 */
int resource_complete(struct tool_call *call,
		      const struct resource_completion *request,
		      json_t **values, struct error *e);
