/* SPDX-License-Identifier: Apache-2.0 */
/* get_api_stats: counts, errors and percentiles by field and time. */
#include "base/clock.h"
#include "server/tools/answer.h"
#include "server/tools/query.h"
#include "server/tools/redact.h"
#include "server/tools/tools_list.h"

struct get_stats {
	const char *filter, *db, *order_by;
	int64_t from, to, limit, bucket;
	struct arg_texts group_by;
	bool reveal;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct get_stats, filter),
	ARG(TEXT, struct get_stats, db),
	ARG(TIME, struct get_stats, from),
	ARG(TIME, struct get_stats, to),
	ARG(TEXTS, struct get_stats, group_by),
	ARG(DURATION, struct get_stats, bucket),
	ARG(TEXT, struct get_stats, order_by),
	ARG(INTEGER, struct get_stats, limit),
	ARG(BOOLEAN, struct get_stats, reveal),
	{ 0 },
};

static void
summarise(struct db *db, json_t *result, const struct get_stats *args)
{
	json_t *totals = json_object_get(result, "totals");
	size_t shown = json_array_size(json_object_get(result, "groups"));
	json_t *groups = json_object_get(result, "total_groups");

	/* The sentence on how much matches is that of a list. */
	json_object_set(result, "total", json_object_get(totals, "calls"));
	query_summary(db, result, NULL, "call",
		      (struct query_scope){ args->filter, args->from,
					    args->to });
	json_object_del(result, "total");
	if (json_is_true(json_object_get(result, "truncated")))
		json_object_set_new(
			result, "hint",
			json_sprintf("%zu of %lld groups by %s; raise limit, "
				     "group by less, or narrow the filter",
				     shown,
				     (long long)json_integer_value(groups),
				     args->order_by));
}

static int
ask(struct tool_call *call, struct db *db, const struct get_stats *args,
    json_t **result, struct error *e)
{
	struct store_stats_query query = {
		.filter = args->filter,
		.from_ns = args->from,
		.to_ns = args->to,
		.now_ns = call->now_ns,
		.group_by = args->group_by.items,
		.group_count = args->group_by.count,
		.bucket_ns = args->bucket,
		.order = args->order_by,
		.limit = (uint32_t)args->limit,
	};
	int rc = store_stats(db->store, &query, result, e);

	if (rc < 0)
		return rc;
	rc = redact_result(call->config, args->reveal, *result, e);
	if (rc < 0) {
		json_decref(*result);
		*result = NULL;
		return rc;
	}
	query_finish(db, *result);
	answer_cut_to_fit(call->config, *result, "groups");
	summarise(db, *result, args);
	return 0;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct get_stats args = { .from = QUERY_FROM, .to = QUERY_TO };
	struct db db;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = query_check_window(args.from, args.to, e);
	if (rc == 0 && args.bucket < 0)
		rc = error_set(e, ERR_INVALID,
			       "\"bucket\" must be positive: 10s");
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

const struct tool tool_get_api_stats = {
	.name = "get_api_stats",
	.effects = TOOL_READS,
	.arguments = arguments,
	.run = run,
};
