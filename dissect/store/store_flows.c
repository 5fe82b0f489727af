/* SPDX-License-Identifier: Apache-2.0 */
/* Connections, one by one or added up by who talks to whom. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "dissect/store/store_format.h"
#include "dissect/store/store_impl.h"

#define FILTER_PARAMETER 5
#define LIMIT_MAX 1000
#define LIST_LIMIT 32 /* protocols named of one flow */

enum column {
	COL_TRANSPORT, COL_SRC_IP, COL_SRC_NAME, COL_SRC_PORT,
	COL_DST_IP, COL_DST_NAME, COL_DST_PORT,
	COL_CONNECTIONS, COL_PACKETS_C, COL_PACKETS_S, COL_BYTES_C, COL_BYTES_S,
	COL_FIRST, COL_LAST, COL_PROTOCOLS, COL_CALLS, COL_RETRANSMISSIONS,
	COL_ID, COL_STATE, COL_FLAGS,
	COL_UNDISSECTED, COL_DUPLICATES, COL_MISSING, COL_HOLES,
	COL_SRC_PROCESSES, COL_DST_PROCESSES,
	/* Of STORE_FULL alone: */
	COL_COMPLETENESS, COL_HANDSHAKE, COL_INITIAL_RTT, COL_RTT_MIN,
	COL_RTT_AVG, COL_RTT_MAX, COL_JITTER, COL_FIRST_DATA, COL_FAST,
	COL_DISORDER, COL_DUP_ACKS, COL_ZERO_WINDOWS, COL_WINDOWS_FULL,
	COL_KEEPALIVES, COL_RESETS, COL_FINS, COL_OVERLAPS, COL_PAYLOAD,
	COL_SEGMENT, COL_OFFSET, COL_FIRST_BYTES_C, COL_FIRST_BYTES_S,
	COL_THREAD_C, COL_THREAD_S, COL_TOLD_C, COL_TOLD_S,
};

#define BOTH(name) "sum(c." name "_c + c." name "_s)"

static const char compact_columns[] =
	"SELECT c.ip_protocol,"
	"(SELECT ip FROM addresses WHERE id = c.client),"
	STORE_END_NAME("c.client", "c.process_c") ", c.client_port,"
	"(SELECT ip FROM addresses WHERE id = c.server),"
	STORE_END_NAME("c.server", "c.process_s") ", c.server_port,"
	"count(*), sum(c.packets_c), sum(c.packets_s), sum(c.bytes_c),"
	"sum(c.bytes_s), min(c.ts), max(c.last_ts),"
	"group_concat(DISTINCT c.protocol), sum(c.calls),"
	BOTH("retransmissions") ", min(c.id),"
	"(SELECT name FROM states WHERE id = c.state), c.flags,"
	"sum(c.undissected), sum(c.duplicates)," BOTH("missing") ","
	BOTH("holes") ", group_concat(DISTINCT c.process_c),"
	"group_concat(DISTINCT c.process_s)";

static const char full_columns[] =
	", c.completeness, avg(nullif(c.handshake, 0)),"
	"avg(nullif(c.initial_rtt, 0)), min(nullif(c.rtt_min, 0)),"
	"sum(c.rtt_sum) * 1.0 / nullif(sum(c.rtt_samples), 0),"
	"nullif(max(c.rtt_max), 0), nullif(max(c.jitter), 0),"
	"avg(nullif(c.first_data, 0))," BOTH("fast") "," BOTH("disorder") ","
	BOTH("dup_acks") "," BOTH("zero_windows") "," BOTH("windows_full") ","
	BOTH("keepalives") "," BOTH("resets") "," BOTH("fins") ","
	BOTH("overlaps") "," BOTH("payload") ", c.segment, c.offset,"
	"hex(c.first_bytes_c), hex(c.first_bytes_s), c.thread_c, c.thread_s,"
	"(SELECT name FROM mechanisms WHERE id = c.told_c),"
	"(SELECT name FROM mechanisms WHERE id = c.told_s)";

/* What an end is called, or its address; and a fact of its process. */
#define NAME(address, side)                                               \
	"(SELECT coalesce(nullif((SELECT name FROM end_names WHERE id = " \
	"end_name(" address ", c.id, " side ")), ''), a.ip) "             \
	"FROM addresses a WHERE a.id = " address ")"
#define PROCESS(fact, side) \
	"(SELECT " fact " FROM procs WHERE id = c.process_" side ")"

/* What is added up, and which ends of a connection the sum still has. */
static const struct aggregate {
	const char *name, *group_by;
	bool transport, client, client_port, server, server_port;
	bool by_process;
} aggregates[] = {
	{ "connection", "c.id", true, true, true, true, true, false },
	{ "endpoint", "c.ip_protocol, c.client, c.server, c.server_port", true,
	  true, false, true, true, false },
	{ "service", "c.ip_protocol, c.server, c.server_port", true, false,
	  false, true, true, false },
	{ "host", "c.client, c.server", false, true, false, true, false,
	  false },
	{ "name", NAME("c.client", "0") "," NAME("c.server", "1"), false, true,
	  false, true, false, false },
	{ "process", PROCESS("name", "c") "," PROCESS("name", "s"), false, true,
	  false, true, false, true },
	{ "pod", PROCESS("pod", "c") "," PROCESS("pod", "s") ","
	  PROCESS("namespace", "c") "," PROCESS("namespace", "s"), false, true,
	  false, true, false, true },
	{ "namespace", PROCESS("namespace", "c") "," PROCESS("namespace", "s"),
	  false, true, false, true, false, true },
};

static const struct {
	const char *name, *sql;
} orders[] = {
	{ "bytes", "sum(c.bytes_c + c.bytes_s)" },
	{ "packets", "sum(c.packets_c + c.packets_s)" },
	{ "connections", "count(*)" },
	{ "retransmissions", BOTH("retransmissions") },
};

static void
set_count(json_t *object, const char *name, sqlite3_stmt *s, int column)
{
	int64_t value = sqlite3_column_int64(s, column);

	if (value)
		store_set_int(object, name, value);
}

static void
set_duration(json_t *object, const char *name, sqlite3_stmt *s, int column)
{
	if (sqlite3_column_double(s, column) > 0)
		store_set_ms(object, name, sqlite3_column_double(s, column));
}

static json_t *
tcp_json(sqlite3_stmt *s)
{
	static const struct {
		const char *name;
		int column;
	} counts[] = {
		{ "retransmissions", COL_RETRANSMISSIONS },
		{ "fast_retransmissions", COL_FAST },
		{ "out_of_order", COL_DISORDER },
		{ "dup_acks", COL_DUP_ACKS },
		{ "zero_windows", COL_ZERO_WINDOWS },
		{ "windows_full", COL_WINDOWS_FULL },
		{ "keepalives", COL_KEEPALIVES },
		{ "resets", COL_RESETS },
		{ "fins", COL_FINS },
		{ "overlaps_differing", COL_OVERLAPS },
		{ "payload_bytes", COL_PAYLOAD },
	}, durations[] = {
		{ "handshake_ms", COL_HANDSHAKE },
		{ "initial_rtt_ms", COL_INITIAL_RTT },
		{ "rtt_min_ms", COL_RTT_MIN },
		{ "rtt_avg_ms", COL_RTT_AVG },
		{ "rtt_max_ms", COL_RTT_MAX },
		{ "jitter_ms", COL_JITTER },
		{ "time_to_first_byte_ms", COL_FIRST_DATA },
	};
	json_t *tcp = json_object();

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		set_count(tcp, counts[i].name, s, counts[i].column);
	for (size_t i = 0; i < sizeof(durations) / sizeof(*durations); i++)
		set_duration(tcp, durations[i].name, s, durations[i].column);
	return tcp;
}

/* "1,2" out of group_concat, by name. */
static json_t *
protocols_json(struct store *store, sqlite3_stmt *s)
{
	const char *at = (const char *)sqlite3_column_text(s, COL_PROTOCOLS);
	json_t *list = json_array();

	for (int i = 0; at && *at && i < LIST_LIMIT; i++) {
		sqlite3_stmt *name = NULL;
		struct error e;
		char *end;

		if (store_prepare(store, "SELECT name FROM protocols "
					 "WHERE id = ?", &name, &e))
			break;
		sqlite3_bind_int64(name, 1, strtoll(at, &end, 10));
		if (store_step(store, name, &e) == 1)
			json_array_append_new(
				list,
				store_json_text(store_column_bytes(name, 0)));
		sqlite3_finalize(name);
		at = *end == ',' ? end + 1 : end == at ? "" : end;
	}
	return list;
}

/* What only one connection has. */
static void
set_connection(json_t *flow, sqlite3_stmt *s)
{
	static const struct {
		int flag;
		const char *name;
	} flags[] = {
		{ STORE_CONN_MIDSTREAM, "midstream" },
		{ STORE_CONN_GUESSED, "direction_guessed" },
		{ STORE_CONN_ONE_DIRECTION, "one_direction" },
	};

	store_set_int(flow, "id", sqlite3_column_int64(s, COL_ID));
	store_set_column(flow, "state", s, COL_STATE);
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (sqlite3_column_int64(s, COL_FLAGS) & flags[i].flag)
			json_object_set_new(flow, flags[i].name, json_true());
}

/* How the process at an end is known. */
static void
set_told(json_t *end, sqlite3_stmt *s, int thread, int mechanism)
{
	if (sqlite3_column_int64(s, thread))
		store_set_int(end, "thread", sqlite3_column_int64(s, thread));
	store_set_column(end, "mechanism", s, mechanism);
}

static void
set_connection_details(json_t *flow, json_t *tcp, sqlite3_stmt *s)
{
	json_t *packet = json_object();

	store_set_int(packet, "segment", sqlite3_column_int64(s, COL_SEGMENT));
	store_set_int(packet, "offset", sqlite3_column_int64(s, COL_OFFSET));
	json_object_set_new(flow, "evidence", packet);
	store_set_column(flow, "client_first_bytes", s, COL_FIRST_BYTES_C);
	store_set_column(flow, "server_first_bytes", s, COL_FIRST_BYTES_S);
	set_told(json_object_get(flow, "client"), s, COL_THREAD_C, COL_TOLD_C);
	set_told(json_object_get(flow, "server"), s, COL_THREAD_S, COL_TOLD_S);
	if (tcp)
		set_count(tcp, "completeness", s, COL_COMPLETENESS);
}

/* One end; where processes are added up, addresses are many. */
static void
set_end(struct store *store, json_t *flow, const char *name, sqlite3_stmt *s,
	enum store_detail detail, const struct aggregate *a)
{
	const struct store_end_columns client = {
		COL_SRC_IP, COL_SRC_NAME, a->client_port ? COL_SRC_PORT : -1,
		COL_SRC_PROCESSES,
	}, server = {
		COL_DST_IP, COL_DST_NAME, a->server_port ? COL_DST_PORT : -1,
		COL_DST_PROCESSES,
	};
	json_t *end = store_end(store, s,
				strcmp(name, "client") == 0 ? &client : &server,
				detail);

	if (a->by_process) {
		json_object_del(end, "ip");
		json_object_del(end, "name");
		if (json_object_size(end) == 0)
			json_object_set_new(end, "name",
					    json_string("(not known)"));
	}
	json_object_set_new(flow, name, end);
}

static json_t *
flow_json(struct store *store, sqlite3_stmt *s, const struct aggregate *a,
	  enum store_detail detail)
{
	json_t *flow = json_object(), *tcp = NULL;
	bool one = a == &aggregates[0];
	char text[16];

	if (a->transport)
		json_object_set_new(
			flow, "proto",
			json_string(store_transport(
				sqlite3_column_int64(s, COL_TRANSPORT), text)));
	if (one)
		set_connection(flow, s);
	if (a->client)
		set_end(store, flow, "client", s, detail, a);
	if (a->server)
		set_end(store, flow, "server", s, detail, a);
	store_set_int(flow, "connections",
		      sqlite3_column_int64(s, COL_CONNECTIONS));
	store_set_int(flow, "packets",
		      sqlite3_column_int64(s, COL_PACKETS_C) +
			      sqlite3_column_int64(s, COL_PACKETS_S));
	store_set_int(flow, "bytes",
		      sqlite3_column_int64(s, COL_BYTES_C) +
			      sqlite3_column_int64(s, COL_BYTES_S));
	store_set_int(flow, "client_bytes",
		      sqlite3_column_int64(s, COL_BYTES_C));
	store_set_int(flow, "server_bytes",
		      sqlite3_column_int64(s, COL_BYTES_S));
	store_set_time(flow, "first", sqlite3_column_int64(s, COL_FIRST));
	store_set_time(flow, "last", sqlite3_column_int64(s, COL_LAST));
	json_object_set_new(flow, "protocols", protocols_json(store, s));
	store_set_int(flow, "calls", sqlite3_column_int64(s, COL_CALLS));
	set_count(flow, "missing_bytes", s, COL_MISSING);
	set_count(flow, "holes", s, COL_HOLES);
	set_count(flow, "undissected_bytes", s, COL_UNDISSECTED);
	set_count(flow, "duplicate_packets", s, COL_DUPLICATES);
	if (detail == STORE_FULL)
		tcp = tcp_json(s);
	else
		set_count(flow, "retransmissions", s, COL_RETRANSMISSIONS);
	if (detail == STORE_FULL && one)
		set_connection_details(flow, tcp, s);
	if (tcp && json_object_size(tcp))
		json_object_set(flow, "tcp", tcp);
	json_decref(tcp);
	return flow;
}

int
store_connection(struct store *s, int64_t id, json_t **out, struct error *e)
{
	char *sql = alloc_format("%s%s FROM conns c WHERE c.id = ?1 "
				 "GROUP BY c.id", compact_columns,
				 full_columns);
	sqlite3_stmt *statement = NULL;
	int code = store_prepare(s, sql, &statement, e);

	free(sql);
	*out = NULL;
	if (code)
		return code;
	sqlite3_bind_int64(statement, 1, id);
	code = store_step(s, statement, e);
	if (code == 1) {
		*out = flow_json(s, statement, &aggregates[0], STORE_FULL);
		json_object_del(*out, "connections");
		code = 0;
	}
	sqlite3_finalize(statement);
	return code;
}

struct flows {
	const struct store_flows_query *query;
	const struct aggregate *aggregate;
	const char *order;
	struct filter_sql filter;
	char *where; /* " WHERE …" */
};

static int
choose(struct flows *f, struct error *e)
{
	const char *aggregate = f->query->aggregate ? f->query->aggregate
						    : "endpoint";
	const char *order = f->query->order ? f->query->order : "bytes";

	for (size_t i = 0; i < sizeof(aggregates) / sizeof(*aggregates); i++)
		if (strcmp(aggregate, aggregates[i].name) == 0)
			f->aggregate = &aggregates[i];
	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++)
		if (strcmp(order, orders[i].name) == 0)
			f->order = orders[i].sql;
	if (!f->aggregate)
		return error_set(e, ERR_INVALID,
				 "flows are aggregated by connection, endpoint, "
				 "service, host, name, process, pod or "
				 "namespace, not \"%.40s\"",
				 aggregate);
	if (!f->order)
		return error_set(e, ERR_INVALID,
				 "flows are ordered by bytes, packets, "
				 "connections or retransmissions, not \"%.40s\"",
				 order);
	return 0;
}

/* Prepares with the window and the filter bound. */
static int
prepare(struct store *s, const struct flows *f, char *sql,
	sqlite3_stmt **statement, struct error *e)
{
	int code = store_prepare(s, sql, statement, e);

	free(sql);
	if (code)
		return code;
	sqlite3_bind_int64(*statement, 1, f->query->from_ns);
	sqlite3_bind_int64(*statement, 2, f->query->to_ns);
	store_bind_filter(*statement, &f->filter, FILTER_PARAMETER);
	return 0;
}

static int
add_page(struct store *s, const struct flows *f, json_t *out, struct error *e)
{
	const struct store_flows_query *q = f->query;
	unsigned order = (unsigned)(f->order[0] | f->order[6] << 8);
	char *kind = alloc_format("flows %s %s", f->aggregate->name, f->order);
	struct store_cursor at = { 0, 0 };
	uint32_t limit = q->limit < 1 ? 1 : q->limit > LIMIT_MAX ? LIMIT_MAX
								 : q->limit;
	json_t *rows = json_array();
	sqlite3_stmt *statement = NULL;
	bool more = false;
	int code = 0;

	if (q->cursor)
		code = store_cursor_parse(q->cursor, kind, order, q->filter,
					  &at, e);
	if (code == 0)
		code = prepare(s, f,
			       alloc_format("%s%s FROM conns c%s GROUP BY %s "
					    "ORDER BY %s DESC, min(c.id) "
					    "LIMIT ?3 OFFSET ?4",
					    compact_columns,
					    q->detail == STORE_FULL
						    ? full_columns : "",
					    f->where, f->aggregate->group_by,
					    f->order),
			       &statement, e);
	if (code == 0) {
		sqlite3_bind_int64(statement, 3, (int64_t)limit + 1);
		sqlite3_bind_int64(statement, 4, at.key);
		while ((code = store_step(s, statement, e)) == 1) {
			more = json_array_size(rows) == limit;
			if (more) {
				code = 0;
				break;
			}
			json_array_append_new(
				rows, flow_json(s, statement, f->aggregate,
						q->detail));
		}
	}
	sqlite3_finalize(statement);
	json_object_set_new(out, "flows", rows);
	json_object_set_new(out, "truncated", json_boolean(more));
	if (more && code == 0) {
		char *text;

		at.key += limit;
		text = store_cursor_text(&at, kind, order, q->filter);
		json_object_set_new(out, "next_cursor", json_string(text));
		free(text);
	}
	free(kind);
	return code;
}

static int
add_total(struct store *s, const struct flows *f, json_t *out, struct error *e)
{
	sqlite3_stmt *statement = NULL;
	int code = prepare(s, f,
			   alloc_format("SELECT count(*) FROM (SELECT 1 FROM "
					"conns c%s GROUP BY %s)", f->where,
					f->aggregate->group_by),
			   &statement, e);

	if (code == 0)
		code = store_step(s, statement, e);
	if (code == 1) {
		store_set_int(out, "total", sqlite3_column_int64(statement, 0));
		code = 0;
	}
	sqlite3_finalize(statement);
	return code;
}

static int
add_summary(struct store *s, const struct flows *f, json_t *out,
	    struct error *e)
{
	static const char *const names[] = {
		"connections", "tcp_connections", "udp_connections",
		"total_bytes", "total_packets", "unique_clients",
		"unique_servers", "calls", "retransmissions",
		"missing_bytes", "unknown_connections",
	};
	json_t *summary = json_object();
	sqlite3_stmt *statement = NULL;
	int code = prepare(
		s, f,
		alloc_format("SELECT count(*), sum(c.ip_protocol = 6),"
			     "sum(c.ip_protocol = 17),"
			     "sum(c.bytes_c + c.bytes_s),"
			     "sum(c.packets_c + c.packets_s),"
			     "count(DISTINCT c.client),"
			     "count(DISTINCT c.server), sum(c.calls),"
			     BOTH("retransmissions") "," BOTH("missing") ","
			     "sum(c.protocol = 0) FROM conns c%s", f->where),
		&statement, e);

	if (code == 0)
		code = store_step(s, statement, e);
	if (code == 1) {
		for (int i = 0; i < (int)(sizeof(names) / sizeof(*names)); i++)
			store_set_int(summary, names[i],
				      sqlite3_column_int64(statement, i));
		code = 0;
	}
	sqlite3_finalize(statement);
	json_object_set_new(out, "summary", summary);
	return code;
}

int
store_flows(struct store *s, const struct store_flows_query *q,
	    json_t **result, struct error *e)
{
	struct flows f = { .query = q };
	json_t *out;
	int code = store_begin(s, e);

	if (code == 0)
		code = choose(&f, e);
	if (code == 0)
		code = filter_compile(FILTER_CONNECTIONS, q->filter, q->now_ns,
				      FILTER_PARAMETER, &f.filter, e);
	if (code)
		return code;
	f.where = alloc_format(" WHERE c.last_ts >= ?1 AND c.ts < ?2 AND (%s)",
			       (const char *)f.filter.where.data);
	out = json_object();
	code = add_page(s, &f, out, e);
	if (code == 0)
		code = add_total(s, &f, out, e);
	if (code == 0)
		code = add_summary(s, &f, out, e);
	free(f.where);
	filter_sql_free(&f.filter);
	if (code) {
		json_decref(out);
		return code;
	}
	*result = out;
	return 0;
}
