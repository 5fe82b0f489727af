/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a database of synthetic HTTP calls and times the writer and the
 * queries: bench_store [calls [file]].  CPU time, not wall time.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <zstd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "dissect/store/store.h"
#include "dissect/store/store_writer.h"

#define CALLS_PER_BLOCK 512
#define HEAD_SIZE 256
#define START_NS 1760000000000000000LL

static double
cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A small generator, so that runs are alike everywhere. */
static uint32_t
next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

/* Lognormal, median 2 ms, with a tail into seconds. */
static int64_t
latency_ns(uint64_t *seed)
{
	double u = (next(seed) + 1.0) / 2147483650.0, v = next(seed) / 2147483648.0;
	double normal = sqrt(-2 * log(u)) * cos(6.283185307179586 * v);

	return (int64_t)(2e6 * exp(1.1 * normal));
}

/* One block of heads, half of each random as trace ids are. */
static struct buf
make_block(uint64_t *seed)
{
	struct buf raw, out;

	buf_init(&raw, 1 << 20);
	buf_init(&out, 1 << 20);
	for (int i = 0; i < 2 * CALLS_PER_BLOCK; i++) {
		char id[40], filler[HEAD_SIZE] = { 0 };
		size_t start = raw.size;

		snprintf(id, sizeof(id), "%08x%08x", next(seed), next(seed));
		buf_string(&raw, bytes_of("Host"));
		buf_string(&raw, bytes_of("api.example.test"));
		buf_string(&raw, bytes_of("X-Request-Id"));
		buf_string(&raw, bytes_of(id));
		buf_string(&raw, bytes_of("Padding"));
		memset(filler, 'x', HEAD_SIZE - (raw.size - start) - 2);
		buf_string(&raw, bytes_of(filler));
		if (raw.size - start < HEAD_SIZE)
			buf_u8(&raw, 0);
	}
	out.size = ZSTD_compress(buf_reserve(&out, ZSTD_compressBound(raw.size)),
				 ZSTD_compressBound(raw.size), raw.data,
				 raw.size, 1);
	buf_free(&raw);
	return out;
}

struct texts {
	char path[32], query[32], version[4], agent[40], type[24], host[24];
};

static struct call_event
make_call(uint64_t i, uint64_t *seed, struct texts *t)
{
	static const char *const methods[] = { "GET", "GET", "GET", "POST",
					       "DELETE" };
	static const int32_t statuses[] = { 200, 200, 200, 200, 201, 204,
					    302, 404, 404, 500 };
	struct call_event c = { .protocol = PROTOCOL_http, .ip_protocol = 6 };
	int64_t ts = START_NS + (int64_t)i * 100000 + next(seed) % 5000000;
	int64_t latency = latency_ns(seed);
	uint64_t block = i / CALLS_PER_BLOCK;
	uint32_t offset = (uint32_t)(i % CALLS_PER_BLOCK) * 2 * HEAD_SIZE;

	snprintf(t->path, sizeof(t->path), "/api/v1/users/%u.json",
		 next(seed) % 300);
	snprintf(t->query, sizeof(t->query), "x=%lu", (unsigned long)i);
	c.connection = i / 40 + 1;
	c.status = statuses[next(seed) % 10];
	c.flags = CALL_HAS_REQUEST | CALL_HAS_RESPONSE |
		  (c.status >= 400 ? CALL_IS_ERROR : 0);
	memset(c.client.ip + 10, 0xff, 2);
	memset(c.server.ip + 10, 0xff, 2);
	memcpy(c.client.ip + 12, "\x0a\x00\x00", 3);
	c.client.ip[15] = (uint8_t)(i / 40 % 50);
	memcpy(c.server.ip + 12, "\x0a\x00\x01\x05", 4);
	c.client.port = (uint16_t)(32768 + i / 40 % 28000);
	c.server.port = 8080;
	c.fields[FIELD_METHOD] = bytes_of(methods[next(seed) % 5]);
	c.fields[FIELD_HOST] = bytes_of(t->host);
	c.fields[FIELD_PATH] = bytes_of(t->path);
	c.fields[FIELD_QUERY] = bytes_of(t->query);
	c.fields[FIELD_VERSION] = bytes_of(t->version);
	c.fields[FIELD_STATUS_TEXT] = bytes_of(c.status < 400 ? "OK" : "No");
	c.fields[FIELD_USER_AGENT] = bytes_of(t->agent);
	c.request = (struct call_half){
		.first_ns = ts, .last_ns = ts, .wire_bytes = 350 + next(seed) % 99,
		.head_ref = { block, offset, HEAD_SIZE },
		.packet = { 0, i * 1000 },
	};
	c.response = (struct call_half){
		.first_ns = ts + latency, .last_ns = ts + latency + 20000,
		.wire_bytes = 400 + next(seed) % 3000, .body_wire_bytes = 300,
		.body_bytes = 300, .content_type = bytes_of(t->type),
		.head_ref = { block, offset + HEAD_SIZE, HEAD_SIZE },
		.packet = { 0, i * 1000 + 400 },
	};
	return c;
}

/* Forty clients and one server, all in pods or programs. */
static void
write_processes(struct store_writer *w)
{
	for (uint64_t id = 1; id <= 41; id++) {
		char name[16], pod[32];

		snprintf(name, sizeof(name), "program-%lu",
			 (unsigned long)(id % 7));
		snprintf(pod, sizeof(pod), "pod-%lu", (unsigned long)id);
		(void)store_writer_process(
			w, &(struct process_event){
				   .process = { .id = id,
						.pid = 1000 + (uint32_t)id,
						.name = bytes_of(name),
						.pod = bytes_of(id % 2 ? pod
								       : "") } });
	}
}

static int
write_all(const char *part, const char *path, uint64_t calls, struct error *e)
{
	struct texts t = { .version = "1.1", .agent = "bench-client/1.4",
			   .type = "application/json",
			   .host = "api.example.test" };
	struct store_writer *w;
	struct coverage coverage = { 0 };
	uint64_t seed = 1;
	struct buf block = make_block(&seed);
	json_t *meta = json_object();
	double start, making = 0;
	int code = store_writer_open(part, meta, &w, e);

	json_decref(meta);
	if (code)
		return code;
	start = cpu_ms();
	write_processes(w);
	for (uint64_t i = 0; i < calls; i++) {
		struct call_event c = make_call(i, &seed, &t);

		if (i % CALLS_PER_BLOCK == 0)
			store_writer_block(w, i / CALLS_PER_BLOCK, PAYLOAD_HEADS,
					   2 * CALLS_PER_BLOCK * HEAD_SIZE,
					   buf_view(&block));
		store_writer_call(w, &c);
		if (i % 40 == 39) {
			struct connection_event n = {
				.id = c.connection, .client = c.client,
				.server = c.server, .ip_protocol = 6,
				.protocol = PROTOCOL_http, .calls = 40,
				.first_ns = c.request.first_ns,
				.last_ns = c.response.last_ns,
				.packets = { 90, 90 },
				.wire_bytes = { 9000, 90000 },
				.ends = { { .process = i / 40 % 40 + 1,
					    .mechanism = END_TRACEPOINT },
					  { .process = 41,
					    .mechanism = END_PROC } },
			};
			store_writer_connection(w, &n);
		}
		if (i % 32768 == 32767)
			store_writer_commit(w);
	}
	code = store_writer_finish(w, &coverage, NULL, path, e);
	start = cpu_ms() - start;
	seed = 1;
	making = cpu_ms();
	for (uint64_t i = 0; i < calls; i++)
		(void)make_call(i, &seed, &t);
	making = cpu_ms() - making;
	printf("write          %8.1f ms  %.2f us a call (making them %.1f ms)\n",
	       start - making, (start - making) * 1e3 / (double)calls, making);
	printf("block          %8zu bytes for %d calls\n", block.size,
	       CALLS_PER_BLOCK);
	buf_free(&block);
	return code;
}

static void
report(const char *what, double start, int code, json_t *result,
       const struct error *e)
{
	char *text = result ? json_dumps(json_object_get(result, "total"),
					 JSON_ENCODE_ANY) : NULL;

	printf("%-46s %8.2f ms  %s\n", what, cpu_ms() - start,
	       code ? e->text : text ? text : "");
	free(text);
	json_decref(result);
}

static void
time_calls(const char *path, const char *filter, enum store_order order)
{
	struct store_calls_query q = { .filter = filter, .to_ns = INT64_MAX,
				       .order = order, .limit = 50 };
	double start = cpu_ms();
	struct error e = { 0 };
	json_t *result = NULL;
	struct store *s;
	char what[80];
	int code = store_open(path, &s, &e);

	if (code == 0) {
		code = store_calls(s, &q, &result, &e);
		store_close(s);
	}
	snprintf(what, sizeof(what), "calls %u %s", (unsigned)order, filter);
	report(what, start, code, result, &e);
}

static void
time_stats(const char *path, const char *filter, const char *group,
	   int64_t bucket)
{
	struct store_stats_query q = { .filter = filter, .to_ns = INT64_MAX,
				       .group_by = &group,
				       .group_count = group ? 1 : 0,
				       .bucket_ns = bucket, .limit = 20 };
	double start = cpu_ms();
	struct error e = { 0 };
	json_t *result = NULL;
	struct store *s;
	char what[80];
	int code = store_open(path, &s, &e);

	if (code == 0) {
		code = store_stats(s, &q, &result, &e);
		store_close(s);
	}
	snprintf(what, sizeof(what), "stats %s %s %s", group ? group : "-",
		 filter, bucket ? "by time" : "");
	report(what, start, code, result, &e);
}

static void
time_flows(const char *path, const char *aggregate)
{
	struct store_flows_query q = { .to_ns = INT64_MAX, .limit = 50,
				       .aggregate = aggregate };
	double start = cpu_ms();
	struct error e = { 0 };
	json_t *result = NULL;
	struct store *s;
	char what[80];
	int code = store_open(path, &s, &e);

	if (code == 0) {
		code = store_flows(s, &q, &result, &e);
		store_close(s);
	}
	snprintf(what, sizeof(what), "flows %s", aggregate);
	report(what, start, code, result, &e);
}

static void
time_workloads(const char *path)
{
	struct store_workloads_query q = { .to_ns = INT64_MAX, .limit = 50 };
	double start = cpu_ms();
	struct error e = { 0 };
	json_t *result = NULL;
	struct store *s;
	int code = store_open(path, &s, &e);

	if (code == 0) {
		code = store_workloads(s, &q, &result, &e);
		store_close(s);
	}
	report("workloads", start, code, result, &e);
}

static void
time_sql(const char *path, const char *sql)
{
	double start = cpu_ms();
	struct error e = { 0 };
	json_t *result = NULL;
	struct store *s;
	int code = store_open(path, &s, &e);

	if (code == 0) {
		code = store_sql(s, sql, 50, &result, &e);
		store_close(s);
	}
	report(sql, start, code, result, &e);
}

static void
query_all(const char *path)
{
	static const char *const filters[] = {
		"", "status_code >= 500", "status_code == 418",
		"path.contains(\"/299\")", "path.contains(\"nothing\")",
		"http && latency_ms > 50", "src.ip in \"10.0.0.7/32\"",
		"host != path", "is_error && method == \"POST\"",
		"query_string[\"x\"] == \"77\"",
		"request.headers[\"host\"] == \"none\"",
		"src.process.name == \"program-3\"", "src.pod.name == \"none\"",
		"dst.process.pid == 1041 && status_code >= 500",
		"src.name.contains(\"pod-1\")", "\"pod-7\" in pods",
	};
	static const char *const groups[] = { NULL, "path", "method", "host",
					      "status_code", "src.ip",
					      "src.process.name", "src.name",
					      "dst.pod.name", "src.process.pid" };

	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++)
		time_calls(path, filters[i], STORE_NEWEST);
	time_calls(path, "", STORE_OLDEST);
	time_calls(path, "", STORE_SLOWEST);
	time_calls(path, "status_code >= 500", STORE_SLOWEST);
	time_calls(path, "", STORE_LARGEST);
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		time_stats(path, "", groups[i], 0);
	time_stats(path, "status_code >= 500", "path", 0);
	time_stats(path, "path.contains(\"/29\")", "path", 0);
	time_stats(path, "", NULL, 10000000000LL);
	time_stats(path, "src.process.name == \"program-3\"", "src.name", 0);
	time_flows(path, "endpoint");
	time_flows(path, "process");
	time_workloads(path);
	time_sql(path, "SELECT count(*) FROM api_calls WHERE status >= 500");
	time_sql(path, "SELECT path, count(*) FROM api_calls GROUP BY path");
	time_sql(path, "SELECT * FROM api_calls ORDER BY ts DESC");
}

int
main(int argc, char **argv)
{
	uint64_t calls = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	const char *path = argc > 2 ? argv[2] : "bench_store.sqlite";
	char *part = alloc_format("%s.part", path);
	struct error e = { 0 };
	struct stat st;
	int code = 0;

	if (access(path, F_OK) != 0)
		code = write_all(part, path, calls, &e);
	free(part);
	if (code) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	if (stat(path, &st) == 0)
		printf("file           %8.1f MB\n", (double)st.st_size / 1e6);
	query_all(path);
	return 0;
}
