/* SPDX-License-Identifier: Apache-2.0 */
/* Expected seconds are what `date -u -d … +%s` prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOW      (1795442531 * CLOCK_NS_PER_S)

static void
rfc_3339_is_read_with_any_offset(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds, ns;
	} cases[] = {
		{ "2026-11-23T14:02:11.123456789Z", 1795442531, 123456789 },
		{ "2026-11-23t14:02:11z", 1795442531, 0 },
		{ "2026-11-23 14:02:11Z", 1795442531, 0 },
		{ "2000-02-29T00:00:00Z", 951782400, 0 },
		{ "2024-12-31T23:59:59+02:00", 1735682399, 0 },
		{ "1972-02-29T12:30:00+0530", 68194800, 0 },
		{ "2026-11-23T14:02-0800", 1795471320, 0 },
		{ "2100-03-01T00:00:00-00:00", 4107542400, 0 },
		{ "1970-01-01T00:00Z", 0, 0 },
		{ "1969-12-31T23:59:59.5Z", -1, 500000000 },
		{ "1904-02-29T00:00Z", -2077747200, 0 },
		{ "2026-11-23T14:02:11.1234567899Z", 1795442531, 123456789 },
		{ "2262-04-11T23:47:16.854775807Z", 9223372036, 854775807 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t ns = 0;

		assert_true(clock_parse(cases[i].text, NOW, &ns));
		assert_true(ns ==
			    cases[i].seconds * CLOCK_NS_PER_S + cases[i].ns);
	}
}

/* RFC 3339 section 5.8 has both examples; 1990-12-31 had a leap second. */
static void
a_leap_second_is_the_second_after_it(void **state)
{
	int64_t leap, next;

	(void)state;
	assert_true(clock_parse("1990-12-31T23:59:60Z", NOW, &leap));
	assert_true(clock_parse("1991-01-01T00:00:00Z", NOW, &next));
	assert_true(leap == next);
	assert_true(clock_parse("1990-12-31T15:59:60-08:00", NOW, &leap));
	assert_true(leap == next);
	assert_false(clock_parse("1990-12-31T12:59:60Z", NOW, &leap));
	assert_false(clock_parse("1990-12-31T23:59:61Z", NOW, &leap));
}

static void
what_is_no_time_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"yesterday",
		"2026-11-23",
		"2026-11-23T14:02:11",   /* no offset */
		"2026-11-23T14Z",        /* no minutes */
		"2026-11-23T14:02:11.Z", /* a dot alone */
		"2026-11-23T14:02.5Z",   /* fraction of a minute */
		"2026-11-23T24:00:00Z",
		"2026-11-23T14:60:00Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-02-29T00:00:00Z", /* no leap year */
		"2100-02-29T00:00:00Z", /* no leap year either */
		"2026-04-31T00:00:00Z",
		"2026-11-23T14:02:11+2:00",
		"2026-11-23T14:02:11+02",
		"2026-11-23T14:02:11+24:00",
		"2026-11-23T14:02:11+02:60",
		"2026-11-23T14:02:11Zjunk",
		" 2026-11-23T14:02:11Z",
		"26-11-23T14:02:11Z",
		"+2026-11-23T14:02:11Z",
		"2262-04-11T23:47:16.854775808Z", /* past 2^63 ns */
		"9999-12-31T23:59:59Z",
		"1600-01-01T00:00:00Z",
		"now()",
		"nowhere",
		"-",
		"-15",
		"-15x",
	};
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(clock_parse(bad[i], NOW, &ns));
}

static void
unix_time_is_seconds_or_milliseconds_by_its_length(void **state)
{
	static const char *const bad[] = {
		"179544253",   "1795442531123.5", "1795442531.",
		"1795442531x", "9223372036855",   "99999999999999999999"
	};
	int64_t ns;

	(void)state;
	assert_true(clock_parse("1795442531", 0, &ns) && ns == NOW);
	assert_true(clock_parse("1795442531.25", 0, &ns));
	assert_true(ns == NOW + 250000000);
	assert_true(clock_parse("1795442531123", 0, &ns));
	assert_true(ns == NOW + 123 * CLOCK_NS_PER_MS);
	assert_true(clock_parse("10000000000", 0, &ns));
	assert_true(ns == 10000000000 * CLOCK_NS_PER_MS);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(clock_parse(bad[i], 0, &ns));
}

static void
relative_times_count_from_now(void **state)
{
	int64_t ns;

	(void)state;
	assert_true(clock_parse("now", NOW, &ns) && ns == NOW);
	assert_true(clock_parse("-15m", NOW, &ns));
	assert_true(ns == NOW - 900 * CLOCK_NS_PER_S);
	assert_true(clock_parse("+1h", NOW, &ns));
	assert_true(ns == NOW + 3600 * CLOCK_NS_PER_S);
	assert_true(clock_parse("now-1h30m", NOW, &ns));
	assert_true(ns == NOW - 5400 * CLOCK_NS_PER_S);
	assert_false(clock_parse("15m", NOW, &ns));
	assert_false(clock_parse("+106751d", NOW, &ns));
}

static void
durations_are_sums_of_numbers_with_units(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {
		{ "1h", 3600000000000 },
		{ "15m", 900000000000 },
		{ "90s", 90000000000 },
		{ "250ms", 250000000 },
		{ "1h30m", 5400000000000 },
		{ "2d", 172800000000000 },
		{ "100us", 100000 },
		{ "5ns", 5 },
		{ "-5ns", -5 },
		{ "+5ns", 5 },
		{ "0s", 0 },
		{ "1.5h", 5400000000000 },
		{ "0.25ms", 250000 },
		{ "0.5d", 43200000000000 },
		{ "1m1ms1us1ns", 60001001001 },
	};
	static const char *const bad[] = { "",
					   "1",
					   "h",
					   "1 h",
					   "1H",
					   "1w",
					   "1.h",
					   ".5h",
					   "1h-5m",
					   "--1h",
					   "1hm",
					   "1msx",
					   "106752d",
					   "9223372036854775808ns",
					   "99999999999999999999s" };
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_true(clock_parse_duration(cases[i].text, &ns));
		assert_true(ns == cases[i].ns);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(clock_parse_duration(bad[i], &ns));
}

static void
formatting_cuts_the_fraction_to_what_is_there(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ NOW, "2026-11-23T14:02:11Z" },
		{ NOW + 120000000, "2026-11-23T14:02:11.120Z" },
		{ NOW + 123456000, "2026-11-23T14:02:11.123456Z" },
		{ NOW + 123456789, "2026-11-23T14:02:11.123456789Z" },
		{ NOW + 1, "2026-11-23T14:02:11.000000001Z" },
		{ -1, "1969-12-31T23:59:59.999999999Z" },
		{ INT64_MAX, "2262-04-11T23:47:16.854775807Z" },
		{ INT64_MIN, "1677-09-21T00:12:43.145224192Z" },
	};
	char out[CLOCK_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(clock_format(cases[i].ns, out),
				    cases[i].text);
}

/* Each day from 1970 to 2262 against the C library's calendar. */
static void
every_day_agrees_with_gmtime(void **state)
{
	(void)state;
	for (time_t day = 0; day < 106751; day++) {
		time_t seconds = day * 86400 + day % 86400;
		int64_t ns = 0;
		char expected[CLOCK_TEXT_SIZE], out[CLOCK_TEXT_SIZE];
		struct tm parts;

		gmtime_r(&seconds, &parts);
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ",
			 &parts);
		clock_format(seconds * CLOCK_NS_PER_S, out);
		assert_string_equal(out, expected);
		assert_true(clock_parse(expected, 0, &ns));
		assert_true(ns == seconds * CLOCK_NS_PER_S);
	}
}

static void
durations_for_people_are_short(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0s" },
		{ 5, "5ns" },
		{ 17000, "17us" },
		{ 1500, "1.5us" },
		{ 840 * CLOCK_NS_PER_MS, "840ms" },
		{ 1250 * CLOCK_NS_PER_MS, "1.2s" },
		{ 12 * CLOCK_NS_PER_S, "12s" },
		{ 192 * CLOCK_NS_PER_S, "3m12s" },
		{ 180 * CLOCK_NS_PER_S, "3m" },
		{ 5400 * CLOCK_NS_PER_S, "1h30m" },
		{ 187200 * CLOCK_NS_PER_S, "2d4h" },
		{ -192 * CLOCK_NS_PER_S, "-3m12s" },
		{ INT64_MIN, "-106751d23h" },
	};
	char out[CLOCK_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(clock_format_duration(cases[i].ns, out),
				    cases[i].text);
}

static void
the_monotonic_clock_does_not_go_back(void **state)
{
	int64_t before = clock_monotonic_ns();

	(void)state;
	assert_true(clock_monotonic_ns() >= before);
	assert_true(clock_wall_ns() > 1577836800 * CLOCK_NS_PER_S);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_3339_is_read_with_any_offset),
		cmocka_unit_test(a_leap_second_is_the_second_after_it),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(
			unix_time_is_seconds_or_milliseconds_by_its_length),
		cmocka_unit_test(relative_times_count_from_now),
		cmocka_unit_test(durations_are_sums_of_numbers_with_units),
		cmocka_unit_test(formatting_cuts_the_fraction_to_what_is_there),
		cmocka_unit_test(every_day_agrees_with_gmtime),
		cmocka_unit_test(durations_for_people_are_short),
		cmocka_unit_test(the_monotonic_clock_does_not_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
