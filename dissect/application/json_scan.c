/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/json_scan.h"

#include "base/text.h"

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct bytes
json_scan_trim(struct bytes in)
{
	size_t size = 0;

	while (size < in.size && is_blank(in.data[size]))
		size++;
	return bytes_from(in, size);
}

/* Behind the string whose first quote is at the front. */
static size_t
string_size(struct bytes in)
{
	size_t at = 1;

	while (at < in.size && in.data[at] != '"')
		at += in.data[at] == '\\' ? 2 : 1;
	return at < in.size ? at + 1 : in.size;
}

/* Behind what the bracket at the front encloses. */
static size_t
nested_size(struct bytes in)
{
	size_t at = 0, depth = 0;

	while (at < in.size) {
		uint8_t c = in.data[at];

		if (c == '"') {
			at += string_size(bytes_from(in, at));
			continue;
		}
		at++;
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			break;
	}
	return at;
}

static size_t
word_size(struct bytes in)
{
	size_t at = 0;

	while (at < in.size && !is_blank(in.data[at]) && in.data[at] != ',' &&
	       in.data[at] != '}' && in.data[at] != ']' && in.data[at] != ':')
		at++;
	return at;
}

static struct bytes
value_at(struct bytes in)
{
	if (!in.size)
		return in;
	if (in.data[0] == '"')
		return bytes_first(in, string_size(in));
	if (in.data[0] == '{' || in.data[0] == '[')
		return bytes_first(in, nested_size(in));
	return bytes_first(in, word_size(in));
}

struct json_scan
json_scan_of(struct bytes value)
{
	struct json_scan s = { .in = value, .at = 1 };

	if (!json_scan_is(value, '{') && !json_scan_is(value, '['))
		s.at = value.size;
	return s;
}

/* Takes a value, and what may come between it and the next. */
static struct bytes
take(struct json_scan *s)
{
	struct bytes left = json_scan_trim(bytes_from(s->in, s->at));
	struct bytes value = value_at(left);

	s->at = s->in.size - left.size + value.size;
	return value;
}

static bool
take_mark(struct json_scan *s, char mark)
{
	struct bytes left = json_scan_trim(bytes_from(s->in, s->at));

	if (!json_scan_is(left, mark))
		return false;
	s->at = s->in.size - left.size + 1;
	return true;
}

bool
json_scan_next(struct json_scan *s, struct bytes *name, struct bytes *value)
{
	if (s->at > 1)
		take_mark(s, ',');
	if (name) {
		*name = json_scan_inside(take(s));
		if (!take_mark(s, ':'))
			return false;
	}
	*value = take(s);
	return value->size > 0;
}

void
json_scan_members(struct bytes object, const char *const *names,
		  struct bytes *values, size_t count)
{
	struct json_scan s = json_scan_of(object);
	struct bytes name, value;
	size_t left = count;

	for (size_t i = 0; i < count; i++)
		values[i] = bytes_make(NULL, 0);
	while (left && json_scan_is(object, '{') &&
	       json_scan_next(&s, &name, &value))
		for (size_t i = 0; i < count; i++)
			if (!values[i].size &&
			    bytes_equal(name, bytes_of(names[i]))) {
				values[i] = value;
				left--;
			}
}

struct bytes
json_scan_member(struct bytes object, const char *wanted)
{
	struct bytes value;

	json_scan_members(object, &wanted, &value, 1);
	return value;
}

/* The same within [from, to). */
static bool
glance_between(struct bytes in, size_t from, size_t to, struct bytes name,
	       char first)
{
	const uint8_t *found;

	while (to > from && (found = memmem(in.data + from, to - from,
					    name.data, name.size)) != NULL) {
		struct bytes left;

		from = (size_t)(found - in.data) + name.size;
		left = json_scan_trim(bytes_from(in, from));
		if (json_scan_is(left, ':') &&
		    json_scan_is(json_scan_trim(bytes_from(left, 1)), first))
			return true;
	}
	return false;
}

bool
json_scan_glance(struct bytes in, const char *name, char first)
{
	size_t front = in.size < JSON_SCAN_GLANCE ? in.size : JSON_SCAN_GLANCE;
	size_t back = in.size - front < JSON_SCAN_GLANCE
			      ? front
			      : in.size - JSON_SCAN_GLANCE;

	return glance_between(in, 0, front, bytes_of(name), first) ||
	       glance_between(in, back, in.size, bytes_of(name), first);
}

struct bytes
json_scan_inside(struct bytes string)
{
	if (!json_scan_is(string, '"'))
		return bytes_make(NULL, 0);
	string = bytes_from(string, 1);
	if (string.size && string.data[string.size - 1] == '"')
		string.size--;
	return string;
}

/* Four hexadecimal digits behind "\u"; -1 when they are not there. */
static int32_t
code_unit(struct bytes in)
{
	int32_t unit = 0;

	if (in.size < 6 || in.data[0] != '\\' || in.data[1] != 'u')
		return -1;
	for (size_t i = 2; i < 6; i++) {
		int digit = text_hex_digit(in.data[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

static void
put_code_point(uint32_t c, struct buf *out)
{
	uint8_t text[4];
	size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (size == 1) {
		buf_u8(out, (uint8_t)c);
		return;
	}
	for (size_t i = size; i-- > 1; c >>= 6)
		text[i] = (uint8_t)(0x80 | (c & 0x3f));
	text[0] = (uint8_t)(0xf0u << (4 - size) | c);
	buf_append(out, text, size);
}

/* An escape at the front; the bytes of it. */
static size_t
put_escape(struct bytes in, struct buf *out)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	int32_t unit = code_unit(in), low = code_unit(bytes_from(in, 6));
	const char *known;

	if (in.size < 2)
		return in.size;
	if (unit >= 0xd800 && unit < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
		put_code_point(0x10000 + ((uint32_t)(unit - 0xd800) << 10) +
				       (uint32_t)(low - 0xdc00),
			       out);
		return 12;
	}
	if (unit >= 0) {
		put_code_point(unit >= 0xd800 && unit < 0xe000 ? 0xfffd
							       : (uint32_t)unit,
			       out);
		return 6;
	}
	known = in.data[1] ? strchr(from, in.data[1]) : NULL;
	buf_u8(out, known ? (uint8_t)to[known - from] : in.data[1]);
	return 2;
}

void
json_scan_text(struct bytes string, struct buf *out)
{
	struct bytes in = json_scan_inside(string);

	while (in.size && !out->failed) {
		size_t size = 0;

		while (size < in.size && in.data[size] != '\\')
			size++;
		if (size > out->limit - out->size)
			size = out->limit - out->size;
		buf_bytes(out, bytes_first(in, size));
		in = bytes_from(in, size);
		if (!in.size || out->size == out->limit)
			break;
		in = bytes_from(in, put_escape(in, out));
	}
}
