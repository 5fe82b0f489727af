/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/job_result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
the_window_is_where_snapshot_and_options_meet(void **state)
{
	struct job_options options = { .from_ns = 50, .to_ns = INT64_MAX };
	struct snapshot snapshot = { .window = { 10, 100 } };
	struct packet_window window = job_result_window(&options, &snapshot);

	(void)state;
	assert_int_equal(window.from_ns, 50);
	assert_int_equal(window.to_ns, 100);
	options.from_ns = INT64_MIN;
	options.to_ns = 60;
	window = job_result_window(&options, &snapshot);
	assert_int_equal(window.from_ns, 10);
	assert_int_equal(window.to_ns, 60);
}

static void
only_segments_that_the_window_touches_count(void **state)
{
	struct packet_segment segments[] = {
		{ .first_ns = 0, .last_ns = 9, .stored_bytes = 1 },
		{ .first_ns = 10, .last_ns = 20, .stored_bytes = 10 },
		{ .first_ns = 20, .last_ns = 29, .stored_bytes = 100 },
		{ .first_ns = 30, .last_ns = 40, .stored_bytes = 1000 },
	};
	struct snapshot snapshot = { .segments = segments,
				     .segment_count = 4 };

	(void)state;
	assert_int_equal(
		job_result_bytes(&snapshot, (struct packet_window){ 10, 30 }),
		110);
}

/* Bytes read as a status would tell, of two parsers. */
static uint64_t
told(enum parser_state_name first, uint64_t first_bytes,
     enum parser_state_name second, uint64_t second_bytes)
{
	struct parser parsers[2] = { { .state = first }, { .state = second } };
	struct job_status status;
	uint64_t bytes;

	parsers[0].progress.bytes_read = first_bytes;
	parsers[1].progress.bytes_read = second_bytes;
	job_status_init(&status, "s", "n", json_object());
	status.bytes_total = 100;
	job_result_progress(&status, parsers, 2);
	bytes = status.bytes_read;
	assert_int_equal(json_array_size(status.parsers), 2);
	job_status_free(&status);
	return bytes;
}

static void
a_run_is_as_far_as_its_slowest_parser(void **state)
{
	(void)state;
	assert_int_equal(told(PARSER_RUNNING, 30, PARSER_RUNNING, 50), 30);
	assert_int_equal(told(PARSER_RUNNING, 30, PARSER_FINISHED, 100), 30);
	assert_int_equal(told(PARSER_RUNNING, 30, PARSER_FAILED, 10), 30);
	assert_int_equal(told(PARSER_STOPPED, 30, PARSER_FAILED, 10), 30);
	assert_int_equal(told(PARSER_RUNNING, 999, PARSER_RUNNING, 998), 100);
}

static void
faults_are_told_once_however_often_the_status_is(void **state)
{
	char fault[] = "parser 1 of 1 died";
	struct parser parser = { .state = PARSER_FAILED, .fault = fault };
	struct job_status status;

	(void)state;
	job_status_init(&status, "s", "n", json_object());
	job_result_progress(&status, &parser, 1);
	job_result_progress(&status, &parser, 1);
	assert_int_equal(json_array_size(status.faults), 1);
	job_status_free(&status);
}

static void
the_coverage_of_all_shards_adds_up(void **state)
{
	struct parser parsers[2] = { 0 };
	struct coverage sum;

	(void)state;
	parsers[0].progress.coverage.packets = 3;
	parsers[1].progress.coverage.packets = 4;
	parsers[1].progress.coverage.calls_unpaired = 5;
	sum = job_result_coverage(parsers, 2);
	assert_int_equal(sum.packets, 7);
	assert_int_equal(sum.calls_unpaired, 5);
}

static struct job_verdict
verdict(enum parser_state_name first, enum parser_state_name second,
	bool cancelled)
{
	struct parser parsers[2] = { { .state = first }, { .state = second } };

	return job_result_verdict(parsers, 2, cancelled);
}

static void
how_it_ended_depends_on_the_parsers(void **state)
{
	(void)state;
	assert_int_equal(
		verdict(PARSER_FINISHED, PARSER_FINISHED, false).state,
		JOB_COMPLETED);
	assert_null(verdict(PARSER_FINISHED, PARSER_FINISHED, false).problem);
	assert_int_equal(verdict(PARSER_FINISHED, PARSER_FAILED, false).state,
			 JOB_COMPLETED);
	assert_int_equal(verdict(PARSER_FAILED, PARSER_FAILED, false).state,
			 JOB_FAILED);
	assert_non_null(verdict(PARSER_FAILED, PARSER_FAILED, false).problem);
	assert_int_equal(verdict(PARSER_STOPPED, PARSER_FINISHED, true).state,
			 JOB_CANCELLED);
	/* The word came when everything was done. */
	assert_int_equal(
		verdict(PARSER_FINISHED, PARSER_FINISHED, true).state,
		JOB_COMPLETED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_window_is_where_snapshot_and_options_meet),
		cmocka_unit_test(only_segments_that_the_window_touches_count),
		cmocka_unit_test(a_run_is_as_far_as_its_slowest_parser),
		cmocka_unit_test(
			faults_are_told_once_however_often_the_status_is),
		cmocka_unit_test(the_coverage_of_all_shards_adds_up),
		cmocka_unit_test(how_it_ended_depends_on_the_parsers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
