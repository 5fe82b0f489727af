/* SPDX-License-Identifier: Apache-2.0 */
/* list_workloads: who took part, as client and as server. */
#include "server/tools/args.h"
#include "server/tools/query.h"
#include "server/tools/redact.h"
#include "server/tools/tools_list.h"

struct list_workloads {
	const char *filter, *db, *order_by, *cursor;
	int64_t from, to, limit;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct list_workloads, filter),
	ARG(TEXT, struct list_workloads, db),
	ARG(TIME, struct list_workloads, from),
	ARG(TIME, struct list_workloads, to),
	ARG(TEXT, struct list_workloads, order_by),
	ARG(INTEGER, struct list_workloads, limit),
	ARG(TEXT, struct list_workloads, cursor),
	{ 0 },
};

static int
page(struct tool_call *call, struct db *db, const void *bound,
     uint32_t limit, json_t **result, struct error *e)
{
	const struct list_workloads *args = bound;
	struct store_workloads_query query = {
		.filter = args->filter,
		.from_ns = args->from,
		.to_ns = args->to,
		.now_ns = call->now_ns,
		.order = args->order_by,
		.limit = limit,
		.cursor = args->cursor,
	};
	int rc = store_workloads(db->store, &query, result, e);

	if (rc < 0)
		return rc;
	redact_json(*result);
	query_finish(db, *result);
	query_summary(db, *result, "workloads", "workload",
		      (struct query_scope){ args->filter, args->from,
					    args->to });
	return 0;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct list_workloads args = { .from = QUERY_FROM, .to = QUERY_TO };
	struct query_pages pages = { "workloads", &args, page };
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

const struct tool tool_list_workloads = {
	.name = "list_workloads",
	.effects = TOOL_READS,
	.arguments = arguments,
	.run = run,
};
