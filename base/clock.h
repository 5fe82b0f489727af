/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time.  Everything inside is nanoseconds since 1970-01-01 UTC in an int64_t;
 * what tools and people see is RFC 3339.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_NS_PER_MS 1000000LL
#define CLOCK_NS_PER_S 1000000000LL
#define CLOCK_TEXT_SIZE 40

/* Wall clock, and monotonic clock, in nanoseconds. */
int64_t clock_wall_ns(void);
int64_t clock_monotonic_ns(void);

/* "2026-11-23T14:02:11.123456789Z" into `out`; trailing zeroes of the fraction
 * are cut to whole milliseconds or microseconds (none when it is 0). */
const char *clock_format(int64_t ns, char out[CLOCK_TEXT_SIZE]);

/*
 * A point in time as tools accept it: RFC 3339 with any offset (seconds may
 * be left out, a blank may stand for the T), Unix milliseconds (an integer of
 * at least 11 digits), Unix seconds (10 digits, fraction allowed), "now", or a
 * duration before or after now ("-15m", "+1h", "now-15m").  A leap second (:60
 * at the end of a UTC day) is the second after it.  Digits of a fraction past
 * the ninth are cut.  False when it is none, or not within the years 1678 to
 * 2262 that nanoseconds reach.
 */
bool clock_parse(const char *text, int64_t now_ns, int64_t *ns);

/* "1h", "15m", "90s", "250ms", "1h30m", "1.5h", "2d", "100us", "5ns", with an
 * optional sign; false when it is not a duration. */
bool clock_parse_duration(const char *text, int64_t *ns);

/* "3m12s", "1.5s", "840ms", "17us": short, cut, and for people. */
const char *clock_format_duration(int64_t ns, char out[CLOCK_TEXT_SIZE]);
