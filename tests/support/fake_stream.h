/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for dissect/stream.c when the engine is tested alone: writes down
 * how it is called, one line a call, and checks what callers guarantee.
 */
#pragma once

#include "dissect/stream.h"

/* Everything since the last fake_stream_reset:
 *   "new 7 client:port server:port[ midstream]"
 *   "C 0+5 ack 0 hello"       side, position relative to the side's first,
 *                              size, acknowledged likewise, the bytes
 *   "S gap 5+10"
 *   "C fin", "S reset"
 *   "free <reason>"
 */
const char *fake_stream_log(void);
void fake_stream_reset(void);

/* Makes stream_reversed say so. */
void fake_stream_set_reversed(bool reversed);
