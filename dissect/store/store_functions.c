/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL functions on our read connections.  DIRECTONLY: a view or trigger in a
 * hostile file cannot call them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "dissect/store/pattern.h"
#include "dissect/store/store_impl.h"

#define TEXT_LIMIT (32u << 20)

static struct bytes
value_bytes(sqlite3_value *value)
{
	const void *data = sqlite3_value_blob(value);

	return bytes_make(data, data ? (size_t)sqlite3_value_bytes(value) : 0);
}

/* Any bytes as text: UTF-8 as it is, everything else escaped. */
static void
result_text(sqlite3_context *context, struct bytes in)
{
	struct buf escaped;

	if (text_is_utf8(in)) {
		/* No bytes are an empty text, not NULL. */
		sqlite3_result_text64(context,
				      in.size ? (const char *)in.data : "",
				      in.size, SQLITE_TRANSIENT, SQLITE_UTF8);
		return;
	}
	buf_init(&escaped, TEXT_LIMIT);
	text_escape(&escaped, in);
	sqlite3_result_text64(context, (const char *)escaped.data, escaped.size,
			      SQLITE_TRANSIENT, SQLITE_UTF8);
	buf_free(&escaped);
}

static void
result_sha256(sqlite3_context *context, struct bytes in)
{
	char hex[HASH_SHA256_HEX];

	hash_sha256(in, hex);
	sqlite3_result_text(context, hex, -1, SQLITE_TRANSIENT);
}

/* A value that a stranger's statement sees: as much of it as may be shown. */
static void
result_shown(sqlite3_context *context, struct bytes name, struct bytes in,
	     void (*result)(sqlite3_context *, struct bytes))
{
	const struct store *s = sqlite3_user_data(context);
	struct buf shown;

	if (!s->concealing) {
		result(context, in);
		return;
	}
	buf_init(&shown, TEXT_LIMIT);
	s->concealing(name, in, &shown);
	result(context, buf_view(&shown));
	buf_free(&shown);
}

static bool
read_part(sqlite3_context *context, struct bytes refs, enum payload_part part,
	  struct bytes *out)
{
	struct store *s = sqlite3_user_data(context);
	struct error e;
	int code = payload_read(s->payload, refs, part, out, &e);

	if (code == 0)
		return true;
	sqlite3_result_error(context, e.text, -1);
	sqlite3_result_error_code(context, code == ERR_CANCELLED
						   ? SQLITE_INTERRUPT
						   : SQLITE_CORRUPT);
	return false;
}

static void
header_of(sqlite3_context *context, struct bytes refs, bool response,
	  struct bytes name)
{
	struct payload_pair pair;
	struct bytes head;

	if (!read_part(context, refs,
		       response ? PAYLOAD_RESPONSE_HEAD : PAYLOAD_REQUEST_HEAD,
		       &head))
		return;
	while (payload_next_pair(&head, &pair)) {
		if (bytes_equal_nocase(pair.name, name)) {
			result_shown(context, name, pair.value, result_text);
			return;
		}
	}
}

/* payload_header(payload, response, name) */
static void
payload_header(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count;
	header_of(context, value_bytes(values[0]),
		  sqlite3_value_int(values[1]) != 0, value_bytes(values[2]));
}

/* "name=value; name=value": the value of `name` in a Cookie header, or of the
 * one cookie of a Set-Cookie header (RFC 6265 §4). */
static bool
find_cookie(struct bytes in, struct bytes name, bool only_first,
	    struct bytes *value)
{
	while (in.size) {
		const uint8_t *end = memchr(in.data, ';', in.size);
		struct bytes pair = bytes_trim(bytes_make(
			in.data, end ? (size_t)(end - in.data) : in.size));
		const uint8_t *equals =
			pair.size ? memchr(pair.data, '=', pair.size) : NULL;
		size_t n = equals ? (size_t)(equals - pair.data) : 0;

		if (equals && bytes_equal(bytes_first(pair, n), name)) {
			*value = bytes_from(pair, n + 1);
			return true;
		}
		if (only_first || !end)
			break;
		in = bytes_from(in, (size_t)(end - in.data) + 1);
	}
	return false;
}

/* payload_cookie(payload, response, name) */
static void
payload_cookie(sqlite3_context *context, int count, sqlite3_value **values)
{
	bool response = sqlite3_value_int(values[1]) != 0;
	struct bytes wanted = bytes_of(response ? "set-cookie" : "cookie");
	struct bytes head, value;
	struct payload_pair pair;

	(void)count;
	if (!read_part(context, value_bytes(values[0]),
		       response ? PAYLOAD_RESPONSE_HEAD : PAYLOAD_REQUEST_HEAD,
		       &head))
		return;
	while (payload_next_pair(&head, &pair)) {
		if (!bytes_equal_nocase(pair.name, wanted) ||
		    !find_cookie(pair.value, value_bytes(values[2]), response,
				 &value))
			continue;
		result_text(context, value);
		return;
	}
}

/* payload_text(payload, response): the body, '' when there is none */
static void
payload_text(sqlite3_context *context, int count, sqlite3_value **values)
{
	struct bytes body;

	(void)count;
	if (read_part(context, value_bytes(values[0]),
		      sqlite3_value_int(values[1]) ? PAYLOAD_RESPONSE_BODY
						   : PAYLOAD_REQUEST_BODY,
		      &body))
		result_text(context, body);
}

/* payload_messages(payload, response): lines of JSON, '' when there are none */
static void
payload_messages(sqlite3_context *context, int count, sqlite3_value **values)
{
	struct bytes messages;

	(void)count;
	if (read_part(context, value_bytes(values[0]),
		      sqlite3_value_int(values[1])
			      ? PAYLOAD_RESPONSE_MESSAGES
			      : PAYLOAD_REQUEST_MESSAGES,
		      &messages))
		result_text(context, messages);
}

/* What follows "owner ttl class type " in a DNS record. */
static struct bytes
record_data(struct bytes record)
{
	for (int blanks = 0; blanks < 4; blanks++) {
		const uint8_t *blank =
			record.size ? memchr(record.data, ' ', record.size)
				    : NULL;

		if (!blank)
			break;
		record = bytes_from(record, (size_t)(blank - record.data) + 1);
	}
	return record;
}

/* payload_answers(payload): the data of DNS answers, one a line */
static void
payload_answers(sqlite3_context *context, int count, sqlite3_value **values)
{
	struct bytes head;
	struct payload_pair pair;
	struct buf lines;

	(void)count;
	if (!read_part(context, value_bytes(values[0]), PAYLOAD_RESPONSE_HEAD,
		       &head))
		return;
	buf_init(&lines, TEXT_LIMIT);
	while (payload_next_pair(&head, &pair)) {
		if (!bytes_equal(pair.name, bytes_of("answer")))
			continue;
		if (lines.size)
			buf_u8(&lines, '\n');
		buf_bytes(&lines, record_data(pair.value));
	}
	result_text(context, buf_view(&lines));
	buf_free(&lines);
}

/* query_value(query, name): the first parameter of that name, decoded */
static void
query_value(sqlite3_context *context, int count, sqlite3_value **values)
{
	struct bytes in = value_bytes(values[0]), name = value_bytes(values[1]);
	struct buf text;
	bool found = false;

	(void)count;
	buf_init(&text, TEXT_LIMIT);
	while (in.size && !found) {
		const uint8_t *end = memchr(in.data, '&', in.size);
		size_t size = end ? (size_t)(end - in.data) : in.size;
		const uint8_t *equals = memchr(in.data, '=', size);
		size_t n = equals ? (size_t)(equals - in.data) : size;

		buf_reset(&text);
		text_form_decode(bytes_first(in, n), &text);
		found = bytes_equal(buf_view(&text), name);
		if (found) {
			buf_reset(&text);
			if (equals)
				text_form_decode(bytes_make(in.data + n + 1, size - n - 1),
				       &text);
			result_shown(context, name, buf_view(&text),
				     result_text);
		}
		in = bytes_from(in, size + 1);
	}
	buf_free(&text);
}

static void
free_pattern(void *pattern)
{
	pattern_free(pattern);
}

/* Compiled once for a statement whose pattern is constant. */
static void
match(sqlite3_context *context, sqlite3_value *subject, sqlite3_value *source,
      int argument)
{
	struct pattern *pattern = sqlite3_get_auxdata(context, argument);
	const char *text = (const char *)sqlite3_value_text(source);
	struct error e;

	if (!text || sqlite3_value_type(subject) == SQLITE_NULL)
		return;
	if (!pattern) {
		if (pattern_compile(text, &pattern, &e)) {
			sqlite3_result_error(context, e.text, -1);
			return;
		}
		sqlite3_set_auxdata(context, argument, pattern, free_pattern);
		pattern = sqlite3_get_auxdata(context, argument);
	}
	if (pattern)
		sqlite3_result_int(context, pattern_match(
						    pattern,
						    value_bytes(subject)));
}

/* pattern_match(text, pattern) */
static void
text_matches(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count;
	match(context, values[0], values[1], 1);
}

/* regexp(pattern, text): `text REGEXP pattern` */
static void
regexp(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count;
	match(context, values[1], values[0], 0);
}

static void
text_ends_with(sqlite3_context *context, int count, sqlite3_value **values)
{
	struct bytes in = value_bytes(values[0]), end = value_bytes(values[1]);

	(void)count;
	sqlite3_result_int(context,
			   end.size <= in.size &&
				   bytes_equal(bytes_from(in, in.size - end.size),
					       end));
}

/* 0 request, 1 response, -1 after an error. */
static int
side_of(sqlite3_context *context, sqlite3_value *value)
{
	const char *side = (const char *)sqlite3_value_text(value);

	if (side && strcmp(side, "request") == 0)
		return 0;
	if (side && strcmp(side, "response") == 0)
		return 1;
	sqlite3_result_error(context, "the side is 'request' or 'response'",
			     -1);
	return -1;
}

/*
 * The heads and bodies of a call named by its id, of which there is one:
 * false when there is none, or `side` is no side (`*side` 0 request,
 * 1 response).  Reset s->call_payload afterwards.
 */
static bool
find_call(sqlite3_context *context, sqlite3_value **values, int *side,
	  struct bytes *refs)
{
	struct store *s = sqlite3_user_data(context);

	*side = side_of(context, values[1]);
	if (*side < 0)
		return false;
	sqlite3_bind_int64(s->call_payload, 1, sqlite3_value_int64(values[0]));
	if (sqlite3_step(s->call_payload) != SQLITE_ROW)
		return false;
	*refs = store_column_bytes(s->call_payload, 0);
	return true;
}

/* header(call_id, side, name) */
static void
header(sqlite3_context *context, int count, sqlite3_value **values)
{
	struct store *s = sqlite3_user_data(context);
	struct bytes refs;
	int side;

	(void)count;
	if (find_call(context, values, &side, &refs))
		header_of(context, refs, side, value_bytes(values[2]));
	sqlite3_reset(s->call_payload);
}

/* A part of one of the sides, as it may be shown; that of the response follows
 * that of the request. */
static void
part_of(sqlite3_context *context, sqlite3_value **values,
	enum payload_part request_part,
	void (*result)(sqlite3_context *, struct bytes))
{
	struct store *s = sqlite3_user_data(context);
	struct bytes refs, kept;
	int side;

	if (find_call(context, values, &side, &refs) &&
	    read_part(context, refs,
		      (enum payload_part)((int)request_part + side), &kept))
		result_shown(context, bytes_of(""), kept, result);
	sqlite3_reset(s->call_payload);
}

/* body_text(call_id, side) */
static void
body_text(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count;
	part_of(context, values, PAYLOAD_REQUEST_BODY, result_text);
}

/* body_sha256(call_id, side): of the body as body_text may show it */
static void
body_sha256(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count;
	part_of(context, values, PAYLOAD_REQUEST_BODY, result_sha256);
}

/* messages(call_id, side): lines of JSON */
static void
messages(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count;
	part_of(context, values, PAYLOAD_REQUEST_MESSAGES, result_text);
}

static void
zone_wanted(sqlite3_context *context, int count, sqlite3_value **values)
{
	struct store *s = sqlite3_user_data(context);

	(void)count;
	sqlite3_result_int(context,
			   !s->zone_wanted ||
				   s->zone_wanted(s->zone_context,
						  sqlite3_value_int64(
							  values[0])));
}

/* call_process(conn, side): the process at an end of a connection */
static void
call_process(sqlite3_context *context, int count, sqlite3_value **values)
{
	const struct store_who *who = store_who(sqlite3_user_data(context));

	(void)count;
	sqlite3_result_int64(context,
			     store_who_process(who,
					       sqlite3_value_int64(values[0]),
					       sqlite3_value_int(values[1])));
}

/* end_name(address, conn, side): what to call that end, in end_names */
static void
end_name(sqlite3_context *context, int count, sqlite3_value **values)
{
	const struct store_who *who = store_who(sqlite3_user_data(context));

	(void)count;
	sqlite3_result_int64(context,
			     store_who_name(who, sqlite3_value_int64(values[0]),
					    sqlite3_value_int64(values[1]),
					    sqlite3_value_int(values[2])));
}

int
store_functions_register(struct store *s)
{
	static const struct {
		const char *name;
		int arguments;
		bool changes; /* not the same result for the same arguments */
		void (*function)(sqlite3_context *, int, sqlite3_value **);
	} functions[] = {
		{ "payload_header", 3, false, payload_header },
		{ "payload_cookie", 3, false, payload_cookie },
		{ "payload_text", 2, false, payload_text },
		{ "payload_messages", 2, false, payload_messages },
		{ "payload_answers", 1, false, payload_answers },
		{ "query_value", 2, false, query_value },
		{ "pattern_match", 2, false, text_matches },
		{ "regexp", 2, false, regexp },
		{ "text_ends_with", 2, false, text_ends_with },
		{ "header", 3, false, header },
		{ "body_text", 2, false, body_text },
		{ "body_sha256", 2, false, body_sha256 },
		{ "messages", 2, false, messages },
		{ "zone_wanted", 1, true, zone_wanted },
		{ "call_process", 2, false, call_process },
		{ "end_name", 3, false, end_name },
	};

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY |
			    (functions[i].changes ? 0 : SQLITE_DETERMINISTIC);
		int rc = sqlite3_create_function_v2(
			s->db, functions[i].name, functions[i].arguments, flags,
			s, functions[i].function, NULL, NULL, NULL);

		if (rc != SQLITE_OK)
			return rc;
	}
	return SQLITE_OK;
}
