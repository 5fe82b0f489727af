/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dissect/store/filter_ast.h"

#define SHOWN_BEFORE 40
#define SHOWN 76

static const char *const operator_names[OP_COUNT] = {
	[OP_OR] = "||", [OP_AND] = "&&", [OP_NOT] = "!", [OP_NEGATE] = "-",
	[OP_EQ] = "==", [OP_NE] = "!=", [OP_LT] = "<", [OP_LE] = "<=",
	[OP_GT] = ">", [OP_GE] = ">=", [OP_IN] = "in", [OP_ADD] = "+",
	[OP_SUBTRACT] = "-", [OP_MULTIPLY] = "*", [OP_DIVIDE] = "/",
	[OP_MODULO] = "%",
};

const char *
filter_operator_name(enum filter_operator op)
{
	return operator_names[op];
}

void
filter_fail(struct filter *f, uint32_t position, const char *format, ...)
{
	char sentence[320];
	uint32_t from = position > SHOWN_BEFORE ? position - SHOWN_BEFORE : 0;
	va_list arguments;

	if (f->code)
		return;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	/* Never begin inside a character. */
	while (from && ((unsigned char)f->text[from] & 0xc0) == 0x80)
		from--;
	f->code = error_set(f->error, ERR_INVALID,
			    "%s (column %u)\n  %.*s\n  %*s^", sentence,
			    position + 1, SHOWN, f->text + from,
			    (int)(position - from), "");
}

/* Operators that begin so, longest first; the last three are refused. */
static const struct {
	const char *text;
	enum filter_token token;
	enum filter_operator op;
	const char *refusal;
} symbols[] = {
	{ "===", TOKEN_OPERATOR, OP_EQ, "write ==" },
	{ "<>", TOKEN_OPERATOR, OP_NE, "write !=" },
	{ "==", TOKEN_OPERATOR, OP_EQ, NULL },
	{ "!=", TOKEN_OPERATOR, OP_NE, NULL },
	{ "<=", TOKEN_OPERATOR, OP_LE, NULL },
	{ ">=", TOKEN_OPERATOR, OP_GE, NULL },
	{ "=~", TOKEN_OPERATOR, OP_EQ, "write field.matches(\"…\")" },
	{ "&&", TOKEN_OPERATOR, OP_AND, NULL },
	{ "||", TOKEN_OPERATOR, OP_OR, NULL },
	{ "<", TOKEN_OPERATOR, OP_LT, NULL },
	{ ">", TOKEN_OPERATOR, OP_GT, NULL },
	{ "!", TOKEN_OPERATOR, OP_NOT, NULL },
	{ "+", TOKEN_OPERATOR, OP_ADD, NULL },
	{ "-", TOKEN_OPERATOR, OP_SUBTRACT, NULL },
	{ "*", TOKEN_OPERATOR, OP_MULTIPLY, NULL },
	{ "/", TOKEN_OPERATOR, OP_DIVIDE, NULL },
	{ "%", TOKEN_OPERATOR, OP_MODULO, NULL },
	{ "(", TOKEN_OPEN, OP_COUNT, NULL },
	{ ")", TOKEN_CLOSE, OP_COUNT, NULL },
	{ "[", TOKEN_BRACKET, OP_COUNT, NULL },
	{ "]", TOKEN_BRACKET_CLOSE, OP_COUNT, NULL },
	{ ",", TOKEN_COMMA, OP_COUNT, NULL },
	{ ".", TOKEN_DOT, OP_COUNT, NULL },
	{ "?", TOKEN_QUESTION, OP_COUNT, NULL },
	{ ":", TOKEN_COLON, OP_COUNT, NULL },
	{ "=", TOKEN_OPERATOR, OP_EQ, "write == to compare" },
	{ "&", TOKEN_OPERATOR, OP_AND, "write &&" },
	{ "|", TOKEN_OPERATOR, OP_OR, "write ||" },
};

static void
lex_symbol(struct filter *f, struct filter_lexeme *out)
{
	const char *at = f->text + out->start;

	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
		size_t n = strlen(symbols[i].text);

		if (strncmp(at, symbols[i].text, n) != 0)
			continue;
		if (symbols[i].refusal)
			filter_fail(f, out->start, "\"%s\" is not known here: %s",
				    symbols[i].text, symbols[i].refusal);
		out->token = symbols[i].token;
		out->op = symbols[i].op;
		out->end = out->start + (uint32_t)n;
		return;
	}
	filter_fail(f, out->start, "unexpected character");
}

/* A string in either quotes, with backslash escapes; kept raw here. */
static void
lex_string(struct filter *f, struct filter_lexeme *out)
{
	char quote = f->text[out->start];
	uint32_t at = out->start + 1;

	while (f->text[at] && f->text[at] != quote)
		at += f->text[at] == '\\' && f->text[at + 1] ? 2 : 1;
	if (!f->text[at])
		filter_fail(f, out->start, "this text has no closing %c", quote);
	else
		at++;
	out->token = TOKEN_STRING;
	out->end = at;
}

static bool
is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static void
lex_number(struct filter *f, struct filter_lexeme *out)
{
	const char *start = f->text + out->start, *at = start;

	out->token = TOKEN_INT;
	while (isdigit((unsigned char)*at))
		at++;
	if (*at == '.' && isdigit((unsigned char)at[1])) {
		out->token = TOKEN_DOUBLE;
		for (at++; isdigit((unsigned char)*at);)
			at++;
	}
	if ((*at == 'e' || *at == 'E') &&
	    (isdigit((unsigned char)at[1]) ||
	     (at[1] == '-' && isdigit((unsigned char)at[2])))) {
		out->token = TOKEN_DOUBLE;
		for (at += 2; isdigit((unsigned char)*at);)
			at++;
	}
	if (is_name(*at))
		filter_fail(f, out->start,
			    "this number has letters behind it: text is "
			    "written \"5xx\", a span of time duration(\"5m\")");
	out->end = out->start + (uint32_t)(at - start);
}

/* and, or, not and in, as people write them. */
static void
lex_word(struct filter *f, struct filter_lexeme *out)
{
	static const struct {
		const char *word;
		enum filter_operator op;
	} words[] = {
		{ "and", OP_AND }, { "or", OP_OR }, { "not", OP_NOT },
		{ "in", OP_IN },   { "AND", OP_AND }, { "OR", OP_OR },
		{ "NOT", OP_NOT }, { "IN", OP_IN },
	};
	const char *start = f->text + out->start;
	size_t n = 0;

	while (is_name(start[n]))
		n++;
	out->token = TOKEN_NAME;
	out->end = out->start + (uint32_t)n;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strlen(words[i].word) == n &&
		    strncmp(words[i].word, start, n) == 0) {
			out->token = TOKEN_OPERATOR;
			out->op = words[i].op;
		}
	}
}

void
filter_next(struct filter *f)
{
	struct filter_lexeme out = { .op = OP_COUNT,
				     .start = f->current.end };
	char c;

	while (isspace((unsigned char)f->text[out.start]))
		out.start++;
	out.end = out.start;
	c = f->text[out.start];
	if (c == '\0' || f->code)
		out.token = TOKEN_END;
	else if (c == '"' || c == '\'')
		lex_string(f, &out);
	else if (isdigit((unsigned char)c))
		lex_number(f, &out);
	else if (isalpha((unsigned char)c) || c == '_')
		lex_word(f, &out);
	else
		lex_symbol(f, &out);
	if (f->code)
		out.token = TOKEN_END;
	f->current = out;
}
