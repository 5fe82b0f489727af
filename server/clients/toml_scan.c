/* SPDX-License-Identifier: Apache-2.0 */
#include "server/clients/toml_scan.h"

#include <string.h>

#define DEPTH_MAX 64

static int
peek(const struct toml_scan *s)
{
	return s->at < s->text.size ? s->text.data[s->at] : -1;
}

static bool
starts(const struct toml_scan *s, const char *prefix)
{
	return bytes_starts_with(bytes_from(s->text, s->at), prefix);
}

static void
skip_blank(struct toml_scan *s)
{
	while (peek(s) == ' ' || peek(s) == '\t')
		s->at++;
}

/* To the end of a comment; a carriage return can only be part of that. */
static void
skip_comment(struct toml_scan *s)
{
	while (peek(s) >= 0 && peek(s) != '\n' && peek(s) != '\r')
		s->at++;
}

/* Blanks, comments and line ends, as inside arrays. */
static void
skip_all(struct toml_scan *s)
{
	for (;;) {
		int c = peek(s);

		if (c == '#')
			skip_comment(s);
		else if (c == ' ' || c == '\t' || c == '\n' ||
			 starts(s, "\r\n"))
			s->at++;
		else
			return;
	}
}

/* The end of a statement: a comment at most, and the line's end. */
static bool
end_line(struct toml_scan *s)
{
	skip_blank(s);
	if (peek(s) == '#')
		skip_comment(s);
	if (starts(s, "\r\n"))
		s->at++;
	if (peek(s) < 0)
		return true;
	if (peek(s) != '\n')
		return false;
	s->at++;
	return true;
}

/* A string on one line, from its quote to behind the other one. */
static bool
scan_string(struct toml_scan *s)
{
	int quote = peek(s);

	for (s->at++; peek(s) >= 0 && peek(s) != '\n'; s->at++) {
		if (peek(s) == quote) {
			s->at++;
			return true;
		}
		if (quote == '"' && peek(s) == '\\' &&
		    s->at + 1 < s->text.size &&
		    s->text.data[s->at + 1] != '\n')
			s->at++;
	}
	return false;
}

/* Up to two quotes may stand directly before the three that end it. */
static bool
scan_long_string(struct toml_scan *s, const char *quotes)
{
	s->at += 3;
	while (peek(s) >= 0) {
		if (starts(s, quotes)) {
			s->at += 3;
			for (int i = 0; i < 2 && peek(s) == quotes[0]; i++)
				s->at++;
			return true;
		}
		if (quotes[0] == '"' && peek(s) == '\\')
			s->at++;
		s->at++;
	}
	return false;
}

static bool
scan_any_string(struct toml_scan *s)
{
	if (starts(s, "\"\"\""))
		return scan_long_string(s, "\"\"\"");
	if (starts(s, "'''"))
		return scan_long_string(s, "'''");
	return scan_string(s);
}

static bool
is_plain(int c)
{
	return c > ' ' && !strchr(",[]{}#\"'=", c);
}

/* A number, a boolean or a date, of which one form has a blank inside. */
static bool
scan_plain(struct toml_scan *s)
{
	size_t start = s->at;

	while (is_plain(peek(s)))
		s->at++;
	if (s->at - start == 10 && peek(s) == ' ' &&
	    s->at + 1 < s->text.size && s->text.data[s->at + 1] >= '0' &&
	    s->text.data[s->at + 1] <= '9') {
		s->at++;
		while (is_plain(peek(s)))
			s->at++;
	}
	return s->at > start;
}

/* One bracket: an opening one waits for its closing one. */
static bool
scan_bracket(int c, char closers[DEPTH_MAX], size_t *depth)
{
	if (c == '[' || c == '{') {
		if (*depth == DEPTH_MAX)
			return false;
		closers[(*depth)++] = c == '[' ? ']' : '}';
		return true;
	}
	return *depth > 0 && closers[--*depth] == c;
}

/* Arrays and inline tables: brackets must match, all else is skipped. */
static bool
scan_nested(struct toml_scan *s)
{
	char closers[DEPTH_MAX];
	size_t depth = 0;

	do {
		int c = peek(s);

		if (c == '[' || c == '{' || c == ']' || c == '}') {
			if (!scan_bracket(c, closers, &depth))
				return false;
			s->at++;
		} else if (c == '"' || c == '\'') {
			if (!scan_any_string(s))
				return false;
		} else if (c == ',' || c == '=') {
			s->at++;
		} else if (!scan_plain(s)) {
			return false;
		}
		if (depth > 0)
			skip_all(s);
	} while (depth > 0);
	return true;
}

static bool
scan_value(struct toml_scan *s)
{
	int c = peek(s);

	if (c == '[' || c == '{')
		return scan_nested(s);
	if (c == '"' || c == '\'')
		return scan_any_string(s);
	return scan_plain(s);
}

static bool
is_bare(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool
scan_key(struct toml_scan *s, struct bytes *key)
{
	size_t start = s->at;
	bool quoted = peek(s) == '"' || peek(s) == '\'';

	if (quoted) {
		if (!scan_string(s))
			return false;
	} else {
		while (is_bare(peek(s)))
			s->at++;
	}
	if (s->at == start)
		return false;
	*key = bytes_first(bytes_from(s->text, start + quoted),
			   s->at - start - 2 * (size_t)quoted);
	return true;
}

static bool
scan_keys(struct toml_scan *s, struct toml_statement *st)
{
	struct bytes key;

	for (;;) {
		skip_blank(s);
		if (!scan_key(s, &key))
			return false;
		if (st->key_count < TOML_KEYS_MAX)
			st->keys[st->key_count++] = key;
		skip_blank(s);
		if (peek(s) != '.')
			return true;
		s->at++;
	}
}

static bool
scan_header(struct toml_scan *s, struct toml_statement *st)
{
	bool array = starts(s, "[[");

	st->kind = array ? TOML_ARRAY : TOML_TABLE;
	s->at += array ? 2 : 1;
	if (!scan_keys(s, st) || !starts(s, array ? "]]" : "]"))
		return false;
	s->at += array ? 2 : 1;
	return true;
}

static bool
scan_pair(struct toml_scan *s, struct toml_statement *st)
{
	st->kind = TOML_PAIR;
	if (!scan_keys(s, st) || peek(s) != '=')
		return false;
	s->at++;
	skip_blank(s);
	return scan_value(s);
}

static unsigned
line_of(const struct toml_scan *s)
{
	unsigned line = 1;

	for (size_t i = 0; i < s->at && i < s->text.size; i++)
		line += s->text.data[i] == '\n';
	return line;
}

/* Lines without a statement. */
static void
skip_empty(struct toml_scan *s)
{
	for (;;) {
		size_t start = s->at;

		if (peek(s) < 0)
			return;
		if (!end_line(s)) {
			s->at = start;
			return;
		}
	}
}

struct toml_statement
toml_scan_next(struct toml_scan *s)
{
	struct toml_statement st = { .kind = TOML_END };
	bool fine;

	if (s->at == 0 && starts(s, "\xef\xbb\xbf"))
		s->at = 3;
	skip_empty(s);
	st.start = s->at;
	if (peek(s) < 0) {
		st.end = s->at;
		return st;
	}
	skip_blank(s);
	fine = peek(s) == '[' ? scan_header(s, &st) : scan_pair(s, &st);
	if (!fine || !end_line(s)) {
		st.kind = TOML_BAD;
		st.line = line_of(s);
	}
	st.end = s->at;
	return st;
}
