/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/line.h"

#include <ctype.h>

#define METHOD_SIZE 24
#define FIRST_ERROR 400
#define READY 220 /* the greeting of a server that is */

enum verdict
line_take(struct bytes in, size_t limit, struct bytes *line, size_t *size)
{
	struct bytes seen = bytes_first(in, limit);
	const uint8_t *end = seen.size ? memchr(seen.data, '\n', seen.size)
				       : NULL;

	if (!end)
		return in.size >= limit ? VERDICT_NO : VERDICT_MAYBE;
	*size = (size_t)(end - in.data) + 1;
	*line = bytes_make(in.data, *size - 1);
	if (line->size && line->data[line->size - 1] == '\r')
		line->size--;
	return VERDICT_YES;
}

struct bytes
line_first(struct bytes in)
{
	const uint8_t *end = in.size ? memchr(in.data, '\n', in.size) : NULL;

	return end ? bytes_first(in, (size_t)(end - in.data) + 1) : in;
}

struct bytes
line_word(struct bytes *line)
{
	size_t from = 0, to;
	struct bytes word;

	while (from < line->size && line->data[from] == ' ')
		from++;
	to = from;
	while (to < line->size && line->data[to] != ' ')
		to++;
	word = from < to ? bytes_make(line->data + from, to - from)
			 : bytes_make(NULL, 0);
	*line = bytes_from(*line, to);
	return word;
}

bool
line_is_text(struct bytes line)
{
	for (size_t i = 0; i < line.size; i++)
		if ((line.data[i] < ' ' && line.data[i] != '\t') ||
		    line.data[i] == 0x7f)
			return false;
	return true;
}

bool
line_says(struct bytes line, const char *name)
{
	struct bytes wanted = bytes_of(name), word;

	line = bytes_from(line, 4);
	while ((word = line_word(&line)).size) {
		if (memchr(word.data, '.', word.size))
			continue;
		for (size_t i = 0; i + wanted.size <= word.size; i++)
			if (bytes_equal_nocase(bytes_make(word.data + i,
							  wanted.size),
					       wanted))
				return true;
	}
	return false;
}

struct bytes
line_mechanism(struct bytes in)
{
	size_t size = 0;

	while (size < in.size && (isalnum(in.data[size]) ||
				  in.data[size] == '-' || in.data[size] == '_'))
		size++;
	return bytes_first(in, size);
}

bool
line_may_begin(struct bytes in, const char *word)
{
	size_t size = strlen(word);
	uint8_t next = in.size > size ? in.data[size] : ' ';

	return (next == ' ' || next == '\r' || next == '\n') &&
	       bytes_equal_nocase(bytes_first(in, size),
				  bytes_first(bytes_of(word), in.size));
}

void
line_method(struct bytes word, struct sink *sink)
{
	char name[METHOD_SIZE];
	size_t size = word.size < sizeof(name) ? word.size : sizeof(name);

	for (size_t i = 0; i < size; i++)
		name[i] = (char)toupper(word.data[i]);
	sink_field(sink, FIELD_METHOD, bytes_make(name, size));
}

void
line_header(const char *name, struct bytes value, struct sink *sink)
{
	sink_header(sink, bytes_of(name), value);
}

/* Blocks. */

/* How many bytes stand before the next line that begins with a dot, or before
 * the end. */
static size_t
run_of(enum line_place *place, struct bytes in)
{
	const uint8_t *dot = memmem(in.data, in.size, "\r\n.", 3);
	size_t size = dot ? (size_t)(dot - in.data) + 2 : in.size;

	*place = LINE_INSIDE;
	if (in.data[size - 1] == '\r')
		*place = LINE_CR;
	else if (size > 1 && in.data[size - 1] == '\n' &&
		 in.data[size - 2] == '\r')
		*place = LINE_START;
	return size;
}

struct step
line_block(enum line_place *place, struct bytes in, bool *ended,
	   struct sink *sink)
{
	size_t at = 0;

	*ended = false;
	while (at < in.size) {
		struct bytes rest = bytes_from(in, at);
		size_t size;

		if (*place == LINE_START && rest.data[0] == '.') {
			*ended = bytes_starts_with(rest, ".\r\n");
			if (*ended)
				return step_done(at + 3);
			if (rest.size == 1 ||
			    (rest.size == 2 && rest.data[1] == '\r'))
				break;
			*place = LINE_INSIDE;
			at++;
			continue;
		}
		if (*place == LINE_CR && rest.data[0] == '\n') {
			*place = LINE_START;
			size = 1;
		} else {
			size = run_of(place, rest);
		}
		sink_body(sink, bytes_first(rest, size));
		at += size;
	}
	return at ? step_done(at) : step_more(in.size + 1);
}

/* Replies. */

uint16_t
line_reply_code(struct bytes line)
{
	if (line.size < 3 || line.data[0] < '1' || line.data[0] > '6' ||
	    !isdigit(line.data[1]) || !isdigit(line.data[2]) ||
	    (line.size > 3 && line.data[3] != ' ' && line.data[3] != '-'))
		return 0;
	return (uint16_t)((line.data[0] - '0') * 100 +
			  (line.data[1] - '0') * 10 + line.data[2] - '0');
}

enum verdict
line_greeting(struct bytes in, size_t limit, struct bytes *line)
{
	size_t size;
	uint16_t code;

	if (line_take(in, limit, line, &size) == VERDICT_YES)
		return VERDICT_YES;
	code = in.size < 4 ? 0 : line_reply_code(bytes_first(in, 4));
	return in.size < limit && (code == READY ||
				   (in.size < 4 && in.data[0] == '2'))
		       ? VERDICT_MAYBE
		       : VERDICT_NO;
}

static void
first_line(struct line_reply *reply, uint16_t code, struct bytes text,
	   struct sink *sink)
{
	reply->code = code;
	sink_status(sink, code);
	sink_field(sink, FIELD_STATUS_TEXT, text);
	if (code < FIRST_ERROR)
		return;
	sink_flags(sink, MESSAGE_IS_ERROR);
	sink_field(sink, FIELD_ERROR, text);
}

enum verdict
line_reply_add(struct line_reply *reply, struct bytes line, bool any,
	       struct sink *sink)
{
	uint16_t code = line_reply_code(line);
	bool own = code && (!reply->lines || code == reply->code);
	bool last = own && (line.size == 3 || line.data[3] == ' ');
	struct bytes text = own ? bytes_from(line, 4) : line;

	if (!own && (!reply->lines || !any))
		return VERDICT_NO;
	if (!reply->lines++)
		first_line(reply, code, text, sink);
	if (!last || reply->lines > 1) {
		sink_body(sink, text);
		sink_body(sink, bytes_of("\n"));
	}
	if (!last)
		return VERDICT_MAYBE;
	*reply = (struct line_reply){ .code = code };
	return VERDICT_YES;
}
