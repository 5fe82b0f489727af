/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/text.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* RFC 3629 section 7 and the first and last code point of each length. */
static void
well_formed_utf8_is_accepted(void **state)
{
	static const char *const good[] = {
		"",
		"plain ascii, longer than eight bytes",
		"A\xe2\x89\xa2\xce\x91.",
		"\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4",
		"\xef\xbb\xbf\xf0\xa3\x8e\xb4",
		"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xef\xbf\xbf",
		"\xed\x9f\xbf \xee\x80\x80 \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(text_is_utf8(bytes_of(good[i])));
	assert_true(text_is_utf8(bytes_make("a\0b", 3)));
}

static void
malformed_utf8_is_refused(void **state)
{
	static const char *const bad[] = {
		"\x80",             /* continuation alone */
		"\xc2",             /* cut off */
		"\xe2\x82",         /* cut off */
		"\xf0\x9f\x98",     /* cut off */
		"\xc0\x80",         /* overlong NUL */
		"\xc1\xbf",         /* overlong */
		"\xe0\x9f\xbf",     /* overlong */
		"\xf0\x8f\xbf\xbf", /* overlong */
		"\xed\xa0\x80",     /* surrogate */
		"\xed\xbf\xbf",     /* surrogate */
		"\xf4\x90\x80\x80", /* above U+10FFFF */
		"\xf5\x80\x80\x80",
		"\xff",
		"\xe2\x41\x82", /* interrupted */
		"eight ok\x80",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(text_is_utf8(bytes_of(bad[i])));
}

static void
plain_text_has_tabs_and_lines_alone(void **state)
{
	static const char *const bad[] = { "\x1b[31m", "a\bb", "\xff" };

	(void)state;
	assert_true(text_is_plain(bytes_of("a\tb\r\n\xc3\xa9")));
	assert_true(text_is_plain(bytes_make(NULL, 0)));
	assert_false(text_is_plain(bytes_make("a\0b", 3)));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(text_is_plain(bytes_of(bad[i])));
}

static void
harmful_characters_become_visible(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain\ttext\n", "plain\ttext\n" },
		{ "\x1b[31mred", "\\x1b[31mred" },
		{ "a\rb\x7f", "a\\x0db\\x7f" },
		{ "\xc2\x85", "\\u{0085}" }, /* NEL, a C1 control */
		{ "\xe2\x80\xae"
		  "evil",
		  "\\u{202e}evil" }, /* RLO */
		{ "\xe2\x81\xa6\xe2\x81\xa9", "\\u{2066}\\u{2069}" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "caf\xe9!", "caf\\xe9!" }, /* Latin-1 */
		{ "\xe2\x82", "\\xe2\\x82" },
		{ "\xff", "\\xff" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *out = text_printable(bytes_of(cases[i].in), 0);

		assert_string_equal(out, cases[i].out);
		free(out);
	}
}

static void
every_byte_escapes_to_valid_utf8(void **state)
{
	struct buf out;
	uint8_t in[4];

	(void)state;
	buf_init(&out, 64);
	for (unsigned i = 0; i < 1U << 16; i++) {
		in[0] = in[3] = (uint8_t)i;
		in[1] = (uint8_t)(i >> 8);
		in[2] = (uint8_t)(i * 7 >> 3);
		buf_reset(&out);
		text_escape(&out, bytes_make(in, sizeof(in)));
		assert_false(out.failed);
		assert_true(text_is_utf8(buf_view(&out)));
		assert_null(memchr(out.data, 0x1b, out.size));
	}
	buf_free(&out);
}

static void
escaping_stops_at_the_limit_of_the_buffer(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 7);
	text_escape(&out, bytes_of("ab\x01\x02z"));
	assert_true(out.failed);
	assert_string_equal(buf_cstr(&out), "ab\\x01");
	buf_free(&out);
}

static void
cut_text_ends_in_an_ellipsis_between_characters(void **state)
{
	static const struct {
		size_t limit;
		const char *out;
	} cases[] = {
		{ 1, "a…" },  { 2, "a…" },  { 3, "aü…" },
		{ 4, "aü…" }, { 5, "aü…" }, { 6, "aü€" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *out = text_printable(bytes_of("aü€"), cases[i].limit);

		assert_string_equal(out, cases[i].out);
		free(out);
	}
}

static void
only_whole_decimal_numbers_are_numbers(void **state)
{
	static const char *const bad[] = { "",
					   "-1",
					   " 1",
					   "1 ",
					   "+1",
					   "0x1",
					   "1e3",
					   "18446744073709551616",
					   "99999999999999999999999" };
	uint64_t value = 1;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(text_u64(bytes_of(bad[i]), &value));
	assert_true(text_u64(bytes_of("0"), &value) && value == 0);
	assert_true(text_u64(bytes_of("18446744073709551615"), &value));
	assert_true(value == UINT64_MAX);
}

static void
signed_numbers_reach_both_ends(void **state)
{
	static const char *const bad[] = { "",
					   "-",
					   "--1",
					   "+1",
					   "- 1",
					   "9223372036854775808",
					   "-9223372036854775809" };
	int64_t value;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(text_i64(bytes_of(bad[i]), &value));
	assert_true(text_i64(bytes_of("9223372036854775807"), &value));
	assert_true(value == INT64_MAX);
	assert_true(text_i64(bytes_of("-9223372036854775808"), &value));
	assert_true(value == INT64_MIN);
	assert_true(text_i64(bytes_of("-0"), &value) && value == 0);
	assert_true(text_i64(bytes_of("-17"), &value) && value == -17);
}

static void
sizes_are_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{ "4096", 4096 },
		{ "64MiB", 67108864 },
		{ "10GiB", 10737418240 },
		{ "500k", 512000 },
		{ "1K", 1024 },
		{ "2T", 2199023255552 },
		{ "0g", 0 },
		{ "16777215TiB", 16777215ULL << 40 },
	};
	static const char *const bad[] = {
		"",   "k",   "1.5GiB",      "-1",
		"1B", "1MB", "1 k",         "1kk",
		"1P", "1iB", "16777216TiB", "99999999999999999999"
	};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(text_size(good[i].text, &value));
		assert_true(value == good[i].value);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(text_size(bad[i], &value));
}

static void
sizes_for_people_have_one_decimal(void **state)
{
	static const struct {
		uint64_t value;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 999, "999 B" },
		{ 1000, "1.0 kB" },
		{ 1400000000, "1.4 GB" },
		{ 1449, "1.4 kB" },
		{ 1450, "1.5 kB" },
		{ 999949, "999.9 kB" },
		{ 999950, "1.0 MB" },
		{ 67108864, "67.1 MB" },
		{ UINT64_MAX, "18.4 EB" },
	};
	char out[16];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(
			text_format_size(cases[i].value, out, sizeof(out)),
			cases[i].text);
}

/* The textbook examples. */
static void
distance_counts_edits(void **state)
{
	(void)state;
	assert_int_equal(text_distance("kitten", "sitting", 10), 3);
	assert_int_equal(text_distance("saturday", "sunday", 10), 3);
	assert_int_equal(text_distance("flaw", "lawn", 10), 2);
	assert_int_equal(text_distance("", "abc", 10), 3);
	assert_int_equal(text_distance("same", "same", 10), 0);
	assert_int_equal(text_distance("kitten", "sitting", 1), 2);
	assert_int_equal(text_distance("", "a very long text", 3), 4);
}

static void
the_nearest_word_is_a_likely_slip_or_a_relative(void **state)
{
	static const char *const fields[] = {
		"method",   "status_code", "src.pod.name", "src.ip", "dst.port",
		"protocol", NULL
	};

	(void)state;
	assert_string_equal(text_nearest("metod", fields), "method");
	assert_string_equal(text_nearest("METHOD", fields), "method");
	assert_string_equal(text_nearest("statuscode", fields), "status_code");
	assert_string_equal(text_nearest("name", fields), "src.pod.name");
	assert_string_equal(text_nearest("destination.port", fields),
			    "dst.port");
	assert_null(text_nearest("zzzzzz", fields));
	assert_null(text_nearest("x", (const char *const[]){ NULL }));
}

static void
names_are_safe_path_components(void **state)
{
	char longest[102];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[100] = '\0';
	assert_true(text_is_name("prod-2026.11_23"));
	assert_true(text_is_name("_x"));
	assert_true(text_is_name(longest));
	longest[100] = 'x';
	longest[101] = '\0';
	assert_false(text_is_name(longest));
	assert_false(text_is_name(""));
	assert_false(text_is_name("."));
	assert_false(text_is_name(".."));
	assert_false(text_is_name(".hidden"));
	assert_false(text_is_name("-rf"));
	assert_false(text_is_name("a/b"));
	assert_false(text_is_name("a b"));
	assert_false(text_is_name("a\n"));
	assert_false(text_is_name("ü"));
}

/* Of all bytes 22 are digits: 0-9, a-f and A-F (RFC 5234 HEXDIG, either case). */
static void
test_hex_digit(void **state)
{
	static const char digits[] = "0123456789abcdef", upper[] = "ABCDEF";
	int count = 0;

	(void)state;
	for (int c = 0; c < 256; c++)
		count += text_hex_digit((uint8_t)c) >= 0;
	assert_int_equal(count, 22);
	for (int i = 0; i < 16; i++)
		assert_int_equal(text_hex_digit((uint8_t)digits[i]), i);
	for (int i = 0; i < 6; i++)
		assert_int_equal(text_hex_digit((uint8_t)upper[i]), 10 + i);
}

/* RFC 4648 §10. */
static void
base64_is_that_of_the_rfc(void **state)
{
	static const char *const cases[][2] = {
		{ "f", "Zg==" },   { "fo", "Zm8=" },	{ "foo", "Zm9v" },
		{ "bar", "YmFy" }, { "foobar", "Zm9v" }, { "\xfb\xff\xfe", "+//+" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char digits[4];

		text_base64(bytes_of(cases[i][0]), digits);
		assert_memory_equal(digits, cases[i][1], sizeof(digits));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hex_digit),
		cmocka_unit_test(base64_is_that_of_the_rfc),
		cmocka_unit_test(well_formed_utf8_is_accepted),
		cmocka_unit_test(malformed_utf8_is_refused),
		cmocka_unit_test(plain_text_has_tabs_and_lines_alone),
		cmocka_unit_test(harmful_characters_become_visible),
		cmocka_unit_test(every_byte_escapes_to_valid_utf8),
		cmocka_unit_test(escaping_stops_at_the_limit_of_the_buffer),
		cmocka_unit_test(
			cut_text_ends_in_an_ellipsis_between_characters),
		cmocka_unit_test(only_whole_decimal_numbers_are_numbers),
		cmocka_unit_test(signed_numbers_reach_both_ends),
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(sizes_for_people_have_one_decimal),
		cmocka_unit_test(distance_counts_edits),
		cmocka_unit_test(
			the_nearest_word_is_a_likely_slip_or_a_relative),
		cmocka_unit_test(names_are_safe_path_components),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
