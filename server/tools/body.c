/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tools/body.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "server/tools/redact.h"

#define TEXT_LIMIT ((size_t)64 << 20)
#define PRETTY_LIMIT ((size_t)1 << 20) /* larger JSON is shown as it is */

json_t *
body_base64(struct bytes in)
{
	char *text = alloc_zero(in.size / 3 + 1, 4), *at = text;
	json_t *out;

	for (; in.size; in = bytes_from(in, 3), at += 4)
		text_base64(in, at);
	out = json_stringn_nocheck(text, (size_t)(at - text));
	free(text);
	return out;
}

static size_t
skip_blanks(struct bytes in, size_t at)
{
	while (at < in.size && strchr(" \t\r\n", in.data[at]))
		at++;
	return at;
}

/* The end of the string that begins at `at`. */
static size_t
string_end(struct bytes in, size_t at)
{
	for (at++; at < in.size && in.data[at] != '"'; at++)
		if (in.data[at] == '\\')
			at++;
	return at < in.size ? at + 1 : in.size;
}

static void
new_line(struct buf *out, size_t depth)
{
	buf_u8(out, '\n');
	while (depth--)
		buf_u8(out, ' ');
}

/* Valid JSON with line ends and blanks put in; every token stays as it was
 * sent, numbers above all. */
static void
indent(struct bytes in, struct buf *out)
{
	size_t depth = 0;

	for (size_t at = skip_blanks(in, 0); at < in.size;) {
		uint8_t c = in.data[at];
		size_t next = c == '"' ? string_end(in, at) : at + 1;
		size_t then = skip_blanks(in, next);

		if ((c == '}' || c == ']') && depth)
			new_line(out, --depth);
		buf_append(out, in.data + at, next - at);
		if (c == ':')
			buf_u8(out, ' ');
		else if (c == ',')
			new_line(out, depth);
		else if ((c == '{' || c == '[') && then < in.size) {
			if (in.data[then] == (c == '{' ? '}' : ']'))
				buf_u8(out, in.data[then++]);
			else
				new_line(out, ++depth);
		}
		at = skip_blanks(in, then);
	}
}

/* Indented, when it is JSON; else as it is. */
static void
make_pretty(struct buf *text)
{
	struct buf pretty;
	json_t *json;

	if (text->size == 0 || text->size > PRETTY_LIMIT ||
	    (text->data[0] != '{' && text->data[0] != '['))
		return;
	json = json_loadb((const char *)text->data, text->size,
			  JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	if (!json)
		return;
	json_decref(json);
	buf_init(&pretty, TEXT_LIMIT);
	indent(buf_view(text), &pretty);
	if (pretty.failed) {
		buf_free(&pretty);
		return;
	}
	buf_free(text);
	*text = pretty;
}

/* Moves a cut back to the start of a UTF-8 character. */
static size_t
character_start(struct bytes in, size_t at)
{
	while (at && at < in.size && (in.data[at] & 0xc0) == 0x80)
		at--;
	return at;
}

static void
set_number(json_t *object, const char *name, size_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static bool
show_slice(json_t *call, const char *name, struct bytes all, bool text,
	   const struct body_options *options)
{
	size_t offset = (size_t)options->offset < all.size
				? (size_t)options->offset
				: all.size;
	size_t limit = options->limit >= 0 ? (size_t)options->limit
		       : text		   ? BODY_TEXT
					   : BODY_BINARY;
	size_t end = all.size - offset < limit ? all.size : offset + limit;
	char *info_name = alloc_format("%s_info", name);
	json_t *info = json_object();
	struct bytes slice;

	if (text) {
		offset = character_start(all, offset);
		end = character_start(all, end);
	}
	slice = bytes_first(bytes_from(all, offset),
			    end > offset ? end - offset : 0);
	json_object_set_new(call, name,
			    text ? json_stringn((const char *)slice.data,
						slice.size)
				 : body_base64(slice));
	set_number(info, "size", all.size);
	set_number(info, "offset", offset);
	set_number(info, "shown", slice.size);
	if (offset + slice.size < all.size)
		set_number(info, "next_offset", offset + slice.size);
	if (!text)
		json_object_set_new(info, "encoding", json_string("base64"));
	json_object_set_new(call, info_name, info);
	free(info_name);
	return offset + slice.size < all.size;
}

bool
body_show(json_t *call, const char *name, struct bytes body,
	  const struct body_options *options)
{
	bool more, text = text_is_utf8(body);
	struct buf shown;

	buf_init(&shown, TEXT_LIMIT);
	/* One odd byte in a form does not make its password public. */
	if (options->reveal)
		buf_bytes(&shown, body);
	else
		redact_text(body, &shown);
	if (text && options->pretty)
		make_pretty(&shown);
	more = show_slice(call, name, buf_view(&shown), text, options);
	buf_free(&shown);
	return more;
}
