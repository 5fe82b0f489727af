/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/redis_frame.h"

/* A length is at most 20 digits; a text line may be as long as a head. */
#define NUMBER_LINE 24
#define TEXT_LINE (64u << 10)
/* What servers accept: arguments of a request, bytes of a string. */
#define REQUEST_ARGUMENTS (1u << 20)
#define STRING_SIZE (INT64_C(4) << 30)
#define NAME_SIZE 32

bool
redis_is_text(uint8_t type)
{
	return type == '$' || type == '!' || type == '=';
}

bool
redis_is_aggregate(uint8_t type)
{
	return type == '*' || type == '%' || type == '~' || type == '>' ||
	       type == '|';
}

static bool
has_number(uint8_t type)
{
	return redis_is_text(type) || redis_is_aggregate(type);
}

/* Decimal, without the pains of text_i64: it is read for every value. */
static bool
read_number(struct bytes in, int64_t *value)
{
	bool negative = in.size && in.data[0] == '-';
	int64_t sum = 0;

	in = bytes_from(in, negative);
	if (!in.size || in.size > 18)
		return false;
	for (size_t i = 0; i < in.size; i++) {
		if (in.data[i] < '0' || in.data[i] > '9')
			return false;
		sum = sum * 10 + (in.data[i] - '0');
	}
	*value = negative ? -sum : sum;
	return true;
}

/* What an integer, a double, a boolean … is made of. */
static bool
is_scalar(uint8_t type, struct bytes text)
{
	static const char digits[] = "0123456789+-.eEinfa";

	switch (type) {
	case '_':
		return text.size == 0;
	case '#':
		return text.size == 1 &&
		       (text.data[0] == 't' || text.data[0] == 'f');
	case ':':
	case '(':
	case ',':
		for (size_t i = 0; i < text.size; i++)
			if (!memchr(digits, text.data[i], sizeof(digits) - 1))
				return false;
		return text.size > 0;
	default: /* + and -: text without line ends */
		for (size_t i = 0; i < text.size; i++)
			if (text.data[i] < ' ' && text.data[i] != '\t')
				return false;
		return true;
	}
}

static bool
is_type(uint8_t c)
{
	return c != 0 && strchr("+-:$*_#,(!=%~>|", c) != NULL;
}

enum verdict
redis_line(struct bytes in, struct redis_line *line)
{
	size_t limit;
	const uint8_t *end;

	if (!in.size)
		return VERDICT_MAYBE;
	line->type = in.data[0];
	if (!is_type(line->type))
		return VERDICT_NO;
	limit = has_number(line->type) ? NUMBER_LINE : TEXT_LINE;
	end = memchr(in.data, '\n', in.size < limit ? in.size : limit);
	if (!end)
		return in.size < limit ? VERDICT_MAYBE : VERDICT_NO;
	line->size = (size_t)(end - in.data) + 1;
	if (line->size < 3 || end[-1] != '\r')
		return VERDICT_NO;
	line->text = bytes_make(in.data + 1, line->size - 3);
	if (!has_number(line->type))
		return is_scalar(line->type, line->text) ? VERDICT_YES
							 : VERDICT_NO;
	if (!read_number(line->text, &line->number) || line->number < -1 ||
	    line->number > STRING_SIZE)
		return VERDICT_NO;
	return VERDICT_YES;
}

bool
redis_string(struct bytes in, struct bytes *text, size_t *size)
{
	struct redis_line line;

	if (redis_line(in, &line) != VERDICT_YES)
		return false;
	*size = line.size;
	*text = line.text;
	if (!redis_is_text(line.type))
		return !redis_is_aggregate(line.type);
	if (line.number < 0 ||
	    in.size < line.size + (uint64_t)line.number + 2)
		return false;
	*text = bytes_make(in.data + line.size, (size_t)line.number);
	*size += (size_t)line.number + 2;
	return true;
}

bool
redis_is_name(struct bytes name)
{
	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = name.data[i] | 0x20;

		if ((c < 'a' || c > 'z') &&
		    (!i || !memchr("0123456789._-|", name.data[i], 14)))
			return false;
	}
	return name.size > 0 && name.size <= NAME_SIZE;
}

static void
add_argument(struct redis_request *request, struct bytes argument)
{
	request->seen++;
	if (request->count < REDIS_ARGUMENTS)
		request->args[request->count++] = argument;
}

/* "*2 $3 GET $1 k", by lines. */
static enum verdict
read_array(struct bytes in, struct redis_request *request)
{
	struct redis_line line;
	enum verdict verdict = redis_line(in, &line);

	request->wanted = in.size + 1;
	if (verdict != VERDICT_YES)
		return verdict;
	if (line.number > REQUEST_ARGUMENTS)
		return VERDICT_NO;
	request->total = line.number > 0 ? (uint32_t)line.number : 0;
	request->size = line.size;
	while (request->seen < request->total) {
		struct bytes rest = bytes_from(in, request->size);
		uint64_t size;

		verdict = redis_line(rest, &line);
		if (verdict == VERDICT_YES &&
		    (line.type != '$' || line.number < 0))
			return VERDICT_NO;
		if (verdict != VERDICT_YES)
			return verdict;
		size = line.size + (uint64_t)line.number + 2;
		request->wanted = request->size + size;
		request->next = (uint64_t)line.number;
		if (rest.size < size || request->wanted > REDIS_REQUEST_HELD)
			return VERDICT_MAYBE;
		if (rest.data[size - 2] != '\r' || rest.data[size - 1] != '\n')
			return VERDICT_NO;
		add_argument(request, bytes_make(rest.data + line.size,
						 (size_t)line.number));
		request->size += (size_t)size;
		request->wanted = in.size + 1;
		request->next = 0;
		if (request->seen == 1 && !redis_is_name(request->args[0]))
			return VERDICT_NO;
	}
	return VERDICT_YES;
}

/* The end of a word of a line, which may be in quotes. */
static size_t
word_end(struct bytes line, size_t at)
{
	uint8_t quote = 0;

	for (; at < line.size; at++) {
		uint8_t c = line.data[at];

		if (c == '\\' && quote == '"')
			at++;
		else if (quote ? c == quote : c == '"' || c == '\'')
			quote = quote ? 0 : c;
		else if (!quote && (c == ' ' || c == '\t'))
			break;
	}
	return at < line.size ? at : line.size;
}

static struct bytes
without_quotes(struct bytes word)
{
	if (word.size >= 2 && (word.data[0] == '"' || word.data[0] == '\'') &&
	    word.data[word.size - 1] == word.data[0])
		return bytes_make(word.data + 1, word.size - 2);
	return word;
}

static enum verdict
read_inline(struct bytes in, struct redis_request *request)
{
	const uint8_t *end = memchr(in.data, '\n', in.size < TEXT_LINE
							   ? in.size
							   : TEXT_LINE);
	struct bytes line = bytes_make(in.data, end ? (size_t)(end - in.data)
						    : in.size);
	size_t at = 0;

	for (size_t i = 0; i < line.size; i++)
		if (line.data[i] < ' ' && line.data[i] != '\t' &&
		    (line.data[i] != '\r' || i + 1 < line.size))
			return VERDICT_NO;
	request->wanted = in.size + 1;
	if (!end)
		return in.size < TEXT_LINE ? VERDICT_MAYBE : VERDICT_NO;
	request->size = line.size + 1;
	if (line.size && line.data[line.size - 1] == '\r')
		line.size--;
	while (at < line.size) {
		size_t stop = word_end(line, at);

		if (stop > at)
			add_argument(request, without_quotes(bytes_make(
						      line.data + at,
						      stop - at)));
		at = stop + 1;
	}
	request->total = request->seen;
	return !request->total || redis_is_name(request->args[0])
		       ? VERDICT_YES
		       : VERDICT_NO;
}

enum verdict
redis_request(struct bytes in, struct redis_request *request)
{
	request->count = request->total = request->seen = 0;
	request->size = 0;
	request->next = 0;
	request->wanted = 1;
	if (!in.size)
		return VERDICT_MAYBE;
	return in.data[0] == '*' ? read_array(in, request)
				 : read_inline(in, request);
}
