/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a dissection database.  Connections are read-only
 * (query_only, DEFENSIVE, trusted_schema off); every query has a deadline and
 * can be interrupted.  Results are jansson values in the shape that tools
 * return, without redaction (server/tools/redact.h does that).
 *
 * A `struct store` is used by one thread at a time; store_interrupt alone may
 * be called from any thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "dissect/event.h"

struct store;

/* Opens a complete (.sqlite) or running (.part) database.  NOTFOUND, CORRUPT,
 * UNSUPPORTED (schema newer than ours; the text says which). */
int store_open(const char *path, struct store **out, struct error *e);
void store_close(struct store *s);

/* Makes the running query, and every later one, fail with CANCELLED. */
void store_interrupt(struct store *s);

/* Queries fail with TIMEOUT after this long; 0: 30 s. */
void store_set_deadline(struct store *s, int64_t ns);

/* The meta table as an object: {"state","schema_version","created",
 * "snapshot","dissection","options":{…},"counts":{…},"first","last",
 * "coverage":{…},"faults":[{"kind","text"}…]} (new reference). */
json_t *store_meta(struct store *s);

/*
 * What an answer rests on, for the "coverage" member of results: {"state",
 * "from","to","packets","connections","missing_bytes","holes",
 * "duplicate_packets","unknown_connections","calls_uncertain",
 * "calls_unpaired","bodies_truncated","drops",…,"notes":[sentences only for
 * what is not perfect]}.  Zero counters that need no attention are left out.
 */
json_t *store_coverage(struct store *s);

enum store_order { STORE_NEWEST, STORE_OLDEST, STORE_SLOWEST, STORE_LARGEST };
enum store_detail { STORE_COMPACT, STORE_FULL };

struct store_calls_query {
	const char *filter;      /* KFL; NULL or "": all */
	int64_t from_ns, to_ns;  /* [from, to); 0 and INT64_MAX: all */
	int64_t now_ns;          /* what now() means */
	enum store_order order;
	uint32_t limit;          /* 1..1000 */
	const char *cursor;      /* opaque, from a result; NULL: from the start */
	enum store_detail detail;
	uint32_t preview_bytes;  /* of bodies, STORE_FULL only */
};

/*
 * {"calls":[{"id","ts","src":{"ip","port","name"?},"dst":{…},"proto","method",
 *   "host","path","query","status","latency_ms","error"?,"flags":[…]?,"why"?,
 *   …full: "req_headers":[[name,value]…],"resp_headers","req_body",
 *   "resp_body","req_size","resp_size","conn_id","evidence":{…}}],
 *  "total":n,"total_is_exact":bool,"truncated":bool,"next_cursor"?}
 * An error in the filter is ERR_INVALID with a text that points at the place
 * and names the nearest valid field.
 */
int store_calls(struct store *s, const struct store_calls_query *query,
		json_t **result, struct error *e);

/*
 * One call, everything: halves with headers, body text (or base64 with
 * "encoding":"base64" when it is not UTF-8 text), sizes, times, evidence
 * packets, connection with TCP facts.  `body_bytes` and `body_offset` select
 * the slice of each body.
 */
int store_call(struct store *s, int64_t id, uint32_t body_offset,
	       uint32_t body_bytes, json_t **result, struct error *e);

/* The kept bytes of one body; `*out` is filled up to out->limit. */
int store_body(struct store *s, int64_t id, enum side side, struct buf *out,
	       struct error *e);

/* The same of what a body is made of: a line of JSON each (docs/store.md). */
int store_messages(struct store *s, int64_t id, enum side side,
		   struct buf *out, struct error *e);

struct store_stats_query {
	const char *filter;
	int64_t from_ns, to_ns, now_ns;
	const char *const *group_by; /* filter field names ("path", "dst.ip",
				      * "status_code" …), at most 4 */
	size_t group_count;
	int64_t bucket_ns;           /* time series; 0: none */
	const char *order;           /* "calls" "errors" "error_rate" "p50" "p90"
				      * "p99" "max" "bytes"; NULL: calls */
	uint32_t limit;              /* groups returned */
};

/*
 * {"groups":[{"key":{field:value…},"bucket"?:time,"calls","errors",
 *   "error_rate","latency_ms":{"p50","p90","p95","p99","max","mean"},
 *   "req_bytes","resp_bytes"}],"total_groups","totals":{same without key},
 *  "truncated"}
 */
int store_stats(struct store *s, const struct store_stats_query *query,
		json_t **result, struct error *e);

struct store_flows_query {
	const char *filter;      /* KFL over connection fields (src.ip, dst.port,
				  * protocol, tcp, udp, conn_state …) */
	int64_t from_ns, to_ns, now_ns;
	const char *aggregate;   /* "connection", "endpoint" (client ip, server
				  * ip:port), "service" (server ip:port), "host"
				  * (ip pair), "name" (resolved names) */
	const char *order;       /* "bytes" "packets" "connections" "retransmissions" */
	uint32_t limit;
	const char *cursor;
	enum store_detail detail; /* FULL: tcp facts */
};

/* {"flows":[{"proto","client":{…},"server":{…},"connections","packets",
 *   "bytes","first","last","protocols":[…],"calls","tcp"?:{…}}],"total",
 *  "truncated","next_cursor"?,"summary":{…}} */
int store_flows(struct store *s, const struct store_flows_query *query,
		json_t **result, struct error *e);

struct store_workloads_query {
	const char *filter;      /* KFL over connection fields */
	int64_t from_ns, to_ns, now_ns;
	const char *order;       /* "bytes" "calls" "errors" "connections" */
	uint32_t limit;
	const char *cursor;
};

/* {"workloads":[{"kind":"pod"|"container"|"process"|"dns"|"address","name",
 *   "mechanism","ips":[…],"pid"?,…,"connections_as_client",
 *   "connections_as_server","calls_as_…","errors_as_…","bytes_sent",
 *   "bytes_received","peers","first","last"}],"total","truncated",
 *  "next_cursor"?}; peers are addresses */
int store_workloads(struct store *s, const struct store_workloads_query *query,
		    json_t **result, struct error *e);

/*
 * What header(), body_text() and query_value() give out in store_sql: `conceal`
 * appends to `out` what may be shown of a value (`name` of the header or
 * parameter; empty for a body).  NULL, as at first: the value itself.  Filters
 * always see the value.
 */
void store_set_conceal(struct store *s,
		       void (*conceal)(struct bytes name, struct bytes value,
				       struct buf *out));

/*
 * One read-only statement (authorizer: SELECT on public tables and views and
 * our functions only), at most `row_limit` rows and 1 MiB of text.
 * {"columns":[…],"rows":[[…]…],"row_count","truncated"}
 */
int store_sql(struct store *s, const char *sql, uint32_t row_limit,
	      json_t **result, struct error *e);

/* The documented public schema (views and columns) as text. */
const char *store_schema_text(void);
