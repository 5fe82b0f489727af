/* SPDX-License-Identifier: Apache-2.0 */
/* What a source has to do without, for people: [{"feature","why"}]. */
#pragma once

#include <jansson.h>

/* Adds one entry, as long as they are few; `format` and what follows say
 * why. */
void degraded_add(json_t *list, const char *feature, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
