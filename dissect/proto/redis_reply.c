/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/redis_reply.h"

#include <stdio.h>

/* A longer +text is rather a body. */
#define STATUS_SIZE 64

/* JSON. */

static void
put(struct redis_reply *reply, struct bytes text, struct sink *sink)
{
	if (!reply->hidden && text.size)
		sink_body(sink, text);
}

static void
put_text(struct redis_reply *reply, const char *text, struct sink *sink)
{
	put(reply, bytes_of(text), sink);
}

/* The inside of a JSON string; bytes above ASCII stay what they are. */
static void
put_escaped(struct redis_reply *reply, struct bytes in, struct sink *sink)
{
	size_t from = 0;
	char text[8];

	for (size_t i = 0; i < in.size; i++) {
		uint8_t c = in.data[i];

		if (c >= ' ' && c != '"' && c != '\\' && c != 0x7f)
			continue;
		put(reply, bytes_make(in.data + from, i - from), sink);
		if (c == '"' || c == '\\')
			snprintf(text, sizeof(text), "\\%c", c);
		else
			snprintf(text, sizeof(text), "\\u%04x", c);
		put_text(reply, text, sink);
		from = i + 1;
	}
	put(reply, bytes_from(in, from), sink);
}

static struct redis_level *
level_of(struct redis_reply *reply)
{
	return reply->depth ? &reply->levels[reply->depth - 1] : NULL;
}

static bool
is_map(const struct redis_level *level)
{
	return level->type == '%' || level->type == '|';
}

static bool
is_key(const struct redis_level *level)
{
	return level && is_map(level) && level->done % 2 == 0;
}

static void
put_separator(struct redis_reply *reply, struct sink *sink)
{
	struct redis_level *level = level_of(reply);

	if (level && level->done)
		put_text(reply,
			 is_map(level) && level->done % 2 ? ":" : ",", sink);
}

/* A value has ended, and maybe the aggregates around it. */
static void
value_end(struct redis_reply *reply, struct sink *sink)
{
	struct redis_level *level;

	reply->state = REPLY_NEXT;
	while ((level = level_of(reply)) != NULL) {
		if (++level->done < level->total)
			return;
		put_text(reply, is_map(level) ? "}" : "]", sink);
		reply->depth--;
		if (level->type != '|')
			continue;
		/* What an attribute is about follows. */
		if (reply->hidden > reply->depth)
			reply->hidden = 0;
		return;
	}
	reply->state = REPLY_START;
}

/* Values. */

void
redis_reply_error(struct redis_reply *reply, struct bytes text,
		  struct sink *sink)
{
	size_t size = 0;

	if (reply->failed)
		return;
	while (size < text.size && text.data[size] != ' ')
		size++;
	sink_field(sink, FIELD_STATUS_TEXT,
		   bytes_first(text, size < STATUS_SIZE ? size : STATUS_SIZE));
	sink_field(sink, FIELD_ERROR, text);
	sink_flags(sink, MESSAGE_IS_ERROR);
	reply->failed = true;
}

static void
say_ok(struct redis_reply *reply, struct sink *sink)
{
	if (!reply->depth && !reply->failed)
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of("OK"));
}

static void
null_value(struct redis_reply *reply, struct sink *sink)
{
	put_separator(reply, sink);
	if (reply->depth)
		put_text(reply, "null", sink);
	else
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of("nil"));
	value_end(reply, sink);
}

static void
quoted(struct redis_reply *reply, struct bytes text, struct sink *sink)
{
	put_text(reply, "\"", sink);
	put_escaped(reply, text, sink);
	put_text(reply, "\"", sink);
}

static void
nested_error(struct redis_reply *reply, struct bytes text, struct sink *sink)
{
	put_text(reply, "{\"error\":", sink);
	quoted(reply, text, sink);
	put_text(reply, "}", sink);
}

/* +text, -error and numbers. */
static void
line_value(struct redis_reply *reply, const struct redis_line *line,
	   struct sink *sink)
{
	bool text = line->type == '+' || line->type == '-';

	put_separator(reply, sink);
	if (line->type == '-')
		redis_reply_error(reply, line->text, sink);
	if (reply->depth && line->type == '-')
		nested_error(reply, line->text, sink);
	else if (reply->depth && (text || is_key(level_of(reply))))
		quoted(reply, line->text, sink);
	else if (line->type == '#')
		put_text(reply, line->text.data[0] == 't' ? "true" : "false",
			 sink);
	else if (!text)
		put(reply, line->text, sink);
	else if (line->type == '+' && line->text.size > STATUS_SIZE)
		put(reply, line->text, sink);
	else if (line->type == '+')
		sink_field(sink, FIELD_STATUS_TEXT, line->text);
	if (!text || line->text.size > STATUS_SIZE)
		say_ok(reply, sink);
	value_end(reply, sink);
}

static struct step
aggregate(struct redis_reply *reply, const struct redis_line *line,
	  struct sink *sink)
{
	bool map = line->type == '%' || line->type == '|';
	int64_t total = map ? line->number * 2 : line->number;

	if (total > UINT32_MAX || reply->depth == REDIS_DEPTH)
		return step_bad();
	if (line->number < 0) {
		null_value(reply, sink);
		return step_done(line->size);
	}
	if (line->type == '|' && !reply->hidden)
		reply->hidden = reply->depth + 1;
	put_separator(reply, sink);
	say_ok(reply, sink);
	put_text(reply, map ? "{" : "[", sink);
	if (!total) {
		put_text(reply, map ? "}" : "]", sink);
		if (line->type == '|' && reply->hidden > reply->depth)
			reply->hidden = 0;
		else if (line->type != '|')
			value_end(reply, sink);
		return step_done(line->size);
	}
	reply->levels[reply->depth++] = (struct redis_level){
		.total = (uint32_t)total, .type = line->type
	};
	return step_done(line->size);
}

/* An error as long as a string; its text is short all the same. */
static struct step
long_error(struct redis_reply *reply, struct bytes in,
	   const struct redis_line *line, struct sink *sink)
{
	struct bytes text;
	size_t size;

	if (!redis_string(in, &text, &size))
		return line->number > 4096
			       ? step_bad()
			       : step_more(line->size + (size_t)line->number + 2);
	redis_reply_error(reply, text, sink);
	put_separator(reply, sink);
	if (reply->depth)
		nested_error(reply, text, sink);
	value_end(reply, sink);
	return step_done(size);
}

static struct step
next_value(struct redis_reply *reply, struct bytes in, struct sink *sink)
{
	struct redis_line line;
	enum verdict verdict = redis_line(in, &line);

	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO
			       ? step_bad()
			       : step_more(in.size + 1);
	if (redis_is_aggregate(line.type))
		return aggregate(reply, &line, sink);
	if (line.type == '_' || (redis_is_text(line.type) && line.number < 0)) {
		null_value(reply, sink);
		return step_done(line.size);
	}
	if (line.type == '!')
		return long_error(reply, in, &line, sink);
	if (!redis_is_text(line.type)) {
		line_value(reply, &line, sink);
		return step_done(line.size);
	}
	say_ok(reply, sink);
	reply->left = (uint64_t)line.number;
	reply->state = reply->depth ? REPLY_TEXT : REPLY_BODY;
	if (reply->depth) {
		put_separator(reply, sink);
		put_text(reply, "\"", sink);
	}
	return step_done(line.size);
}

static struct step
text_piece(struct redis_reply *reply, struct bytes in, struct sink *sink)
{
	if (reply->left && !in.size)
		return step_more(1);
	in = bytes_first(in, reply->left < in.size ? (size_t)reply->left
						   : in.size);
	put_escaped(reply, in, sink);
	reply->left -= in.size;
	if (!reply->left)
		reply->state = REPLY_CLOSE;
	return step_done(in.size);
}

static struct step
line_end(struct redis_reply *reply, struct bytes in, struct sink *sink)
{
	bool nested = reply->state == REPLY_CLOSE;

	if (in.size < 2)
		return step_more(2);
	if (in.data[0] != '\r' || in.data[1] != '\n')
		return step_bad();
	if (nested)
		put_text(reply, "\"", sink);
	value_end(reply, sink);
	return step_done(2);
}

/* A whole body is given at once; a longer one is left to the stream. */
static struct step
body(struct redis_reply *reply, struct bytes in, bool first, struct sink *sink)
{
	uint64_t size = reply->left;

	if (size <= in.size) {
		put(reply, bytes_first(in, (size_t)size), sink);
		reply->state = REPLY_TAIL;
		return step_done((size_t)size);
	}
	if (!first)
		return step_more(1);
	reply->state = REPLY_TAIL;
	return step_skip(size);
}

struct step
redis_reply_read(struct redis_reply *reply, struct bytes in, bool first,
		 struct sink *sink)
{
	size_t taken = 0;

	while (reply->state != REPLY_START) {
		struct bytes rest = bytes_from(in, taken);
		struct step step = step_bad();

		switch (reply->state) {
		case REPLY_START:
		case REPLY_NEXT:
			step = next_value(reply, rest, sink);
			break;
		case REPLY_TEXT:
			step = text_piece(reply, rest, sink);
			break;
		case REPLY_BODY:
			step = body(reply, rest, first && !taken, sink);
			break;
		case REPLY_CLOSE:
		case REPLY_TAIL:
			step = line_end(reply, rest, sink);
			break;
		}
		if (step.kind != STEP_DONE)
			return taken && step.kind != STEP_BAD ? step_done(taken)
							      : step;
		taken += (size_t)step.n;
	}
	return step_done(taken);
}
