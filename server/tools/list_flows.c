/* SPDX-License-Identifier: Apache-2.0 */
/* list_flows: who talked to whom at L4, understood or not. */
#include <string.h>

#include "server/tools/answer.h"
#include "server/tools/query.h"
#include "server/tools/redact.h"
#include "server/tools/tools_list.h"

struct list_flows {
	const char *filter, *db, *aggregate, *order_by, *cursor, *format;
	int64_t from, to, limit;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct list_flows, filter),
	ARG(TEXT, struct list_flows, db),
	ARG(TIME, struct list_flows, from),
	ARG(TIME, struct list_flows, to),
	ARG(TEXT, struct list_flows, aggregate),
	ARG(TEXT, struct list_flows, order_by),
	ARG(INTEGER, struct list_flows, limit),
	ARG(TEXT, struct list_flows, cursor),
	ARG(TEXT, struct list_flows, format),
	{ 0 },
};

static int
page(struct tool_call *call, struct db *db, const void *bound,
     uint32_t limit, json_t **result, struct error *e)
{
	const struct list_flows *args = bound;
	struct store_flows_query query = {
		.filter = args->filter,
		.from_ns = args->from,
		.to_ns = args->to,
		.now_ns = call->now_ns,
		.aggregate = strcmp(args->aggregate, "workload") == 0
				     ? "name" /* by what it resolves to */
				     : args->aggregate,
		.order = args->order_by,
		.limit = limit,
		.cursor = args->cursor,
		.detail = query_detail(args->format),
	};
	int rc = store_flows(db->store, &query, result, e);

	if (rc < 0)
		return rc;
	answer_rename(*result, "summary", "summary_stats");
	redact_json(*result);
	query_finish(db, *result);
	query_summary(db, *result, "flows", "flow",
			      (struct query_scope){ args->filter, args->from,
						    args->to });
	return 0;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct list_flows args = { .from = QUERY_FROM, .to = QUERY_TO };
	struct query_pages pages = { "flows", &args, page };
	struct db db;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = query_check_window(args.from, args.to, e);
	if (rc == 0)
		rc = db_open(call, args.db, &db, e);
	if (rc != 0)
		return rc;
	rc = query_fitting_page(call, &db, &pages, (uint32_t)args.limit,
				&out->structured, e);
	db_close(&db);
	return rc;
}

const struct tool tool_list_flows = {
	.name = "list_flows",
	.effects = TOOL_READS,
	.arguments = arguments,
	.run = run,
};
