/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who took part: ends of connections added up by what they are: a pod, a
 * container, a program, else a DNS name or an address.  Connections are added
 * up by pairs of ends first, as numbers; only those become names.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "dissect/store/store_impl.h"

#define FILTER_PARAMETER 5
#define LIMIT_MAX 1000
#define SHOWN_IPS 8

enum column {
	COL_KIND, COL_NAME, COL_NAMESPACE, COL_EXECUTABLE, COL_CONTAINER,
	COL_PROCESS, COL_PROCESSES, COL_PID, COL_MECHANISM, COL_IPS,
	COL_CONNECTIONS_C, COL_CONNECTIONS_S, COL_CALLS_C, COL_CALLS_S,
	COL_ERRORS_C, COL_ERRORS_S, COL_SENT, COL_RECEIVED, COL_PEERS,
	COL_FIRST, COL_LAST, COL_TOTAL,
};

static const char before_filter[] =
	"WITH failed AS MATERIALIZED (SELECT k.conn AS id, count(*) AS errors "
	"FROM zones z CROSS JOIN calls k NOT INDEXED "
	"ON k.id BETWEEN z.id AND z.last_id "
	"WHERE z.errors > 0 AND k.flags & 4 GROUP BY k.conn), "
	"pairs AS MATERIALIZED (SELECT c.client, c.process_c, "
	"min(c.told_c) AS told_c, c.server, c.process_s, "
	"min(c.told_s) AS told_s, count(*) AS connections, "
	"sum(c.calls) AS calls, sum(coalesce(x.errors, 0)) AS errors, "
	"sum(c.bytes_c) AS bytes_c, sum(c.bytes_s) AS bytes_s, "
	"min(c.ts) AS first, max(c.last_ts) AS last "
	"FROM conns c LEFT JOIN failed x ON x.id = c.id "
	"WHERE c.last_ts >= ?1 AND c.ts < ?2 AND (";

static const char after_filter[] =
	") GROUP BY c.client, c.process_c, c.server, c.process_s), "
	"ends AS (SELECT client AS address, process_c AS process, "
	"told_c AS told, 1 AS is_client, server AS peer, connections, calls, "
	"errors, bytes_c AS sent, bytes_s AS received, first, last FROM pairs "
	"UNION ALL SELECT server, process_s, told_s, 0, client, connections, "
	"calls, errors, bytes_s, bytes_c, first, last FROM pairs) "
	"SELECT CASE WHEN p.pod != '' THEN 'pod' "
	"WHEN p.container != '' THEN 'container' WHEN p.id != 0 THEN 'process' "
	"WHEN a.name != '' THEN 'dns' ELSE 'address' END AS kind, "
	"CASE WHEN p.pod != '' THEN p.pod WHEN p.container != '' "
	"THEN p.container WHEN p.id != 0 THEN p.name WHEN a.name != '' "
	"THEN a.name ELSE a.ip END AS who, p.namespace, "
	"iif(p.pod = '' AND p.container = '', p.executable, '') AS program, "
	"iif(p.pod = '', '', p.container), "
	"group_concat(DISTINCT nullif(p.name, '')), "
	"count(DISTINCT nullif(p.id, 0)), max(p.pid), "
	"iif(p.id != 0, min(nullif(m.name, '')), "
	"iif(a.name != '', 'dns', 'none')), group_concat(DISTINCT a.ip), "
	"sum(r.connections * r.is_client), "
	"sum(r.connections * (1 - r.is_client)), sum(r.calls * r.is_client), "
	"sum(r.calls * (1 - r.is_client)), sum(r.errors * r.is_client), "
	"sum(r.errors * (1 - r.is_client)), sum(r.sent), sum(r.received), "
	"count(DISTINCT r.peer), min(r.first), max(r.last), count(*) OVER () "
	"FROM ends r JOIN addresses a ON a.id = r.address "
	"JOIN procs p ON p.id = r.process "
	"LEFT JOIN mechanisms m ON m.id = r.told "
	"GROUP BY kind, who, p.namespace, program ";

static const struct {
	const char *name, *sql;
} orders[] = {
	{ "bytes", "sum(r.sent + r.received)" },
	{ "calls", "sum(r.calls)" },
	{ "errors", "sum(r.errors)" },
	{ "connections", "sum(r.connections)" },
};

/* The first of "a,b,…" as a list. */
static json_t *
list_json(const char *text)
{
	json_t *list = json_array();

	while (text && *text && json_array_size(list) < SHOWN_IPS) {
		size_t size = strcspn(text, ",");

		json_array_append_new(list,
				      store_json_text(bytes_make(text, size)));
		text += size + (text[size] == ',');
	}
	return list;
}

static json_t *
workload_json(sqlite3_stmt *s)
{
	static const struct {
		const char *name;
		int column;
	} counts[] = {
		{ "connections_as_client", COL_CONNECTIONS_C },
		{ "connections_as_server", COL_CONNECTIONS_S },
		{ "calls_as_client", COL_CALLS_C },
		{ "calls_as_server", COL_CALLS_S },
		{ "errors_as_client", COL_ERRORS_C },
		{ "errors_as_server", COL_ERRORS_S },
		{ "bytes_sent", COL_SENT },
		{ "bytes_received", COL_RECEIVED },
		{ "peers", COL_PEERS },
	};
	int64_t processes = sqlite3_column_int64(s, COL_PROCESSES);
	json_t *w = json_object();

	store_set_column(w, "kind", s, COL_KIND);
	store_set_column(w, "name", s, COL_NAME);
	store_set_column(w, "namespace", s, COL_NAMESPACE);
	store_set_column(w, "executable", s, COL_EXECUTABLE);
	store_set_column(w, "container", s, COL_CONTAINER);
	if (strcmp((const char *)sqlite3_column_text(s, COL_KIND),
		   "process") != 0)
		store_set_column(w, "process", s, COL_PROCESS);
	if (processes == 1)
		store_set_int(w, "pid", sqlite3_column_int64(s, COL_PID));
	else if (processes > 1)
		store_set_int(w, "processes", processes);
	store_set_column(w, "mechanism", s, COL_MECHANISM);
	json_object_set_new(
		w, "ips",
		list_json((const char *)sqlite3_column_text(s, COL_IPS)));
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		store_set_int(w, counts[i].name,
			      sqlite3_column_int64(s, counts[i].column));
	store_set_time(w, "first", sqlite3_column_int64(s, COL_FIRST));
	store_set_time(w, "last", sqlite3_column_int64(s, COL_LAST));
	return w;
}

/* The number of the order asked for, or INVALID. */
static int
choose(const char *name, struct error *e)
{
	for (int i = 0; i < (int)(sizeof(orders) / sizeof(*orders)); i++)
		if (strcmp(name ? name : "bytes", orders[i].name) == 0)
			return i;
	return error_set(e, ERR_INVALID,
			 "workloads are ordered by bytes, calls, errors or "
			 "connections, not \"%.40s\"", name);
}

/* A question that is understood. */
struct workloads {
	const struct store_workloads_query *query;
	const struct filter_sql *filter;
	int order;
	int64_t offset;
	uint32_t limit;
};

static int
prepare(struct store *s, const struct workloads *w, sqlite3_stmt **statement,
	struct error *e)
{
	char *sql = alloc_format("%s%s%sORDER BY %s DESC, kind, who, program "
				 "LIMIT ?3 OFFSET ?4", before_filter,
				 (const char *)w->filter->where.data,
				 after_filter, orders[w->order].sql);
	int code = store_prepare(s, sql, statement, e);

	free(sql);
	if (code)
		return code;
	sqlite3_bind_int64(*statement, 1, w->query->from_ns);
	sqlite3_bind_int64(*statement, 2, w->query->to_ns);
	sqlite3_bind_int64(*statement, 3, (int64_t)w->limit + 1);
	sqlite3_bind_int64(*statement, 4, w->offset);
	store_bind_filter(*statement, w->filter, FILTER_PARAMETER);
	return 0;
}

static int
add_page(struct store *s, const struct workloads *w, json_t *out,
	 struct error *e)
{
	json_t *rows = json_array();
	sqlite3_stmt *statement = NULL;
	int64_t total = 0;
	bool more = false;
	int code = prepare(s, w, &statement, e);

	while (code == 0 && !more) {
		code = store_step(s, statement, e);
		if (code != 1)
			break;
		code = 0;
		total = sqlite3_column_int64(statement, COL_TOTAL);
		more = json_array_size(rows) == w->limit;
		if (!more)
			json_array_append_new(rows, workload_json(statement));
	}
	sqlite3_finalize(statement);
	json_object_set_new(out, "workloads", rows);
	store_set_int(out, "total", total);
	json_object_set_new(out, "truncated", json_boolean(more));
	if (more && code == 0) {
		struct store_cursor next = { w->offset + w->limit, 0 };
		char *text = store_cursor_text(&next, "workloads",
					       (unsigned)w->order,
					       w->query->filter);

		json_object_set_new(out, "next_cursor", json_string(text));
		free(text);
	}
	return code;
}

int
store_workloads(struct store *s, const struct store_workloads_query *q,
		json_t **result, struct error *e)
{
	struct store_cursor at = { 0, 0 };
	struct filter_sql filter = { 0 };
	struct workloads w = { .query = q, .filter = &filter };
	int code = store_begin(s, e);

	w.limit = q->limit < 1 ? 1 : q->limit > LIMIT_MAX ? LIMIT_MAX
							  : q->limit;
	if (code == 0)
		code = w.order = choose(q->order, e);
	if (code >= 0 && q->cursor)
		code = store_cursor_parse(q->cursor, "workloads",
					  (unsigned)w.order, q->filter, &at, e);
	if (code >= 0)
		code = filter_compile(FILTER_CONNECTIONS, q->filter, q->now_ns,
				      FILTER_PARAMETER, &filter, e);
	if (code)
		return code;
	w.offset = at.key;
	*result = json_object();
	code = add_page(s, &w, *result, e);
	filter_sql_free(&filter);
	if (code) {
		json_decref(*result);
		*result = NULL;
	}
	return code;
}
