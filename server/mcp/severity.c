/* SPDX-License-Identifier: Apache-2.0 */
#include "server/mcp/severity.h"

#include <string.h>

static const char *const severities[SEVERITY_COUNT] = {
	"emergency", "alert",  "critical", "error",
	"warning",   "notice", "info",	   "debug",
};

bool
severity_parse(const char *name, enum log_severity *severity)
{
	for (int i = 0; i < SEVERITY_COUNT; i++) {
		if (strcmp(severities[i], name) == 0) {
			*severity = (enum log_severity)i;
			return true;
		}
	}
	return false;
}

const char *
severity_name(enum log_severity severity)
{
	return severities[severity];
}
