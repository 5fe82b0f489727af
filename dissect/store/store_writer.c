/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a database file: created, filled in transactions, finished.
 * The journal is off: until store_writer_finish has renamed it, a file that
 * lost its writer is only as good as its last commit, and its name says so.
 */
#include "dissect/store/store_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "dissect/protocol_name.h"
#include "dissect/store/store_format.h"
#include "dissect/store/writer.h"
#include "schema/schema.h"

#define INTERN_LIMIT (1u << 20)
#define PROCESS_LIMIT (1u << 18)
#define TEXT_LIMIT (1u << 20)

/* How long a commit waits for readers before the run fails. */
#define BUSY_MS 60000

static const char *const statement_texts[WRITER_STATEMENT_COUNT] = {
	[WRITER_CONNECTION] =
		/* NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one text */
		"INSERT INTO conns VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"
		"?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"
		"?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[WRITER_BLOCK] = "INSERT INTO blocks VALUES (?,?,?,?)",
	[WRITER_STRING] = "INSERT INTO strings VALUES (?,?)",
	[WRITER_ADDRESS] =
		"INSERT INTO addresses (id, ip, key) VALUES (?,?,?)",
	[WRITER_NAME] =
		"INSERT INTO names VALUES (?1,?2,1,?3,?3) "
		"ON CONFLICT DO UPDATE SET answers = answers + 1,"
		" first_ts = min(first_ts, ?3), last_ts = max(last_ts, ?3)",
	[WRITER_PROCESS] =
		("INSERT OR REPLACE INTO procs VALUES (?,?,?,?,?,?,?,?,?,?,"
		 "?,?,?,?,?,?,?)"),
	[WRITER_ZONE] = "INSERT INTO zones VALUES (?,?,?,?,?,?,?,?,?,?)",
	[WRITER_FAULT] = "INSERT INTO faults (kind, text) VALUES (?,?)",
	[WRITER_META] = "INSERT OR REPLACE INTO meta VALUES (?,?)",
	[WRITER_COVERAGE] = "INSERT INTO coverage VALUES (?,?,?)",
	[WRITER_VISIT] =
		/* NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one text */
		"SELECT id, (SELECT key FROM addresses WHERE id = c.server),"
		" server_port, (SELECT text FROM strings WHERE id = c.method),"
		" payload FROM calls c WHERE id > ? AND protocol = ?"
		" AND payload IS NOT NULL ORDER BY id",
	[WRITER_READ_BLOCK] = "SELECT raw_size, data FROM blocks WHERE id = ?",
	[WRITER_LAST_BLOCK] = "SELECT coalesce(max(id), 0) FROM blocks",
	[WRITER_PAYLOAD] =
		"SELECT payload FROM calls WHERE id = ? AND protocol = ?",
	[WRITER_SET_PAYLOAD] = "UPDATE calls SET payload = ? WHERE id = ?",
};

int
writer_fail(struct store_writer *w, int code, const char *what)
{
	if (w->error.code)
		return w->error.code;
	if (code != ERR_CORRUPT && sqlite3_errcode(w->db) == SQLITE_FULL)
		code = ERR_NOSPACE;
	if (code == ERR_CORRUPT)
		return error_set(&w->error, code, "a parser sent %s", what);
	return error_set(&w->error, code, "%s: %s: %s", w->path, what,
			 sqlite3_errmsg(w->db));
}

int
writer_step(struct store_writer *w, enum writer_statement statement)
{
	sqlite3_stmt *s = w->statements[statement];
	int rc = sqlite3_step(s);

	sqlite3_reset(s);
	if (rc == SQLITE_DONE)
		return 0;
	if (rc == SQLITE_CONSTRAINT)
		return writer_fail(w, ERR_CORRUPT, "an id that was used before");
	return writer_fail(w, ERR_IO, "cannot write");
}

static int
run(struct store_writer *w, const char *sql)
{
	if (sqlite3_exec(w->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return writer_fail(w, ERR_IO, "cannot write");
}

/* An event that was refused changed nothing: the next one is welcome. */
static void
forgive(struct store_writer *w)
{
	if (w->error.code == ERR_CORRUPT)
		w->error.code = 0;
}

int
writer_begin(struct store_writer *w)
{
	forgive(w);
	if (w->error.code || w->in_transaction)
		return w->error.code;
	if (run(w, "BEGIN") == 0)
		w->in_transaction = true;
	return w->error.code;
}

void
writer_span(struct store_writer *w, int64_t first, int64_t last)
{
	if (first && (w->first_ts == 0 || first < w->first_ts))
		w->first_ts = first;
	if (last > w->last_ts)
		w->last_ts = last;
}

/* Puts one member of the table meta; takes over `value`. */
static void
put_meta(struct store_writer *w, const char *key, json_t *value)
{
	sqlite3_stmt *s = w->statements[WRITER_META];
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY |
					       JSON_SORT_KEYS);

	json_decref(value);
	if (!text)
		return;
	sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, text, -1, SQLITE_TRANSIENT);
	(void)writer_step(w, WRITER_META);
	free(text);
}

static void
put_time(struct store_writer *w, const char *key, int64_t ns)
{
	char text[CLOCK_TEXT_SIZE];

	if (ns)
		put_meta(w, key, json_string(clock_format(ns, text)));
}

static json_t *
counts_json(const struct store_writer *w)
{
	json_t *protocols = json_object(), *counts = json_object();

	for (unsigned i = 0; i < PROTOCOL_COUNT; i++)
		if (w->counts.calls_by_protocol[i])
			json_object_set_new(
				protocols, protocol_name(i),
				json_integer((json_int_t)w->counts
						     .calls_by_protocol[i]));
	json_object_set_new(counts, "calls",
			    json_integer((json_int_t)w->counts.calls));
	json_object_set_new(counts, "connections",
			    json_integer((json_int_t)w->counts.connections));
	json_object_set_new(counts, "calls_by_protocol", protocols);
	return counts;
}

/* What changes with every commit. */
static void
put_progress(struct store_writer *w)
{
	put_meta(w, "counts", counts_json(w));
	put_time(w, "first", w->first_ts);
	put_time(w, "last", w->last_ts);
}

int
store_writer_commit(struct store_writer *w)
{
	forgive(w);
	if (w->error.code || !w->in_transaction)
		return w->error.code;
	if (writer_calls_flush(w) || writer_zone_flush(w))
		return w->error.code;
	put_progress(w);
	if (w->error.code == 0)
		(void)run(w, "COMMIT");
	w->in_transaction = false;
	w->pending_bytes = 0;
	return w->error.code;
}

/* The small tables of fixed names, and string 0. */
static int
fill_names(struct store_writer *w)
{
	static const char *const reasons[] = {
#define X(name, text) [CALL_REASON_##name] = (text),
		CALL_REASON_MAP(X)
#undef X
	};
	static const char *const mechanisms[] = {
#define X(name, text) [END_##name] = (text),
		END_MECHANISM_MAP(X)
#undef X
	};
	struct buf sql;

	buf_init(&sql, 1 << 16);
	buf_text(&sql, "INSERT INTO strings VALUES (0, '');"
		       "INSERT INTO procs (id) VALUES (0);");
	for (unsigned i = 0; i < PROTOCOL_COUNT; i++)
		buf_format(&sql, "INSERT INTO protocols VALUES (%u, '%s');", i,
			   protocol_name(i));
	for (unsigned i = 0; i < CALL_REASON_COUNT; i++)
		buf_format(&sql, "INSERT INTO reasons VALUES (%u, '%s');", i,
			   reasons[i]);
	for (unsigned i = 0; i < END_MECHANISM_COUNT; i++)
		buf_format(&sql, "INSERT INTO mechanisms VALUES (%u, '%s');", i,
			   mechanisms[i]);
	for (unsigned i = 0; i < STORE_STATE_COUNT; i++)
		buf_format(&sql, "INSERT INTO states VALUES (%u, '%s');", i,
			   store_state_name(i));
	(void)run(w, buf_cstr(&sql));
	buf_free(&sql);
	return w->error.code;
}

static int
create_schema(struct store_writer *w)
{
	static const char *const files[] = { "sql/1_tables.sql",
					     "sql/2_views.sql" };
	char pragmas[512];

	/* 4 KiB to 64 KiB cost the same to write; 8 KiB is the smallest file. */
	snprintf(pragmas, sizeof(pragmas),
		 "PRAGMA page_size = 8192; PRAGMA journal_mode = OFF;"
		 "PRAGMA synchronous = OFF; PRAGMA cache_size = -4096;"
		 "PRAGMA cache_spill = OFF; PRAGMA temp_store = MEMORY;"
		 "PRAGMA application_id = %d; PRAGMA user_version = %d; BEGIN;",
		 STORE_APPLICATION_ID, STORE_SCHEMA_VERSION);
	if (run(w, pragmas))
		return w->error.code;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		const struct schema_text *text = schema_find(files[i]);

		if (run(w, text->text))
			return w->error.code;
	}
	w->in_transaction = true;
	return fill_names(w);
}

static int
prepare(struct store_writer *w)
{
	for (int i = 0; i < WRITER_STATEMENT_COUNT; i++)
		if (sqlite3_prepare_v3(w->db, statement_texts[i], -1,
				       SQLITE_PREPARE_PERSISTENT,
				       &w->statements[i], NULL) != SQLITE_OK)
			return writer_fail(w, ERR_INTERNAL, "cannot prepare");
	w->calls = row_batch_new(w->db, "calls", "calls_ts");
	return w->calls ? 0 : writer_fail(w, ERR_INTERNAL, "cannot prepare");
}

static void
put_meta_of_run(struct store_writer *w, json_t *meta)
{
	const char *key;
	json_t *value;

	json_object_foreach(meta, key, value)
		put_meta(w, key, json_incref(value));
	put_meta(w, "state", json_string("running"));
	put_meta(w, "schema_version", json_integer(STORE_SCHEMA_VERSION));
	put_time(w, "created", clock_wall_ns());
}

static void
writer_free(struct store_writer *w)
{
	for (int i = 0; i < WRITER_STATEMENT_COUNT; i++)
		sqlite3_finalize(w->statements[i]);
	sqlite3_close(w->db);
	row_batch_free(w->calls);
	intern_free(&w->strings);
	intern_free(&w->addresses);
	map_free(w->processes);
	buf_free(&w->text);
	free(w->path);
	free(w);
}

void
store_writer_setup(void)
{
	/* Counting the memory that SQLite takes, which limits queries, locks a
	 * mutex for each piece of it. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int
store_writer_open(const char *path, json_t *meta, struct store_writer **out,
		  struct error *e)
{
	struct store_writer *w = alloc_zero(1, sizeof(*w));
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
		    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;

	w->path = alloc_string(path);
	intern_init(&w->strings, INTERN_LIMIT);
	intern_init(&w->addresses, INTERN_LIMIT);
	w->processes = map_new(WRITER_PROCESS_KEY, sizeof(int64_t),
			       PROCESS_LIMIT);
	buf_init(&w->text, TEXT_LIMIT);
	/* Not truncated: readers of a stale file keep what they have. */
	if (unlink(path) != 0 && errno != ENOENT) {
		error_set_errno(&w->error, errno, "cannot replace %s", path);
	} else if (sqlite3_open_v2(path, &w->db, flags, NULL) != SQLITE_OK) {
		(void)writer_fail(w, ERR_IO, "cannot create");
	} else {
		sqlite3_busy_timeout(w->db, BUSY_MS);
		if (create_schema(w) == 0 && prepare(w) == 0)
			put_meta_of_run(w, meta);
		(void)store_writer_commit(w);
	}
	if (w->error.code) {
		int code = error_set(e, w->error.code, "%s", w->error.text);

		store_writer_abort(w);
		return code;
	}
	*out = w;
	return 0;
}

int
store_writer_fault(struct store_writer *w, const char *kind, const char *text)
{
	sqlite3_stmt *s = w->statements[WRITER_FAULT];

	if (writer_begin(w))
		return w->error.code;
	sqlite3_bind_text(s, 1, kind, -1, SQLITE_TRANSIENT);
	struct bytes clean = writer_text(w, bytes_of(text));
	sqlite3_bind_text(s, 2, (const char *)clean.data, (int)clean.size,
			  SQLITE_STATIC);
	return writer_step(w, WRITER_FAULT);
}

struct store_counts
store_writer_counts(const struct store_writer *w)
{
	struct store_counts counts = w->counts;
	sqlite3_int64 pages = 0;
	sqlite3_stmt *s = NULL;

	if (sqlite3_prepare_v2(w->db, "SELECT page_count * page_size FROM "
				      "pragma_page_count, pragma_page_size",
			       -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		pages = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	counts.file_bytes = (uint64_t)pages;
	return counts;
}

const char *
store_writer_error(const struct store_writer *w)
{
	return w->error.text;
}

static void
put_coverage(struct store_writer *w, const struct coverage *coverage)
{
	struct {
		const char *name, *text;
		uint64_t value;
	} const counters[] = {
#define X(name, text) { #name, text, coverage->name },
		COVERAGE_MAP(X)
#undef X
	};
	sqlite3_stmt *s = w->statements[WRITER_COVERAGE];

	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
		uint64_t value = counters[i].value;

		if (value > INT64_MAX)
			value = INT64_MAX;
		sqlite3_bind_text(s, 1, counters[i].name, -1, SQLITE_STATIC);
		sqlite3_bind_int64(s, 2, (sqlite3_int64)value);
		sqlite3_bind_text(s, 3, counters[i].text, -1, SQLITE_STATIC);
		(void)writer_step(w, WRITER_COVERAGE);
	}
}

/* An address is called what was answered for it most often. */
static int
resolve_names(struct store_writer *w)
{
	return run(w, "UPDATE addresses SET name = (SELECT n.name FROM names n "
		      "WHERE n.ip = addresses.ip "
		      "ORDER BY n.answers DESC, n.last_ts DESC LIMIT 1) "
		      "WHERE ip IN (SELECT ip FROM names)");
}

/* What store_who.c reads of all connections, and no more. */
static int
build_index(struct store_writer *w)
{
	return run(w, "CREATE INDEX conns_who ON conns (process_c, process_s) "
		      "WHERE process_c != 0 OR process_s != 0");
}

static int
sync_and_rename(const char *from, const char *to, struct error *e)
{
	char *copy = alloc_string(to);
	int fd = open(from, O_RDWR | O_CLOEXEC), code = 0;

	if (fd < 0 || fsync(fd) != 0)
		code = error_set_errno(e, errno, "cannot sync %s", from);
	else if (rename(from, to) != 0)
		code = error_set_errno(e, errno, "cannot rename %s to %s", from,
				       to);
	else if (file_sync_dir(dirname(copy)) != 0)
		code = error_set(e, ERR_IO, "cannot sync the directory of %s",
				 to);
	if (fd >= 0)
		close(fd);
	free(copy);
	return code;
}

/* Whose sessions stayed unread for want of a key, the most frequent first. */
static void
put_unread_names(struct store_writer *w)
{
	static const char sql[] =
		"SELECT (SELECT text FROM strings WHERE id = c.host), count(*)"
		" FROM calls c WHERE c.protocol IN (?1, ?3)"
		" AND c.flags & ?2"
		" GROUP BY c.host ORDER BY 2 DESC LIMIT 20";
	json_t *list = json_array();
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(w->db, sql, -1, &s, NULL) != SQLITE_OK) {
		json_decref(list);
		return;
	}
	sqlite3_bind_int(s, 1, PROTOCOL_tls);
	sqlite3_bind_int(s, 2, CALL_WITHOUT_KEYS);
	sqlite3_bind_int(s, 3, PROTOCOL_quic);
	while (sqlite3_step(s) == SQLITE_ROW)
		json_array_append_new(
			list, json_pack("{s:s?,s:I}", "name",
					(const char *)sqlite3_column_text(s,
									  0),
					"handshakes",
					(json_int_t)sqlite3_column_int64(s,
									 1)));
	sqlite3_finalize(s);
	put_meta(w, "tls_unread_names", list);
}

int
store_writer_finish(struct store_writer *w, const struct coverage *coverage,
		    const char *problem, const char *final_path,
		    struct error *e)
{
	char *path = alloc_string(w->path);
	int code;

	if (writer_begin(w) == 0 && writer_calls_flush(w) == 0 &&
	    resolve_names(w) == 0 && build_index(w) == 0) {
		put_coverage(w, coverage);
		if (coverage->tls_unread)
			put_unread_names(w);
		if (problem)
			put_meta(w, "problem", json_string(problem));
		put_meta(w, "state",
			 json_string(problem ? "partial" : "completed"));
		put_time(w, "finished", clock_wall_ns());
	}
	(void)store_writer_commit(w);
	code = w->error.code;
	if (code)
		error_set(e, code, "%s", w->error.text);
	writer_free(w);
	if (code == 0)
		code = sync_and_rename(path, final_path, e);
	free(path);
	return code;
}

void
store_writer_abort(struct store_writer *w)
{
	if (!w)
		return;
	char *path = alloc_string(w->path);

	writer_free(w);
	unlink(path);
	free(path);
}
