/* SPDX-License-Identifier: Apache-2.0 */
/* list_api_calls: the calls that match a filter, a page at a time. */
#include <string.h>

#include "server/tools/answer.h"
#include "server/tools/query.h"
#include "server/tools/redact.h"
#include "server/tools/tools_list.h"

#define PREVIEW_BYTES 400

struct list_calls {
	const char *filter, *db, *order_by, *cursor, *format;
	int64_t from, to, limit;
	struct arg_texts fields;
	bool reveal;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct list_calls, filter),
	ARG(TEXT, struct list_calls, db),
	ARG(TIME, struct list_calls, from),
	ARG(TIME, struct list_calls, to),
	ARG(TEXT, struct list_calls, order_by),
	ARG(INTEGER, struct list_calls, limit),
	ARG(TEXT, struct list_calls, cursor),
	ARG(TEXT, struct list_calls, format),
	ARG(TEXTS, struct list_calls, fields),
	ARG(BOOLEAN, struct list_calls, reveal),
	{ 0 },
};

/* What `fields` may name: the members of a row, those of STORE_FULL last. */
static const char *const known[] = {
	"id", "ts", "src", "src.ip", "src.port", "src.name", "src.process",
	"src.pid", "src.pod", "src.namespace", "src.container", "dst", "dst.ip",
	"dst.port", "dst.name", "dst.process", "dst.pid", "dst.pod",
	"dst.namespace", "dst.container", "proto", "method", "host", "path", "query",
	"status", "latency_ms", "error", "flags", "why",
	"conn_id", "version", "status_text", "summary", "user_agent",
	"req_content_type", "resp_content_type", "is_error", "req_headers",
	"resp_headers", "req_body", "resp_body", "req_size", "resp_size",
	"req_body_size", "resp_body_size", "request_ms", "response_ms",
	"wait_ms", "evidence", NULL,
};

#define FIRST_FULL "conn_id"

static enum store_detail
detail_for(const struct list_calls *args)
{
	bool full = false;

	for (const char *const *k = known; *k; k++) {
		full = full || strcmp(*k, FIRST_FULL) == 0;
		for (size_t i = 0; full && i < args->fields.count; i++)
			if (strcmp(*k, args->fields.items[i]) == 0)
				return STORE_FULL;
	}
	return query_detail(args->format);
}

/* A preview of binary is of no use to a reader: its size stands for it. */
static void
drop_binary(json_t *calls)
{
	static const char *const names[][3] = {
		{ "req_body", "req_body_encoding", "req_body_kept" },
		{ "resp_body", "resp_body_encoding", "resp_body_kept" },
	};
	json_t *call;
	size_t i;

	json_array_foreach(calls, i, call)
		for (size_t side = 0; side < 2; side++) {
			const char *const *name = names[side];
			json_t *kept = json_object_get(call, name[2]);

			if (!json_object_get(call, name[1]))
				continue;
			json_object_set_new(
				call, name[0],
				json_sprintf("(binary, %lld bytes)",
					     (long long)json_integer_value(
						     kept)));
			json_object_del(call, name[1]);
		}
}

/* One page of at most `limit` rows, ready to be shown. */
static int
page(struct tool_call *call, struct db *db, const void *bound,
     uint32_t limit, json_t **result, struct error *e)
{
	const struct list_calls *args = bound;
	struct store_calls_query query = {
		.filter = args->filter,
		.from_ns = args->from,
		.to_ns = args->to,
		.now_ns = call->now_ns,
		.order = query_order(args->order_by),
		.limit = limit,
		.cursor = args->cursor,
		.detail = detail_for(args),
		.preview_bytes = PREVIEW_BYTES,
	};
	int rc = store_calls(db->store, &query, result, e);

	if (rc < 0)
		return rc;
	drop_binary(json_object_get(*result, "calls"));
	rc = redact_result(call->config, args->reveal, *result, e);
	if (rc == 0)
		rc = answer_project(json_object_get(*result, "calls"),
				    &args->fields, known, e);
	if (rc == 0) {
		query_finish(db, *result);
		query_summary(db, *result, "calls", "call",
			      (struct query_scope){ args->filter, args->from,
						    args->to });
		return 0;
	}
	json_decref(*result);
	*result = NULL;
	return rc;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct list_calls args = { .from = QUERY_FROM, .to = QUERY_TO };
	struct query_pages pages = { "calls", &args, page };
	struct db db;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = query_check_window(args.from, args.to, e);
	if (rc == 0)
		rc = redact_check_reveal(call->config, args.reveal, e);
	if (rc == 0)
		rc = db_open(call, args.db, &db, e);
	if (rc != 0)
		return rc;
	rc = query_fitting_page(call, &db, &pages, (uint32_t)args.limit,
				&out->structured, e);
	db_close(&db);
	return rc;
}

const struct tool tool_list_api_calls = {
	.name = "list_api_calls",
	.effects = TOOL_READS,
	.arguments = arguments,
	.run = run,
};
