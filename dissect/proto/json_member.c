/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/json_member.h"

static struct bytes
skip_blanks(struct bytes in)
{
	while (in.size && (in.data[0] == ' ' || in.data[0] == '\t' ||
			   in.data[0] == '\n' || in.data[0] == '\r'))
		in = bytes_from(in, 1);
	return in;
}

/* Bytes of the string at the front, quotes included; 0: it does not end. */
static size_t
string_size(struct bytes in)
{
	for (size_t i = 1; i < in.size; i++) {
		if (in.data[i] == '\\')
			i++;
		else if (in.data[i] == '"')
			return i + 1;
	}
	return 0;
}

/* The same for any value. */
static size_t
value_size(struct bytes in)
{
	size_t depth = 0;

	for (size_t i = 0; i < in.size; i++) {
		uint8_t c = in.data[i];
		size_t size;

		if (c == '"') {
			size = string_size(bytes_from(in, i));
			if (!size)
				return 0;
			i += size - 1;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if ((c == '}' || c == ']') && depth) {
			depth--;
		} else if (!depth && (c == ',' || c == '}' || c == ']')) {
			return i;
		}
	}
	return depth ? 0 : in.size;
}

struct bytes
json_members(struct bytes text)
{
	text = skip_blanks(text);
	if (!text.size || text.data[0] != '{')
		return bytes_make(NULL, 0);
	return bytes_from(text, 1);
}

bool
json_member_next(struct bytes *rest, struct json_member *out)
{
	struct bytes in = skip_blanks(*rest);
	size_t size;

	if (in.size && in.data[0] == ',')
		in = skip_blanks(bytes_from(in, 1));
	size = in.size && in.data[0] == '"' ? string_size(in) : 0;
	if (!size)
		return false;
	out->name = bytes_make(in.data + 1, size - 2);
	in = skip_blanks(bytes_from(in, size));
	if (!in.size || in.data[0] != ':')
		return false;
	in = skip_blanks(bytes_from(in, 1));
	size = value_size(in);
	if (!size)
		return false;
	out->value = bytes_first(in, size);
	while (size && out->value.data[size - 1] <= ' ')
		size--;
	out->value.size = size;
	out->is_string = size >= 2 && out->value.data[0] == '"';
	if (out->is_string)
		out->value = bytes_make(out->value.data + 1, size - 2);
	*rest = bytes_from(in, value_size(in));
	return true;
}

struct bytes
json_member_find(struct bytes text, const char *name)
{
	struct bytes rest = json_members(text);
	struct json_member member;

	while (json_member_next(&rest, &member))
		if (bytes_equal(member.name, bytes_of(name)))
			return member.value;
	return bytes_make(NULL, 0);
}
