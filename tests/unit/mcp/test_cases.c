/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversations from files: cases/<name>.case.  A line "> MESSAGE" is sent,
 * a line "< MESSAGE" is what the server must say next, "= N" sets the page
 * size (first line only), "#" is a comment.  At the end the server must have
 * said nothing else.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/unit/mcp/talk.h"

#define LINE 16384

static void
run_line(struct talk *t, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (line[0] == '>') {
		talk_say(t, line + 1);
		talk_work(t);
	} else if (line[0] == '<') {
		talk_expect(t, line + 1);
	}
}

static void
run_case(void **state)
{
	const char *path = *state;
	char *line = alloc_zero(LINE, 1);
	struct mcp_limits limits = { 0 };
	FILE *file = fopen(path, "r");
	struct talk *t = alloc_zero(1, sizeof(*t));

	assert_non_null(file);
	assert_non_null(fgets(line, LINE, file));
	if (line[0] == '=')
		limits.page = (uint32_t)atoi(line + 1);
	talk_open(t, &limits);
	do
		run_line(t, line);
	while (fgets(line, LINE, file));
	talk_expect_silence(t);
	talk_close(t);
	fclose(file);
	free(line);
	free(t);
}

static int
is_case(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && strcmp(dot, ".case") == 0;
}

int
main(void)
{
	struct dirent **entries = NULL;
	int count = scandir(CASES, &entries, is_case, alphasort);
	struct CMUnitTest *tests;
	int failed;

	if (count <= 0)
		return 1;
	tests = alloc_zero((size_t)count, sizeof(*tests));
	for (int i = 0; i < count; i++)
		tests[i] = (struct CMUnitTest){
			.name = entries[i]->d_name,
			.test_func = run_case,
			.initial_state = alloc_format("%s/%s", CASES,
						      entries[i]->d_name),
		};
	failed = _cmocka_run_group_tests("cases", tests, (size_t)count, NULL,
					 NULL);
	for (int i = 0; i < count; i++) {
		free(tests[i].initial_state);
		free(entries[i]);
	}
	free(tests);
	free(entries);
	return failed;
}
