/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/json_writer.h"

#include <math.h>
#include <stdio.h>

#include "base/text.h"

void
json_writer_init(struct json_writer *w, struct sink *sink, bool comma)
{
	w->sink = sink;
	w->out = NULL;
	w->comma = comma;
	w->size = 0;
}

void
json_writer_to(struct json_writer *w, struct buf *out)
{
	w->sink = NULL;
	w->out = out;
	w->comma = false;
	w->size = 0;
}

static void
give(struct json_writer *w, struct bytes in)
{
	if (w->sink)
		sink_body(w->sink, in);
	else
		buf_bytes(w->out,
			  bytes_first(in, w->out->limit - w->out->size));
}

void
json_writer_flush(struct json_writer *w)
{
	if (w->size)
		give(w, bytes_make(w->held, w->size));
	w->size = 0;
}

bool
json_writer_is_full(const struct json_writer *w)
{
	return w->out && w->out->size + w->size >= w->out->limit;
}

static void
put(struct json_writer *w, struct bytes in)
{
	if (w->size + in.size > sizeof(w->held))
		json_writer_flush(w);
	if (in.size > sizeof(w->held)) {
		give(w, in);
		return;
	}
	if (in.size)
		memcpy(w->held + w->size, in.data, in.size);
	w->size = (uint16_t)(w->size + in.size);
}

static void
put_text(struct json_writer *w, const char *text)
{
	put(w, bytes_of(text));
}

static void
begin_value(struct json_writer *w)
{
	if (w->comma)
		put_text(w, ",");
	w->comma = true;
}

static void
put_escaped(struct json_writer *w, struct bytes in)
{
	size_t from = 0;
	char text[8];

	put_text(w, "\"");
	for (size_t i = 0; i < in.size; i++) {
		uint8_t c = in.data[i];

		if (c >= ' ' && c != '"' && c != '\\' && c != 0x7f)
			continue;
		put(w, bytes_make(in.data + from, i - from));
		snprintf(text, sizeof(text),
			 c == '"' || c == '\\' ? "\\%c" : "\\u%04x", c);
		put_text(w, text);
		from = i + 1;
	}
	put(w, bytes_from(in, from));
	put_text(w, "\"");
}

static void
put_base64(struct json_writer *w, struct bytes in)
{
	char digits[4];

	for (; in.size; in = bytes_from(in, 3)) {
		text_base64(in, digits);
		put(w, bytes_make(digits, sizeof(digits)));
	}
}

void
json_writer_name(struct json_writer *w, struct bytes name)
{
	struct buf printable;

	begin_value(w);
	if (text_is_utf8(name)) {
		put_escaped(w, name);
	} else {
		/* A byte becomes four characters. */
		buf_init(&printable, 4 * name.size + 16);
		text_escape(&printable, name);
		put_escaped(w, buf_view(&printable));
		buf_free(&printable);
	}
	put_text(w, ":");
	w->comma = false;
}

void
json_writer_open(struct json_writer *w, char bracket)
{
	begin_value(w);
	put(w, bytes_make(&bracket, 1));
	w->comma = false;
}

void
json_writer_close(struct json_writer *w, char bracket)
{
	put(w, bytes_make(&bracket, 1));
	w->comma = true;
}

void
json_writer_string(struct json_writer *w, struct bytes in)
{
	begin_value(w);
	if (text_is_utf8(in)) {
		put_escaped(w, in);
		return;
	}
	put_text(w, "{\"base64\":\"");
	put_base64(w, in);
	put_text(w, "\"}");
}

void
json_writer_base64(struct json_writer *w, struct bytes in)
{
	begin_value(w);
	put_text(w, "\"");
	put_base64(w, in);
	put_text(w, "\"");
}

void
json_writer_double(struct json_writer *w, double value)
{
	char text[40];

	snprintf(text, sizeof(text), isfinite(value) ? "%.17g" : "\"%g\"",
		 value);
	json_writer_word(w, text);
}

void
json_writer_number(struct json_writer *w, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	json_writer_word(w, text);
}

void
json_writer_word(struct json_writer *w, const char *word)
{
	begin_value(w);
	put_text(w, word);
}
