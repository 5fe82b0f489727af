/* SPDX-License-Identifier: Apache-2.0 */
/* Tools run whole, on a home of our own and a store that is played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "server/tools/answer.h"
#include "server/tools/tools_list.h"
#include "tests/unit/tools/fake_store.h"

#define SECRET_PATH "/login?token=abc123"

struct world {
	char *home;
	struct tool_config config;
	struct tool_result result;
	struct error error;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->home = fake_home();
	w->config.home = w->home;
	w->config.lifeline = -1;
	*state = w;
	return tool_schemas_load(&w->error);
}

static int
teardown(void **state)
{
	struct world *w = *state;

	tool_result_free(&w->result);
	fake_home_remove(w->home);
	free(w);
	return 0;
}

static bool
is_of_type(json_t *value, const char *type)
{
	if (strcmp(type, "object") == 0)
		return json_is_object(value);
	if (strcmp(type, "array") == 0)
		return json_is_array(value);
	if (strcmp(type, "string") == 0)
		return json_is_string(value);
	if (strcmp(type, "integer") == 0)
		return json_is_integer(value);
	return strcmp(type, "boolean") == 0 && json_is_boolean(value);
}

/* Types of a value and of what it holds, and what is required. */
static void
check_schema(const struct tool *tool, json_t *schema, json_t *value)
{
	const char *type = json_string_value(json_object_get(schema, "type"));
	json_t *item, *name;
	const char *key;
	size_t i;

	if (!is_of_type(value, type))
		fail_msg("%s: something is no %s", tool->name, type);
	json_array_foreach(json_object_get(schema, "required"), i, name)
		if (!json_object_get(value, json_string_value(name)))
			fail_msg("%s: no \"%s\" in the result", tool->name,
				 json_string_value(name));
	json_object_foreach(value, key, item) {
		json_t *of = json_object_get(
			json_object_get(schema, "properties"), key);

		if (of)
			check_schema(tool, of, item);
	}
	if (!json_object_get(schema, "items"))
		return;
	json_array_foreach(value, i, item)
		check_schema(tool, json_object_get(schema, "items"), item);
}

/* What MCP promises: a result is as its outputSchema says. */
static void
check_output(const struct tool *tool, json_t *structured)
{
	check_schema(tool, json_object_get(tool_schema(tool), "outputSchema"),
		     structured);
}

static int
run(struct world *w, const char *name, const char *arguments)
{
	const struct tool *tool = tool_find(name);
	json_t *given = json_loads(arguments, 0, NULL);
	struct tool_call call = {
		.config = &w->config,
		.arguments = given,
		.now_ns = INT64_C(1769998106100000000),
		.started_ns = clock_monotonic_ns(),
	};
	int rc;

	assert_non_null(given);
	tool_result_free(&w->result);
	memset(&w->error, 0, sizeof(w->error));
	rc = tool_run(tool, &call, &w->result, &w->error);
	json_decref(given);
	if (rc == TOOL_DONE)
		check_output(tool, w->result.structured);
	else
		assert_null(w->result.structured);
	return rc;
}

static json_t *
member(struct world *w, const char *name)
{
	return json_object_get(w->result.structured, name);
}

static void
says(struct world *w, const char *text)
{
	const char *said = w->result.text ? w->result.text : w->error.text;

	if (!strstr(said, text))
		fail_msg("\"%s\" does not say \"%s\"", said, text);
}

static void
an_empty_home_says_what_to_do(void **state)
{
	struct world *w = *state;

	assert_int_equal(run(w, "list_captures", "{}"), TOOL_DONE);
	says(w, "import_capture");
	assert_int_equal(run(w, "list_snapshots", "{}"), TOOL_DONE);
	says(w, "create_snapshot");
	assert_int_equal(run(w, "list_databases", "{}"), TOOL_DONE);
	says(w, "start_snapshot_dissection");
	assert_int_equal(run(w, "list_api_calls", "{}"), ERR_NOTFOUND);
	says(w, "start_snapshot_dissection");
	assert_int_equal(run(w, "get_snapshot", "{\"snapshot\":\"x\"}"),
			 ERR_NOTFOUND);
}

static void
the_only_database_needs_no_name(void **state)
{
	struct world *w = *state;

	fake_database(w->home, "s1", "default", "{\"calls\":3}", 0);
	assert_int_equal(run(w, "list_api_calls", "{}"), TOOL_DONE);
	assert_string_equal(json_string_value(member(w, "db")), "s1/default");
	assert_int_equal(run(w, "list_api_calls", "{\"db\":\"s1\"}"),
			 TOOL_DONE);
	assert_int_equal(run(w, "list_api_calls", "{\"snapshot_id\":\"s1\"}"),
			 TOOL_DONE);
}

static void
several_databases_are_listed_when_none_is_named(void **state)
{
	struct world *w = *state;
	pid_t pid;

	fake_database(w->home, "s1", "default", "{\"calls\":3}", 0);
	fake_database(w->home, "s2", "http-only", "{\"calls\":3}", 1);
	pid = fake_job(w->home, "s2", "http-only");
	assert_int_equal(run(w, "list_api_calls", "{}"), ERR_INVALID);
	says(w, "s1/default, s2/http-only");
	w->config.default_db = "s2";
	assert_int_equal(run(w, "list_api_calls", "{}"), TOOL_DONE);
	assert_string_equal(json_string_value(member(w, "db")),
			    "s2/http-only");
	fake_job_end(pid);
}

static void
a_wrong_database_is_answered_with_the_right_ones(void **state)
{
	struct world *w = *state;

	fake_database(w->home, "s1", "default", "{\"calls\":3}", 0);
	assert_int_equal(run(w, "list_api_calls", "{\"db\":\"s1/other\"}"),
			 ERR_NOTFOUND);
	says(w, "it has: default");
	assert_int_equal(run(w, "list_api_calls", "{\"db\":\"nope\"}"),
			 ERR_NOTFOUND);
	says(w, "there are: s1");
	assert_int_equal(run(w, "list_api_calls", "{\"db\":\"../x/y\"}"),
			 ERR_INVALID);
	assert_int_equal(run(w, "list_api_calls", "{\"db\":\"s1/../../x\"}"),
			 ERR_INVALID);
}

static void
nothing_found_says_what_was_searched(void **state)
{
	struct world *w = *state;

	fake_database(w->home, "s1", "default", "{\"calls\":1234}", 0);
	assert_int_equal(run(w, "list_api_calls", "{\"kfl\":\"nothing\"}"),
			 TOOL_DONE);
	says(w, "0 calls of the 1,234 in s1/default match the filter.");
	says(w, "covered 2026-11-23T14:00:00Z to 14:05:00Z, 12,034 packets, "
		"no loss");
	assert_non_null(member(w, "coverage"));
}

static void
the_part_that_a_killed_job_left_is_not_asked(void **state)
{
	struct world *w = *state;

	fake_database(w->home, "s1", "default", "{\"calls\":1}", 1);
	assert_int_equal(run(w, "list_api_calls", "{\"db\":\"s1/default\"}"),
			 ERR_STATE);
	says(w, "killed");
	assert_int_equal(run(w, "list_api_calls", "{}"), ERR_NOTFOUND);
}

static void
a_cancelled_dissection_is_said_to_be_a_part(void **state)
{
	struct world *w = *state;

	fake_database(w->home, "s1", "default",
		      "{\"calls\":1,\"state\":\"partial\"}", 0);
	assert_int_equal(run(w, "list_api_calls", "{}"), TOOL_DONE);
	says(w, "dissection is partial: this is not all");
}

static void
pages_fit_the_budget_and_join_without_gap(void **state)
{
	struct world *w = *state;
	char arguments[128] = "{\"limit\":1000,\"order_by\":\"oldest\"}";
	json_int_t expected = 1;

	fake_database(w->home, "s1", "default",
		      "{\"calls\":700,\"path\":\"/a/rather/long/path/of/a/"
		      "resource/somewhere/deep/inside/an/application\"}", 0);
	for (;;) {
		json_t *call;
		size_t i;

		assert_int_equal(run(w, "list_api_calls", arguments),
				 TOOL_DONE);
		assert_true(strlen(w->result.text) <= ANSWER_BUDGET);
		json_array_foreach(member(w, "calls"), i, call)
			assert_int_equal(json_integer_value(json_object_get(
						 call, "id")), expected++);
		if (!member(w, "next_cursor"))
			break;
		assert_true(json_is_true(member(w, "truncated")));
		says(w, "next_cursor");
		snprintf(arguments, sizeof(arguments),
			 "{\"limit\":1000,\"cursor\":\"%s\"}",
			 json_string_value(member(w, "next_cursor")));
	}
	assert_int_equal(expected, 701);
	assert_true(json_is_false(member(w, "truncated")));
}

static void
fields_are_what_was_asked_for(void **state)
{
	struct world *w = *state;
	json_t *call;

	fake_database(w->home, "s1", "default",
		      "{\"calls\":2,\"path\":\"/a\"}", 0);
	assert_int_equal(run(w, "list_api_calls",
			     "{\"fields\":[\"path\",\"dst.ip\"]}"), TOOL_DONE);
	call = json_array_get(member(w, "calls"), 0);
	assert_int_equal(json_object_size(call), 2);
	says(w, "path\tdst.ip\n/a\t10.0.0.2\n/a\t10.0.0.2");
	assert_int_equal(run(w, "list_api_calls", "{\"fields\":[\"pth\"]}"),
			 ERR_INVALID);
	says(w, "did you mean \"path\"");
}

static void
secrets_do_not_leave_without_permission(void **state)
{
	static const char *const calls[][2] = {
		{ "list_api_calls", "{}" },
		{ "list_api_calls", "{\"format\":\"full\"}" },
		{ "get_api_call", "{\"id\":1}" },
		{ "get_api_stats", "{\"group_by\":[\"path\"],\"limit\":2}" },
		{ "query_sql", "{\"sql\":\"SELECT name, value, api_key\"}" },
	};
	struct world *w = *state;

	fake_database(w->home, "s1", "default",
		      "{\"calls\":2,\"path\":\"" SECRET_PATH "\","
		      "\"body\":\"{\\\"password\\\":\\\"hunter2\\\"}\"}", 0);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		char *all;

		assert_int_equal(run(w, calls[i][0], calls[i][1]), TOOL_DONE);
		all = json_dumps(w->result.structured, JSON_COMPACT);
		for (int text = 0; text < 2; text++) {
			const char *in = text ? w->result.text : all;

			assert_null(strstr(in, "abc123"));
			assert_null(strstr(in, "hunter2"));
			assert_null(strstr(in, "abcDEF123456"));
			assert_null(strstr(in, "id=1234"));
			assert_null(strstr(in, "k-77"));
			assert_non_null(strstr(in, "[redacted "));
		}
		free(all);
		assert_true(json_is_true(member(w, "untrusted")));
	}
	assert_int_equal(run(w, "get_api_call", "{\"id\":1,\"reveal\":true}"),
			 ERR_DENIED);
	says(w, "--allow-reveal");
	w->config.allow_reveal = true;
	assert_int_equal(run(w, "get_api_call", "{\"id\":1,\"reveal\":true}"),
			 TOOL_DONE);
	says(w, "hunter2");
	says(w, "abcDEF123456");
}

static void
a_call_has_connection_evidence_and_body(void **state)
{
	struct world *w = *state;

	fake_database(w->home, "s1", "default",
		      "{\"calls\":2,\"path\":\"/a\",\"body\":\"0123456789\"}",
		      0);
	assert_int_equal(run(w, "get_api_call",
			     "{\"id\":2,\"body_offset\":2,"
			     "\"max_payload_size\":3}"), TOOL_DONE);
	assert_string_equal(json_string_value(json_object_get(
				    member(w, "call"), "req_body")), "234");
	assert_true(json_is_true(member(w, "truncated")));
	assert_non_null(member(w, "connection"));
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(member(w, "evidence"),
						    "request"), "file")),
			    "000001.pcapng");
	assert_int_equal(run(w, "get_api_call",
			     "{\"id\":2,\"include_l4\":false,"
			     "\"include_payload\":false}"), TOOL_DONE);
	assert_null(member(w, "connection"));
	assert_null(json_object_get(member(w, "call"), "req_body"));
	assert_int_equal(run(w, "get_api_call", "{\"id\":9}"), ERR_NOTFOUND);
}

static void
groups_that_do_not_fit_are_cut_with_a_hint(void **state)
{
	struct world *w = *state;

	fake_database(w->home, "s1", "default",
		      "{\"calls\":5,\"path\":\"/a/rather/long/path/of/a/"
		      "resource\"}", 0);
	assert_int_equal(run(w, "get_api_stats",
			     "{\"group_by\":[\"path\"],\"limit\":1000}"),
			 TOOL_DONE);
	assert_true(strlen(w->result.text) <= ANSWER_BUDGET);
	assert_true(json_array_size(member(w, "groups")) < 1000);
	says(w, "raise limit");
}

static void
flows_keep_their_summary_numbers(void **state)
{
	struct world *w = *state;

	fake_database(w->home, "s1", "default", "{\"calls\":5}", 0);
	assert_int_equal(run(w, "list_flows", "{}"), TOOL_DONE);
	assert_true(json_is_object(member(w, "summary_stats")));
	assert_true(json_is_string(member(w, "summary")));
}

static void
workloads_are_listed_with_what_told_of_them(void **state)
{
	struct world *w = *state;
	json_t *first;

	fake_database(w->home, "s1", "default", "{\"calls\":5}", 0);
	assert_int_equal(run(w, "list_workloads", "{}"), TOOL_DONE);
	first = json_array_get(member(w, "workloads"), 0);
	assert_string_equal(json_string_value(json_object_get(first, "kind")),
			    "process");
	assert_string_equal(
		json_string_value(json_object_get(first, "mechanism")),
		"tracepoint");
	assert_true(json_is_object(member(w, "coverage")));
	says(w, "nginx");
	assert_int_equal(run(w, "list_workloads",
			     "{\"from\":\"2026-01-02T00:00:00Z\","
			     "\"to\":\"2026-01-01T00:00:00Z\"}"),
			 ERR_INVALID);
	assert_int_equal(run(w, "list_workloads", "{\"limit\":-1}"),
			 ERR_INVALID);
	assert_int_equal(run(w, "list_workloads", "{\"db\":\"s9/x\"}"),
			 ERR_NOTFOUND);
}

static void
a_filter_that_is_wrong_is_explained(void **state)
{
	struct world *w = *state;

	fake_database(w->home, "s1", "default", "{\"calls\":5}", 0);
	assert_int_equal(run(w, "list_api_calls", "{\"filter\":\"wrong\"}"),
			 ERR_INVALID);
	says(w, "no field");
	assert_int_equal(run(w, "list_api_calls",
			     "{\"from\":\"now\",\"to\":\"-1h\"}"), ERR_INVALID);
	says(w, "not before");
}

static void
databases_are_listed_with_their_state(void **state)
{
	struct world *w = *state;
	json_t *row;

	fake_database(w->home, "s1", "default", "{\"calls\":5}", 0);
	fake_database(w->home, "s1", "half", "{\"calls\":1}", 1);
	assert_int_equal(run(w, "list_databases", "{}"), TOOL_DONE);
	row = json_array_get(member(w, "databases"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "db")),
			    "s1/default");
	assert_string_equal(json_string_value(json_object_get(row, "status")),
			    "completed");
	assert_int_equal(json_integer_value(json_object_get(row,
							    "entry_count")),
			 5);
	row = json_array_get(member(w, "databases"), 1);
	/* Nobody holds its lock. */
	assert_string_equal(json_string_value(json_object_get(row, "status")),
			    "failed");
	assert_int_equal(run(w, "list_databases", "{\"snapshot\":\"s9\"}"),
			 ERR_NOTFOUND);
}

static void
a_dissection_can_be_deleted(void **state)
{
	struct world *w = *state;

	fake_database(w->home, "s1", "default", "{\"calls\":5}", 0);
	assert_int_equal(run(w, "get_snapshot_dissection_status",
			     "{\"snapshot\":\"s1\"}"), TOOL_DONE);
	assert_string_equal(json_string_value(member(w, "status")),
			    "completed");
	assert_int_equal(run(w, "stop_snapshot_dissection",
			     "{\"snapshot\":\"s1\"}"), TOOL_DONE);
	says(w, "was not running");
	assert_int_equal(run(w, "delete_snapshot_dissection",
			     "{\"snapshot\":\"s1\",\"name\":\"default\"}"),
			 TOOL_DONE);
	assert_int_equal(run(w, "delete_snapshot_dissection",
			     "{\"snapshot\":\"s1\",\"name\":\"default\"}"),
			 ERR_NOTFOUND);
	says(w, "has no dissection yet");
}

static void
jobs_need_what_they_work_on(void **state)
{
	struct world *w = *state;

	fake_database(w->home, "s1", "default", "{\"calls\":5}", 0);
	w->config.dissect_program = "/bin/true";
	w->config.program = "/bin/true";
	assert_int_equal(run(w, "start_snapshot_dissection",
			     "{\"snapshot\":\"nope\"}"), ERR_NOTFOUND);
	assert_int_equal(run(w, "start_snapshot_dissection",
			     "{\"snapshot\":\"s1\"}"), ERR_EXISTS);
	says(w, "overwrite");
	assert_int_equal(run(w, "start_snapshot_dissection",
			     "{\"snapshot\":\"s1\",\"name\":\"../x\"}"),
			 ERR_INVALID);
	/* A program that ends without a status has failed. */
	assert_int_equal(run(w, "start_snapshot_dissection",
			     "{\"snapshot\":\"s1\",\"name\":\"two\"}"),
			 ERR_INTERNAL);
	assert_int_equal(run(w, "import_capture",
			     "{\"files\":[\"/etc/passwd\"]}"), ERR_DENIED);
	says(w, "--allow-path");
	assert_int_equal(run(w, "import_capture", "{\"files\":[]}"),
			 ERR_INVALID);
}

/* A program that notes its arguments, one a line, and says that it is done:
 * `find` is how it finds its status file. */
static char *
scripted_program(struct world *w, const char *find)
{
	char *path = alloc_format("%s/program.sh", w->home);
	char *script = alloc_format(
		"#!/bin/sh\n"
		"printf '%%s\\n' \"$@\" > %s/arguments\n"
		"%s\n"
		"echo '{\"state\":\"completed\",\"progress\":100,\"result\":"
		"{\"name\":\"x\",\"packets\":7}}' > $status.new\n"
		"mv $status.new $status\n", w->home, find);

	assert_int_equal(file_write_atomic(path, bytes_of(script), 0700, NULL),
			 0);
	free(script);
	return path;
}

static void
was_called_with(struct world *w, const char *arguments)
{
	char *path = alloc_format("%s/arguments", w->home);
	struct buf text;

	buf_init(&text, 1 << 16);
	assert_int_equal(file_read(path, &text, NULL), 0);
	if (!strstr(buf_cstr(&text), arguments))
		fail_msg("not \"%s\" but \"%s\"", arguments, buf_cstr(&text));
	buf_free(&text);
	free(path);
}

static void
an_import_is_a_job_of_this_program(void **state)
{
	struct world *w = *state;
	char *root = realpath(w->home, NULL);
	char *trace = alloc_format("%s/Some trace.pcap.gz", root);
	char *arguments = alloc_format("{\"path\":\"%s\",\"node\":\"n1\"}",
				       trace);
	const char *const allowed[] = { root };
	char *program = scripted_program(
		w, "for a; do [ \"$last\" = --job ] && status=$a; last=$a; "
		   "done");

	file_write_atomic(trace, bytes_of("x"), 0600, NULL);
	w->config.allowed_paths = allowed;
	w->config.allowed_path_count = 1;
	w->config.program = program;
	assert_int_equal(run(w, "import_capture", arguments), TOOL_DONE);
	assert_string_equal(json_string_value(member(w, "name")),
			    "Some-trace");
	assert_int_equal(json_integer_value(json_object_get(
				 member(w, "capture"), "packets")), 7);
	was_called_with(w, "import\n--home\n");
	was_called_with(w, "--name\nSome-trace\n--job\n");
	was_called_with(w, "--node\nn1\n");
	was_called_with(w, trace);
	free(program);
	free(arguments);
	free(trace);
	free(root);
}

static void
a_dissection_is_a_job_with_the_options_asked_for(void **state)
{
	struct world *w = *state;
	char *find, *program;

	fake_database(w->home, "s1", "default", "{\"calls\":5}", 0);
	find = alloc_format("status=%s/snapshots/s1/dissections/x.json",
			    w->home);
	program = scripted_program(w, find);
	w->config.dissect_program = program;
	assert_int_equal(
		run(w, "start_snapshot_dissection",
		    "{\"snapshot\":\"s1\",\"name\":\"x\","
		    "\"protocols\":[\"http\",\"dns\"],"
		    "\"from\":\"2026-11-23T14:00:00Z\",\"ports\":[80,8080],"
		    "\"addresses\":\"10.0.0.0/8\",\"body_limit\":0,"
		    "\"parsers\":2,\"memory_mib\":128,\"cpu_percent\":50}"),
		TOOL_DONE);
	was_called_with(w, "--snapshot=s1\n--name=x\n"
			   "--protocols=http,dns\n"
			   "--from=2026-11-23T14:00:00Z\n"
			   "--address=10.0.0.0/8\n--port=80\n--port=8080\n"
			   "--max-body=0\n--parsers=2\n--memory=128\n"
			   "--cpu-percent=50\n--quiet\n");
	assert_string_equal(json_string_value(member(w, "db")), "s1/x");
	assert_int_equal(run(w, "get_snapshot_dissection_status",
			     "{\"snapshot\":\"s1\",\"name\":\"x\"}"),
			 TOOL_DONE);
	assert_string_equal(json_string_value(member(w, "status")),
			    "completed");
	free(program);
	free(find);
}

static void
windows_are_checked_before_work(void **state)
{
	struct world *w = *state;

	assert_int_equal(run(w, "create_snapshot",
			     "{\"from\":\"-1h\",\"to\":\"now\","
			     "\"duration\":\"1h\"}"), ERR_INVALID);
	says(w, "two of");
	assert_int_equal(run(w, "create_snapshot", "{\"name\":\"a/b\"}"),
			 ERR_INVALID);
	assert_int_equal(run(w, "export_snapshot_pcap", "{}"), ERR_INVALID);
	assert_int_equal(run(w, "export_snapshot_pcap",
			     "{\"snapshot\":\"s1\",\"path\":\"../x\"}"),
			 ERR_DENIED);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(an_empty_home_says_what_to_do),
		CASE(the_only_database_needs_no_name),
		CASE(several_databases_are_listed_when_none_is_named),
		CASE(a_wrong_database_is_answered_with_the_right_ones),
		CASE(nothing_found_says_what_was_searched),
		CASE(the_part_that_a_killed_job_left_is_not_asked),
		CASE(a_cancelled_dissection_is_said_to_be_a_part),
		CASE(pages_fit_the_budget_and_join_without_gap),
		CASE(fields_are_what_was_asked_for),
		CASE(secrets_do_not_leave_without_permission),
		CASE(a_call_has_connection_evidence_and_body),
		CASE(groups_that_do_not_fit_are_cut_with_a_hint),
		CASE(flows_keep_their_summary_numbers),
		CASE(workloads_are_listed_with_what_told_of_them),
		CASE(a_filter_that_is_wrong_is_explained),
		CASE(databases_are_listed_with_their_state),
		CASE(a_dissection_can_be_deleted),
		CASE(jobs_need_what_they_work_on),
		CASE(an_import_is_a_job_of_this_program),
		CASE(a_dissection_is_a_job_with_the_options_asked_for),
		CASE(windows_are_checked_before_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
