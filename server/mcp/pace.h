/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tools run on the loop's own thread: those that are declared quick, as
 * long as they are.  Going to another thread and back costs more than such a
 * call does; but a file may lie on a slow disk, and a list may have grown.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A run that took longer than this was none for the loop. */
#define PACE_SHORT_NS INT64_C(500000)

/* What is known of one tool.  All zero: it is taken at its word. */
struct pace {
	uint32_t owed; /* short runs elsewhere before it may come back */
};

/* May the next run be on the loop's thread? */
bool pace_is_quick(const struct pace *p);

/* A run took that long, wherever it was.  One that was not short costs the
 * tool its place on the loop for a while. */
void pace_took(struct pace *p, int64_t took_ns);
