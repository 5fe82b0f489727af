/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/job_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "dissect/registry.h"

#define ARGUMENTS_MAX 300

/* Parses "a b c" as the words of a command line. */
static int
parse(struct job_options *o, const char *line, struct error *e)
{
	static char words[8192], program[] = "aftertap-dissect";
	char *argv[ARGUMENTS_MAX] = { program };
	int argc = 1;

	snprintf(words, sizeof(words), "%s", line);
	for (char *rest = words, *word; (word = strsep(&rest, " "));)
		if (*word)
			argv[argc++] = word;
	return job_options_parse(o, argc, argv, e);
}

#define NAMES "--snapshot s --name n "

static void
assert_refused(const char *line, const char *because)
{
	struct job_options o;
	struct error e = { 0 };

	assert_true(parse(&o, line, &e) < 0);
	if (!strstr(e.text, because))
		fail_msg("\"%s\" does not say \"%s\"", e.text, because);
}

static void
the_defaults_are_those_of_the_manual(void **state)
{
	struct job_options o;

	(void)state;
	assert_int_equal(parse(&o, NAMES, NULL), 0);
	assert_string_equal(o.snapshot, "s");
	assert_string_equal(o.name, "n");
	assert_null(o.home);
	assert_int_equal(o.from_ns, INT64_MIN);
	assert_int_equal(o.to_ns, INT64_MAX);
	assert_int_equal(o.max_body, 4 << 20);
	assert_int_equal(o.memory_bytes, 256 << 20);
	assert_int_equal(o.nice, 10);
	assert_int_equal(o.lifeline, -1);
	assert_true(o.parsers >= 1 && o.parsers <= JOB_PARSERS_MAX);
	assert_true(o.protocols & 1u << PROTOCOL_http);
	assert_true(o.protocols & 1u << PROTOCOL_dns);
}

static void
every_option_is_taken(void **state)
{
	struct job_options o;

	(void)state;
	assert_int_equal(
		parse(&o,
		      NAMES "--home /h --protocols dns "
			    "--from 2026-11-23T14:00:00Z "
			    "--to 2026-11-23T15:00:00Z --address 10.0.0.0/8 "
			    "--address fd00::1 --port 80 --port 53 "
			    "--max-body 64KiB --parsers 3 --memory 512 "
			    "--cpu-seconds 60 --cpu-percent 50 --nice 5 "
			    "--lifeline=3 --quiet",
		      NULL),
		0);
	assert_string_equal(o.home, "/h");
	assert_int_equal(o.protocols, 1u << PROTOCOL_dns);
	assert_int_equal(o.from_ns, 1795442400000000000);
	assert_int_equal(o.to_ns, 1795446000000000000);
	assert_int_equal(o.address_count, 2);
	assert_int_equal(o.addresses[0].ip[12], 10);
	assert_int_equal(o.addresses[0].ip[10], 0xff);
	assert_int_equal(o.addresses[0].bits, 104);
	assert_int_equal(o.addresses[1].ip[0], 0xfd);
	assert_int_equal(o.addresses[1].bits, 128);
	assert_int_equal(o.port_count, 2);
	assert_int_equal(o.ports[1], 53);
	assert_int_equal(o.max_body, 65536);
	assert_int_equal(o.parsers, 3);
	assert_int_equal(o.memory_bytes, 512 << 20);
	assert_int_equal(o.cpu_seconds, 60);
	assert_int_equal(o.cpu_percent, 50);
	assert_int_equal(o.nice, 5);
	assert_int_equal(o.lifeline, 3);
	assert_true(o.quiet);
}

static void
what_is_wrong_is_named(void **state)
{
	(void)state;
	assert_refused("", "--snapshot and --name");
	assert_refused("--snapshot ../x --name n", "not a name");
	assert_refused("--snapshot s --name .n", "not a name");
	assert_refused(NAMES "--protocols gopher", "there are: http, dns");
	assert_refused(NAMES "--protocols ,", "names none");
	assert_refused(NAMES "--from yesterday", "is not a time");
	assert_refused(NAMES "--from 1795446000000 --to 1795442400000",
		       "not before");
	assert_refused(NAMES "--address 10.0.0.0/33", "--address");
	assert_refused(NAMES "--address 10.0.0", "--address");
	assert_refused(NAMES "--address ::1/129", "--address");
	assert_refused(NAMES "--port 0", "--port");
	assert_refused(NAMES "--port 65536", "--port");
	assert_refused(NAMES "--max-body 1GiB", "--max-body");
	assert_refused(NAMES "--parsers 0", "--parsers");
	assert_refused(NAMES "--parsers 33", "--parsers");
	assert_refused(NAMES "--memory 1", "--memory");
	assert_refused(NAMES "--cpu-percent 101", "--cpu-percent");
	assert_refused(NAMES "--nice -5", "--nice");
	assert_refused(NAMES "--frobnicate", "--frobnicate");
	assert_refused(NAMES "--port", "needs a value");
	assert_refused(NAMES "stray", "stray");
}

static void
more_filters_than_there_is_room_for_are_refused(void **state)
{
	struct buf line;

	(void)state;
	buf_init(&line, 8000);
	buf_text(&line, NAMES);
	for (int i = 0; i < 128; i++)
		buf_text(&line, "--port=1 --port=2 ");
	buf_text(&line, "--port=3");
	assert_refused(buf_cstr(&line), "--port");
	buf_free(&line);
}

static void
little_memory_means_few_parsers(void **state)
{
	struct job_options o;

	(void)state;
	assert_int_equal(parse(&o, NAMES "--memory 96", NULL), 0);
	assert_int_equal(o.parsers, 1);
}

static void
help_needs_no_names(void **state)
{
	struct job_options o;

	(void)state;
	assert_int_equal(parse(&o, "--help", NULL), 0);
	assert_true(o.help);
	assert_non_null(strstr(job_options_usage(), "--snapshot"));
}

static void
the_settings_of_the_run_are_told_as_they_were_given(void **state)
{
	struct job_options o;
	json_t *json, *expected;

	(void)state;
	assert_int_equal(parse(&o,
			       NAMES "--protocols http --address 10.1.0.0/16 "
				     "--address ::1 --port 80 --parsers 2 "
				     "--to 2026-11-23T15:00:00Z",
			       NULL),
			 0);
	json = job_options_json(&o);
	expected = json_loads("{\"protocols\":[\"http\"],"
			      "\"to\":\"2026-11-23T15:00:00Z\","
			      "\"addresses\":[\"10.1.0.0/16\",\"::1/128\"],"
			      "\"ports\":[80],\"max_body\":4194304,"
			      "\"parsers\":2,\"memory_mib\":256,\"nice\":10}",
			      0, NULL);
	assert_non_null(expected);
	assert_true(json_equal(json, expected));
	json_decref(json);
	json_decref(expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_defaults_are_those_of_the_manual),
		cmocka_unit_test(every_option_is_taken),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(
			more_filters_than_there_is_room_for_are_refused),
		cmocka_unit_test(little_memory_means_few_parsers),
		cmocka_unit_test(help_needs_no_names),
		cmocka_unit_test(
			the_settings_of_the_run_are_told_as_they_were_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
