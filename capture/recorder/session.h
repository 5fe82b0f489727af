/* SPDX-License-Identifier: Apache-2.0 */
/* A run of aftertap-capture: opens everything, records until told to stop. */
#pragma once

#include "capture/recorder/record_options.h"

/* `program` is the path of this executable.  Logs what happens; returns a
 * process exit status. */
int session_run(const struct record_options *options, const char *home,
		const char *program);
