/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics in one scan: SQLite hands over narrow rows, groups and
 * histograms are kept here.  Interned fields are grouped by their ids and
 * become text at the end.  Bounded: beyond GROUP_LIMIT groups, or HISTOGRAM
 * bytes, new groups fall into one called "(other)".
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/text.h"
#include "dissect/store/filter_field.h"
#include "dissect/store/histogram.h"
#include "dissect/store/intern.h"
#include "dissect/store/store_impl.h"

#define KEYS_MAX 4
#define GROUP_LIMIT 10000
#define HISTOGRAM_BYTES (64u << 20)
#define TEXT_BYTES (16u << 20)
#define LIMIT_MAX 1000

/* Columns of the scan; the keys follow. */
enum { COL_ELAPSED, COL_FLAGS, COL_REQUEST, COL_RESPONSE, COL_TS, COL_KEYS };

#define FILTER_PARAMETER 3

struct key {
	const struct filter_field *field;
	bool of_connection;
	bool is_text;  /* the scan gives text, which gets a local id */
};

struct group {
	/* What every row touches comes first, in one cache line. */
	uint64_t calls, errors, request_bytes, response_bytes;
	struct histogram latency;
	int64_t bucket;
	int64_t keys[KEYS_MAX];
	json_t *shown[KEYS_MAX]; /* once they are resolved */
	bool other;
};

/* The index again, direct-mapped: most rows fall into few groups. */
#define RECENT 1024

struct recent {
	int64_t key[1 + KEYS_MAX];
	size_t place; /* + 1; 0: free */
};

/* Latencies wait here for their bucket to come out of memory: with hundreds
 * of groups that took as long as the scan itself. */
#define WAITING 8

struct waiting {
	size_t place; /* of the group */
	int64_t ns;   /* -1: none */
};

struct stats {
	const struct store_stats_query *query;
	struct key keys[KEYS_MAX];
	size_t key_count;
	struct map *index;          /* bucket and keys to a place in groups */
	struct recent *recent;
	struct waiting waiting[WAITING];
	unsigned next_waiting;
	struct group *groups;
	size_t count, capacity;
	struct group totals;
	size_t histogram_bytes;
	size_t other;               /* its place + 1; 0: none */
	struct intern text_ids;     /* local ids of texts … */
	struct buf text_bytes;      /* … their characters */
	size_t *text_at;            /* … and where they begin, by id - 1 */
	size_t text_count, text_capacity;
};

static void
stats_free(struct stats *st)
{
	for (size_t i = 0; i < st->count; i++) {
		histogram_free(&st->groups[i].latency);
		for (size_t k = 0; k < KEYS_MAX; k++)
			json_decref(st->groups[i].shown[k]);
	}
	histogram_free(&st->totals.latency);
	free(st->groups);
	free(st->text_at);
	buf_free(&st->text_bytes);
	intern_free(&st->text_ids);
	map_free(st->index);
	free(st->recent);
}

static int
add_key(struct stats *st, const char *name, struct error *e)
{
	struct key *key = &st->keys[st->key_count++];
	const char *near;

	key->field = filter_field_find(FILTER_CALLS, name, &key->of_connection);
	if (!key->field) {
		near = filter_field_nearest(FILTER_CALLS, name);
		return error_set(e, ERR_INVALID,
				 "there is no field \"%.60s\" to group by%s%s",
				 name, near ? "; did you mean " : "",
				 near ? near : "");
	}
	if (key->field->unsupported)
		return error_set(e, ERR_INVALID, "\"%.60s\": %s", name,
				 key->field->unsupported);
	if (key->field->type == FILTER_TYPE_MAP)
		return error_set(e, ERR_INVALID,
				 "\"%.60s\" is a map; only fields with one "
				 "value group", name);
	key->is_text = !key->field->lookup &&
		       (key->field->type == FILTER_TYPE_STRING ||
			key->field->type == FILTER_TYPE_LIST);
	return 0;
}

/* A local id for a text; -1, which is shown as "(other)", when full. */
static int64_t
local_id(struct stats *st, struct bytes text)
{
	bool added;
	uint32_t id;

	if (st->text_bytes.size + text.size + 1 > TEXT_BYTES)
		return -1;
	id = intern_id(&st->text_ids, text, &added);
	if (!added)
		return id;
	if (st->text_count == st->text_capacity) {
		st->text_capacity = st->text_capacity * 2 + 64;
		st->text_at = alloc_resize(st->text_at, st->text_capacity,
					   sizeof(*st->text_at));
	}
	st->text_at[st->text_count++] = st->text_bytes.size;
	buf_bytes(&st->text_bytes, text);
	buf_u8(&st->text_bytes, 0);
	return id;
}

static struct group *
append(struct stats *st)
{
	if (st->count == st->capacity) {
		st->capacity = st->capacity * 2 + 64;
		st->groups = alloc_resize(st->groups, st->capacity,
					  sizeof(*st->groups));
	}
	memset(&st->groups[st->count], 0, sizeof(*st->groups));
	return &st->groups[st->count++];
}

static struct group *
other_group(struct stats *st)
{
	if (st->other == 0) {
		append(st)->other = true;
		st->other = st->count;
	}
	return &st->groups[st->other - 1];
}

static struct recent *
recent_of(const struct stats *st, const int64_t key[1 + KEYS_MAX])
{
	uint64_t hash = 0;

	for (size_t i = 0; i <= KEYS_MAX; i++)
		hash = (hash ^ (uint64_t)key[i]) * 0x9e3779b97f4a7c15;
	return &st->recent[hash >> 54];
}

/* The group of a row's bucket and keys, by the index. */
static struct group *
find_group(struct stats *st, const int64_t key[1 + KEYS_MAX])
{
	uint32_t *place;
	bool added;

	if (st->count >= GROUP_LIMIT || st->histogram_bytes > HISTOGRAM_BYTES) {
		place = map_get(st->index, key);
		return place ? &st->groups[*place] : other_group(st);
	}
	place = map_put(st->index, key, &added);
	if (!place)
		return other_group(st);
	if (added) {
		struct group *g = append(st);

		*place = (uint32_t)(st->count - 1);
		g->bucket = key[0];
		memcpy(g->keys, key + 1, sizeof(g->keys));
		return g;
	}
	return &st->groups[*place];
}

static struct group *
group_of(struct stats *st, const int64_t key[1 + KEYS_MAX])
{
	struct recent *recent = recent_of(st, key);
	struct group *g;

	if (recent->place &&
	    memcmp(recent->key, key, sizeof(recent->key)) == 0)
		return &st->groups[recent->place - 1];
	g = find_group(st, key);
	memcpy(recent->key, key, sizeof(recent->key));
	recent->place = (size_t)(g - st->groups) + 1;
	return g;
}

/* Puts a latency in the place of the one that has waited longest. */
static void
queue(struct stats *st, size_t place, int64_t ns)
{
	struct waiting *w = &st->waiting[st->next_waiting++ % WAITING];

	if (w->ns >= 0)
		st->histogram_bytes += histogram_add(
			&st->groups[w->place].latency, w->ns);
	*w = (struct waiting){ place, ns };
	if (ns >= 0)
		histogram_prefetch(&st->groups[place].latency, ns);
}

static void
add_row(struct group *g, sqlite3_stmt *row)
{
	g->calls++;
	g->errors += (sqlite3_column_int64(row, COL_FLAGS) & CALL_IS_ERROR) != 0;
	g->request_bytes += (uint64_t)sqlite3_column_int64(row, COL_REQUEST);
	g->response_bytes += (uint64_t)sqlite3_column_int64(row, COL_RESPONSE);
}

/* -1 when the call is no pair. */
static int64_t
elapsed_of(sqlite3_stmt *row)
{
	int64_t ns = sqlite3_column_int64(row, COL_ELAPSED);

	if (ns == 0 && sqlite3_column_type(row, COL_ELAPSED) == SQLITE_NULL)
		return -1;
	return ns > 0 ? ns : 0;
}

/* The bits of a real as a key: equal numbers have equal ones. */
static int64_t
real_bits(double value)
{
	int64_t bits;

	value += 0.0; /* -0 becomes 0 */
	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static int64_t
key_of(struct stats *st, size_t i, sqlite3_stmt *row)
{
	int column = COL_KEYS + (int)i;

	if (st->keys[i].is_text)
		return local_id(st, store_column_bytes(row, column));
	if (st->keys[i].field->type == FILTER_TYPE_DOUBLE)
		return real_bits(sqlite3_column_double(row, column));
	return sqlite3_column_int64(row, column);
}

static void
take_row(struct stats *st, sqlite3_stmt *row)
{
	int64_t key[1 + KEYS_MAX] = { 0 };
	int64_t width = st->query->bucket_ns, elapsed = elapsed_of(row);
	struct group *g;

	if (st->key_count || width) {
		if (width) {
			int64_t ts = sqlite3_column_int64(row, COL_TS);

			key[0] = ts - ts % width;
		}
		for (size_t i = 0; i < st->key_count; i++)
			key[1 + i] = key_of(st, i, row);
		g = group_of(st, key);
		add_row(g, row);
		queue(st, (size_t)(g - st->groups), elapsed);
	} else {
		add_row(&st->totals, row);
		if (elapsed >= 0)
			(void)histogram_add(&st->totals.latency, elapsed);
	}
}

static char *
scan_sql(const struct stats *st, const struct filter_sql *f)
{
	const struct store_stats_query *q = st->query;
	bool everything = (!q->filter || !*q->filter) && q->from_ns <= 0 &&
			  q->to_ns == INT64_MAX;
	struct buf sql;
	char *text;

	buf_init(&sql, 4u << 20);
	buf_text(&sql, "SELECT c.elapsed, c.flags, c.request_size, "
		       "c.response_size, c.ts");
	for (size_t i = 0; i < st->key_count; i++) {
		const struct key *key = &st->keys[i];

		buf_text(&sql, ", ");
		filter_field_raw(&sql, key->field, key->of_connection);
	}
	if (everything)
		buf_text(&sql, " FROM calls c NOT INDEXED");
	else
		buf_format(&sql, " FROM zones z CROSS JOIN calls c NOT INDEXED "
				 "ON c.id BETWEEN z.id AND z.last_id "
				 "WHERE z.max_ts >= ?1 AND z.min_ts < ?2 "
				 "AND (%s) AND c.ts >= ?1 AND c.ts < ?2 "
				 "AND (%s)",
			   (const char *)f->zone.data,
			   (const char *)f->where.data);
	text = alloc_string(buf_cstr(&sql));
	buf_free(&sql);
	return text;
}

static int
scan(struct store *s, struct stats *st, const struct filter_sql *f,
     struct error *e)
{
	char *sql = scan_sql(st, f);
	sqlite3_stmt *row = NULL;
	int code = store_prepare(s, sql, &row, e);

	free(sql);
	if (code)
		return code;
	sqlite3_bind_int64(row, 1, st->query->from_ns);
	sqlite3_bind_int64(row, 2, st->query->to_ns);
	store_bind_filter(row, f, FILTER_PARAMETER);
	for (int i = 0; i < WAITING; i++)
		st->waiting[i].ns = -1;
	while ((code = store_step(s, row, e)) == 1)
		take_row(st, row);
	for (int i = 0; i < WAITING; i++)
		queue(st, 0, -1);
	sqlite3_finalize(row);
	return code;
}

static json_t *
column_json(sqlite3_stmt *s)
{
	return sqlite3_column_type(s, 0) == SQLITE_INTEGER
		       ? json_integer(sqlite3_column_int64(s, 0))
		       : store_json_text(store_column_bytes(s, 0));
}

static json_t *
lookup_json(struct store *s, sqlite3_stmt *lookup, int64_t id)
{
	json_t *text;
	struct error e;

	sqlite3_bind_int64(lookup, 1, id);
	text = store_step(s, lookup, &e) == 1
		       ? column_json(lookup)
		       : json_string("");
	sqlite3_reset(lookup);
	return text;
}

static json_t *
key_json(struct store *s, const struct stats *st, size_t i,
	 sqlite3_stmt *lookup, int64_t value)
{
	const struct key *key = &st->keys[i];
	double real;

	if (lookup)
		return lookup_json(s, lookup, value);
	if (key->is_text && value > 0)
		return json_string((const char *)st->text_bytes.data +
				   st->text_at[value - 1]);
	if (key->is_text)
		return json_string(value == 0 ? "" : "(other)");
	switch ((int)key->field->type) {
	case FILTER_TYPE_BOOL:
		return json_boolean(value);
	case FILTER_TYPE_DOUBLE:
		memcpy(&real, &value, sizeof(real));
		return isfinite(real) ? json_real(real) : json_null();
	default:
		return json_integer(value);
	}
}

/* Keys as people read them. */
static int
resolve(struct store *s, struct stats *st, struct error *e)
{
	for (size_t i = 0; i < st->key_count; i++) {
		const struct filter_field *field = st->keys[i].field;
		char table[32], column[32], sql[128];
		sqlite3_stmt *lookup = NULL;
		int code = 0;

		if (field->lookup) {
			filter_field_lookup(field, table, column);
			snprintf(sql, sizeof(sql),
				 "SELECT %s FROM %s WHERE id = ?", column,
				 table);
			code = store_prepare(s, sql, &lookup, e);
		}
		if (code)
			return code;
		for (size_t g = 0; g < st->count; g++)
			if (!st->groups[g].other)
				st->groups[g].shown[i] = key_json(
					s, st, i, lookup,
					st->groups[g].keys[i]);
		sqlite3_finalize(lookup);
	}
	return 0;
}

static void
merge(struct group *into, struct group *from)
{
	into->calls += from->calls;
	into->errors += from->errors;
	into->request_bytes += from->request_bytes;
	into->response_bytes += from->response_bytes;
	histogram_merge(&into->latency, &from->latency);
}

/* The same text can have two ids in the file; its groups become one. */
static void
merge_equal(struct stats *st)
{
	struct map *seen = map_new(16, sizeof(size_t), GROUP_LIMIT + 1);
	const struct hash_key key = hash_key_random();
	size_t kept = 0;

	for (size_t i = 0; i < st->count; i++) {
		struct group *g = &st->groups[i];
		uint64_t digest[2] = { (uint64_t)g->bucket, g->other };
		size_t *place;
		bool added;

		for (size_t k = 0; k < st->key_count && !g->other; k++) {
			char *text = json_dumps(g->shown[k], JSON_ENCODE_ANY);
			uint64_t hash = hash_bytes(key, bytes_of(text));

			digest[1] = (digest[1] ^ hash) * 0x9e3779b97f4a7c15;
			free(text);
		}
		place = map_put(seen, digest, &added);
		if (place && !added) {
			merge(&st->groups[*place], g);
			histogram_free(&g->latency);
			for (size_t k = 0; k < KEYS_MAX; k++)
				json_decref(g->shown[k]);
			continue;
		}
		if (place)
			*place = kept;
		st->groups[kept++] = *g;
	}
	st->count = kept;
	map_free(seen);
}

static double
error_rate(const struct group *g)
{
	return g->calls ? (double)g->errors / (double)g->calls : 0;
}

/* What groups are ordered by; larger is first. */
static double
rank(const struct group *g, const char *order)
{
	if (strcmp(order, "errors") == 0)
		return (double)g->errors;
	if (strcmp(order, "error_rate") == 0)
		return error_rate(g);
	if (strcmp(order, "bytes") == 0)
		return (double)g->request_bytes + (double)g->response_bytes;
	if (strcmp(order, "max") == 0)
		return (double)g->latency.max;
	if (order[0] == 'p' && g->latency.count)
		return histogram_quantile(&g->latency,
					  strtod(order + 1, NULL) / 100);
	return order[0] == 'p' ? 0 : (double)g->calls;
}

struct ranked {
	double rank;
	const struct group *group;
};

static int
compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	if (x->group->calls != y->group->calls)
		return x->group->calls > y->group->calls ? -1 : 1;
	return x->group->bucket < y->group->bucket ? -1
						   : x->group->bucket >
							     y->group->bucket;
}

static int
compare_bucket(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->group->bucket != y->group->bucket)
		return x->group->bucket < y->group->bucket ? -1 : 1;
	return compare_ranked(a, b);
}

static json_t *
latency_json(const struct histogram *h)
{
	static const struct {
		const char *name;
		double share;
	} shares[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p95", 0.95 },
		       { "p99", 0.99 } };
	json_t *out = json_object();

	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++)
		store_set_ms(out, shares[i].name,
			     histogram_quantile(h, shares[i].share));
	store_set_ms(out, "max", (double)h->max);
	store_set_ms(out, "mean", h->sum / (double)h->count);
	return out;
}

static json_t *
numbers_json(json_t *out, const struct group *g)
{
	store_set_int(out, "calls", (int64_t)g->calls);
	store_set_int(out, "errors", (int64_t)g->errors);
	json_object_set_new(out, "error_rate",
			    json_real(round(error_rate(g) * 1e6) / 1e6));
	if (g->latency.count)
		json_object_set_new(out, "latency_ms",
				    latency_json(&g->latency));
	store_set_int(out, "req_bytes", (int64_t)g->request_bytes);
	store_set_int(out, "resp_bytes", (int64_t)g->response_bytes);
	return out;
}

static json_t *
group_json(const struct stats *st, const struct group *g)
{
	json_t *out = json_object(), *key = json_object();

	for (size_t i = 0; i < st->key_count; i++)
		json_object_set_new(key, st->query->group_by[i],
				    g->other ? json_string("(other)")
					     : json_incref(g->shown[i]));
	json_object_set_new(out, "key", key);
	if (st->query->bucket_ns && !g->other)
		store_set_time(out, "bucket", g->bucket);
	return numbers_json(out, g);
}

static json_t *
groups_json(const struct stats *st, size_t limit)
{
	const char *order = st->query->order ? st->query->order : "calls";
	struct ranked *list = alloc_zero(st->count + 1, sizeof(*list));
	size_t shown = st->count < limit ? st->count : limit;
	json_t *out = json_array();

	for (size_t i = 0; i < st->count; i++)
		list[i] = (struct ranked){ rank(&st->groups[i], order),
					   &st->groups[i] };
	qsort(list, st->count, sizeof(*list), compare_ranked);
	if (st->query->bucket_ns)
		qsort(list, shown, sizeof(*list), compare_bucket);
	for (size_t i = 0; i < shown; i++)
		json_array_append_new(out, group_json(st, list[i].group));
	free(list);
	return out;
}

static json_t *
answer(struct stats *st)
{
	uint32_t limit = st->query->limit;
	json_t *out = json_object();
	bool grouped = st->key_count || st->query->bucket_ns;

	if (limit < 1 || limit > LIMIT_MAX)
		limit = limit < 1 ? 1 : LIMIT_MAX;
	if (grouped)
		for (size_t i = 0; i < st->count; i++)
			merge(&st->totals, &st->groups[i]);
	json_object_set_new(out, "groups", groups_json(st, limit));
	store_set_int(out, "total_groups", (int64_t)st->count);
	json_object_set_new(out, "totals",
			    numbers_json(json_object(), &st->totals));
	json_object_set_new(out, "truncated",
			    json_boolean(st->count > limit || st->other));
	json_object_set_new(out, "percentile_error", json_real(0.01));
	return out;
}

static int
check(const struct store_stats_query *q, struct error *e)
{
	static const char *const known[] = { "calls", "errors", "error_rate",
					     "p50", "p90", "p95", "p99", "max",
					     "bytes", NULL };

	if (q->group_count > KEYS_MAX)
		return error_set(e, ERR_INVALID,
				 "at most %d fields to group by", KEYS_MAX);
	if (q->bucket_ns < 0)
		return error_set(e, ERR_INVALID, "a bucket must be positive");
	for (const char *const *k = known; q->order && *k; k++)
		if (strcmp(*k, q->order) == 0)
			return 0;
	return q->order ? error_set(e, ERR_INVALID,
				    "groups are ordered by calls, errors, "
				    "error_rate, p50, p90, p95, p99, max or "
				    "bytes, not \"%.40s\"", q->order)
			: 0;
}

int
store_stats(struct store *s, const struct store_stats_query *q,
	    json_t **result, struct error *e)
{
	struct stats st = { .query = q };
	struct filter_sql f = { 0 };
	int code = store_begin(s, e);

	if (code == 0)
		code = check(q, e);
	for (size_t i = 0; code == 0 && i < q->group_count; i++)
		code = add_key(&st, q->group_by[i], e);
	if (code == 0)
		code = filter_compile(FILTER_CALLS, q->filter, q->now_ns,
				      FILTER_PARAMETER, &f, e);
	if (code)
		return code;
	st.index = map_new(sizeof(int64_t) * (1 + KEYS_MAX), sizeof(uint32_t),
			   GROUP_LIMIT);
	st.recent = alloc_zero(RECENT, sizeof(*st.recent));
	intern_init(&st.text_ids, GROUP_LIMIT * KEYS_MAX);
	buf_init(&st.text_bytes, TEXT_BYTES);
	code = scan(s, &st, &f, e);
	if (code == 0)
		code = resolve(s, &st, e);
	if (code == 0) {
		merge_equal(&st);
		*result = answer(&st);
	}
	filter_sql_free(&f);
	stats_free(&st);
	return code;
}
