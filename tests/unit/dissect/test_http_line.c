/* SPDX-License-Identifier: Apache-2.0 */
/* Header lines: what is remembered never changes what is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "dissect/proto/http_line.h"

static int
setup(void **state)
{
	*state = calloc(1, sizeof(struct http_known));
	return *state ? 0 : -1;
}

static int
teardown(void **state)
{
	free(*state);
	return 0;
}

static void
assert_text(struct bytes is, const char *expected)
{
	assert_int_equal(is.size, strlen(expected));
	assert_memory_equal(is.data, expected, is.size);
}

static void
lines_are_split_and_their_values_trimmed(void **state)
{
	struct http_lines lines;

	for (int round = 0; round < 3; round++) {
		http_lines_read(*state,
				bytes_of("Host: shop.example\r\n"
					 "X-Empty-Value:\r\n"
					 "cONTENT-tYPE:  text/plain  \r\n"
					 "\r\nbody"),
				&lines);
		assert_int_equal(lines.count, 3);
		assert_true(lines.ended);
		assert_int_equal(lines.size, 67);
		assert_text(lines.headers[0].name, "Host");
		assert_text(lines.headers[0].value, "shop.example");
		assert_text(lines.headers[1].name, "X-Empty-Value");
		assert_text(lines.headers[1].value, "");
		assert_text(lines.headers[2].name, "cONTENT-tYPE");
		assert_text(lines.headers[2].value, "text/plain");
		assert_int_equal(lines.meaningful, 5);
		assert_int_equal(lines.meanings[0], HTTP_HOST);
		assert_int_equal(lines.meanings[2], HTTP_CONTENT_TYPE);
	}
}

/* Of each, the first line alone is plain and whole. */
static void
what_is_not_plain_or_not_whole_is_left(void **state)
{
	static const char *const rest[] = {
		"Second: line",      "Second: line\r", "Second: line\r\n",
		"Second: line\n\r\n", "Second line\r\n\r\n", ": value\r\n\r\n",
		"Sec ond: line\r\n\r\n", "Second: a\001b c d\r\n\r\n",
		"Second: line\r\n folded\r\n\r\n",
		"Second: line\r\n\tfolded\r\n\r\n", "Second: l\x7fne\r\n\r\n",
		"Second: li\rne\r\n\r\n", "Second:\tline\r\n\r\n",
		"", "\r", "\n",
	};
	char text[128];

	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++) {
			struct http_lines lines;

			/* Whether it is a fold shows in what follows it. */
			snprintf(text, sizeof(text), "First: 12345\r\n%s", rest[i]);
			http_lines_read(*state, bytes_of(text), &lines);
			assert_int_equal(lines.count, *rest[i] != 0);
			assert_int_equal(lines.size, *rest[i] ? 14 : 0);
			assert_false(lines.ended);
		}
}

/* Folded once, the line that was plain before is none. */
static void
a_known_line_that_is_folded_is_not_plain(void **state)
{
	struct http_lines lines;

	for (int round = 0; round < 4; round++) {
		http_lines_read(*state, bytes_of("A-Name: value\r\nB: 12345\r\n\r\n"),
				&lines);
		assert_int_equal(lines.count, 2);
		http_lines_read(*state,
				bytes_of("A-Name: value\r\n and more\r\n\r\n"),
				&lines);
		assert_int_equal(lines.count, 0);
		http_lines_read(*state, bytes_of("A-Name: value\r\n"), &lines);
		assert_int_equal(lines.count, 0);
	}
}

static void
a_long_section_comes_in_parts(void **state)
{
	struct buf text;
	struct http_lines lines;
	struct bytes rest;
	unsigned count = 0;

	buf_init(&text, 1 << 16);
	for (unsigned i = 0; i < 3 * HTTP_LINES + 1; i++)
		buf_format(&text, "X-Number: %u%0*u\r\n", i, (int)i % 200 + 1, 0);
	buf_text(&text, "\r\n");
	rest = buf_view(&text);
	do {
		http_lines_read(*state, rest, &lines);
		rest = bytes_from(rest, lines.size);
		count += lines.count;
		assert_int_equal(lines.ended, lines.count < HTTP_LINES);
	} while (!lines.ended);
	assert_int_equal(count, 3 * HTTP_LINES + 1);
	assert_int_equal(rest.size, 0);
	buf_free(&text);
}

static uint32_t
next(uint32_t *seed)
{
	return (*seed = *seed * 1664525 + 1013904223) >> 16;
}

/* Names and values of few kinds, so that lines come again, some with one byte
 * changed wherever it is, some damaged. */
static void
put_section(struct buf *text, uint32_t *seed)
{
	static const char *const names[] = { "Host", "Date", "ETag", "X-A",
					     "Content-Length", "X-Request-Id",
					     "Content-Type", "X-Long-Value" };
	unsigned count = next(seed) % 12;

	buf_reset(text);
	for (unsigned i = 0; i < count; i++) {
		size_t start = text->size;
		unsigned name = next(seed) % 8;

		buf_format(text, "%s: %0*u\r\n", names[name],
			   name == 7 ? 100 + (int)(next(seed) % 100) : 9,
			   next(seed) % 3);
		if (next(seed) % 8 == 0)
			text->data[start + next(seed) % (text->size - start)] =
				(uint8_t)(next(seed) % 4 ? 'a' + next(seed) % 26
							 : next(seed));
	}
	buf_text(text, next(seed) % 8 ? "\r\n" : "");
}

static void
what_is_remembered_changes_nothing(void **state)
{
	struct http_known *fresh = malloc(sizeof(*fresh));
	uint32_t seed = 1;
	struct buf text;
	unsigned plain = 0;

	assert_non_null(fresh);
	buf_init(&text, 1 << 16);
	for (unsigned round = 0; round < 50000; round++) {
		struct http_lines is, expected;

		put_section(&text, &seed);
		memset(fresh, 0, sizeof(*fresh));
		http_lines_read(fresh, buf_view(&text), &expected);
		http_lines_read(*state, buf_view(&text), &is);
		assert_int_equal(is.count, expected.count);
		assert_int_equal(is.size, expected.size);
		assert_int_equal(is.ended, expected.ended);
		assert_int_equal(is.meaningful, expected.meaningful);
		assert_memory_equal(is.meanings, expected.meanings, is.count);
		assert_memory_equal(is.headers, expected.headers,
				    is.count * sizeof(*is.headers));
		plain += is.count;
	}
	assert_true(plain > 100000);
	buf_free(&text);
	free(fresh);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(lines_are_split_and_their_values_trimmed),
		TEST(what_is_not_plain_or_not_whole_is_left),
		TEST(a_known_line_that_is_folded_is_not_plain),
		TEST(a_long_section_comes_in_parts),
		TEST(what_is_remembered_changes_nothing),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
