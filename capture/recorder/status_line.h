/* SPDX-License-Identifier: Apache-2.0 */
/* How a recording goes, on a terminal's last line or in the log. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/recorder/recorder.h"

struct status_line {
	const char *name;
	bool terminal;   /* a line that is written over; else the log */
	bool shown;      /* it stands there now */
	int64_t last_ns; /* monotonic */
	struct recorder_counts last;
};

/* Shows it again when it is time to: each second, or each minute in a log. */
void status_line_tick(struct status_line *s, struct recorder *r);

/* Takes it away, so that something else can be printed. */
void status_line_clear(struct status_line *s);
