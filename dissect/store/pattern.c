/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/store/pattern.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* Repetitions multiply when they are nested; their product is bounded. */
#define REPEAT_LIMIT 1000

struct translation {
	const char *at;
	struct buf out;
	unsigned long repeat;
	struct error *error;
};

/* What \d \w \s mean inside brackets and outside; upper case negates. */
static const struct {
	char letter;
	const char *inside, *outside;
} classes[] = {
	{ 'd', "0-9", "[0-9]" },
	{ 'D', NULL, "[^0-9]" },
	{ 'w', "[:alnum:]_", "[[:alnum:]_]" },
	{ 'W', NULL, "[^[:alnum:]_]" },
	{ 's', "[:space:]", "[[:space:]]" },
	{ 'S', NULL, "[^[:space:]]" },
	{ 't', "\t", "\t" },
	{ 'n', "\n", "\n" },
	{ 'r', "\r", "\r" },
	{ 'b', NULL, "\\b" },
	{ 'B', NULL, "\\B" },
};

static int
put_escape(struct translation *t, bool inside)
{
	char c = t->at[1];

	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
		const char *text = inside ? classes[i].inside
					  : classes[i].outside;

		if (classes[i].letter != c || !text)
			continue;
		buf_text(&t->out, text);
		t->at += 2;
		return 0;
	}
	if (c == '\0' || isalnum((unsigned char)c) ||
	    (inside && strchr("]^-", c)))
		return error_set(t->error, ERR_INVALID,
				 "\\%c is not supported %sin patterns", c,
				 inside ? "inside [] " : "");
	if (!inside)
		buf_u8(&t->out, '\\');
	buf_u8(&t->out, (uint8_t)c);
	t->at += 2;
	return 0;
}

/* Copies [...], where POSIX takes a backslash for itself. */
static int
put_bracket(struct translation *t)
{
	buf_u8(&t->out, (uint8_t)*t->at++);
	if (*t->at == '^')
		buf_u8(&t->out, (uint8_t)*t->at++);
	if (*t->at == ']')
		buf_u8(&t->out, (uint8_t)*t->at++);
	while (*t->at && *t->at != ']') {
		if (*t->at == '\\') {
			if (put_escape(t, true))
				return ERR_INVALID;
		} else if (t->at[0] == '[' && t->at[1] == ':') {
			const char *end = strstr(t->at, ":]");

			if (!end)
				break;
			buf_append(&t->out, t->at, (size_t)(end + 2 - t->at));
			t->at = end + 2;
		} else {
			buf_u8(&t->out, (uint8_t)*t->at++);
		}
	}
	if (*t->at != ']')
		return error_set(t->error, ERR_INVALID, "a [ has no ]");
	buf_u8(&t->out, (uint8_t)*t->at++);
	return 0;
}

/* Copies {n}, {n,} or {n,m}. */
static int
put_repeat(struct translation *t)
{
	char *end;
	unsigned long count = strtoul(t->at + 1, &end, 10);

	if (*end == ',' && end[1] != '}')
		count = strtoul(end + 1, &end, 10);
	else if (*end == ',')
		end++;
	if (!isdigit((unsigned char)t->at[1]) || *end != '}')
		return error_set(t->error, ERR_INVALID,
				 "a { is written \\{, a repetition {2,5}");
	t->repeat = count > REPEAT_LIMIT ? count : t->repeat * (count + 1);
	if (t->repeat > REPEAT_LIMIT)
		return error_set(t->error, ERR_INVALID,
				 "the repetitions are too large");
	buf_append(&t->out, t->at, (size_t)(end + 1 - t->at));
	t->at = end + 1;
	if (*t->at == '?') /* lazy or not matches the same texts */
		t->at++;
	return 0;
}

static int
put_next(struct translation *t)
{
	char c = *t->at;

	if (c == '\\')
		return put_escape(t, false);
	if (c == '[')
		return put_bracket(t);
	if (c == '{')
		return put_repeat(t);
	buf_u8(&t->out, (uint8_t)*t->at++);
	if (c == '(' && *t->at == '?') {
		if (t->at[1] != ':')
			return error_set(t->error, ERR_INVALID,
					 "(?%c is not supported; (?i) is at "
					 "the beginning, and (?:", t->at[1]);
		t->at += 2;
	}
	if (strchr("*+?", c) && *t->at == '?')
		t->at++;
	return 0;
}

static int
compile(const char *translated, int flags, regex_t *out, struct error *e)
{
	char reason[128];
	int code = regcomp(out, translated, flags);

	if (code == 0)
		return 0;
	regerror(code, out, reason, sizeof(reason));
	return error_set(e, ERR_INVALID, "not a regular expression: %s",
			 reason);
}

int
pattern_compile(const char *pattern, regex_t *out, struct error *e)
{
	struct translation t = { .at = pattern, .repeat = 1, .error = e };
	int flags = REG_EXTENDED | REG_NOSUB, code = 0;

	if (strlen(pattern) > PATTERN_LIMIT)
		return error_set(e, ERR_INVALID,
				 "a pattern has at most %d characters",
				 PATTERN_LIMIT);
	buf_init(&t.out, 8 * PATTERN_LIMIT + 64);
	if (strncmp(pattern, "(?i)", 4) == 0) {
		flags |= REG_ICASE;
		t.at += 4;
	}
	while (*t.at && code == 0)
		code = put_next(&t);
	if (code == 0)
		code = compile(buf_cstr(&t.out), flags, out, e);
	buf_free(&t.out);
	return code;
}
