/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static char line[65536];

/*
 * stderr becomes a socket that keeps the bounds of each write; afterwards
 * `line` holds what the one write of `level` and `text` was, or is empty.
 */
static void
capture(enum log_level level, const char *text)
{
	int ends[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends),
		0);
	dup2(ends[1], STDERR_FILENO);
	log_write(level, "key=%d %s", 7, text);
	dup2(saved, STDERR_FILENO);
	n = recv(ends[0], line, sizeof(line) - 1, 0);
	line[n > 0 ? n : 0] = '\0';
	if (n > 0)
		assert_true(recv(ends[0], line + n, 1, 0) < 0);
	close(ends[0]);
	close(ends[1]);
	close(saved);
}

static void
a_line_is_time_level_and_message_in_one_write(void **state)
{
	(void)state;
	capture(LOG_WARN, "hello");
	/* 2026-11-23T14:02:11.123456789Z */
	assert_int_equal(line[4], '-');
	assert_int_equal(line[10], 'T');
	assert_non_null(strstr(line, "Z warn key=7 hello\n"));
	assert_string_equal(strchr(line, '\n'), "\n");
}

static void
strangers_cannot_forge_lines_or_colours(void **state)
{
	(void)state;
	capture(LOG_ERROR, "a\nb\t\x1b[31m\xff");
	assert_non_null(strstr(line, "error key=7 a\\nb\\t\\x1b[31m\\xff\n"));
	assert_string_equal(strchr(line, '\n'), "\n");
}

static void
levels_below_the_threshold_are_silent(void **state)
{
	(void)state;
	capture(LOG_DEBUG, "x");
	assert_string_equal(line, "");
	log_set_level(LOG_DEBUG);
	capture(LOG_DEBUG, "x");
	assert_non_null(strstr(line, " debug key=7 x\n"));
	log_set_level(LOG_ERROR);
	capture(LOG_WARN, "x");
	assert_string_equal(line, "");
	log_set_level(LOG_INFO);
	capture(LOG_INFO, "x");
	assert_non_null(strstr(line, " info "));
}

static void
a_long_message_is_cut_and_still_ends_the_line(void **state)
{
	static char text[10000];

	(void)state;
	memset(text, 1, sizeof(text) - 1); /* the worst case: all escaped */
	capture(LOG_INFO, text);
	assert_true(strlen(line) > 8000);
	assert_true(strlen(line) < 17000);
	assert_string_equal(strchr(line, '\n'), "\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_time_level_and_message_in_one_write),
		cmocka_unit_test(strangers_cannot_forge_lines_or_colours),
		cmocka_unit_test(levels_below_the_threshold_are_silent),
		cmocka_unit_test(a_long_message_is_cut_and_still_ends_the_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
