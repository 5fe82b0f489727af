/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One statement of a stranger.  The connection is read-only and defensive
 * already; here an allow-list decides what a statement may name, limits bound
 * what it may cost, and errors say what to write instead.
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/text.h"
#include "dissect/store/store_impl.h"
#include "schema/schema.h"

#define SQL_LIMIT 65536
#define TEXT_LIMIT (1u << 20)  /* of all cells together */
#define BLOB_SHOWN 256
#define ROW_LIMIT 10000

static const char *const functions[] = {
	"abs", "acos", "asin", "atan", "atan2", "avg", "body_sha256",
	"body_text", "ceil", "ceiling", "char", "coalesce", "cos", "count", "cume_dist", "date",
	"datetime", "degrees", "dense_rank", "exp", "first_value", "floor",
	"format", "glob", "group_concat", "header", "hex", "ifnull", "iif",
	"instr", "json", "json_array", "json_array_length", "json_each",
	"json_extract", "json_group_array", "json_group_object", "json_object",
	"json_type", "json_valid", "julianday", "lag", "last_value", "lead",
	"length", "like", "likelihood", "likely", "ln", "log", "log10", "log2",
	"lower", "ltrim", "max", "messages", "min", "mod", "nth_value", "ntile", "nullif",
	"percent_rank", "pi", "pow", "power", "printf", "query_value", "quote",
	"radians", "random", "rank", "regexp", "replace", "round",
	"row_number", "rtrim", "sign", "sin", "sqrt", "strftime", "substr",
	"substring", "sum", "tan", "time", "total", "trim", "trunc", "typeof",
	"unicode", "unixepoch", "unlikely", "upper", "->", "->>", NULL,
};

static bool
is_listed(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (strcasecmp(*list, name) == 0)
			return true;
	return false;
}

static int
refuse(struct store *s, const char *before, const char *what,
       const char *after)
{
	snprintf(s->refusal, sizeof(s->refusal), "%s%.40s%s", before, what,
		 after);
	return SQLITE_DENY;
}

static int
authorize(void *context, int action, const char *a, const char *b,
	  const char *database, const char *source)
{
	static const char *const pragmas[] = { "table_info", "table_xinfo",
					       "table_list", NULL };
	static const char *const inner[] = { "sqlite_dbpage", "sqlite_stmt",
					     "bytecode", "tables_used",
					     "dbstat", NULL };
	struct store *s = context;

	(void)database;
	(void)source;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_UPDATE:
		/* What pragma_table_info does to declare itself; a statement
		 * that means it is refused by DEFENSIVE. */
		return strcmp(a, "sqlite_master") == 0
			       ? SQLITE_OK
			       : refuse(s, "only SELECT is allowed", "", "");
	case SQLITE_READ:
		if (strcmp(a, "blocks") == 0 && strcmp(b, "data") == 0)
			return refuse(s, "", "blocks.data",
				      " is compressed; use header(id, "
				      "'request', 'name') and body_text(id, "
				      "'response')");
		if ((strncmp(a, "pragma_", 7) == 0 &&
		     !is_listed(pragmas, a + 7)) || is_listed(inner, a))
			return refuse(s, "", a, " is not readable");
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return is_listed(functions, b)
			       ? SQLITE_OK
			       : refuse(s, "the function ", b,
					" is not available");
	case SQLITE_PRAGMA:
		return is_listed(pragmas, a)
			       ? SQLITE_OK
			       : refuse(s, "PRAGMA ", a, " is not allowed");
	default:
		return refuse(s, "only SELECT is allowed", "", "");
	}
}

/* Limits of a stranger's statement, and back. */
static const struct {
	int id, value;
} limits[] = {
	{ SQLITE_LIMIT_SQL_LENGTH, SQL_LIMIT },
	{ SQLITE_LIMIT_EXPR_DEPTH, 100 },
	{ SQLITE_LIMIT_COMPOUND_SELECT, 32 },
	{ SQLITE_LIMIT_FUNCTION_ARG, 32 },
	{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256 },
	{ SQLITE_LIMIT_COLUMN, 200 },
	{ SQLITE_LIMIT_LENGTH, 32 << 20 },
};

#define LIMIT_COUNT (sizeof(limits) / sizeof(*limits))

/* The public views and tables, and all their columns. */
static const char names_sql[] =
	"SELECT name FROM sqlite_schema WHERE type = 'view' OR name IN "
	"('meta', 'coverage', 'faults', 'names') ORDER BY name";
static const char columns_sql[] =
	"SELECT DISTINCT p.name FROM sqlite_schema m, pragma_table_info(m.name) "
	"p WHERE m.type = 'view'";

/* The first column of all rows as a NULL-terminated list. */
static char **
text_list(struct store *s, const char *sql)
{
	char **list = alloc_zero(1, sizeof(*list));
	sqlite3_stmt *statement = NULL;
	size_t count = 0;

	if (sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return list;
	while (count < 500 && sqlite3_step(statement) == SQLITE_ROW) {
		struct bytes in = store_column_bytes(statement, 0);

		list = alloc_resize(list, count + 2, sizeof(*list));
		list[count++] = alloc_string_n(in.data, in.size);
		list[count] = NULL;
	}
	sqlite3_finalize(statement);
	return list;
}

static void
free_list(char **list)
{
	for (char **at = list; *at; at++)
		free(*at);
	free(list);
}

static int
unknown_table(struct store *s, const char *message, struct error *e)
{
	char **names = text_list(s, names_sql), text[256] = "";
	size_t used = 0;

	for (char **at = names; *at && used < sizeof(text); at++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s%s", used ? ", " : "", *at);
	free_list(names);
	return error_set(e, ERR_INVALID, "%s; there are: %s", message, text);
}

static int
unknown_column(struct store *s, const char *message, struct error *e)
{
	const char *name = strrchr(message, ' ') + 1;
	const char *dot = strrchr(name, '.');
	char **names = text_list(s, columns_sql);
	const char *nearest = text_nearest(
		dot ? dot + 1 : name, (const char *const *)names);
	int code = error_set(e, ERR_INVALID,
			     "%s%s%s%s; text is written in single quotes",
			     message, nearest ? "; did you mean " : "",
			     nearest ? nearest : "", nearest ? "?" : "");

	free_list(names);
	return code;
}

/* What is wrong with the statement, once the authorizer is off. */
static int
explain(struct store *s, int rc, const char *message, struct error *e)
{
	if (rc == SQLITE_AUTH || s->refusal[0])
		return error_set(e, ERR_DENIED, "%s",
				 s->refusal[0] ? s->refusal : message);
	if ((rc & 0xff) != SQLITE_ERROR && rc != SQLITE_TOOBIG)
		return store_failure(s, rc, e);
	if (strncmp(message, "no such table: ", 15) == 0)
		return unknown_table(s, message, e);
	if (strncmp(message, "no such column: ", 16) == 0)
		return unknown_column(s, message, e);
	return error_set(e, ERR_INVALID, "%s", message);
}

/* The statement must be the only one. */
static bool
only_blank(const char *tail)
{
	while (isspace((unsigned char)*tail) || *tail == ';')
		tail++;
	return strncmp(tail, "--", 2) == 0 ? !strchr(tail, '\n')
					   : *tail == '\0';
}

static json_t *
cell_json(sqlite3_stmt *statement, int column, size_t *text)
{
	struct bytes in;
	double real;
	struct buf hex;
	json_t *out;

	switch (sqlite3_column_type(statement, column)) {
	case SQLITE_INTEGER:
		*text += 8;
		return json_integer(sqlite3_column_int64(statement, column));
	case SQLITE_FLOAT:
		*text += 8;
		real = sqlite3_column_double(statement, column);
		return isfinite(real) ? json_real(real) : json_null();
	case SQLITE_TEXT:
		in = store_column_bytes(statement, column);
		*text += in.size;
		return store_json_text(in);
	case SQLITE_BLOB:
		in = store_column_bytes(statement, column);
		buf_init(&hex, 2 * BLOB_SHOWN + 16);
		buf_text(&hex, "x'");
		for (size_t i = 0; i < in.size && i < BLOB_SHOWN; i++)
			buf_format(&hex, "%02x", in.data[i]);
		buf_text(&hex, in.size > BLOB_SHOWN ? "…'" : "'");
		*text += hex.size;
		out = json_string(buf_cstr(&hex));
		buf_free(&hex);
		return out;
	default:
		return json_null();
	}
}

/* Rows up to both limits; whether there are more. */
static int
fetch(sqlite3_stmt *statement, uint32_t row_limit, json_t *rows, bool *more)
{
	int columns = sqlite3_column_count(statement), rc;
	size_t text = 0;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		json_t *row;

		if (json_array_size(rows) == row_limit || text > TEXT_LIMIT) {
			*more = true;
			return SQLITE_DONE;
		}
		row = json_array();
		for (int i = 0; i < columns; i++)
			json_array_append_new(row,
					      cell_json(statement, i, &text));
		json_array_append_new(rows, row);
	}
	return rc;
}

static json_t *
answer(sqlite3_stmt *statement, json_t *rows, bool more)
{
	json_t *out = json_object(), *columns = json_array();

	for (int i = 0; i < sqlite3_column_count(statement); i++)
		json_array_append_new(
			columns, store_json_text(bytes_of(
					 sqlite3_column_name(statement, i))));
	json_object_set_new(out, "columns", columns);
	json_object_set(out, "rows", rows);
	store_set_int(out, "row_count", (int64_t)json_array_size(rows));
	json_object_set_new(out, "truncated", json_boolean(more));
	return out;
}

/* Prepares under the authorizer and runs; an SQLite result code.  While it
 * runs the authorizer is off: header() reads blocks by statements of ours. */
static int
run(struct store *s, const char *sql, uint32_t row_limit, json_t **result,
    const char **complaint)
{
	sqlite3_stmt *statement = NULL;
	json_t *rows = json_array();
	const char *tail = NULL;
	bool more = false;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &statement, &tail);

	sqlite3_set_authorizer(s->db, NULL, NULL);
	s->concealing = s->conceal;
	if (rc == SQLITE_OK && !statement)
		*complaint = "there is no statement";
	else if (rc == SQLITE_OK && !only_blank(tail))
		*complaint = "one statement at a time";
	else if (rc == SQLITE_OK && !sqlite3_stmt_readonly(statement))
		*complaint = "only SELECT is allowed", rc = SQLITE_READONLY;
	else if (rc == SQLITE_OK)
		rc = fetch(statement, row_limit, rows, &more);
	if (rc == SQLITE_DONE && !*complaint)
		*result = answer(statement, rows, more);
	s->concealing = NULL;
	json_decref(rows);
	sqlite3_finalize(statement);
	return rc;
}

int
store_sql(struct store *s, const char *sql, uint32_t row_limit,
	  json_t **result, struct error *e)
{
	const char *complaint = NULL;
	int before[LIMIT_COUNT], rc, code = store_begin(s, e);
	char *message;

	if (code)
		return code;
	if (strlen(sql) >= SQL_LIMIT || !text_is_utf8(bytes_of(sql)))
		return error_set(e, ERR_INVALID,
				 "a statement is UTF-8 text below %d bytes",
				 SQL_LIMIT);
	if (row_limit < 1 || row_limit > ROW_LIMIT)
		row_limit = row_limit < 1 ? 1 : ROW_LIMIT;
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		before[i] = sqlite3_limit(s->db, limits[i].id, limits[i].value);
	s->refusal[0] = '\0';
	sqlite3_set_authorizer(s->db, authorize, s);
	rc = run(s, sql, row_limit, result, &complaint);
	message = alloc_string(sqlite3_errmsg(s->db));
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		sqlite3_limit(s->db, limits[i].id, before[i]);
	if (complaint)
		code = error_set(e, rc == SQLITE_READONLY ? ERR_DENIED
							  : ERR_INVALID,
				 "%s", complaint);
	else if (rc != SQLITE_DONE)
		code = explain(s, rc, message, e);
	free(message);
	return code;
}

const char *
store_schema_text(void)
{
	return schema_find("sql/public.txt")->text;
}
