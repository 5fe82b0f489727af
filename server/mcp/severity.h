/* SPDX-License-Identifier: Apache-2.0 */
/* The levels of log messages. */
#pragma once

#include <stdbool.h>

/* RFC 5424 severities, most severe first, as MCP names them. */
enum log_severity {
	SEVERITY_EMERGENCY,
	SEVERITY_ALERT,
	SEVERITY_CRITICAL,
	SEVERITY_ERROR,
	SEVERITY_WARNING,
	SEVERITY_NOTICE,
	SEVERITY_INFO,
	SEVERITY_DEBUG,
	SEVERITY_COUNT,
	SEVERITY_OFF = -1, /* nothing is sent */
};

/* False when `name` names none. */
bool severity_parse(const char *name, enum log_severity *severity);
const char *severity_name(enum log_severity severity);
