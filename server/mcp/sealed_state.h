/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A requestState: what a request has to remember until its client comes back
 * with answers.  The client may read it; changing it, or using it for another
 * request, as another principal or too late, is found out (2026-07-28,
 * basic/patterns/mrtr, server requirements 4 and 5).
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "server/mcp/work.h"

#define STATE_LIFE_MS 600000

/* Appends `state` to `out`, sealed for the request `r`. */
void state_seal(const struct mcp_request *r, const json_t *state,
		struct buf *out);
/* What `text` holds (new reference), or NULL with r->error when it was not
 * sealed for such a request, by this process, in the last STATE_LIFE_MS. */
json_t *state_open(struct mcp_request *r, const char *text);
