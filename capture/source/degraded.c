/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/degraded.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"

/* Interfaces that cannot be attached to may come and go for months. */
#define DEGRADED_MAX 100

void
degraded_add(json_t *list, const char *feature, const char *format, ...)
{
	char why[ERROR_TEXT_SIZE + 128];
	va_list arguments;

	if (json_array_size(list) >= DEGRADED_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(why, sizeof why, format, arguments);
	va_end(arguments);
	json_array_append_new(list, json_pack("{s:s, s:s}", "feature", feature,
					      "why", why));
}
