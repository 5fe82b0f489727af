/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/store/store.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "dissect/store/store_format.h"
#include "dissect/store/store_impl.h"

#define DEADLINE_NS (30 * CLOCK_NS_PER_S)
#define BUSY_MS 5000

/* Virtual-machine steps between looks at the clock: some 50 µs. */
#define PROGRESS_STEPS 2000

/* Of all SQLite connections of the process together. */
#define MEMORY_LIMIT (512LL << 20)

#define VALUE_LIMIT (40 << 20) /* of one value: above the largest block */

static int
on_progress(void *context)
{
	struct store *s = context;

	if (atomic_load(&s->interrupted))
		return 1;
	if (sqlite3_memory_used() > MEMORY_LIMIT) {
		s->out_of_memory = true;
		return 1;
	}
	return s->deadline_at && clock_monotonic_ns() > s->deadline_at;
}

int
store_begin(struct store *s, struct error *e)
{
	if (atomic_load(&s->interrupted))
		return error_set(e, ERR_CANCELLED, "the query was cancelled");
	s->out_of_memory = false;
	s->deadline_at = clock_monotonic_ns() + s->deadline_ns;
	return 0;
}

int
store_failure(struct store *s, int rc, struct error *e)
{
	switch (rc & 0xff) {
	case SQLITE_INTERRUPT:
		if (atomic_load(&s->interrupted))
			return error_set(e, ERR_CANCELLED,
					 "the query was cancelled");
		if (s->out_of_memory)
			return error_set(e, ERR_LIMIT,
					 "the query needs too much memory; "
					 "select or sort less");
		return error_set(e, ERR_TIMEOUT,
				 "the query took longer than %" PRId64 " s; "
				 "narrow the time window or the filter",
				 (int64_t)(s->deadline_ns / CLOCK_NS_PER_S));
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_set(e, ERR_BUSY, "the dissection is writing its "
					      "result; try again");
	case SQLITE_NOMEM:
	case SQLITE_TOOBIG:
	case SQLITE_FULL:
		return error_set(e, ERR_LIMIT, "the query needs too much "
					       "memory: %s",
				 sqlite3_errmsg(s->db));
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return error_set(e, ERR_IO, "%s: %s", s->path,
				 sqlite3_errmsg(s->db));
	default:
		return error_set(e, ERR_CORRUPT,
				 "%s is damaged (%s); delete this dissection "
				 "and run it again: the snapshot is not "
				 "affected", s->path, sqlite3_errmsg(s->db));
	}
}

int
store_prepare(struct store *s, const char *sql, sqlite3_stmt **out,
	      struct error *e)
{
	int rc = sqlite3_prepare_v2(s->db, sql, -1, out, NULL);

	return rc == SQLITE_OK ? 0 : store_failure(s, rc, e);
}

int
store_step(struct store *s, sqlite3_stmt *statement, struct error *e)
{
	int rc = sqlite3_step(statement);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : store_failure(s, rc, e);
}

void
store_bind_filter(sqlite3_stmt *statement, const struct filter_sql *f,
		  unsigned first)
{
	for (size_t i = 0; i < f->value_count; i++) {
		const struct filter_value *v = &f->values[i];
		int at = (int)(first + i);

		if (v->kind == FILTER_VALUE_TEXT)
			sqlite3_bind_text(statement, at, v->text, -1,
					  SQLITE_STATIC);
		else if (v->kind == FILTER_VALUE_REAL)
			sqlite3_bind_double(statement, at, v->real);
		else
			sqlite3_bind_int64(statement, at, v->integer);
	}
}

/* One number of the file's header or schema. */
static int64_t
pragma_value(struct store *s, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int64_t value = -1;

	if (sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) ==
		    SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

/* The file is of a stranger: it may not run code, nor surprise us. */
static void
distrust(struct store *s)
{
	static const struct {
		int option, value;
	} options[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_DQS_DML, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		sqlite3_db_config(s->db, options[i].option, options[i].value,
				  NULL);
	sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, VALUE_LIMIT);
	sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	sqlite3_progress_handler(s->db, PROGRESS_STEPS, on_progress, s);
	sqlite3_exec(s->db,
		     "PRAGMA query_only = 1; PRAGMA cell_size_check = 1;"
		     "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;",
		     NULL, NULL, NULL);
}

static int
check_file(struct store *s, struct error *e)
{
	int64_t application = pragma_value(s, "PRAGMA application_id");
	int64_t version = pragma_value(s, "PRAGMA user_version");

	if (application < 0 && sqlite3_errcode(s->db) != SQLITE_NOTADB)
		return store_failure(s, sqlite3_errcode(s->db), e);
	if (application == 0 && version == 0 &&
	    pragma_value(s, "SELECT count(*) FROM sqlite_schema") == 0)
		return error_set(e, ERR_EMPTY,
				 "%s has nothing in it yet: its dissection is "
				 "starting, or was killed then", s->path);
	if (application != STORE_APPLICATION_ID)
		return error_set(e, ERR_CORRUPT,
				 "%s is not a dissection of aftertap", s->path);
	if (version > STORE_SCHEMA_VERSION)
		return error_set(e, ERR_UNSUPPORTED,
				 "%s has schema version %" PRId64 ", this "
				 "program knows %d: use a newer one", s->path,
				 version, STORE_SCHEMA_VERSION);
	if (version < STORE_SCHEMA_OLDEST)
		return error_set(e, ERR_UNSUPPORTED,
				 "%s has schema version %" PRId64 ", this "
				 "program knows %d: run the dissection again",
				 s->path, version, STORE_SCHEMA_VERSION);
	return 0;
}

static int
open_file(struct store *s, struct error *e)
{
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_PRIVATECACHE;
	int code;

	if (!file_exists(s->path))
		return error_set(e, ERR_NOTFOUND, "%s does not exist", s->path);
	if (sqlite3_open_v2(s->path, &s->db, flags, NULL) != SQLITE_OK)
		return error_set(e, ERR_IO, "cannot open %s: %s", s->path,
				 sqlite3_errmsg(s->db));
	distrust(s);
	code = check_file(s, e);
	if (code == 0)
		code = payload_cache_new(s->db, &s->payload, e);
	if (code == 0)
		code = store_prepare(s, "SELECT payload FROM calls WHERE id = ?",
				     &s->call_payload, e);
	if (code == 0 && store_functions_register(s) != SQLITE_OK)
		code = store_failure(s, sqlite3_errcode(s->db), e);
	return code;
}

int
store_open(const char *path, struct store **out, struct error *e)
{
	struct store *s = alloc_zero(1, sizeof(*s));
	int code;

	s->path = alloc_string(path);
	s->deadline_ns = DEADLINE_NS;
	atomic_init(&s->interrupted, false);
	code = open_file(s, e);
	if (code) {
		store_close(s);
		return code;
	}
	*out = s;
	return 0;
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	payload_cache_free(s->payload);
	sqlite3_finalize(s->call_payload);
	store_who_free(s->who);
	sqlite3_finalize(s->process_facts);
	sqlite3_close(s->db);
	free(s->path);
	free(s);
}

void
store_interrupt(struct store *s)
{
	atomic_store(&s->interrupted, true);
	sqlite3_interrupt(s->db);
}

void
store_set_conceal(struct store *s,
		  void (*conceal)(struct bytes name, struct bytes value,
				  struct buf *out))
{
	s->conceal = conceal;
}

void
store_set_deadline(struct store *s, int64_t ns)
{
	s->deadline_ns = ns > 0 ? ns : DEADLINE_NS;
}

struct bytes
store_column_bytes(sqlite3_stmt *statement, int column)
{
	const void *data = sqlite3_column_blob(statement, column);

	return bytes_make(data,
			  data ? (size_t)sqlite3_column_bytes(statement, column)
			       : 0);
}

json_t *
store_json_text(struct bytes in)
{
	struct buf escaped;
	json_t *text;

	if (in.size == 0) /* its data may be NULL */
		return json_string("");
	if (text_is_utf8(in))
		return json_stringn_nocheck((const char *)in.data, in.size);
	buf_init(&escaped, 8 * in.size + 16);
	text_escape(&escaped, in);
	text = json_stringn_nocheck((const char *)escaped.data, escaped.size);
	buf_free(&escaped);
	return text;
}

void
store_set_column(json_t *object, const char *name, sqlite3_stmt *statement,
		 int column)
{
	struct bytes in = store_column_bytes(statement, column);

	if (in.size)
		json_object_set_new(object, name, store_json_text(in));
}

void
store_set_time(json_t *object, const char *name, int64_t ns)
{
	char text[CLOCK_TEXT_SIZE];

	json_object_set_new(object, name, json_string(clock_format(ns, text)));
}

void
store_set_int(json_t *object, const char *name, int64_t value)
{
	json_object_set_new(object, name, json_integer(value));
}

void
store_set_ms(json_t *object, const char *name, double ns)
{
	json_object_set_new(object, name, json_real(round(ns / 1e3) / 1e3));
}

const char *
store_transport(int64_t ip_protocol, char out[16])
{
	switch (ip_protocol) {
	case 6:
		return "tcp";
	case 17:
		return "udp";
	case 132:
		return "sctp";
	case 1:
		return "icmp";
	case 58:
		return "icmpv6";
	default:
		snprintf(out, 16, "ip%d", (int)(ip_protocol & 0xff));
		return out;
	}
}

json_t *
store_endpoint(sqlite3_stmt *statement, int ip, int name, int port)
{
	json_t *endpoint = json_object();

	store_set_column(endpoint, "ip", statement, ip);
	if (port >= 0)
		store_set_int(endpoint, "port",
			      sqlite3_column_int64(statement, port));
	store_set_column(endpoint, "name", statement, name);
	return endpoint;
}

static uint64_t
question_hash(const char *kind, unsigned order, const char *filter)
{
	const struct hash_key key = { 0x6166746572746170, 0x637572736f72 };
	char *text = alloc_format("%s\n%u\n%s", kind, order,
				  filter ? filter : "");
	uint64_t hash = hash_bytes(key, bytes_of(text));

	free(text);
	return hash;
}

char *
store_cursor_text(const struct store_cursor *cursor, const char *kind,
		  unsigned order, const char *filter)
{
	return alloc_format("%" PRIx64 ".%" PRIx64 ".%" PRIx64,
			    question_hash(kind, order, filter),
			    (uint64_t)cursor->key, (uint64_t)cursor->id);
}

/* Three hexadecimal numbers with dots between. */
static bool
cursor_parts(const char *text, uint64_t parts[3])
{
	for (int i = 0; i < 3; i++) {
		char *end;

		if (!isxdigit((unsigned char)*text))
			return false;
		parts[i] = strtoull(text, &end, 16);
		if (end - text > 16 || *end != (i < 2 ? '.' : '\0'))
			return false;
		text = end + 1;
	}
	return true;
}

int
store_cursor_parse(const char *text, const char *kind, unsigned order,
		   const char *filter, struct store_cursor *out,
		   struct error *e)
{
	uint64_t parts[3];

	if (!cursor_parts(text, parts))
		return error_set(e, ERR_INVALID, "this is no cursor: pass "
						 "next_cursor as it was given");
	if (parts[0] != question_hash(kind, order, filter))
		return error_set(e, ERR_INVALID,
				 "the cursor belongs to another question: keep "
				 "filter and order the same, or leave it out");
	*out = (struct store_cursor){ (int64_t)parts[1],
				       (int64_t)parts[2] };
	return 0;
}
