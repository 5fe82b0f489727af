/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/degraded.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"

void
degraded_add(json_t *list, const char *feature, const char *format, ...)
{
	char why[ERROR_TEXT_SIZE + 128];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof why, format, arguments);
	va_end(arguments);
	json_array_append_new(list, json_pack("{s:s, s:s}", "feature", feature,
					      "why", why));
}
