/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/sql_text.h"

#include <ctype.h>

/* Of a long statement only the beginning is read. */
#define READ_SIZE 2048

struct token {
	struct bytes text; /* size 0: the end */
	bool word;         /* a name or keyword; else one character */
};

static size_t
skip_comment(struct bytes in, size_t at)
{
	const uint8_t *end;

	if (bytes_starts_with(bytes_from(in, at), "/*")) {
		end = memmem(in.data + at + 2, in.size - at - 2, "*/", 2);
		return end ? (size_t)(end - in.data) + 2 : in.size;
	}
	end = memchr(in.data + at, '\n', in.size - at);
	return end ? (size_t)(end - in.data) + 1 : in.size;
}

/* MySQL runs what is in such a comment: "/" "*!40101 SET … *" "/". */
static size_t
condition_size(struct bytes in)
{
	size_t size = bytes_starts_with(in, "/*!")    ? 3
		      : bytes_starts_with(in, "/*M!") ? 4
						      : 0;

	while (size && size < in.size && isdigit(in.data[size]))
		size++;
	return size;
}

static size_t
skip_blanks(struct bytes in, size_t at)
{
	while (at < in.size) {
		struct bytes rest = bytes_from(in, at);

		if (isspace(in.data[at]) || in.data[at] == 0)
			at++;
		else if (condition_size(rest))
			at += condition_size(rest);
		else if (bytes_starts_with(rest, "/*") ||
			 bytes_starts_with(rest, "--"))
			at = skip_comment(in, at);
		else
			break;
	}
	return at;
}

static bool
is_name_byte(uint8_t c)
{
	return isalnum(c) || c == '_' || c == '$' || c == '.' || c >= 0x80;
}

/* Behind a quoted text that begins at `at`. */
static size_t
quoted_end(struct bytes in, size_t at)
{
	uint8_t quote = in.data[at++];

	while (at < in.size && in.data[at] != quote)
		at += in.data[at] == '\\' && quote == '\'' ? 2 : 1;
	return at < in.size ? at + 1 : in.size;
}

/* The next word, with its quotes and dots ("public"."user"), or character. */
static struct token
next_token(struct bytes *in)
{
	size_t from = skip_blanks(*in, 0), to = from;
	struct token token = { .word = false };

	if (from == in->size) /* which may be no memory at all */
		return token;
	while (to < in->size) {
		uint8_t c = in->data[to];

		if (c == '"' || c == '`')
			to = quoted_end(*in, to);
		else if (is_name_byte(c))
			to++;
		else
			break;
	}
	token.word = to > from;
	if (!token.word && from < in->size)
		to = in->data[from] == '\'' ? quoted_end(*in, from) : from + 1;
	token.text = bytes_make(in->data + from, to - from);
	*in = bytes_from(*in, to);
	return token;
}

static bool
is(const struct token *token, const char *word)
{
	return token->word && bytes_equal_nocase(token->text, bytes_of(word));
}

static bool
is_any(const struct token *token, const char *const *words)
{
	for (; *words; words++)
		if (is(token, *words))
			return true;
	return false;
}

static void
set_method(struct sql_text *text, const struct token *token)
{
	size_t size = 0;

	for (; size < token->text.size && size < SQL_METHOD_SIZE; size++) {
		uint8_t c = token->text.data[size];

		if (!isalnum(c) && c != '_')
			break;
		text->method[size] = (char)toupper(c);
	}
	text->method[size] = '\0';
}

static void
set_table(struct sql_text *text, struct bytes name)
{
	size_t size = 0;

	for (size_t i = 0; i < name.size && size < SQL_TABLE_SIZE; i++)
		if (name.data[i] != '"' && name.data[i] != '`')
			text->table[size++] = (char)name.data[i];
	text->table[size] = '\0';
}

/* Words before the name of a table or the like. */
static const char *const introducing[] = { "FROM", "INTO", "TABLE", NULL };
/* Statements whose next word is what they are about. */
static const char *const direct[] = {
	"UPDATE", "COPY", "TRUNCATE", "LISTEN", "NOTIFY", "UNLISTEN", "CALL",
	"EXECUTE", "PREPARE", "DEALLOCATE", "SET", "SHOW", "USE", "CLOSE",
	"DESCRIBE", "DESC", "KILL", "ANALYZE", "VACUUM", "LOCK", "RESET", "DECLARE",
	"SAVEPOINT", NULL
};
/* Words that may stand between. */
static const char *const between[] = {
	"ONLY", "IF", "NOT", "EXISTS", "TABLE", "LOW_PRIORITY", "IGNORE",
	"CONCURRENTLY", "LOCAL", "SESSION", "GLOBAL", "VERBOSE", NULL
};
static const char *const verbs[] = { "SELECT", "INSERT", "UPDATE", "DELETE",
				     "MERGE", NULL };

/* The name behind `in`'s front, if one is there.  Words that stand before it
 * are passed over: some of them introduce a name as well, and are not to be
 * gone through from each on. */
static void
read_table(struct bytes *in, struct sql_text *text)
{
	struct bytes rest = *in;
	struct token token = next_token(&rest);

	while (is_any(&token, between)) {
		*in = rest;
		token = next_token(&rest);
	}
	if (token.word && !is_any(&token, verbs))
		set_table(text, token.text);
}

/* WITH … AS (…) SELECT: the verb that is in no parentheses. */
static struct token
main_verb(struct bytes *in)
{
	struct token token = next_token(in);
	int depth = 0;

	while (token.text.size && (depth || !is_any(&token, verbs))) {
		if (!token.word && token.text.data[0] == '(')
			depth++;
		else if (!token.word && token.text.data[0] == ')')
			depth--;
		token = next_token(in);
	}
	return token;
}

void
sql_text_read(struct bytes sql, struct sql_text *text)
{
	struct bytes in = bytes_first(sql, READ_SIZE);
	struct token token = next_token(&in);
	bool copies;

	text->method[0] = text->table[0] = '\0';
	text->copies_in = false;
	while (token.text.size && !token.word && token.text.data[0] == '(')
		token = next_token(&in);
	if (!token.word)
		return;
	if (is(&token, "WITH")) {
		struct bytes rest = in;
		struct token verb = main_verb(&rest);

		if (verb.word) {
			token = verb;
			in = rest;
		}
	}
	set_method(text, &token);
	copies = is(&token, "COPY");
	if (is_any(&token, direct))
		read_table(&in, text);
	while (token.text.size && (!text->table[0] || copies)) {
		bool from = is(&token, "FROM");

		if (!text->table[0] && is_any(&token, introducing))
			read_table(&in, text);
		token = next_token(&in);
		if (copies && from && is(&token, "STDIN"))
			text->copies_in = true;
	}
}

size_t
sql_text_summary(struct bytes sql, char out[SQL_SUMMARY_SIZE])
{
	static const char cut[] = "…";
	size_t size = 0;

	for (size_t i = 0; i < sql.size; i++) {
		uint8_t c = sql.data[i];
		bool blank = isspace(c) || c == 0;

		if (blank && (!size || out[size - 1] == ' '))
			continue;
		if (size == SQL_SUMMARY_SIZE - sizeof(cut)) {
			while (size && ((uint8_t)out[size - 1] & 0xc0) == 0x80)
				size--;
			size -= size && (uint8_t)out[size - 1] >= 0x80;
			memcpy(out + size, cut, sizeof(cut) - 1);
			return size + sizeof(cut) - 1;
		}
		out[size++] = blank ? ' ' : (char)c;
	}
	return size && out[size - 1] == ' ' ? size - 1 : size;
}
