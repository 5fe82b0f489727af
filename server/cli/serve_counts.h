/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics says of the state on disk. */
#pragma once

#include "server/tool.h"
#include "server/transport/metrics.h"

/* Fills jobs, captures and their packets; what cannot be read counts as
 * nothing.  Blocks. */
void serve_counts(const struct tool_config *config, struct metrics_now *now);
