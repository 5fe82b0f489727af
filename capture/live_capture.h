/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture that a recorder writes or wrote: what its directory says besides
 * capture.json, for whoever looks at it from outside.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "base/err.h"

/* True for a capture (as in capture.json) that is recorded, not imported. */
bool live_capture_is(const json_t *capture);

/*
 * Completes a live capture's description: "state" as it is now ("recording"
 * only while its recorder holds the lock; "failed" with "error" when it ended
 * without a word), "unsealed":{"segments","bytes"} for what lies in raw/, the
 * losses of those in "losses", and "lost_packets", the sum.  Others are left
 * as they are.
 */
void live_capture_complete(json_t *capture, const char *home, const char *name);

/* ERR_BUSY while somebody records to it. */
int live_capture_check_idle(const char *home, const char *name,
			    struct error *e);
