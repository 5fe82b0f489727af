/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines of the programs: `time level key=value… message` on stderr.
 * Libraries (base, capture's file side, dissect, the store, server/mcp) never
 * log; only programs and the server's transports and jobs do.
 */
#pragma once

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* The level below which nothing is written; the one mutable global allowed. */
void log_set_level(enum log_level level);

/* One line of at most 2 KiB before escaping; control characters in the arguments are escaped. */
void log_write(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
