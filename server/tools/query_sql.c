/* SPDX-License-Identifier: Apache-2.0 */
/* query_sql: one read-only statement over the public views. */
#include <string.h>

#include "base/bytes.h"
#include "server/tools/answer.h"
#include "server/tools/query.h"
#include "server/tools/redact.h"
#include "server/tools/tools_list.h"

struct query_sql {
	const char *sql, *db;
	int64_t limit;
	bool reveal;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct query_sql, sql),
	ARG(TEXT, struct query_sql, db),
	ARG(INTEGER, struct query_sql, limit),
	ARG(BOOLEAN, struct query_sql, reveal),
	{ 0 },
};

/* True when a column's name, which for an expression without AS is the
 * expression itself, names a secret: api_key, header(id, 'authorization'). */
static bool
is_secret_column(const char *name)
{
	const char *open = strchr(name, '\'');

	if (redact_is_secret_name(bytes_of(name)) || strstr(name, "cookie("))
		return true;
	while (open) {
		const char *close = strchr(open + 1, '\'');

		if (!close)
			return false;
		if (redact_is_secret_name(bytes_make(
			    open + 1, (size_t)(close - open) - 1)))
			return true;
		open = strchr(close + 1, '\'');
	}
	return false;
}

/* Cells of such columns. */
static void
redact_columns(json_t *result)
{
	json_t *columns = json_object_get(result, "columns");
	json_t *row, *name;
	size_t i, column;

	json_array_foreach(columns, column, name) {
		const char *text = json_string_value(name);

		if (!text || !is_secret_column(text))
			continue;
		json_array_foreach(json_object_get(result, "rows"), i, row) {
			json_t *cell = json_array_get(row, column);
			struct buf out;

			if (!json_is_string(cell))
				continue;
			buf_init(&out, 128);
			redact_value(bytes_make(json_string_value(cell),
						json_string_length(cell)),
				     &out);
			json_array_set_new(row, column,
					   json_string(buf_cstr(&out)));
			buf_free(&out);
		}
	}
}

static void
summarise(json_t *result)
{
	size_t shown = json_array_size(json_object_get(result, "rows"));

	json_object_set_new(result, "row_count",
			    json_integer((json_int_t)shown));
	if (json_is_true(json_object_get(result, "truncated")))
		answer_summary(result,
			       "%zu rows shown, there are more: raise limit, "
			       "use LIMIT and OFFSET, or select less.", shown);
	else
		answer_summary(result, "%zu row%s.", shown,
			       shown == 1 ? "" : "s");
}

/* header() and body_text() give out no secret, so that no expression around
 * them can take one apart. */
static void
conceal(struct bytes name, struct bytes value, struct buf *out)
{
	if (value.size && redact_is_secret_name(name))
		redact_value(value, out);
	else
		redact_text(value, out);
}

static int
ask(struct tool_call *call, struct db *db, const struct query_sql *args,
    json_t **result, struct error *e)
{
	int rc;

	if (!args->reveal)
		store_set_conceal(db->store, conceal);
	rc = store_sql(db->store, args->sql, (uint32_t)args->limit, result, e);
	if (rc < 0)
		return rc;
	if (!args->reveal)
		redact_columns(*result);
	rc = redact_result(call->config, args->reveal, *result, e);
	if (rc < 0) {
		json_decref(*result);
		*result = NULL;
		return rc;
	}
	query_finish(db, *result);
	answer_cut_to_fit(call->config, *result, "rows");
	summarise(*result);
	return 0;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct query_sql args = { 0 };
	struct db db;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = redact_check_reveal(call->config, args.reveal, e);
	if (rc == 0)
		rc = db_open(call, args.db, &db, e);
	if (rc != 0)
		return rc;
	rc = ask(call, &db, &args, &out->structured, e);
	db_close(&db);
	return rc;
}

const struct tool tool_query_sql = {
	.name = "query_sql",
	.effects = TOOL_READS,
	.arguments = arguments,
	.run = run,
};
