/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing here asks the C library about calendars or locales: the proleptic
 * Gregorian calendar is a few lines, and they are the same everywhere.
 */
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

#define SECONDS_PER_DAY 86400
#define DAYS_PER_ERA    146097 /* 400 years */
#define DAYS_TO_1970    719468 /* from 0000-03-01 */

/* The units of durations, longest first. */
static const struct duration_unit {
	const char *name;
	int64_t ns;
} duration_units[] = {
	{ "d", SECONDS_PER_DAY *CLOCK_NS_PER_S },
	{ "h", 3600 * CLOCK_NS_PER_S },
	{ "m", 60 * CLOCK_NS_PER_S },
	{ "s", CLOCK_NS_PER_S },
	{ "ms", CLOCK_NS_PER_MS },
	{ "us", 1000 },
	{ "ns", 1 },
};
#define DURATION_UNITS (sizeof(duration_units) / sizeof(duration_units[0]))

static int64_t
clock_read(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * CLOCK_NS_PER_S + now.tv_nsec;
}

int64_t
clock_wall_ns(void)
{
	return clock_read(CLOCK_REALTIME);
}

int64_t
clock_monotonic_ns(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

struct date {
	int64_t year;
	unsigned month; /* 1 to 12 */
	unsigned day;   /* 1 to 31 */
};

/*
 * Days since 1970-01-01.  Years are counted from March, which puts the leap
 * day last and makes month lengths a linear function (153 days in 5 months).
 */
static int64_t
days_from_date(struct date d)
{
	int64_t year = d.month <= 2 ? d.year - 1 : d.year;
	int64_t month = d.month <= 2 ? d.month + 9 : d.month - 3;
	int64_t leap_days = year / 4 - year / 100 + year / 400;

	return year * 365 + leap_days + (month * 153 + 2) / 5 + d.day - 1 -
	       DAYS_TO_1970;
}

/* The inverse; `days` at least -DAYS_TO_1970. */
static struct date
date_from_days(int64_t days)
{
	int64_t since = days + DAYS_TO_1970;
	int64_t era = since / DAYS_PER_ERA;
	int64_t in_era = since % DAYS_PER_ERA;
	int64_t year = (in_era - in_era / 1460 + in_era / 36524 -
			in_era / (DAYS_PER_ERA - 1)) /
		       365;
	int64_t in_year = in_era - (year * 365 + year / 4 - year / 100);
	int64_t month = (in_year * 5 + 2) / 153;
	struct date d;

	d.day = (unsigned)(in_year - (month * 153 + 2) / 5 + 1);
	d.month = (unsigned)(month < 10 ? month + 3 : month - 9);
	d.year = era * 400 + year + (d.month <= 2);
	return d;
}

static unsigned
days_in_month(int64_t year, unsigned month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30,
					31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (unsigned)(month == 2 && leap);
}

/* Division that rounds down, so that the remainder is never negative. */
static int64_t
divide_floor(int64_t value, int64_t by, int64_t *rest)
{
	int64_t quotient = value / by;

	*rest = value % by;
	if (*rest < 0) {
		*rest += by;
		quotient--;
	}
	return quotient;
}

const char *
clock_format(int64_t ns, char out[CLOCK_TEXT_SIZE])
{
	int64_t fraction, second;
	int64_t seconds = divide_floor(ns, CLOCK_NS_PER_S, &fraction);
	int64_t days = divide_floor(seconds, SECONDS_PER_DAY, &second);
	struct date d = date_from_days(days);
	int n = snprintf(out, CLOCK_TEXT_SIZE, "%04d-%02u-%02uT%02d:%02d:%02d",
			 (int)d.year, d.month, d.day, (int)(second / 3600),
			 (int)(second / 60 % 60), (int)(second % 60));
	char *end = out + n;
	size_t room = CLOCK_TEXT_SIZE - (size_t)n;

	if (fraction == 0)
		snprintf(end, room, "Z");
	else if (fraction % CLOCK_NS_PER_MS == 0)
		snprintf(end, room, ".%03dZ", (int)(fraction / 1000000));
	else if (fraction % 1000 == 0)
		snprintf(end, room, ".%06dZ", (int)(fraction / 1000));
	else
		snprintf(end, room, ".%09dZ", (int)fraction);
	return out;
}

/* Exactly `digits` decimal digits at `*at`; moves past them. */
static bool
take_digits(const char **at, unsigned digits, unsigned *value)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < digits; i++) {
		char c = (*at)[i];

		if (c < '0' || c > '9')
			return false;
		sum = sum * 10 + (unsigned)(c - '0');
	}
	*at += digits;
	*value = sum;
	return true;
}

static bool
take_char(const char **at, const char *allowed)
{
	if (**at == '\0' || !strchr(allowed, **at))
		return false;
	(*at)++;
	return true;
}

/*
 * An optional "." and digits as billionths; digits behind the ninth are cut.
 * False when the dot stands alone.
 */
static bool
take_fraction(const char **at, int64_t *billionths)
{
	int64_t place = CLOCK_NS_PER_S / 10;

	*billionths = 0;
	if (!take_char(at, "."))
		return true;
	if (**at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; (*at)++) {
		*billionths += (**at - '0') * place;
		place /= 10;
	}
	return true;
}

/* "Z", "+02:00" or "+0200" as seconds east of UTC; all that is left of it. */
static bool
take_offset(const char *at, int64_t *seconds)
{
	unsigned hours, minutes;
	bool west = *at == '-';

	*seconds = 0;
	if (take_char(&at, "Zz"))
		return *at == '\0';
	if (!take_char(&at, "+-") || !take_digits(&at, 2, &hours))
		return false;
	take_char(&at, ":");
	if (!take_digits(&at, 2, &minutes) || *at != '\0' || hours > 23 ||
	    minutes > 59)
		return false;
	*seconds = (west ? -1 : 1) * (int64_t)(hours * 3600 + minutes * 60);
	return true;
}

static bool
take_date(const char **at, int64_t *days)
{
	unsigned year;
	struct date d;

	if (!take_digits(at, 4, &year) || !take_char(at, "-") ||
	    !take_digits(at, 2, &d.month) || !take_char(at, "-") ||
	    !take_digits(at, 2, &d.day))
		return false;
	d.year = year;
	if (d.month < 1 || d.month > 12 || d.day < 1 ||
	    d.day > days_in_month(year, d.month))
		return false;
	*days = days_from_date(d);
	return true;
}

/* Hours, minutes and seconds (0 when left out, 60 in a leap second). */
static bool
take_time(const char **at, unsigned part[3])
{
	part[2] = 0;
	if (!take_digits(at, 2, &part[0]) || !take_char(at, ":") ||
	    !take_digits(at, 2, &part[1]))
		return false;
	if (**at == ':') {
		(*at)++;
		if (!take_digits(at, 2, &part[2]))
			return false;
	} else if (**at == '.') {
		return false;
	}
	return part[0] <= 23 && part[1] <= 59 && part[2] <= 60;
}

/* Seconds and billionths to nanoseconds; false when out of range. */
static bool
join_ns(int64_t seconds, int64_t billionths, int64_t *ns)
{
	return !__builtin_mul_overflow(seconds, CLOCK_NS_PER_S, ns) &&
	       !__builtin_add_overflow(*ns, billionths, ns);
}

static bool
parse_rfc3339(const char *at, int64_t *ns)
{
	int64_t days, billionths, offset, minutes, seconds;
	unsigned part[3];

	if (!take_date(&at, &days) || !take_char(&at, "Tt ") ||
	    !take_time(&at, part) || !take_fraction(&at, &billionths) ||
	    !take_offset(at, &offset))
		return false;
	minutes = (int64_t)part[0] * 60 + part[1];
	seconds = days * SECONDS_PER_DAY + minutes * 60 + part[2] - offset;
	/* A leap second ends a UTC day, and has no number of its own. */
	if (part[2] == 60 && seconds % SECONDS_PER_DAY != 0)
		return false;
	return join_ns(seconds, billionths, ns);
}

/* Unix time: milliseconds from 11 digits on, seconds with 10. */
static bool
parse_unix(const char *text, int64_t *ns)
{
	size_t digits = strspn(text, "0123456789");
	const char *at = text + digits;
	int64_t value, billionths;

	if (!text_i64(bytes_make(text, digits), &value))
		return false;
	if (digits >= 11)
		return *at == '\0' &&
		       !__builtin_mul_overflow(value, CLOCK_NS_PER_MS, ns);
	return digits == 10 && take_fraction(&at, &billionths) && *at == '\0' &&
	       join_ns(value, billionths, ns);
}

bool
clock_parse(const char *text, int64_t now_ns, int64_t *ns)
{
	bool from_now = strncmp(text, "now", 3) == 0;
	int64_t value;

	if (from_now)
		text += 3;
	if (from_now && *text == '\0')
		value = now_ns;
	else if (*text == '-' || *text == '+') {
		if (!clock_parse_duration(text, &value) ||
		    __builtin_add_overflow(now_ns, value, &value))
			return false;
	} else if (from_now ||
		   (!parse_unix(text, &value) && !parse_rfc3339(text, &value)))
		return false;
	*ns = value;
	return true;
}

/* One "<number><unit>" of a duration, added to `*sum`. */
static bool
take_duration(const char **at, int64_t *sum)
{
	size_t digits = strspn(*at, "0123456789");
	int64_t number, billionths, unit, whole, part;
	size_t letters, i = 0;

	if (!text_i64(bytes_make(*at, digits), &number))
		return false;
	*at += digits;
	if (!take_fraction(at, &billionths))
		return false;
	letters = strspn(*at, "dhmsun");
	while (i < DURATION_UNITS &&
	       (strlen(duration_units[i].name) != letters ||
		memcmp(duration_units[i].name, *at, letters) != 0))
		i++;
	if (i == DURATION_UNITS)
		return false;
	*at += letters;
	unit = duration_units[i].ns;
	/* Units over a second are whole seconds; this order cannot overflow. */
	part = unit < CLOCK_NS_PER_S ? billionths * unit / CLOCK_NS_PER_S
				     : unit / CLOCK_NS_PER_S * billionths;
	return !__builtin_mul_overflow(number, unit, &whole) &&
	       !__builtin_add_overflow(*sum, whole, sum) &&
	       !__builtin_add_overflow(*sum, part, sum);
}

bool
clock_parse_duration(const char *text, int64_t *ns)
{
	bool negative = *text == '-';
	int64_t sum = 0;

	take_char(&text, "+-");
	do {
		if (!take_duration(&text, &sum))
			return false;
	} while (*text != '\0');
	*ns = negative ? -sum : sum;
	return true;
}

const char *
clock_format_duration(int64_t ns, char out[CLOCK_TEXT_SIZE])
{
	uint64_t size = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	const char *sign = ns < 0 ? "-" : "";
	const struct duration_unit *unit = duration_units;
	uint64_t whole, rest;

	if (size == 0) {
		snprintf(out, CLOCK_TEXT_SIZE, "0s");
		return out;
	}
	while (size < (uint64_t)unit->ns)
		unit++;
	whole = size / (uint64_t)unit->ns;
	rest = size % (uint64_t)unit->ns;
	if (unit->ns > CLOCK_NS_PER_S) {
		uint64_t next = rest / (uint64_t)unit[1].ns;

		if (next)
			snprintf(out, CLOCK_TEXT_SIZE,
				 "%s%" PRIu64 "%s%" PRIu64 "%s", sign, whole,
				 unit->name, next, unit[1].name);
		else
			snprintf(out, CLOCK_TEXT_SIZE, "%s%" PRIu64 "%s", sign,
				 whole, unit->name);
		return out;
	}
	rest = rest * 10 / (uint64_t)unit->ns;
	if (whole < 10 && rest)
		snprintf(out, CLOCK_TEXT_SIZE, "%s%u.%u%s", sign,
			 (unsigned)whole, (unsigned)rest, unit->name);
	else
		snprintf(out, CLOCK_TEXT_SIZE, "%s%u%s", sign, (unsigned)whole,
			 unit->name);
	return out;
}
