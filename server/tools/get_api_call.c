/* SPDX-License-Identifier: Apache-2.0 */
/* get_api_call: one call, whole: headers, bodies, connection, evidence. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "capture/export.h"
#include "capture/home.h"
#include "capture/snapshot.h"
#include "server/tools/answer.h"
#include "server/tools/body.h"
#include "server/tools/conversation.h"
#include "server/tools/query.h"
#include "server/tools/redact.h"
#include "server/tools/tools_list.h"

#define BODY_KEPT ((size_t)16 << 20) /* what a dissection keeps at most */
#define PCAP_LIMIT ((size_t)64 << 10)

struct get_call {
	const char *db, *format;
	int64_t id, body_offset, body_limit;
	bool include_body, include_connection, include_pcap, reveal;
};

static const struct arg arguments[] = {
	ARG(INTEGER, struct get_call, id),
	ARG(TEXT, struct get_call, db),
	ARG(BOOLEAN, struct get_call, include_body),
	ARG(BOOLEAN, struct get_call, include_connection),
	ARG(BOOLEAN, struct get_call, include_pcap),
	ARG(INTEGER, struct get_call, body_offset),
	ARG(INTEGER, struct get_call, body_limit),
	ARG(TEXT, struct get_call, format),
	ARG(BOOLEAN, struct get_call, reveal),
	{ 0 },
};

/* Bodies, and what they are made of, are read whole and shown by body_show;
 * see there for why. */
static int
add_bodies(struct db *db, const struct get_call *args, json_t *call,
	   bool *more, struct error *e)
{
	static const struct {
		const char *name;
		enum side side;
		int (*read)(struct store *, int64_t, enum side, struct buf *,
			    struct error *);
	} parts[] = {
		{ "req_body", SIDE_CLIENT, store_body },
		{ "req_messages", SIDE_CLIENT, store_messages },
		{ "resp_body", SIDE_SERVER, store_body },
		{ "resp_messages", SIDE_SERVER, store_messages },
	};
	const struct body_options options = {
		.offset = args->body_offset,
		.limit = args->body_limit,
		.pretty = strcmp(args->format, "pretty") == 0,
		.reveal = args->reveal,
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		struct buf body;
		int rc;

		buf_init(&body, BODY_KEPT);
		rc = parts[i].read(db->store, args->id, parts[i].side, &body,
				   e);
		if (rc == 0 && body.size)
			*more |= body_show(call, parts[i].name, buf_view(&body),
					   &options);
		buf_free(&body);
		if (rc < 0 && rc != ERR_EMPTY && rc != ERR_NOTFOUND)
			return rc;
	}
	return 0;
}

/* The packets of the call's connection, when they are few. */
static int
export_small(struct tool_call *call, struct db *db, int64_t id,
	     struct buf *out, struct error *e)
{
	const char *slash = strchr(db->address, '/');
	char *snapshot = alloc_string_n(db->address,
					(size_t)(slash - db->address));
	char *exports = home_path(call->config->home, "exports", NULL);
	char *path = alloc_format("%s/.call-%d-%p.pcapng", exports,
				  (int)getpid(), (void *)out);
	struct export_conversation conversation;
	struct export_request request = {
		.snapshot = snapshot,
		.path = path,
		.conversations = &conversation,
		.conversation_count = 1,
		.cancelled = call->cancelled,
	};
	json_t *result = NULL;
	int rc = conversation_of_call(db->store, id, &conversation, e);

	if (rc == 0)
		rc = file_make_dirs(exports, e);
	if (rc == 0) {
		request.window.from_ns = conversation.from_ns;
		request.window.to_ns = conversation.to_ns + 1;
		rc = export_snapshot(call->config->home, &request, &result, e);
	}
	if (rc == 0)
		rc = file_read(path, out, e);
	unlink(path);
	json_decref(result);
	free(path);
	free(exports);
	free(snapshot);
	return rc;
}

static void
add_pcap(struct tool_call *call, struct db *db, const struct get_call *args,
	 json_t *result)
{
	struct error why = { 0 };
	struct buf file;
	json_t *note;

	buf_init(&file, PCAP_LIMIT);
	if (export_small(call, db, args->id, &file, &why) == 0) {
		json_object_set_new(result, "pcap",
				    body_base64(buf_view(&file)));
		json_object_set_new(result, "pcap_format",
				    json_string("pcapng, base64"));
	} else {
		note = json_sprintf("no pcap: %s; export_snapshot_pcap with "
				    "calls: [%lld] writes a file", why.text,
				    (long long)args->id);
		json_object_set_new(result, "pcap_note", note);
	}
	buf_free(&file);
}

/* Moves a member of the call to the result's own level. */
static void
lift(json_t *result, json_t *call, const char *name)
{
	json_t *value = json_object_get(call, name);

	if (!value)
		return;
	json_object_set(result, name, value);
	json_object_del(call, name);
}

/* {"segment": 3, …} names its file too, so that a person finds the packet. */
static void
name_segments(struct tool_call *call, struct db *db, json_t *evidence)
{
	const char *slash = strchr(db->address, '/');
	char *snapshot = alloc_string_n(db->address,
					(size_t)(slash - db->address));
	json_t *manifest = NULL, *packet;
	const char *half;

	if (snapshot_load(call->config->home, snapshot, &manifest, NULL) < 0)
		manifest = NULL;
	json_object_foreach(evidence, half, packet) {
		json_int_t index = json_integer_value(
			json_object_get(packet, "segment"));
		json_t *segment = json_array_get(
			json_object_get(manifest, "segments"), (size_t)index);
		json_t *file = json_object_get(segment, "file");

		if (file && json_is_object(packet))
			json_object_set(packet, "file", file);
	}
	json_decref(manifest);
	free(snapshot);
}

static int
build(struct tool_call *tool_call, struct db *db, const struct get_call *args,
      json_t *result, struct error *e)
{
	bool more = false;
	json_t *call = NULL;
	int rc = store_call(db->store, args->id, 0, 0, &call, e);

	if (rc < 0)
		return rc;
	json_object_set_new(result, "call", call);
	lift(result, call, "connection");
	lift(result, call, "evidence");
	name_segments(tool_call, db, json_object_get(result, "evidence"));
	if (!args->include_connection)
		json_object_del(result, "connection");
	rc = redact_result(tool_call->config, args->reveal, result, e);
	if (rc == 0 && args->include_body && args->body_limit != 0)
		rc = add_bodies(db, args, call, &more, e);
	if (rc < 0)
		return rc;
	json_object_set_new(result, "truncated", json_boolean(more));
	if (args->include_pcap)
		add_pcap(tool_call, db, args, result);
	query_finish(db, result);
	answer_summary(result, "Call %lld of %s.%s", (long long)args->id,
		       db->address,
		       more ? " A body goes on: body_offset = next_offset of "
			      "its _info shows the rest."
			    : "");
	return 0;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct get_call args = { .body_limit = -1 };
	struct db db;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = redact_check_reveal(call->config, args.reveal, e);
	if (rc == 0)
		rc = db_open(call, args.db, &db, e);
	if (rc != 0)
		return rc;
	out->structured = json_object();
	rc = build(call, &db, &args, out->structured, e);
	db_close(&db);
	return rc;
}

const struct tool tool_get_api_call = {
	.name = "get_api_call",
	.effects = TOOL_READS,
	.arguments = arguments,
	.run = run,
};
