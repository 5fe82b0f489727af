/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions of .matches(): the part of RE2 that agents write,
 * translated to POSIX extended ones and matched by the C library without
 * groups or back references, so that its automaton takes linear time.
 */
#pragma once

#include <regex.h>

#include "base/err.h"

#define PATTERN_LIMIT 256   /* characters of a pattern */
#define PATTERN_SUBJECT 8192 /* of a text, beyond which nothing is looked at */

/*
 * Compiles `pattern` into `*out` (regfree it).  INVALID with a sentence for
 * what is wrong or not supported: back references, lookaround, huge
 * repetitions.
 */
int pattern_compile(const char *pattern, regex_t *out, struct error *e);
