/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tools/fake_store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "capture/home.h"
#include "dissect/store/store.h"

struct store {
	json_t *spec;
};

static void
write_file(const char *path, const char *text)
{
	file_write_atomic(path, bytes_of(text), 0600, NULL);
}

void
fake_database(const char *home, const char *snapshot, const char *name,
	      const char *json, int running)
{
	char *directory = home_path(home, "snapshots", snapshot,
				    "dissections", NULL);
	char *manifest = home_path(home, "snapshots", snapshot,
				   "manifest.json", NULL);
	char *text = alloc_format(
		"{\"format\":1,\"name\":\"%s\",\"created\":"
		"\"2026-11-23T14:00:00Z\",\"packets\":7,"
		"\"segments\":[{\"file\":\"000001.pcapng\"}],"
		"\"captures\":[{\"name\":\"c\"}]}", snapshot);
	char *path = alloc_format("%s/%s.sqlite%s", directory, name,
				  running ? ".part" : "");

	file_make_dirs(directory, NULL);
	write_file(manifest, text);
	if (json)
		write_file(path, json);
	free(path);
	free(text);
	free(manifest);
	free(directory);
}

pid_t
fake_job(const char *home, const char *snapshot, const char *name)
{
	char *lock = alloc_format("%s/snapshots/%s/dissections/%s.lock", home,
				  snapshot, name);
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) != 0 || (pid = fork()) < 0)
		abort();
	if (pid == 0) {
		if (file_lock(lock, NULL) >= 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	if (read(ready[0], &byte, 1) != 1)
		abort();
	close(ready[0]);
	close(ready[1]);
	free(lock);
	return pid;
}

void
fake_job_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

char *
fake_home(void)
{
	char template[] = "/tmp/test-tools-XXXXXX";

	return alloc_string(mkdtemp(template));
}

void
fake_home_remove(char *home)
{
	file_remove_tree(home, NULL);
	free(home);
}

static json_int_t
spec_number(const struct store *s, const char *name)
{
	return json_integer_value(json_object_get(s->spec, name));
}

int
store_open(const char *path, struct store **s, struct error *e)
{
	json_t *spec = json_load_file(path, 0, NULL);

	if (!spec)
		return error_set(e, ERR_NOTFOUND, "no database %s", path);
	*s = alloc_zero(1, sizeof(**s));
	(*s)->spec = spec;
	return 0;
}

void
store_close(struct store *s)
{
	json_decref(s->spec);
	free(s);
}

void
store_interrupt(struct store *s)
{
	(void)s;
}

void
store_set_deadline(struct store *s, int64_t ns)
{
	(void)s;
	(void)ns;
}

json_t *
store_meta(struct store *s)
{
	return json_pack("{s:{s:I},s:s,s:s}", "counts", "calls",
			 spec_number(s, "calls"), "first",
			 "2026-11-23T14:00:00Z", "last",
			 "2026-11-23T14:05:00Z");
}

json_t *
store_coverage(struct store *s)
{
	const char *state =
		json_string_value(json_object_get(s->spec, "state"));

	return json_pack("{s:s,s:s,s:s,s:i}", "state",
			 state ? state : "completed", "from",
			 "2026-11-23T14:00:00Z", "to", "2026-11-23T14:05:00Z",
			 "packets", 12034);
}

static json_t *
call_row(struct store *s, json_int_t id)
{
	return json_pack("{s:I,s:s,s:{s:s,s:i},s:{s:s,s:i},s:s,s:s,s:O?,s:i}",
			 "id", id, "ts", "2026-11-23T14:02:11.123456789Z",
			 "src", "ip", "10.0.0.1", "port", 1234, "dst", "ip",
			 "10.0.0.2", "port", 80, "proto", "http", "method",
			 "GET", "path", json_object_get(s->spec, "path"),
			 "status", 200);
}

int
store_calls(struct store *s, const struct store_calls_query *query,
	    json_t **result, struct error *e)
{
	json_int_t total = spec_number(s, "calls"), id;
	json_t *calls = json_array();

	if (query->filter && strcmp(query->filter, "nothing") == 0)
		total = 0;
	if (query->filter && strcmp(query->filter, "wrong") == 0) {
		json_decref(calls);
		return error_set(e, ERR_INVALID, "no field \"wrong\"");
	}
	id = query->cursor ? atoll(query->cursor) : 0;
	while (id < total && json_array_size(calls) < query->limit)
		json_array_append_new(calls, call_row(s, ++id));
	*result = json_pack("{s:o,s:I,s:b,s:b}", "calls", calls, "total",
			    total, "total_is_exact", 1, "truncated",
			    id < total);
	if (id < total)
		json_object_set_new(*result, "next_cursor",
				    json_sprintf("%lld", (long long)id));
	return 0;
}

int
store_call(struct store *s, int64_t id, uint32_t body_offset,
	   uint32_t body_bytes, json_t **result, struct error *e)
{
	(void)body_offset;
	(void)body_bytes;
	if (id > spec_number(s, "calls"))
		return error_set(e, ERR_NOTFOUND, "there is no call %lld",
				 (long long)id);
	*result = call_row(s, id);
	json_object_set_new(*result, "req_headers",
			    json_pack("[[s,s],[s,s]]", "Host", "a",
				      "Authorization", "Bearer abcDEF123456"));
	json_object_set_new(*result, "connection", json_pack("{s:i}", "id", 3));
	json_object_set_new(*result, "evidence",
			    json_pack("{s:{s:i,s:i}}", "request", "segment", 0,
				      "offset", 4096));
	return 0;
}

int
store_body(struct store *s, int64_t id, enum side side, struct buf *out,
	   struct error *e)
{
	const char *body =
		json_string_value(json_object_get(s->spec, "body"));

	(void)id;
	if (side == SIDE_SERVER || !body)
		return error_set(e, ERR_EMPTY, "no body");
	buf_text(out, body);
	return 0;
}

int
store_messages(struct store *s, int64_t id, enum side side, struct buf *out,
	       struct error *e)
{
	const char *messages =
		json_string_value(json_object_get(s->spec, "messages"));

	(void)id;
	if (side == SIDE_CLIENT || !messages)
		return error_set(e, ERR_EMPTY, "no messages");
	buf_text(out, messages);
	return 0;
}

int
store_stats(struct store *s, const struct store_stats_query *query,
	    json_t **result, struct error *e)
{
	json_t *groups = json_array();

	(void)e;
	for (uint32_t i = 0; i < query->limit; i++)
		json_array_append_new(
			groups, json_pack("{s:{s:O?},s:i}", "key", "path",
					  json_object_get(s->spec, "path"),
					  "calls", 1));
	*result = json_pack("{s:o,s:i,s:{s:I},s:b}", "groups", groups,
			    "total_groups", 5000, "totals", "calls",
			    spec_number(s, "calls"), "truncated", 1);
	return 0;
}

int
store_flows(struct store *s, const struct store_flows_query *query,
	    json_t **result, struct error *e)
{
	(void)s;
	(void)query;
	(void)e;
	*result = json_pack("{s:[{s:s,s:i}],s:i,s:b,s:{s:i}}", "flows",
			    "proto", "tcp", "bytes", 5, "total", 1,
			    "truncated", 0, "summary", "tcp_flows", 1);
	return 0;
}

int
store_workloads(struct store *s, const struct store_workloads_query *query,
		json_t **result, struct error *e)
{
	(void)s;
	(void)query;
	(void)e;
	*result = json_pack("{s:[{s:s,s:s,s:s}],s:i,s:b}", "workloads", "kind",
			    "process", "name", "nginx", "mechanism",
			    "tracepoint", "total", 1, "truncated", 0);
	return 0;
}

void
store_set_conceal(struct store *s,
		  void (*conceal)(struct bytes name, struct bytes value,
				  struct buf *out))
{
	(void)s;
	(void)conceal;
}

int
store_sql(struct store *s, const char *sql, uint32_t row_limit,
	  json_t **result, struct error *e)
{
	(void)s;
	(void)row_limit;
	if (strcmp(sql, "SELECT name, value, api_key") != 0)
		return error_set(e, ERR_INVALID, "near \"%s\"", sql);
	*result = json_pack("{s:[s,s,s],s:[[s,s,s],[s,s,s]],s:i,s:b}",
			    "columns", "name", "value", "api_key", "rows",
			    "cookie", "id=1234", "x", "host", "example", "k-77",
			    "row_count", 2, "truncated", 0);
	return 0;
}

const char *
store_schema_text(void)
{
	return "";
}
