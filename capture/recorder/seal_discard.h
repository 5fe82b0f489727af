/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A raw segment for which the quota has no room: what it holds is counted, so
 * that the loss is told to the packet, and it is removed.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "capture/recorder/seal.h"

/*
 * Counts the packets of raw/N.raw that would have been kept and removes it with its sidecar and
 * plaintext, whatever it is.  `result` says packets, first and last time; `counted` stays false,
 * with `problem`, where not all of it could be read.  NOTFOUND, IO.
 */
int seal_discard(const char *directory, uint32_t number,
		 struct seal_result *result, struct error *e);
