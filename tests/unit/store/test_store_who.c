/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes behind connections, in rows, filters, statistics and views:
 *
 *  connection  client                     server                  calls
 *  1           curl (101), pod a/cli      nginx (300)             /1 /2 (404)
 *  2           curl (102), pod b/cli      nginx (300), listener   /3
 *  3           wget (103), a container    not known               /4
 *  4           not known                  not known               /5
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#define CONTAINER "0123456789abcdef0123456789abcdef"

struct given {
	uint64_t id;
	uint32_t pid;
	const char *name, *pod, *namespace, *container;
};

static void
write_process(struct store_writer *w, struct given g)
{
	const struct process_event event = {
		.stream = 3,
		.process = { .id = g.id, .pid = g.pid, .uid = 1000,
			     .parent = 1, .from_ns = FIXTURE_START,
			     .name = bytes_of(g.name),
			     .executable = bytes_of("/usr/bin/x"),
			     .cgroup_path = bytes_of("/kubepods/x"),
			     .pod = bytes_of(g.pod),
			     .pod_namespace = bytes_of(g.namespace),
			     .container = bytes_of(g.container) },
	};

	assert_int_equal(store_writer_process(w, &event), 0);
}

static struct connection_end
end_of(uint64_t process, enum end_mechanism mechanism)
{
	return (struct connection_end){ .process = process, .stream = 3,
					.thread = 7, .mechanism = mechanism };
}

static void
write_connection(struct store_writer *w, uint64_t id,
		 struct connection_end client, struct connection_end server)
{
	struct call_event like = fixture_call(FIXTURE_START, "/", 200);
	struct connection_event c = {
		.id = id, .client = like.client, .server = like.server,
		.ip_protocol = 6, .protocol = PROTOCOL_http, .calls = 1,
		.first_ns = FIXTURE_START,
		.last_ns = FIXTURE_START + FIXTURE_SECOND,
		.packets = { 2, 2 }, .wire_bytes = { 100 * id, 1000 },
		.ends = { client, server },
	};

	c.client.ip[15] = (uint8_t)id; /* 10.0.0.<id> to 10.0.1.5 */
	assert_int_equal(store_writer_connection(w, &c), 0);
}

static void
write_call(struct store_writer *w, uint64_t connection, const char *path,
	   int32_t status)
{
	struct call_event c = fixture_call(FIXTURE_START, path, status);

	c.connection = connection;
	c.client.ip[15] = (uint8_t)connection;
	if (status >= 400)
		c.flags |= CALL_IS_ERROR;
	assert_int_equal(store_writer_call(w, &c), 0);
}

static void
write_all(struct store_writer *w)
{
	const struct connection_end nobody = { 0 };
	struct name_event name = { .name = bytes_of("api.internal"),
				   .time_ns = FIXTURE_START };

	write_call(w, 1, "/1", 200);
	write_call(w, 1, "/2", 404);
	write_call(w, 2, "/3", 200);
	write_call(w, 3, "/4", 200);
	write_call(w, 4, "/5", 200);
	write_process(w, (struct given){ 11, 1, "early", "", "", "" });
	write_process(w, (struct given){ 11, 101, "curl", "cli", "a", "" });
	write_process(w, (struct given){ 12, 102, "curl", "cli", "b", "" });
	write_process(w, (struct given){ 13, 103, "wget", "", "", CONTAINER });
	write_process(w, (struct given){ 30, 300, "nginx", "", "", "" });
	write_connection(w, 1, end_of(11, END_TRACEPOINT),
			 end_of(30, END_PROC));
	write_connection(w, 2, end_of(12, END_TRACEPOINT),
			 end_of(30, END_LISTENER));
	/* A process that was never introduced is not known. */
	write_connection(w, 3, end_of(13, END_TRACEPOINT),
			 end_of(99, END_TRACEPOINT));
	write_connection(w, 4, nobody, nobody);
	memcpy(name.ip, fixture_call(0, "/", 200).server.ip, 16);
	assert_int_equal(store_writer_name(w, &name), 0);
}

static int
set_up(void **state)
{
	json_t *meta = json_object();
	struct store_writer *w;
	struct error e = { 0 };
	struct fixture *f;

	fixture_setup_empty(state);
	f = *state;
	if (store_writer_open(f->part, meta, &w, &e))
		fail_msg("%s", e.text);
	json_decref(meta);
	write_all(w);
	fixture_finish(f, w);
	if (store_open(f->path, &f->store, &e))
		fail_msg("%s", e.text);
	return 0;
}

static json_t *
calls(struct fixture *f, const char *filter, enum store_detail detail)
{
	struct store_calls_query q = { .filter = filter, .to_ns = INT64_MAX,
				       .order = STORE_OLDEST, .limit = 10,
				       .detail = detail };
	struct error e = { 0 };
	json_t *r = NULL;

	if (store_calls(f->store, &q, &r, &e))
		fail_msg("%s: %s", filter, e.text);
	return r;
}

static void
calls_are_found_by_who_was_at_their_ends(void **state)
{
	static const struct {
		const char *filter, *ids;
	} cases[] = {
		{ "src.process.name == \"curl\"", "1 2 3" },
		{ "src.process == \"curl\" && status_code == 404", "2" },
		{ "local_process_name == \"wget\"", "4" },
		{ "remote_process_name == \"nginx\"", "1 2 3" },
		{ "src.process.name != \"curl\"", "4 5" },
		{ "has(src.process.name)", "1 2 3 4" },
		{ "!has(dst.process.pid)", "4 5" },
		{ "src.process.pid == 102", "3" },
		{ "src.process.pid > 101", "3 4" },
		{ "src.process.pid in [101, 103]", "1 2 4" },
		{ "src.process.pid == 0", "5" },
		{ "src.process.executable.endsWith(\"/x\")", "1 2 3 4" },
		{ "src.process.uid == 1000", "1 2 3 4" },
		{ "src.pod.name == \"cli\"", "1 2 3" },
		{ "src.pod.namespace == \"b\"", "3" },
		{ "src.namespace == \"a\"", "1 2" },
		{ "has(src.pod.name)", "1 2 3" },
		{ "src.container.id.startsWith(\"0123\")", "4" },
		{ "\"cli\" in pods", "1 2 3" },
		{ "\"b\" in namespaces", "3" },
		{ "src.name == \"cli\"", "1 2 3" },       /* pod */
		{ "dst.name == \"api.internal\"", "1 2 3 4 5" }, /* DNS */
		{ "src.name == \"wget\"", "4" },          /* process */
		{ "src.name == \"\"", "5" },
		{ "!has(src.name)", "5" },
		{ "dst.dns == \"api.internal\"", "1 2 3 4 5" },
		{ "dst.mechanism == \"listener\"", "3" },
		{ "src.cgroup.contains(\"kubepods\")", "1 2 3 4" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *r = calls(*state, cases[i].filter, STORE_COMPACT);
		char *ids = fixture_ids(r);

		if (strcmp(ids, cases[i].ids) != 0)
			fail_msg("%s: %s, not %s", cases[i].filter, ids,
				 cases[i].ids);
		free(ids);
		json_decref(r);
	}
}

static const char *
text_at(json_t *r, const char *path)
{
	const char *text = json_string_value(fixture_get(r, path));

	return text ? text : "";
}

static void
rows_say_who_it_was(void **state)
{
	json_t *r = calls(*state, "", STORE_COMPACT);

	assert_string_equal(text_at(r, "calls.0.src.process"), "curl");
	assert_string_equal(text_at(r, "calls.0.src.pod"), "cli");
	assert_string_equal(text_at(r, "calls.0.src.namespace"), "a");
	assert_string_equal(text_at(r, "calls.0.src.name"), "cli");
	assert_int_equal(json_integer_value(fixture_get(r, "calls.0.src.pid")),
			 101);
	assert_string_equal(text_at(r, "calls.0.dst.process"), "nginx");
	assert_string_equal(text_at(r, "calls.0.dst.name"), "api.internal");
	assert_string_equal(text_at(r, "calls.3.src.container"), CONTAINER);
	assert_null(fixture_get(r, "calls.4.src.process"));
	assert_null(fixture_get(r, "calls.0.src.executable"));
	json_decref(r);
	r = calls(*state, "src.process.pid == 102", STORE_FULL);
	assert_string_equal(text_at(r, "calls.0.src.executable"),
			    "/usr/bin/x");
	assert_int_equal(json_integer_value(fixture_get(r, "calls.0.src.uid")),
			 1000);
	json_decref(r);
}

static void
one_call_tells_what_told(void **state)
{
	struct error e = { 0 };
	json_t *r = NULL;

	assert_int_equal(store_call(((struct fixture *)*state)->store, 3, 0, 0,
				    &r, &e), 0);
	assert_string_equal(text_at(r, "connection.client.mechanism"),
			    "tracepoint");
	assert_string_equal(text_at(r, "connection.server.mechanism"),
			    "listener");
	assert_int_equal(json_integer_value(
				 fixture_get(r, "connection.client.thread")),
			 7);
	assert_string_equal(text_at(r, "connection.server.process"), "nginx");
	json_decref(r);
}

/* "curl 3, wget 1": the groups by one field and their calls. */
static void
assert_groups(struct fixture *f, const char *field, const char *expected)
{
	struct store_stats_query q = { .to_ns = INT64_MAX, .group_by = &field,
				       .group_count = 1, .limit = 10 };
	struct error e = { 0 };
	json_t *r = NULL, *group;
	char text[200] = "";
	size_t i;

	if (store_stats(f->store, &q, &r, &e))
		fail_msg("%s", e.text);
	json_array_foreach(json_object_get(r, "groups"), i, group) {
		json_t *key = json_object_get(json_object_get(group, "key"),
					      field);
		char *shown = json_dumps(key, JSON_ENCODE_ANY);
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%s%s %d",
			 i ? ", " : "", shown,
			 (int)json_integer_value(
				 json_object_get(group, "calls")));
		free(shown);
	}
	assert_string_equal(text, expected);
	json_decref(r);
}

static void
statistics_group_by_who(void **state)
{
	assert_groups(*state, "src.process.name",
		      "\"curl\" 3, \"wget\" 1, \"\" 1");
	assert_groups(*state, "src.process.pid", "101 2, 102 1, 103 1, 0 1");
	assert_groups(*state, "src.pod.namespace", "\"a\" 2, \"\" 2, \"b\" 1");
	assert_groups(*state, "src.name", "\"cli\" 3, \"wget\" 1, \"\" 1");
	assert_groups(*state, "dst.process.name", "\"nginx\" 3, \"\" 2");
	assert_groups(*state, "pods", "\"cli\\n\" 3, \"\\n\" 2");
}

static json_t *
flows(struct fixture *f, const char *filter, const char *aggregate)
{
	struct store_flows_query q = { .filter = filter, .to_ns = INT64_MAX,
				       .aggregate = aggregate, .limit = 10,
				       .order = "connections" };
	struct error e = { 0 };
	json_t *r = NULL;

	if (store_flows(f->store, &q, &r, &e))
		fail_msg("%s: %s", filter, e.text);
	return r;
}

static void
flows_are_added_up_by_who(void **state)
{
	json_t *r = flows(*state, "src.process.name == \"curl\"", "process");

	assert_int_equal(json_integer_value(fixture_get(r, "total")), 1);
	assert_int_equal(json_integer_value(
				 fixture_get(r, "flows.0.connections")), 2);
	assert_string_equal(text_at(r, "flows.0.client.process"), "curl");
	assert_null(fixture_get(r, "flows.0.client.pid")); /* there are two */
	assert_null(fixture_get(r, "flows.0.client.ip"));
	assert_string_equal(text_at(r, "flows.0.client.pod"), "cli");
	assert_null(fixture_get(r, "flows.0.client.namespace"));
	assert_int_equal(json_integer_value(
				 fixture_get(r, "flows.0.server.pid")), 300);
	json_decref(r);
	r = flows(*state, "", "service");
	assert_int_equal(json_integer_value(fixture_get(r, "total")), 1);
	assert_string_equal(text_at(r, "flows.0.server.process"), "nginx");
	json_decref(r);
	r = flows(*state, "", "namespace");
	assert_int_equal(json_integer_value(fixture_get(r, "total")), 3);
	json_decref(r);
	r = flows(*state, "dst.mechanism == \"listener\"", "connection");
	assert_int_equal(json_integer_value(fixture_get(r, "flows.0.id")), 2);
	json_decref(r);
}

static void
assert_workload(json_t *r, const char *kind, const char *name,
		const char *counts)
{
	json_t *w;
	size_t i;

	json_array_foreach(json_object_get(r, "workloads"), i, w) {
		char text[80];

		if (strcmp(text_at(w, "kind"), kind) != 0 ||
		    strcmp(text_at(w, "name"), name) != 0)
			continue;
		snprintf(text, sizeof(text), "%s %d %d %d %d %d",
			 text_at(w, "mechanism"),
			 (int)json_integer_value(
				 json_object_get(w, "calls_as_client")),
			 (int)json_integer_value(
				 json_object_get(w, "errors_as_client")),
			 (int)json_integer_value(
				 json_object_get(w, "connections_as_server")),
			 (int)json_integer_value(json_object_get(w, "peers")),
			 (int)json_integer_value(
				 json_object_get(w, "bytes_sent")));
		assert_string_equal(text, counts);
		return;
	}
	fail_msg("no workload %s %s", kind, name);
}

static json_t *
workloads(struct fixture *f, struct store_workloads_query q)
{
	struct error e = { 0 };
	json_t *r = NULL;

	q.to_ns = INT64_MAX;
	if (store_workloads(f->store, &q, &r, &e))
		fail_msg("%s", e.text);
	return r;
}

static void
workloads_are_what_took_part(void **state)
{
	json_t *r = workloads(*state, (struct store_workloads_query){
					      .limit = 20 });

	/* Two pods of one name in two namespaces are two; `calls` of a
	 * connection is 1 here, whatever calls there are. */
	assert_int_equal(json_integer_value(fixture_get(r, "total")), 6);
	assert_workload(r, "pod", "cli", "tracepoint 1 0 0 1 200");
	assert_workload(r, "container", CONTAINER, "tracepoint 1 0 0 1 300");
	assert_workload(r, "process", "nginx", "listener 0 0 2 2 2000");
	assert_workload(r, "dns", "api.internal", "dns 0 0 2 2 2000");
	assert_workload(r, "address", "10.0.0.4", "none 1 0 0 1 400");
	json_decref(r);
	r = workloads(*state, (struct store_workloads_query){
				      .limit = 20,
				      .filter = "src.pod.namespace == \"a\"" });
	assert_int_equal(json_integer_value(fixture_get(r, "total")), 2);
	assert_workload(r, "pod", "cli", "tracepoint 1 1 0 1 100");
	json_decref(r);
}

static void
pages_of_workloads_are_whole(void **state)
{
	struct store_workloads_query q = { .limit = 4, .order = "connections" };
	json_t *first = workloads(*state, q), *second;
	struct error e = { 0 };

	assert_int_equal(json_array_size(fixture_get(first, "workloads")), 4);
	q.cursor = text_at(first, "next_cursor");
	second = workloads(*state, q);
	assert_int_equal(json_array_size(fixture_get(second, "workloads")), 2);
	assert_null(fixture_get(second, "next_cursor"));
	json_decref(second);
	q.order = "bytes"; /* another question */
	q.to_ns = INT64_MAX;
	assert_int_equal(store_workloads(((struct fixture *)*state)->store, &q,
					 &second, &e), ERR_INVALID);
	q.cursor = NULL;
	q.order = "size";
	assert_int_equal(store_workloads(((struct fixture *)*state)->store, &q,
					 &second, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "\"size\""));
	json_decref(first);
}

static void
views_have_it_for_any_sqlite_program(void **state)
{
	static const struct {
		const char *sql, *expected;
	} cases[] = {
		{ "SELECT group_concat(src_process) FROM api_calls",
		  "curl,curl,curl,wget," },
		{ "SELECT src_namespace || src_pid || dst_process || src_name "
		  "FROM api_calls WHERE id = 3", "b102nginxcli" },
		{ "SELECT dst_mechanism || dst_thread || src_executable || "
		  "src_uid FROM connections WHERE id = 2",
		  "listener7/usr/bin/x1000" },
		{ "SELECT src_processes FROM flows WHERE src_ip = '10.0.0.3'",
		  "wget" },
		{ "SELECT group_concat(kind || ':' || name, ' ') FROM "
		  "(SELECT * FROM workloads ORDER BY kind, name, namespace)",
		  "address: container:0123456789ab dns:api.internal pod:cli "
		  "pod:cli process:nginx" },
		{ "SELECT name || pid FROM processes WHERE namespace = 'a'",
		  "curl101" },
		{ "SELECT count(*) FROM processes", "4" },
	};
	sqlite3 *db;

	assert_int_equal(sqlite3_open(((struct fixture *)*state)->path, &db),
			 SQLITE_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		sqlite3_stmt *s = NULL;

		assert_int_equal(sqlite3_prepare_v2(db, cases[i].sql, -1, &s,
						    NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(s), SQLITE_ROW);
		assert_string_equal(sqlite3_column_text(s, 0),
				    cases[i].expected);
		sqlite3_finalize(s);
	}
	sqlite3_close(db);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(calls_are_found_by_who_was_at_their_ends),
		TEST(rows_say_who_it_was),
		TEST(one_call_tells_what_told),
		TEST(statistics_group_by_who),
		TEST(flows_are_added_up_by_who),
		TEST(workloads_are_what_took_part),
		TEST(pages_of_workloads_are_whole),
		TEST(views_have_it_for_any_sqlite_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
