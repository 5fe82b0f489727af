/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resources/resource_body.h"

#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "server/resources/ask.h"

/* Slices end at a multiple of three bytes, so that base64 can be joined. */
#define SLICE 1048575
#define BODY_LIMIT ((size_t)6 << 20) /* of text; what is behind is cut */

struct half {
	const char *body, *info, *headers;
};

static const struct half halves[] = {
	{ "req_body", "req_body_info", "req_headers" },
	{ "resp_body", "resp_body_info", "resp_headers" },
};

/* One get_api_call; its "call" member (new reference). */
static json_t *
read_slice(struct tool_call *call, const struct uri *uri, json_int_t offset,
	   int *rc, struct error *e)
{
	json_t *arguments = json_pack("{s:I, s:b, s:I, s:i, s:s}", "id",
				      (json_int_t)uri->id,
				      "include_connection", 0, "body_offset",
				      offset, "body_limit", SLICE, "format",
				      "raw");
	json_t *result, *inner;

	json_object_set_new(arguments, "db",
			    json_sprintf("%s/%s", uri->snapshot,
					 uri->dissection));
	result = ask_tool(call, "get_api_call", arguments, rc, e);
	inner = json_incref(json_object_get(result, "call"));
	json_decref(result);
	return inner;
}

static const char *
content_type(const json_t *headers)
{
	json_t *header;
	size_t i;

	json_array_foreach(headers, i, header) {
		const char *name = json_string_value(json_array_get(header, 0));

		if (name && strcasecmp(name, "content-type") == 0)
			return json_string_value(json_array_get(header, 1));
	}
	return NULL;
}

/* Appends a slice; where the next one begins, or 0. */
static json_int_t
append_slice(const json_t *inner, const struct half *half, struct buf *out)
{
	const json_t *info = json_object_get(inner, half->info);
	const json_t *text = json_object_get(inner, half->body);

	if (json_is_string(text))
		buf_append(out, json_string_value(text),
			   json_string_length(text));
	return out->failed ? 0 :
			     json_integer_value(
				     json_object_get(info, "next_offset"));
}

static json_t *
contents_of(const char *text, const json_t *first, const struct half *half,
	    const struct buf *body)
{
	const json_t *info = json_object_get(first, half->info);
	const char *type = content_type(json_object_get(first, half->headers));
	json_t *contents = json_pack("{s:s}", "uri", text);
	const char *as =
		json_object_get(info, "encoding") ? "blob" : "text";

	if (type)
		json_object_set_new(contents, "mimeType", json_string(type));
	json_object_set_new(contents, as,
			    json_stringn((const char *)body->data,
					 body->size));
	return json_pack("[o]", contents);
}

json_t *
resource_body(struct tool_call *call, const char *text, const struct uri *uri,
	      int *rc, struct error *e)
{
	const struct half *half = &halves[uri->kind == URI_RESPONSE_BODY];
	json_t *first = read_slice(call, uri, 0, rc, e);
	json_t *contents = NULL;
	struct buf body;
	json_int_t next;

	if (!first)
		return NULL;
	buf_init(&body, BODY_LIMIT);
	next = append_slice(first, half, &body);
	while (next > 0 && body.size < BODY_LIMIT) {
		json_t *more = read_slice(call, uri, next, rc, e);

		next = append_slice(more, half, &body);
		json_decref(more);
	}
	if (body.size > 0)
		contents = contents_of(text, first, half, &body);
	else
		*rc = error_set(e, ERR_NOTFOUND, "that half has no body");
	json_decref(first);
	buf_free(&body);
	return contents;
}
