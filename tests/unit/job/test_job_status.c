/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/job_status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"

static json_t *
written(const struct job_status *s)
{
	char folder[] = "/tmp/at-status-XXXXXX";
	char *path;
	json_t *json;

	assert_non_null(mkdtemp(folder));
	path = alloc_format("%s/status.json", folder);
	assert_int_equal(job_status_write(s, path), 0);
	json = json_load_file(path, 0, NULL);
	assert_non_null(json);
	unlink(path);
	assert_int_equal(rmdir(folder), 0); /* no temporary file stays */
	free(path);
	return json;
}

static const char *
text(json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static json_int_t
number(json_t *json, const char *key)
{
	json_t *value = json_object_get(json, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void
a_running_job_tells_how_far_it_is(void **state)
{
	struct job_status s;
	json_t *json;

	(void)state;
	job_status_init(&s, "snap", "run1", json_object());
	s.state = JOB_RUNNING;
	s.phase = "reading";
	s.bytes_total = 1000;
	s.bytes_read = 250;
	s.packets = 7;
	s.counts.calls = 3;
	s.counts.calls_by_protocol[PROTOCOL_dns] = 3;
	s.counts.connections = 2;
	s.counts.file_bytes = 4096;
	s.started_monotonic_ns -= 10 * CLOCK_NS_PER_S;
	json_array_append_new(s.faults, json_string("a parser died"));
	json = written(&s);
	assert_string_equal(text(json, "state"), "running");
	assert_string_equal(text(json, "phase"), "reading");
	assert_string_equal(text(json, "snapshot"), "snap");
	assert_string_equal(text(json, "name"), "run1");
	assert_int_equal(number(json, "pid"), getpid());
	assert_int_equal(number(json, "progress"), 25);
	assert_int_equal(number(json, "bytes_read"), 250);
	assert_int_equal(number(json, "bytes_total"), 1000);
	assert_in_range(number(json, "bytes_per_second"), 20, 25);
	assert_in_range(number(json, "eta_s"), 30, 38);
	assert_int_equal(number(json, "packets"), 7);
	assert_int_equal(number(json, "calls"), 3);
	assert_int_equal(number(json_object_get(json, "calls_by_protocol"),
				"dns"),
			 3);
	assert_int_equal(number(json, "connections"), 2);
	assert_int_equal(number(json, "database_bytes"), 4096);
	assert_null(json_object_get(json, "finished"));
	assert_int_equal(json_array_size(json_object_get(json, "errors")), 1);
	json_decref(json);
	job_status_free(&s);
}

static void
a_failed_job_says_why_and_when(void **state)
{
	struct job_status s;
	json_t *json;

	(void)state;
	job_status_init(&s, "snap", "run1", json_object());
	s.state = JOB_FAILED;
	s.finished_ns = s.started_ns + CLOCK_NS_PER_S;
	s.failure = "no space left";
	json = written(&s);
	assert_string_equal(text(json, "state"), "failed");
	assert_non_null(text(json, "finished"));
	assert_null(json_object_get(json, "eta_s"));
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(json, "errors"), 0)),
			    "no space left");
	json_decref(json);
	job_status_free(&s);
}

static void
only_a_completed_job_is_at_100_percent(void **state)
{
	struct job_status s;

	(void)state;
	job_status_init(&s, "snap", "run1", json_object());
	assert_int_equal(job_status_percent(&s), 0);
	s.bytes_total = s.bytes_read = 10;
	s.state = JOB_RUNNING;
	assert_int_equal(job_status_percent(&s), 99);
	s.state = JOB_COMPLETED;
	assert_int_equal(job_status_percent(&s), 100);
	job_status_free(&s);
}

static void
a_status_that_cannot_be_written_leaves_the_old_one(void **state)
{
	struct job_status s;

	(void)state;
	job_status_init(&s, "snap", "run1", json_object());
	assert_true(job_status_write(&s, "/nonexistent/status.json") < 0);
	job_status_free(&s);
}

static void
the_line_fits_where_it_is_told_to(void **state)
{
	struct job_status s;
	char line[40];

	(void)state;
	job_status_init(&s, "snap", "run1", json_object());
	s.state = JOB_RUNNING;
	s.phase = "reading";
	s.bytes_total = UINT64_MAX / 128;
	s.bytes_read = s.bytes_total / 2;
	s.packets = UINT64_MAX;
	job_status_line(&s, line, sizeof(line));
	assert_true(strlen(line) < sizeof(line));
	assert_non_null(strstr(line, "50%"));
	job_status_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_running_job_tells_how_far_it_is),
		cmocka_unit_test(a_failed_job_says_why_and_when),
		cmocka_unit_test(only_a_completed_job_is_at_100_percent),
		cmocka_unit_test(
			a_status_that_cannot_be_written_leaves_the_old_one),
		cmocka_unit_test(the_line_fits_where_it_is_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
