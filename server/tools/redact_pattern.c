/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tools/redact_pattern.h"

#include <assert.h>
#include <ctype.h>
#include <stdint.h>

#define NONE ((struct secret){ 0, 0 })
#define JWT_PART_MIN 10   /* {"alg":"x"} has more */
#define TOKEN_MIN 16      /* behind an issuer's prefix */
#define BEARER_MIN 8
#define BARE_USER_MIN 20  /* a user name this long without password is a token */
#define AUTHORITY_MAX 512
#define PEM_LABEL_MAX 80
#define STATEMENT_MAX 512 /* a word of SQL, or a text in it */

/* Prefixes that issuers gave their tokens so that scanners find them. */
static const char *const prefixes[] = {
	"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-",
	"xoxb-", "xoxp-", "xoxa-", "xoxs-", "xapp-", "sk_live_", "sk_test_",
	"rk_live_", "whsec_", "sk-ant-", "sk-proj-", "AIza", "ya29.", "npm_",
	"pypi-", "dop_v1_", "shpat_", "hvs.", "SG.", NULL,
};

static bool
is_token_byte(uint8_t c)
{
	return isalnum(c) || c == '_' || c == '-' || c == '.' || c == '~' ||
	       c == '+' || c == '/' || c == '=';
}

static bool
is_base64url(uint8_t c)
{
	return isalnum(c) || c == '_' || c == '-' || c == '=';
}

static bool
at_word_start(struct bytes in, size_t at)
{
	return at == 0 ||
	       (!isalnum(in.data[at - 1]) && in.data[at - 1] != '_');
}

static size_t
run(struct bytes in, size_t at, bool (*accept)(uint8_t c))
{
	while (at < in.size && accept(in.data[at]))
		at++;
	return at;
}

/*
 * Every look ahead below is bounded, or what it passes over is not looked at
 * again from a later start: the whole scan is linear whatever the bytes are.
 */

/* RFC 7468: -----BEGIN … PRIVATE KEY----- to its END, or to the end. */
static struct secret
private_key(struct bytes in, size_t at)
{
	struct bytes label = bytes_make(in.data + at, in.size - at < PEM_LABEL_MAX
							? in.size - at
							: PEM_LABEL_MAX);
	const uint8_t *key = memmem(label.data, label.size,
				    "PRIVATE KEY-----", 16);
	const uint8_t *end;
	size_t body;

	if (!key || memchr(label.data, '\n', (size_t)(key - label.data)))
		return NONE;
	body = at + (size_t)(key - label.data) + 16;
	if (bytes_starts_with(bytes_from(in, body), REDACT_MARK))
		return NONE; /* no secret: what follows is looked at again */
	end = memmem(in.data + body, in.size - body, "-----END ", 9);
	return (struct secret){ body,
				end ? (size_t)(end - in.data) : in.size };
}

/* RFC 7519: three base64url parts, the first of which is {" encoded. */
static struct secret
web_token(struct bytes in, size_t at)
{
	size_t head, body, tail;

	if (at && is_base64url(in.data[at - 1]))
		return NONE;
	head = run(in, at, is_base64url);
	if (head - at < JWT_PART_MIN)
		return NONE;
	if (head == in.size) /* cut inside */
		return (struct secret){ at, head };
	if (in.data[head] != '.')
		return NONE;
	body = run(in, head + 1, is_base64url);
	if (body == in.size)
		return (struct secret){ at, body };
	if (body - head < JWT_PART_MIN || in.data[body] != '.')
		return NONE;
	tail = run(in, body + 1, is_base64url);
	return (struct secret){ at, tail };
}

static int
base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* RFC 7617: what is encoded must contain a colon, so that "Basic training" is
 * not taken for credentials. */
static bool
encodes_colon(struct bytes text)
{
	uint32_t bits = 0;
	unsigned count = 0;

	assert(text.data);
	for (size_t i = 0; i < text.size && text.data[i] != '='; i++) {
		int digit = base64_digit(text.data[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		if ((bits >> count & 0xff) == ':')
			return true;
	}
	return false;
}

/* More than a word of prose: a digit, a capital inside, a dot between. */
static bool
looks_random(struct bytes token)
{
	for (size_t i = 1; i < token.size; i++) {
		uint8_t c = token.data[i];

		if (isdigit(c) || isupper(c) || c == '_' || c == '/' ||
		    (c == '.' && i + 1 < token.size))
			return true;
	}
	return token.size >= 24;
}

static struct secret
credentials(struct bytes in, size_t at)
{
	struct bytes rest = bytes_from(in, at);
	bool bearer = bytes_equal_nocase(bytes_first(rest, 7),
					 bytes_of("bearer "));
	bool basic = bytes_equal_nocase(bytes_first(rest, 6),
					bytes_of("basic "));
	size_t from = at + (bearer ? 7 : 6), to;
	struct bytes token;

	if (!bearer && !basic)
		return NONE;
	to = run(in, from, is_token_byte);
	token = bytes_make(in.data + from, to - from);
	if (bearer && token.size >= BEARER_MIN && looks_random(token))
		return (struct secret){ from, to };
	if (basic && encodes_colon(token))
		return (struct secret){ from, to };
	return NONE;
}

/* RFC 3986 §3.2.1: scheme://user:password@host */
static struct secret
user_information(struct bytes in, size_t at)
{
	size_t from = at + 3, colon = 0, i;

	for (i = from; i < in.size && i - from < AUTHORITY_MAX; i++) {
		uint8_t c = in.data[i];

		if (c == '@')
			break;
		if (c <= ' ' || c == '/' || c == '?' || c == '#' || c == '"' ||
		    c == '\'' || c == '<' || c == '\\')
			return NONE;
		if (c == ':' && !colon)
			colon = i;
	}
	if (i >= in.size || in.data[i] != '@')
		return NONE;
	if (colon && i > colon + 1)
		return (struct secret){ colon + 1, i };
	if (!colon && i - from >= BARE_USER_MIN)
		return (struct secret){ from, i };
	return NONE;
}

static struct secret
issued_token(struct bytes in, size_t at)
{
	struct bytes rest = bytes_from(in, at);

	for (const char *const *p = prefixes; *p; p++) {
		size_t n = strlen(*p), to;

		if (!bytes_starts_with(rest, *p))
			continue;
		to = run(in, at + n, is_base64url);
		if (to - at - n >= TOKEN_MIN)
			return (struct secret){ at, to };
	}
	return NONE;
}

static bool
is_sql_quote(uint8_t c)
{
	return c == '\'' || c == '"';
}

size_t
redact_sql_end(struct bytes in, size_t at)
{
	uint8_t quote = in.data[at - 1];

	for (; at < in.size; at++) {
		bool doubled = at + 1 < in.size && in.data[at + 1] == quote;

		if (in.data[at] == quote && !doubled)
			return at;
		if (in.data[at] == quote || in.data[at] == '\\')
			at++; /* and what it stands before */
	}
	return in.size;
}

/* The next word, quoted text or other character behind blanks. */
static struct bytes
sql_token(struct bytes in, size_t *at)
{
	size_t from, end;

	while (*at < in.size && (isspace(in.data[*at]) || in.data[*at] == '('))
		++*at;
	from = end = *at;
	if (end < in.size &&
	    (is_sql_quote(in.data[end]) || in.data[end] == '`')) {
		uint8_t quote = in.data[end++];

		while (end < in.size && end - from < STATEMENT_MAX &&
		       in.data[end] != quote)
			end += in.data[end] == '\\' && end + 1 < in.size ? 2 : 1;
	} else {
		while (end < in.size && end - from < STATEMENT_MAX &&
		       (isalnum(in.data[end]) || in.data[end] == '_'))
			end++;
	}
	if (end > in.size)
		end = in.size;
	/* Behind the closing quote, or the other character. */
	*at = end < in.size && (end == from || !isalnum(in.data[from])) ? end + 1
									: end;
	return bytes_make(in.data + from, end - from);
}

static bool
is_word(struct bytes token, const char *word)
{
	return bytes_equal_nocase(token, bytes_of(word));
}

/* MySQL: IDENTIFIED [WITH plugin] BY 'secret', AS 'hash', USING
 * PASSWORD('secret') and their like. */
static struct secret
identified(struct bytes in, size_t at)
{
	bool introduced = false;

	if (!is_word(sql_token(in, &at), "identified"))
		return NONE;
	for (int words = 0; words < 6; words++) {
		struct bytes token = sql_token(in, &at);

		if (!token.size)
			return NONE;
		if (introduced && is_sql_quote(token.data[0])) {
			size_t from = (size_t)(token.data - in.data) + 1;

			return (struct secret){ from,
						redact_sql_end(in, from) };
		}
		introduced |= is_word(token, "by") || is_word(token, "as") ||
			      is_word(token, "using");
	}
	return NONE;
}

/* MySQL: SET PASSWORD FOR user = 'secret'. */
static struct secret
password_for(struct bytes in, size_t at)
{
	bool given = false;

	if (!is_word(sql_token(in, &at), "password") ||
	    !is_word(sql_token(in, &at), "for"))
		return NONE;
	for (int words = 0; words < 8 && at < in.size; words++) {
		struct bytes token = sql_token(in, &at);

		if (given) {
			size_t from = (size_t)(token.data - in.data) + 1;

			return token.size && is_sql_quote(token.data[0])
				       ? (struct secret){ from, redact_sql_end(
								in, from) }
				       : NONE;
		}
		given = !token.size && in.data[at - 1] == '=';
	}
	return NONE;
}

/* … BY 'new' REPLACE 'old', where REPLACE('text', …) is a function. */
static struct secret
replaced(struct bytes in, size_t at)
{
	size_t before = at;

	while (before && isspace(in.data[before - 1]))
		before--;
	if (!before || before == at || !is_sql_quote(in.data[before - 1]) ||
	    !is_word(sql_token(in, &at), "replace"))
		return NONE;
	while (at < in.size && isspace(in.data[at]))
		at++;
	if (at == in.size || !is_sql_quote(in.data[at]))
		return NONE;
	return (struct secret){ at + 1, redact_sql_end(in, at + 1) };
}

struct secret
redact_pattern(struct bytes in, size_t at)
{
	struct bytes rest = bytes_from(in, at);
	struct secret found = NONE;

	assert(in.data && at < in.size);
	switch (in.data[at]) {
	case '-':
		if (bytes_starts_with(rest, "-----BEGIN "))
			return private_key(in, at);
		return NONE;
	case ':':
		if (bytes_starts_with(rest, "://"))
			return user_information(in, at);
		return NONE;
	case 'B':
	case 'b':
		return at_word_start(in, at) ? credentials(in, at) : NONE;
	case 'I':
	case 'i':
		return at_word_start(in, at) ? identified(in, at) : NONE;
	case 'e':
		return bytes_starts_with(rest, "eyJ") ? web_token(in, at) : NONE;
	case 'P':
	case 'p':
		if (at_word_start(in, at))
			found = password_for(in, at);
		break;
	case 'R':
	case 'r':
		found = replaced(in, at);
		break;
	default:
		break;
	}
	if (found.to > found.from || !at_word_start(in, at))
		return found;
	return issued_token(in, at);
}
