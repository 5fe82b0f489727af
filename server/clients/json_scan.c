/* SPDX-License-Identifier: Apache-2.0 */
#include "server/clients/json_scan.h"

#include <stdint.h>
#include <string.h>

#include <jansson.h>

#define DEPTH_MAX 128

static int
peek(const struct json_scan *s)
{
	return s->at < s->text.size ? s->text.data[s->at] : -1;
}

static bool
accept(struct json_scan *s, int wanted)
{
	if (peek(s) != wanted)
		return false;
	s->at++;
	return true;
}

static bool
scan_comment(struct json_scan *s)
{
	const uint8_t *data = s->text.data;

	if (s->at + 1 >= s->text.size)
		return false;
	if (data[s->at + 1] == '/') {
		while (peek(s) >= 0 && peek(s) != '\n')
			s->at++;
		return true;
	}
	if (data[s->at + 1] != '*')
		return false;
	for (size_t i = s->at + 2; i + 1 < s->text.size; i++)
		if (data[i] == '*' && data[i + 1] == '/') {
			s->at = i + 2;
			return true;
		}
	return false;
}

bool
json_scan_blank(struct json_scan *s)
{
	for (;;) {
		int c = peek(s);

		if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
			s->at++;
		else if (c != '/' || !s->comments)
			return true;
		else if (!scan_comment(s))
			return false;
	}
}

static bool
scan_escape(struct json_scan *s)
{
	int c = peek(s);

	if (c < 0 || !strchr("\"\\/bfnrtu", c))
		return false;
	s->at++;
	for (int i = 0; c == 'u' && i < 4; i++) {
		int digit = peek(s);

		if (digit <= 0 || !strchr("0123456789abcdefABCDEF", digit))
			return false;
		s->at++;
	}
	return true;
}

static bool
scan_string(struct json_scan *s)
{
	if (!accept(s, '"'))
		return false;
	for (;;) {
		int c = peek(s);

		if (c < 0x20)
			return false;
		s->at++;
		if (c == '"')
			return true;
		if (c == '\\' && !scan_escape(s))
			return false;
	}
}

static bool
scan_digits(struct json_scan *s)
{
	size_t start = s->at;

	while (peek(s) >= '0' && peek(s) <= '9')
		s->at++;
	return s->at > start;
}

static bool
scan_number(struct json_scan *s)
{
	accept(s, '-');
	if (!accept(s, '0') && !scan_digits(s))
		return false;
	if (accept(s, '.') && !scan_digits(s))
		return false;
	if (accept(s, 'e') || accept(s, 'E')) {
		if (!accept(s, '+'))
			accept(s, '-');
		return scan_digits(s);
	}
	return true;
}

static bool
scan_word(struct json_scan *s)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < 3; i++)
		if (bytes_starts_with(bytes_from(s->text, s->at), words[i])) {
			s->at += strlen(words[i]);
			return true;
		}
	return false;
}

/* After a value: true with `*more` when another follows, false when the text
 * is wrong.  `close` ends the container and is moved over. */
static bool
scan_next(struct json_scan *s, int close, bool *more, size_t *comma)
{
	*comma = SIZE_MAX;
	*more = false;
	if (!json_scan_blank(s))
		return false;
	if (accept(s, close))
		return true;
	if (peek(s) != ',')
		return false;
	*comma = s->at++;
	if (!json_scan_blank(s))
		return false;
	if (s->comments && accept(s, close))
		return true;
	*more = true;
	return true;
}

static bool
scan_array(struct json_scan *s)
{
	bool more;
	size_t comma;

	s->at++;
	if (!json_scan_blank(s))
		return false;
	if (accept(s, ']'))
		return true;
	do {
		if (!json_scan_value(s) || !scan_next(s, ']', &more, &comma))
			return false;
	} while (more);
	return true;
}

bool
json_scan_value(struct json_scan *s)
{
	struct json_object object;
	int c = peek(s);
	bool fine;

	if (c == '"')
		return scan_string(s);
	if (c != '{' && c != '[')
		return c == '-' || (c >= '0' && c <= '9') ? scan_number(s) :
							    scan_word(s);
	if (s->depth >= DEPTH_MAX)
		return false;
	s->depth++;
	fine = c == '[' ? scan_array(s) :
			  json_scan_object(s, NULL, &object, NULL);
	s->depth--;
	return fine;
}

/* Escapes and all. */
static bool
key_is(struct bytes key, const char *name)
{
	json_t *text = json_loadb((const char *)key.data, key.size,
				  JSON_DECODE_ANY, NULL);
	const char *value = json_string_value(text);
	bool same = value && strcmp(value, name) == 0;

	json_decref(text);
	return same;
}

/* From the key to the end of the value. */
static bool
scan_pair(struct json_scan *s, struct json_member *member)
{
	member->key = s->at;
	if (!scan_string(s))
		return false;
	member->key_end = s->at;
	if (!json_scan_blank(s) || !accept(s, ':') || !json_scan_blank(s))
		return false;
	member->value = s->at;
	if (!json_scan_value(s))
		return false;
	member->value_end = s->at;
	return true;
}

static void
note(const struct json_scan *s, const char *name,
     const struct json_member *pair, struct json_member *member)
{
	struct bytes key = bytes_first(bytes_from(s->text, pair->key),
				       pair->key_end - pair->key);

	if (!name || !key_is(key, name))
		return;
	if (member->found) {
		member->twice = true;
		return;
	}
	*member = *pair;
	member->found = true;
}

bool
json_scan_object(struct json_scan *s, const char *name,
		 struct json_object *object, struct json_member *member)
{
	struct json_member pair = { .comma_after = SIZE_MAX };
	bool more = true;

	*object = (struct json_object){ .open = s->at,
					.last_comma = SIZE_MAX };
	if (!accept(s, '{') || !json_scan_blank(s))
		return false;
	object->first_key = s->at;
	if (accept(s, '}'))
		more = false;
	while (more) {
		pair.comma_before = pair.comma_after;
		if (!scan_pair(s, &pair) ||
		    !scan_next(s, '}', &more, &pair.comma_after))
			return false;
		note(s, name, &pair, member);
		object->count++;
		object->last_end = pair.value_end;
		object->last_comma = pair.comma_after;
	}
	object->close = s->at - 1;
	return true;
}
