/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "server/transport/lines.h"

/* What came out: lines in brackets, "!" for one that was too long. */
struct heard {
	struct lines lines;
	struct buf text;
};

static void
on_line(void *context, struct bytes line)
{
	struct heard *h = context;

	buf_u8(&h->text, '[');
	buf_bytes(&h->text, line);
	buf_u8(&h->text, ']');
}

static void
on_oversize(void *context)
{
	struct heard *h = context;

	buf_u8(&h->text, '!');
}

static void
open_lines(struct heard *h, size_t limit)
{
	lines_init(&h->lines, limit, on_line, on_oversize, h);
	buf_init(&h->text, SIZE_MAX);
}

static void
close_lines(struct heard *h)
{
	lines_free(&h->lines);
	buf_free(&h->text);
}

/* Feeds the input in pieces of `step` bytes. */
static void
feed(struct heard *h, struct bytes in, size_t step)
{
	while (in.size > 0) {
		struct bytes piece = bytes_first(in, step);
		/* On the heap, so that a sanitizer sees a read behind it. */
		char *copy = alloc_zero(piece.size, 1);

		memcpy(copy, piece.data, piece.size);
		lines_feed(&h->lines, bytes_make(copy, piece.size));
		free(copy);
		in = bytes_from(in, piece.size);
	}
}

/* However the input is cut, the same must come out of it. */
static void
expect(struct bytes in, size_t limit, struct bytes expected)
{
	for (size_t step = 1; step <= in.size; step++) {
		struct heard h;

		open_lines(&h, limit);
		feed(&h, in, step);
		lines_end(&h.lines);
		assert_int_equal(h.text.size, expected.size);
		assert_memory_equal(h.text.data, expected.data, expected.size);
		close_lines(&h);
	}
}

static void
expect_text(const char *in, size_t limit, const char *expected)
{
	expect(bytes_of(in), limit, bytes_of(expected));
}

static void
every_newline_ends_a_line(void **state)
{
	(void)state;
	expect_text("{\"a\":1}\n{}\n\n[]\n", 100, "[{\"a\":1}][{}][][[]]");
}

static void
one_carriage_return_before_the_newline_is_dropped(void **state)
{
	(void)state;
	expect_text("a\r\nb\rc\n\r\r\n\r\n", 100, "[a][b\rc][\r][]");
}

static void
the_last_line_needs_no_newline(void **state)
{
	(void)state;
	expect_text("a\nlast", 100, "[a][last]");
	expect_text("last\r", 100, "[last]");
}

static void
nothing_is_no_line(void **state)
{
	struct heard h;

	(void)state;
	open_lines(&h, 10);
	lines_feed(&h.lines, bytes_make(NULL, 0));
	lines_end(&h.lines);
	assert_int_equal(h.text.size, 0);
	close_lines(&h);
}

static void
nul_and_invalid_utf8_pass_unchanged(void **state)
{
	static const char in[] = "a\0b\n\xff\xc3\n\0\n";
	static const char out[] = "[a\0b][\xff\xc3][\0]";

	(void)state;
	expect(bytes_make(in, sizeof(in) - 1), 100,
	       bytes_make(out, sizeof(out) - 1));
}

static void
a_line_over_the_limit_is_told_once_and_skipped(void **state)
{
	(void)state;
	expect_text("12345\n123456\nabc\n", 5, "[12345]![abc]");
	expect_text("1234567890123456789012345\n\nabc", 5, "![][abc]");
	expect_text("1234567890", 5, "!");
}

static void
a_long_line_costs_no_memory(void **state)
{
	char *block = alloc_zero(65536, 1);
	struct heard h;

	(void)state;
	memset(block, 'x', 65536);
	open_lines(&h, 1 << 20);
	for (int i = 0; i < 1024; i++) {
		lines_feed(&h.lines, bytes_make(block, 65536));
		assert_true(h.lines.partial.capacity <= 2 << 20);
	}
	assert_int_equal(h.lines.partial.size, 0);
	lines_feed(&h.lines, bytes_of("\nok\n"));
	buf_u8(&h.text, '\0');
	assert_string_equal((char *)h.text.data, "![ok]");
	close_lines(&h);
	free(block);
}

static void
memory_of_a_large_line_is_given_back(void **state)
{
	size_t size = (size_t)3 << 20;
	char *line = alloc_zero(size, 1);
	struct heard h;

	(void)state;
	memset(line, 'x', size);
	open_lines(&h, (size_t)4 << 20);
	lines_feed(&h.lines, bytes_make(line, size));
	lines_feed(&h.lines, bytes_of("\n"));
	assert_int_equal(h.text.size, size + 2);
	assert_int_equal(h.lines.partial.capacity, 0);
	close_lines(&h);
	free(line);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_newline_ends_a_line),
		cmocka_unit_test(
			one_carriage_return_before_the_newline_is_dropped),
		cmocka_unit_test(the_last_line_needs_no_newline),
		cmocka_unit_test(nothing_is_no_line),
		cmocka_unit_test(nul_and_invalid_utf8_pass_unchanged),
		cmocka_unit_test(
			a_line_over_the_limit_is_told_once_and_skipped),
		cmocka_unit_test(a_long_line_costs_no_memory),
		cmocka_unit_test(memory_of_a_large_line_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
