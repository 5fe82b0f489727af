/* SPDX-License-Identifier: Apache-2.0 */
/* A call as JSON, compact or with everything that is known of it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "dissect/store/store_impl.h"

enum column {
	COL_ID, COL_TS, COL_ELAPSED, COL_STATUS, COL_FLAGS, COL_QUERY,
	COL_PROTOCOL, COL_METHOD, COL_HOST, COL_PATH, COL_ERROR,
	COL_SRC_IP, COL_SRC_NAME, COL_SRC_PORT,
	COL_DST_IP, COL_DST_NAME, COL_DST_PORT, COL_REASON,
	COL_SRC_PROCESS, COL_DST_PROCESS,
	COL_COMPACT_COUNT,
	COL_REQUEST_SIZE = COL_COMPACT_COUNT, COL_RESPONSE_SIZE, COL_CONN,
	COL_PAYLOAD, COL_STATUS_TEXT, COL_VERSION, COL_REQUEST_TYPE,
	COL_RESPONSE_TYPE, COL_USER_AGENT, COL_SUMMARY, COL_REQUEST_TIME,
	COL_RESPONSE_TIME, COL_REQUEST_BODY, COL_RESPONSE_BODY,
	COL_REQUEST_BODY_WIRE, COL_RESPONSE_BODY_WIRE,
	COL_REQUEST_SEGMENT, COL_REQUEST_OFFSET,
	COL_RESPONSE_SEGMENT, COL_RESPONSE_OFFSET, COL_TLS,
};

#define STRING(column) "(SELECT text FROM strings WHERE id = c." column ")"
#define ADDRESS(what, column) \
	"(SELECT " what " FROM addresses WHERE id = c." column ")"

static const char compact_columns[] =
	"SELECT c.id, c.ts, c.elapsed, c.status, c.flags, c.query,"
	"(SELECT name FROM protocols WHERE id = c.protocol),"
	STRING("method") "," STRING("host") "," STRING("path") ","
	STRING("error") "," ADDRESS("ip", "client") ","
	STORE_END_NAME("c.client", "n.process_c") ", c.client_port,"
	ADDRESS("ip", "server") "," STORE_END_NAME("c.server", "n.process_s")
	", c.server_port, (SELECT text FROM reasons WHERE id = c.reason),"
	" n.process_c, n.process_s";

static const char full_columns[] =
	", c.request_size, c.response_size, c.conn, c.payload,"
	STRING("status_text") "," STRING("version") ","
	STRING("request_type") "," STRING("response_type") ","
	STRING("user_agent") "," STRING("summary")
	", c.request_time, c.response_time, c.request_body, c.response_body,"
	" c.request_body_wire, c.response_body_wire, c.request_segment,"
	" c.request_offset, c.response_segment, c.response_offset,"
	STRING("tls");

int
store_rows_open(struct store *s, struct store_rows *rows, struct error *e)
{
	char *sql = alloc_format("%s%s FROM calls c LEFT JOIN conns n "
				 "ON n.id = c.conn WHERE c.id = ?1",
				 compact_columns,
				 rows->detail == STORE_FULL ? full_columns : "");
	int code = store_prepare(s, sql, &rows->statement, e);

	free(sql);
	return code;
}

void
store_rows_close(struct store_rows *rows)
{
	sqlite3_finalize(rows->statement);
	rows->statement = NULL;
}

/* What is not perfect about a call; nothing when it is. */
static void
set_flags(json_t *call, int64_t flags)
{
	static const struct {
		unsigned flag;
		const char *name;
	} names[] = {
		{ CALL_UNCERTAIN, "uncertain" },
		{ CALL_REQUEST_INCOMPLETE, "request_incomplete" },
		{ CALL_RESPONSE_INCOMPLETE, "response_incomplete" },
		{ CALL_REQUEST_TRUNCATED, "request_truncated" },
		{ CALL_RESPONSE_TRUNCATED, "response_truncated" },
		{ CALL_REQUEST_UNDECODED, "request_undecoded" },
		{ CALL_RESPONSE_UNDECODED, "response_undecoded" },
		{ CALL_UPGRADED, "upgraded" },
		{ CALL_RETRANSMISSION, "retransmission" },
		{ CALL_CONNECTION_MIDSTREAM, "midstream" },
		{ CALL_WITHOUT_KEYS, "without_keys" },
	};
	json_t *list = json_array();

	if (!(flags & CALL_HAS_REQUEST))
		json_array_append_new(list, json_string("no_request"));
	if (!(flags & CALL_HAS_RESPONSE))
		json_array_append_new(list, json_string("no_response"));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (flags & names[i].flag)
			json_array_append_new(list, json_string(names[i].name));
	if (json_array_size(list))
		json_object_set(call, "flags", list);
	json_decref(list);
}

static json_t *
compact(struct store *store, sqlite3_stmt *s, enum store_detail detail)
{
	static const struct store_end_columns
		src = { COL_SRC_IP, COL_SRC_NAME, COL_SRC_PORT,
			COL_SRC_PROCESS },
		dst = { COL_DST_IP, COL_DST_NAME, COL_DST_PORT,
			COL_DST_PROCESS };
	json_t *call = json_object();

	store_set_int(call, "id", sqlite3_column_int64(s, COL_ID));
	store_set_time(call, "ts", sqlite3_column_int64(s, COL_TS));
	json_object_set_new(call, "src", store_end(store, s, &src, detail));
	json_object_set_new(call, "dst", store_end(store, s, &dst, detail));
	store_set_column(call, "proto", s, COL_PROTOCOL);
	store_set_column(call, "method", s, COL_METHOD);
	store_set_column(call, "host", s, COL_HOST);
	store_set_column(call, "path", s, COL_PATH);
	store_set_column(call, "query", s, COL_QUERY);
	if (sqlite3_column_type(s, COL_STATUS) != SQLITE_NULL)
		store_set_int(call, "status",
			      sqlite3_column_int64(s, COL_STATUS));
	if (sqlite3_column_type(s, COL_ELAPSED) != SQLITE_NULL)
		store_set_ms(call, "latency_ms",
			     sqlite3_column_double(s, COL_ELAPSED));
	store_set_column(call, "error", s, COL_ERROR);
	set_flags(call, sqlite3_column_int64(s, COL_FLAGS));
	store_set_column(call, "why", s, COL_REASON);
	return call;
}

static json_t *
evidence_of(sqlite3_stmt *s, int segment, int offset)
{
	json_t *packet = json_object();

	store_set_int(packet, "segment", sqlite3_column_int64(s, segment));
	store_set_int(packet, "offset", sqlite3_column_int64(s, offset));
	return packet;
}

static void
set_evidence(json_t *call, sqlite3_stmt *s)
{
	json_t *evidence = json_object();

	if (sqlite3_column_type(s, COL_REQUEST_SEGMENT) != SQLITE_NULL)
		json_object_set_new(evidence, "request",
				    evidence_of(s, COL_REQUEST_SEGMENT,
						COL_REQUEST_OFFSET));
	if (sqlite3_column_type(s, COL_RESPONSE_SEGMENT) != SQLITE_NULL)
		json_object_set_new(evidence, "response",
				    evidence_of(s, COL_RESPONSE_SEGMENT,
						COL_RESPONSE_OFFSET));
	json_object_set_new(call, "evidence", evidence);
}

static void
set_body_size(json_t *call, const char *name, const char *wire_name,
	      sqlite3_stmt *s, int column, int wire)
{
	if (sqlite3_column_int64(s, column))
		store_set_int(call, name, sqlite3_column_int64(s, column));
	if (sqlite3_column_type(s, wire) != SQLITE_NULL)
		store_set_int(call, wire_name, sqlite3_column_int64(s, wire));
}

/* "version cipher name" of what carried the call. */
static void
set_tls(json_t *call, sqlite3_stmt *s)
{
	static const char *const names[] = { "tls_version", "tls_cipher",
					     "tls_name" };
	struct bytes rest = bytes_make(sqlite3_column_text(s, COL_TLS),
				       (size_t)sqlite3_column_bytes(s,
								    COL_TLS));

	if (!rest.size)
		return;
	json_object_set_new(call, "tls", json_true());
	for (unsigned i = 0; i < 3; i++) {
		const uint8_t *space = i < 2 && rest.size
					       ? memchr(rest.data, ' ',
							rest.size)
					       : NULL;
		struct bytes word = rest;

		if (space)
			word.size = (size_t)(space - rest.data);
		if (word.size)
			json_object_set_new(call, names[i],
					    store_json_text(word));
		rest = bytes_from(rest, word.size + 1);
	}
}

static void
set_details(json_t *call, sqlite3_stmt *s)
{
	int64_t request = sqlite3_column_int64(s, COL_REQUEST_TIME);
	int64_t response = sqlite3_column_int64(s, COL_RESPONSE_TIME);

	store_set_column(call, "version", s, COL_VERSION);
	store_set_column(call, "status_text", s, COL_STATUS_TEXT);
	store_set_column(call, "summary", s, COL_SUMMARY);
	store_set_column(call, "user_agent", s, COL_USER_AGENT);
	store_set_column(call, "req_content_type", s, COL_REQUEST_TYPE);
	store_set_column(call, "resp_content_type", s, COL_RESPONSE_TYPE);
	json_object_set_new(call, "is_error",
			    json_boolean(sqlite3_column_int64(s, COL_FLAGS) &
					 CALL_IS_ERROR));
	store_set_int(call, "req_size",
		      sqlite3_column_int64(s, COL_REQUEST_SIZE));
	store_set_int(call, "resp_size",
		      sqlite3_column_int64(s, COL_RESPONSE_SIZE));
	set_body_size(call, "req_body_size", "req_body_wire_size", s,
		      COL_REQUEST_BODY, COL_REQUEST_BODY_WIRE);
	set_body_size(call, "resp_body_size", "resp_body_wire_size", s,
		      COL_RESPONSE_BODY, COL_RESPONSE_BODY_WIRE);
	store_set_ms(call, "request_ms", (double)request);
	store_set_ms(call, "response_ms", (double)response);
	if (sqlite3_column_type(s, COL_ELAPSED) != SQLITE_NULL)
		store_set_ms(call, "wait_ms",
			     sqlite3_column_double(s, COL_ELAPSED) -
				     (double)request - (double)response);
	store_set_int(call, "conn_id", sqlite3_column_int64(s, COL_CONN));
	set_tls(call, s);
	set_evidence(call, s);
}

static json_t *
headers_json(struct bytes head)
{
	json_t *list = json_array();
	struct payload_pair pair;

	while (payload_next_pair(&head, &pair)) {
		json_t *both = json_array();

		json_array_append_new(both, store_json_text(pair.name));
		json_array_append_new(both, store_json_text(pair.value));
		json_array_append_new(list, both);
	}
	return list;
}

static int
add_headers(struct store *s, struct bytes refs, json_t *call, struct error *e)
{
	static const char *const names[] = { "req_headers", "resp_headers" };

	for (int side = 0; side < 2; side++) {
		struct bytes head;
		int code = payload_read(s->payload, refs,
					side ? PAYLOAD_RESPONSE_HEAD
					     : PAYLOAD_REQUEST_HEAD,
					&head, e);

		if (code)
			return code;
		if (head.size)
			json_object_set_new(call, names[side],
					    headers_json(head));
	}
	return 0;
}

static json_t *
base64(struct bytes in)
{
	char *text = alloc_zero(in.size / 3 + 1, 4), *at = text;
	json_t *out;

	for (; in.size; in = bytes_from(in, 3), at += 4)
		text_base64(in, at);
	out = json_stringn_nocheck(text, (size_t)(at - text));
	free(text);
	return out;
}

/* A slice of text begins and ends between characters. */
static struct bytes
slice(struct bytes body, size_t offset, size_t size, bool *is_text)
{
	struct bytes part = bytes_first(bytes_from(body, offset), size);

	*is_text = text_is_utf8(body);
	if (!*is_text)
		return part;
	while (part.size && offset && (part.data[0] & 0xc0) == 0x80)
		part = bytes_from(part, 1);
	while (part.size && part.data + part.size < body.data + body.size &&
	       (part.data[part.size] & 0xc0) == 0x80)
		part.size--;
	return part;
}

int
store_add_bodies(struct store *s, struct bytes refs, uint32_t offset,
		 uint32_t size, json_t *call, struct error *e)
{
	static const char *const names[][3] = {
		{ "req_body", "req_body_encoding", "req_body_kept" },
		{ "resp_body", "resp_body_encoding", "resp_body_kept" },
	};

	for (int side = 0; side < 2; side++) {
		struct bytes body, part;
		bool is_text;
		int code = payload_read(s->payload, refs,
					side ? PAYLOAD_RESPONSE_BODY
					     : PAYLOAD_REQUEST_BODY,
					&body, e);

		if (code)
			return code;
		if (body.size == 0)
			continue;
		store_set_int(call, names[side][2], (int64_t)body.size);
		if (size == 0)
			continue;
		part = slice(body, offset, size, &is_text);
		json_object_set_new(call, names[side][0],
				    is_text ? store_json_text(part)
					    : base64(part));
		if (!is_text)
			json_object_set_new(call, names[side][1],
					    json_string("base64"));
	}
	return 0;
}

/* Adds what STORE_FULL shows. */
static int
add_full(struct store *s, const struct store_rows *rows, json_t *call,
	 struct error *e)
{
	struct bytes refs = store_column_bytes(rows->statement, COL_PAYLOAD);
	int code;

	set_details(call, rows->statement);
	code = add_headers(s, refs, call, e);
	if (code)
		return code;
	return store_add_bodies(s, refs, 0, rows->preview_bytes, call, e);
}

int
store_rows_get(struct store *s, struct store_rows *rows, int64_t id,
	       json_t **out, struct error *e)
{
	int code;

	*out = NULL;
	sqlite3_bind_int64(rows->statement, 1, id);
	code = store_step(s, rows->statement, e);
	if (code == 1) {
		*out = compact(s, rows->statement, rows->detail);
		code = rows->detail == STORE_FULL
			       ? add_full(s, rows, *out, e) : 0;
	}
	sqlite3_reset(rows->statement);
	if (code) {
		json_decref(*out);
		*out = NULL;
	}
	return code;
}
