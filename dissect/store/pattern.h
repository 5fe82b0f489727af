/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions of .matches() and REGEXP: the syntax of RE2 but for
 * look-around, back references, named groups and Unicode classes.  Patterns
 * and texts are both strangers', so that matching is a simulation of the
 * automaton (Thompson, 1968): time is the product of text and pattern, never
 * more, and no memory is taken while it runs.
 */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

#define PATTERN_LIMIT 256     /* bytes of a pattern */
#define PATTERN_SUBJECT 65536 /* of a text, beyond which nothing is looked at */

struct pattern;

/*
 * Compiles `text`.  INVALID with a sentence for what is wrong, not supported,
 * or too large once its repetitions are written out.
 */
int pattern_compile(const char *text, struct pattern **out, struct error *e);
void pattern_free(struct pattern *p);

/* True when the pattern is found anywhere in `in`.  Uses memory inside the
 * pattern: one thread at a time. */
bool pattern_match(struct pattern *p, struct bytes in);
