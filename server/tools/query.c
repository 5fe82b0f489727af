/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tools/query.h"

#include <string.h>

#include "server/tools/answer.h"
#include "server/tools/render.h"

enum store_detail
query_detail(const char *format)
{
	return strcmp(format, "full") == 0 || strcmp(format, "raw") == 0
		       ? STORE_FULL
		       : STORE_COMPACT;
}

enum store_order
query_order(const char *order_by)
{
	if (strcmp(order_by, "oldest") == 0)
		return STORE_OLDEST;
	if (strcmp(order_by, "slowest") == 0)
		return STORE_SLOWEST;
	if (strcmp(order_by, "largest") == 0)
		return STORE_LARGEST;
	return STORE_NEWEST;
}

int
query_check_window(int64_t from, int64_t to, struct error *e)
{
	if (from < to)
		return 0;
	return error_set(e, ERR_INVALID, "\"from\" is not before \"to\"");
}

void
query_finish(struct db *db, json_t *structured)
{
	json_t *coverage = store_coverage(db->store);

	json_object_set_new(structured, "db", json_string(db->address));
	json_object_set_new(structured, "untrusted", json_true());
	json_object_set_new(structured, "coverage",
			    coverage ? coverage : json_object());
}

/* How much the database holds, whatever the filter. */
static void
add_population(struct buf *out, struct db *db, const char *what)
{
	json_t *meta = store_meta(db->store);
	json_t *counts = json_object_get(meta, "counts");
	json_t *count = json_object_get(
		counts, strcmp(what, "call") == 0 ? "calls" : "connections");

	if (json_is_integer(count)) {
		buf_text(out, " of the ");
		render_count(out, (uint64_t)json_integer_value(count));
		buf_format(out, " in %s", db->address);
	}
	json_decref(meta);
}

static const char *
condition(struct query_scope scope, bool one)
{
	bool window = scope.from != QUERY_FROM || scope.to != QUERY_TO;

	if (scope.filter)
		return one ? " matches the filter" : " match the filter";
	return window ? " in the time asked for" : "";
}

void
query_summary(struct db *db, json_t *structured, const char *rows,
	      const char *what, struct query_scope scope)
{
	json_t *total = json_object_get(structured, "total");
	uint64_t all = (uint64_t)json_integer_value(total);
	uint64_t shown = rows ? json_array_size(json_object_get(structured,
								rows))
			      : all;
	struct buf out;

	buf_init(&out, 1024);
	if (json_is_false(json_object_get(structured, "total_is_exact")))
		buf_text(&out, "At least ");
	else
		json_object_del(structured, "total_is_exact");
	render_count(&out, all);
	buf_format(&out, " %s%s", what, all == 1 ? "" : "s");
	if (all == 0)
		add_population(&out, db, what);
	buf_text(&out, condition(scope, all == 1));
	if (shown < all) {
		buf_text(&out, "; showing ");
		render_count(&out, shown);
	}
	if (json_object_get(structured, "next_cursor"))
		buf_text(&out, "; next_cursor continues");
	buf_u8(&out, '.');
	json_object_set_new(structured, "summary",
			    json_string(buf_cstr(&out)));
	buf_free(&out);
}

int
query_fitting_page(struct tool_call *call, struct db *db,
		   const struct query_pages *pages, uint32_t limit,
		   json_t **result, struct error *e)
{
	int rc = pages->page(call, db, pages->args, limit, result, e);
	size_t rows, fit;

	if (rc < 0)
		return rc;
	rows = json_array_size(json_object_get(*result, pages->rows));
	fit = answer_fit(call->config, *result, pages->rows);
	if (fit == rows)
		return 0;
	json_decref(*result);
	*result = NULL;
	return pages->page(call, db, pages->args, (uint32_t)fit, result, e);
}
