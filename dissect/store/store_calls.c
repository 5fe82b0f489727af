/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of calls.  The zones are visited best first: by their newest call,
 * their slowest, and so on.  The page is a heap of the best rows so far; once
 * it is full and the next zone's best cannot beat its worst, no zone can.
 * That answers the usual questions out of a few of a thousand zones, with no
 * index over the calls at all.  For the total, scanning goes on for a short
 * while; beyond that the total is what was counted so far.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dissect/store/store_impl.h"

/* How long a complete page waits for the exact total. */
#define TOTAL_NS (20 * CLOCK_NS_PER_MS)

#define LIMIT_MAX 1000

static const struct order {
	const char *key;    /* of a call */
	const char *bound;  /* the best key that a zone can have */
	const char *rest;   /* zones that may have rows behind a cursor */
	bool descending;
} orders[] = {
	[STORE_NEWEST] = { "c.ts", "z.max_ts", "z.min_ts <= ?4", true },
	[STORE_OLDEST] = { "c.ts", "z.min_ts", "z.max_ts >= ?4", false },
	[STORE_SLOWEST] = { "coalesce(c.elapsed, -1)", "z.max_elapsed", "1",
			    true },
	[STORE_LARGEST] = { "(c.request_size + c.response_size)", "z.max_size",
			    "1", true },
};

struct page {
	const struct order *order;
	struct store_cursor *heap; /* the worst row first */
	size_t count, limit;       /* limit: one more than are shown */
	int64_t total;
	int64_t stop_at;           /* when counting ends; 0: page not full */
	bool counting;             /* whether the total is wanted at all */
	bool exact;                /* no zone was left out of the total */
};

/* Whether row `a` comes before `b`. */
static bool
before(const struct page *p, const struct store_cursor *a,
       const struct store_cursor *b)
{
	if (a->key != b->key)
		return p->order->descending ? a->key > b->key : a->key < b->key;
	return p->order->descending ? a->id > b->id : a->id < b->id;
}

static void
swap(struct store_cursor *a, struct store_cursor *b)
{
	struct store_cursor t = *a;

	*a = *b;
	*b = t;
}

static void
sink_down(struct page *p, size_t at)
{
	for (;;) {
		size_t worst = at;

		for (size_t child = 2 * at + 1;
		     child <= 2 * at + 2 && child < p->count; child++)
			if (before(p, &p->heap[worst], &p->heap[child]))
				worst = child;
		if (worst == at)
			return;
		swap(&p->heap[worst], &p->heap[at]);
		at = worst;
	}
}

static void
page_add(struct page *p, struct store_cursor row)
{
	size_t at = p->count;

	p->total++;
	if (p->count == p->limit) {
		if (before(p, &row, &p->heap[0])) {
			p->heap[0] = row;
			sink_down(p, 0);
		}
		return;
	}
	p->heap[p->count++] = row;
	while (at && before(p, &p->heap[(at - 1) / 2], &p->heap[at])) {
		swap(&p->heap[(at - 1) / 2], &p->heap[at]);
		at = (at - 1) / 2;
	}
}

/* Takes the worst row out. */
static struct store_cursor
page_pop(struct page *p)
{
	struct store_cursor worst = p->heap[0];

	p->heap[0] = p->heap[--p->count];
	sink_down(p, 0);
	return worst;
}

static bool
page_wants(void *context, int64_t bound)
{
	struct page *p = context;
	struct store_cursor best = { bound, p->order->descending ? INT64_MAX
								 : 0 };

	if (p->count < p->limit || before(p, &best, &p->heap[0]))
		return true;
	if (p->counting) {
		int64_t now = clock_monotonic_ns();

		if (p->stop_at == 0)
			p->stop_at = now + TOTAL_NS;
		if (now < p->stop_at)
			return true;
	}
	p->exact = false;
	return false;
}

/* Parameters 1, 2: the window; 3: unused; 4, 5: the cursor; 6 and on: the
 * filter's. */
#define FILTER_PARAMETER 6

static int
scan(struct store *s, const struct store_calls_query *q,
     const struct filter_sql *f, const struct store_cursor *cursor,
     struct page *p, struct error *e)
{
	const struct order *o = p->order;
	char *behind = cursor
		? alloc_format("%s AND (%s, c.id) %s (?4, ?5)", o->rest, o->key,
			       o->descending ? "<" : ">")
		: alloc_string("1");
	char *sql = alloc_format(
		"SELECT c.id, %s FROM zones z CROSS JOIN calls c NOT INDEXED "
		"ON c.id BETWEEN z.id AND z.last_id "
		"WHERE zone_wanted(%s) AND z.max_ts >= ?1 AND z.min_ts < ?2 "
		"AND (%s) AND c.ts >= ?1 AND c.ts < ?2 AND (%s) AND %s "
		"ORDER BY %s %s",
		o->key, o->bound, (const char *)f->zone.data,
		(const char *)f->where.data, behind, o->bound,
		o->descending ? "DESC" : "ASC");
	sqlite3_stmt *statement = NULL;
	int code = store_prepare(s, sql, &statement, e);

	free(behind);
	free(sql);
	if (code)
		return code;
	sqlite3_bind_int64(statement, 1, q->from_ns);
	sqlite3_bind_int64(statement, 2, q->to_ns);
	if (cursor) {
		sqlite3_bind_int64(statement, 4, cursor->key);
		sqlite3_bind_int64(statement, 5, cursor->id);
	}
	store_bind_filter(statement, f, FILTER_PARAMETER);
	s->zone_wanted = page_wants;
	s->zone_context = p;
	while ((code = store_step(s, statement, e)) == 1)
		page_add(p, (struct store_cursor){
				    sqlite3_column_int64(statement, 1),
				    sqlite3_column_int64(statement, 0) });
	s->zone_wanted = NULL;
	sqlite3_finalize(statement);
	return code;
}

/* How many calls there are, from the zones. */
static int
count_all(struct store *s, int64_t *total, struct error *e)
{
	sqlite3_stmt *statement = NULL;
	int code = store_prepare(s, "SELECT coalesce(sum(last_id - id + 1), 0) "
				    "FROM zones", &statement, e);

	if (code == 0)
		code = store_step(s, statement, e);
	if (code == 1) {
		*total = sqlite3_column_int64(statement, 0);
		code = 0;
	}
	sqlite3_finalize(statement);
	return code;
}

/* Empties the heap into an array, best first. */
static json_t *
page_rows(struct store *s, const struct store_calls_query *q, struct page *p,
	  int *code, struct error *e)
{
	struct store_rows rows = { .detail = q->detail,
				   .preview_bytes = q->preview_bytes };
	json_t *list = json_array();

	*code = store_rows_open(s, &rows, e);
	while (p->count && *code == 0) {
		struct store_cursor row = page_pop(p);
		json_t *call;

		*code = store_rows_get(s, &rows, row.id, &call, e);
		if (call)
			json_array_insert_new(list, 0, call);
	}
	store_rows_close(&rows);
	return list;
}

static int
answer(struct store *s, const struct store_calls_query *q, struct page *p,
       json_t **result, struct error *e)
{
	bool more = p->count == p->limit;
	struct store_cursor last = { 0, 0 };
	json_t *rows, *out;
	int code;

	if (more)
		(void)page_pop(p);
	if (p->count)
		last = p->heap[0];
	rows = page_rows(s, q, p, &code, e);
	if (code) {
		json_decref(rows);
		return code;
	}
	out = json_object();
	json_object_set_new(out, "calls", rows);
	store_set_int(out, "total", p->total);
	json_object_set_new(out, "total_is_exact", json_boolean(p->exact));
	json_object_set_new(out, "truncated", json_boolean(more));
	if (more) {
		char *cursor = store_cursor_text(&last, "calls", q->order,
						 q->filter);

		json_object_set_new(out, "next_cursor", json_string(cursor));
		free(cursor);
	}
	*result = out;
	return 0;
}

/* With a cursor the scan sees only what is behind it: the total is counted
 * apart, in the same time, or not at all. */
static int
find_total(struct store *s, const struct store_calls_query *q,
	   const struct filter_sql *f, struct page *p, struct error *e)
{
	struct page all = { .order = p->order, .limit = 1, .counting = true,
			    .exact = true };
	struct store_cursor one;
	bool everything = (!q->filter || !*q->filter) && q->from_ns <= 0 &&
			  q->to_ns == INT64_MAX;
	int code;

	if (everything) {
		p->exact = true;
		return count_all(s, &p->total, e);
	}
	if (!q->cursor)
		return 0;
	all.heap = &one;
	code = scan(s, q, f, NULL, &all, e);
	p->total = all.total;
	p->exact = all.exact;
	return code;
}

static int
run(struct store *s, const struct store_calls_query *q,
    const struct filter_sql *f, json_t **result, struct error *e)
{
	struct page p = { .order = &orders[q->order], .exact = true };
	struct store_cursor cursor;
	int code = 0;

	p.counting = !q->cursor &&
		     ((q->filter && *q->filter) || q->from_ns > 0 ||
		      q->to_ns != INT64_MAX);
	if (q->cursor)
		code = store_cursor_parse(q->cursor, "calls", q->order,
					  q->filter, &cursor, e);
	if (code)
		return code;
	p.limit = (q->limit < 1 ? 1 : q->limit > LIMIT_MAX ? LIMIT_MAX
							   : q->limit) + 1;
	p.heap = alloc_zero(p.limit, sizeof(*p.heap));
	code = scan(s, q, f, q->cursor ? &cursor : NULL, &p, e);
	if (code == 0)
		code = find_total(s, q, f, &p, e);
	if (code == 0)
		code = answer(s, q, &p, result, e);
	free(p.heap);
	return code;
}

int
store_calls(struct store *s, const struct store_calls_query *q,
	    json_t **result, struct error *e)
{
	struct filter_sql f;
	int code = store_begin(s, e);

	if (code == 0)
		code = filter_compile(FILTER_CALLS, q->filter, q->now_ns,
				      FILTER_PARAMETER, &f, e);
	if (code)
		return code;
	code = run(s, q, &f, result, e);
	filter_sql_free(&f);
	return code;
}

int
store_call(struct store *s, int64_t id, uint32_t body_offset,
	   uint32_t body_bytes, json_t **result, struct error *e)
{
	struct store_rows rows = { .detail = STORE_FULL };
	json_t *call = NULL, *connection = NULL;
	int code = store_begin(s, e);

	if (code == 0)
		code = store_rows_open(s, &rows, e);
	if (code == 0)
		code = store_rows_get(s, &rows, id, &call, e);
	store_rows_close(&rows);
	if (code)
		return code;
	if (!call)
		return error_set(e, ERR_NOTFOUND, "there is no call %lld",
				 (long long)id);
	code = store_connection(
		s, json_integer_value(json_object_get(call, "conn_id")),
		&connection, e);
	if (connection)
		json_object_set_new(call, "connection", connection);
	if (code == 0) {
		sqlite3_bind_int64(s->call_payload, 1, id);
		code = store_step(s, s->call_payload, e);
		if (code == 1)
			code = store_add_bodies(
				s, store_column_bytes(s->call_payload, 0),
				body_offset, body_bytes, call, e);
		sqlite3_reset(s->call_payload);
	}
	if (code) {
		json_decref(call);
		return code;
	}
	*result = call;
	return 0;
}

static int
read_part(struct store *s, int64_t id, enum payload_part part, struct buf *out,
	  struct error *e)
{
	struct bytes kept = { NULL, 0 };
	int code = store_begin(s, e);

	if (code)
		return code;
	sqlite3_bind_int64(s->call_payload, 1, id);
	code = store_step(s, s->call_payload, e);
	if (code == 0)
		code = error_set(e, ERR_NOTFOUND, "there is no call %lld",
				 (long long)id);
	else if (code == 1)
		code = payload_read(s->payload,
				    store_column_bytes(s->call_payload, 0),
				    part, &kept, e);
	if (code == 0)
		buf_bytes(out, bytes_first(kept, out->limit - out->size));
	sqlite3_reset(s->call_payload);
	return code;
}

int
store_body(struct store *s, int64_t id, enum side side, struct buf *out,
	   struct error *e)
{
	return read_part(s, id,
			 side == SIDE_SERVER ? PAYLOAD_RESPONSE_BODY
					     : PAYLOAD_REQUEST_BODY,
			 out, e);
}

int
store_messages(struct store *s, int64_t id, enum side side, struct buf *out,
	       struct error *e)
{
	return read_part(s, id,
			 side == SIDE_SERVER ? PAYLOAD_RESPONSE_MESSAGES
					     : PAYLOAD_REQUEST_MESSAGES,
			 out, e);
}
