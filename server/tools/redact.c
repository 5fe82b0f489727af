/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets by the name before them, and the walk over a result. */
#include "server/tools/redact.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/hash.h"
#include "server/tools/redact_pattern.h"

#define TEXT_LIMIT ((size_t)64 << 20)
#define MARK	   REDACT_MARK

/* The 16 random bytes that the kernel gave this process, getauxval(3): as
 * secret as the process and constant while it lives.  SipHash, being a keyed
 * pseudo-random function, gives none of them away. */
static struct hash_key
process_key(void)
{
	unsigned long address = getauxval(AT_RANDOM);
	struct hash_key key;
	const void *random;

	memcpy(&random, &address, sizeof(random));
	memcpy(&key, random, sizeof(key));
	return key;
}

static void
append_mark(struct bytes secret, struct buf *out)
{
	uint64_t tag = hash_bytes(process_key(), secret);

	buf_format(out, MARK "%zu chars #%08x]", secret.size,
		   (unsigned)(tag >> 32));
}

static bool
is_name_byte(uint8_t c)
{
	return isalnum(c) || c == '_' || c == '-' || c == '.';
}

static size_t
skip_blanks(struct bytes in, size_t at)
{
	while (at < in.size && (in.data[at] == ' ' || in.data[at] == '\t'))
		at++;
	return at;
}

/* The length of a quote at `at`: ", ', or either behind backslashes (JSON in
 * JSON); 0: none. */
static size_t
quote_at(struct bytes in, size_t at)
{
	size_t n = 0;

	while (at + n < in.size && in.data[at + n] == '\\' && n < 8)
		n++;
	if (at + n < in.size &&
	    (in.data[at + n] == '"' || in.data[at + n] == '\''))
		return n + 1;
	return 0;
}

static bool
starts_at(struct bytes in, size_t at, const char *text)
{
	return at <= in.size && bytes_starts_with(bytes_from(in, at), text);
}

/* How often a quote behind `count` backslashes is escaped: strings in strings
 * of JSON have 0, 1, 3, 7 of them before theirs, and before that come pairs. */
static unsigned
escape_depth(size_t count)
{
	unsigned depth = 0;

	for (; count & 1; count >>= 1)
		depth++;
	return depth;
}

/* The end of a string opened by the quote of `size` bytes before `at`: that of
 * the closing quote, or of one that closes a string around it. */
static size_t
string_end(struct bytes in, size_t at, size_t size)
{
	unsigned depth = escape_depth(size - 1), found;
	uint8_t quote = in.data[at - 1];
	size_t escapes = 0;

	for (; at < in.size; at++) {
		if (in.data[at] == '\\') {
			escapes++;
			continue;
		}
		found = escape_depth(escapes);
		if (in.data[at] == quote && found <= depth)
			return at + 1 - ((size_t)1 << found);
		escapes = 0;
	}
	return in.size;
}

static size_t
word_end(struct bytes in, size_t at, const char *stops)
{
	while (at < in.size && in.data[at] > ' ' &&
	       !strchr(stops, in.data[at]))
		at++;
	return at;
}

static size_t
line_end(struct bytes in, size_t at)
{
	while (at < in.size && in.data[at] != '\n' && in.data[at] != '\r')
		at++;
	return at;
}

/* What stands between a name and its value, and where the value ends. */
struct assignment {
	size_t from, to; /* of the value */
	bool bare;       /* a JSON number: its marker needs quotes */
};

/* Behind blanks and line ends, those of JSON in JSON as well, and what events of
 * a stream have before each of their lines. */
static size_t
skip_space(struct bytes in, size_t at)
{
	for (;;) {
		size_t n = 0;

		while (at + n < in.size && in.data[at + n] == '\\' && n < 8)
			n++;
		if (n && at + n < in.size && strchr("nrt", in.data[at + n]))
			at += n + 1;
		else if (at < in.size && isspace(in.data[at]))
			at++;
		else if (at && in.data[at - 1] == '\n' &&
			 starts_at(in, at, "data:"))
			at += 5;
		else
			return at;
	}
}

static bool
is_number_start(struct bytes in, size_t at)
{
	return at < in.size && (isdigit(in.data[at]) || in.data[at] == '-');
}

/* Where the value is of a name that ends at `at`, behind a colon; 0: there is
 * none. */
static size_t
behind_colon(struct bytes in, size_t at)
{
	at = skip_space(in, at);
	return at < in.size && in.data[at] == ':' ? skip_space(in, at + 1) : 0;
}

/* Where the value is of the member of this name at `at`; 0: it is not there. */
static size_t
member_value(struct bytes in, size_t at, const char *name)
{
	size_t quote = quote_at(in, at);

	if (!quote || !starts_at(in, at + quote, name))
		return 0;
	at += quote + strlen(name);
	return quote_at(in, at) == quote ? behind_colon(in, at + quote) : 0;
}

/* {"size":9000,"base64":"…"}: how bytes are shown that are no text, which the
 * size is of when not all are there.  Where their string begins; `at` when it
 * is not that. */
static size_t
into_bytes(struct bytes in, size_t at)
{
	size_t member, value;

	if (!starts_at(in, at, "{"))
		return at;
	member = skip_space(in, at + 1);
	value = member_value(in, member, "size");
	if (value && is_number_start(in, value)) {
		value = skip_space(in, word_end(in, value, ",}\"'"));
		member = starts_at(in, value, ",") ? skip_space(in, value + 1)
						   : value;
	}
	value = member_value(in, member, "base64");
	return value && quote_at(in, value) ? value : at;
}

/* "name" : "value" | 'value' | number | {"base64":"value"} */
static bool
json_value(struct bytes in, size_t at, struct assignment *a)
{
	size_t quote;

	at = behind_colon(in, at);
	if (!at)
		return false;
	at = into_bytes(in, at);
	quote = quote_at(in, at);
	a->from = at + quote;
	if (quote)
		a->to = string_end(in, a->from, quote);
	else if (is_number_start(in, at))
		a->to = word_end(in, at, ",}]");
	else
		return false; /* true, null, an object */
	a->bare = quote == 0;
	return true;
}

/* Behind the opening quote of `size` bytes at `at`, of a string or of a block
 * string (GraphQL §2.9.4): where what it holds is. */
static void
quoted_value(struct bytes in, size_t at, size_t size, struct assignment *a)
{
	bool block = quote_at(in, at + size) == size &&
		     quote_at(in, at + 2 * size) == size;

	a->from = at + (block ? 3 : 1) * size;
	a->to = string_end(in, a->from, size);
	while (block && a->to < in.size &&
	       (quote_at(in, a->to + size) != size ||
		quote_at(in, a->to + 2 * size) != size))
		a->to = string_end(in, a->to + size, size);
}

/* name: "value" | number, as arguments of GraphQL have it (§2.6), whose document
 * may be in a string of JSON. */
static bool
argument_value(struct bytes in, size_t at, struct assignment *a)
{
	size_t quote;

	at = behind_colon(in, at);
	if (!at)
		return false;
	quote = quote_at(in, at);
	if (quote) {
		quoted_value(in, at, quote, a);
		return true;
	}
	/* Not before it is known to be one: what follows may be long. */
	if (!is_number_start(in, at))
		return false;
	a->from = at;
	a->to = word_end(in, at, ",)}]\"\\");
	return true;
}

/* Behind `code` ("%3A") in either case; `at` when it is not there. */
static size_t
skip_code(struct bytes in, size_t at, const char *code)
{
	struct bytes wanted = bytes_of(code);
	struct bytes found = bytes_first(bytes_from(in, at), wanted.size);

	return bytes_equal_nocase(found, wanted) ? at + wanted.size : at;
}

static size_t
skip_encoded_space(struct bytes in, size_t at)
{
	static const char *const blanks[] = { "+", "%20", "%09", "%0A", "%0D" };
	size_t from;

	do {
		from = at;
		for (size_t i = 0; i < sizeof(blanks) / sizeof(*blanks); i++)
			at = skip_code(in, at, blanks[i]);
	} while (at != from);
	return at;
}

/* The end of a string in a URL's parameter, whose quote stands before `at`. */
static size_t
encoded_end(struct bytes in, size_t at)
{
	while (at < in.size && in.data[at] > ' ' &&
	       !strchr("&\"'<>#", in.data[at])) {
		size_t escaped = skip_code(in, at, "%5C");

		if (skip_code(in, at, "%22") != at)
			return at;
		at = escaped;
		at += starts_at(in, at, "%") ? 3 : 1;
	}
	return at < in.size ? at : in.size;
}

/* name%22%3A%22value%22, name%3A%22value%22, name%3A7: members of JSON and
 * arguments of GraphQL in a URL's parameter. */
static bool
encoded_value(struct bytes in, size_t at, struct assignment *a)
{
	size_t colon = skip_encoded_space(in, skip_code(in, at, "%22"));
	size_t behind = skip_code(in, colon, ":");

	if (behind == colon)
		behind = skip_code(in, colon, "%3A");
	if (behind == colon)
		return false;
	at = skip_encoded_space(in, behind);
	a->from = skip_code(in, at, "%22");
	a->to = a->from != at ? encoded_end(in, a->from)
	      : is_number_start(in, at)
		      ? word_end(in, at, "%+&,)}\"'<>#")
		      : at;
	return true;
}

/* name=value, name='value', user[name]=value */
static bool
form_value(struct bytes in, size_t at, struct assignment *a)
{
	size_t quote;

	if (starts_at(in, at, "]"))
		at++;
	else if (starts_at(in, at, "%5D") || starts_at(in, at, "%5d"))
		at += 3;
	if (at >= in.size || in.data[at] != '=')
		return false;
	at++;
	quote = quote_at(in, at);
	a->from = at + quote;
	a->to = quote ? string_end(in, a->from, quote)
		      : word_end(in, at, "&;,\"'<>#");
	return true;
}

/* name="password" CRLF CRLF value CRLF: a part of multipart/form-data. */
static bool
part_value(struct bytes in, size_t at, struct assignment *a)
{
	if (starts_at(in, at, "\r\n\r\n"))
		at += 4;
	else if (starts_at(in, at, "\n\n"))
		at += 2;
	else
		return false;
	a->from = at;
	a->to = line_end(in, at);
	return true;
}

/* Name: value, at the start of a line. */
static bool
line_value(struct bytes in, size_t name, size_t at, struct assignment *a)
{
	while (name && (in.data[name - 1] == ' ' || in.data[name - 1] == '\t'))
		name--;
	if (name && in.data[name - 1] != '\n')
		return false;
	if (at >= in.size || in.data[at] != ':')
		return false;
	a->from = skip_blanks(in, at + 1);
	a->to = line_end(in, a->from);
	return true;
}

/* PASSWORD 'value', PASSWORD = 'value', PASSWORD('value'), as SQL has it. */
static bool
sql_value(struct bytes in, size_t at, struct assignment *a)
{
	size_t from = skip_blanks(in, at);
	bool given = from < in.size &&
		     (in.data[from] == '=' || in.data[from] == '(');

	if (given)
		from = skip_blanks(in, from + 1);
	/* Text in double quotes is MySQL's, and a name to others. */
	if (from == at || from >= in.size ||
	    (in.data[from] != '\'' && (!given || in.data[from] != '"')))
		return false;
	a->from = from + 1;
	a->to = redact_sql_end(in, a->from);
	return true;
}

/* The value given to the name at [from, to), if one is. */
static bool
find_value(struct bytes in, size_t from, size_t to, struct assignment *a)
{
	size_t quote = quote_at(in, to);
	bool found;

	if (quote)
		found = json_value(in, to + quote, a) ||
			part_value(in, to + quote, a);
	else if (from && in.data[from - 1] == '<' && starts_at(in, to, ">")) {
		a->from = to + 1;
		a->to = word_end(in, a->from, "<");
		found = true;
	} else
		found = form_value(in, to, a) || line_value(in, from, to, a) ||
			argument_value(in, to, a) || encoded_value(in, to, a) ||
			sql_value(in, to, a);
	return found && a->to > a->from &&
	       !starts_at(in, a->from, MARK);
}

/* The scheme of "Authorization: Bearer x" is kept, it is no secret. */
static size_t
after_scheme(struct bytes value)
{
	static const char *const schemes[] = { "Bearer ", "Basic ", "Digest ",
					       "Token ", "ApiKey ",
					       "Negotiate ", NULL };

	for (const char *const *s = schemes; *s; s++) {
		size_t n = strlen(*s);

		if (value.size > n &&
		    bytes_equal_nocase(bytes_first(value, n), bytes_of(*s)))
			return n;
	}
	return 0;
}

void
redact_value(struct bytes value, struct buf *out)
{
	size_t scheme = after_scheme(value);

	buf_bytes(out, bytes_first(value, scheme));
	append_mark(bytes_from(value, scheme), out);
}

static size_t
name_end(struct bytes in, size_t at)
{
	while (at < in.size && is_name_byte(in.data[at]))
		at++;
	return at;
}

/* Where the name in the word at [at, to) begins: not with the rest of an escape,
 * as in "\\nauth: " of JSON in JSON or "%22auth%22" of a URL. */
static size_t
name_start(struct bytes in, size_t at, size_t to)
{
	uint8_t before = at ? in.data[at - 1] : ' ';

	if (before == '\\' && strchr("nrt", in.data[at]))
		return at + 1;
	if (before == '%' && to - at > 2 && isxdigit(in.data[at]) &&
	    isxdigit(in.data[at + 1]))
		return at + 2;
	return at;
}

static bool
named_value(struct bytes in, size_t from, size_t to, struct assignment *a)
{
	return redact_is_secret_name(bytes_make(in.data + from, to - from)) &&
	       find_value(in, from, to, a);
}

/* The value of the secret that the word at [at, to) names. */
static bool
word_value(struct bytes in, size_t at, size_t to, struct assignment *a)
{
	size_t from = name_start(in, at, to);

	return named_value(in, at, to, a) ||
	       (from != at && named_value(in, from, to, a));
}

size_t
redact_text(struct bytes in, struct buf *out)
{
	size_t at = 0, copied = 0, count = 0, word = 0;

	while (at < in.size) {
		struct secret found = redact_pattern(in, at);
		struct assignment value = { .bare = false };

		if (found.to > found.from && !starts_at(in, found.from, MARK)) {
			value.from = found.from;
			value.to = found.to;
		} else if (is_name_byte(in.data[at]) && at >= word) {
			/* A word, once for all of its places. */
			word = name_end(in, at);
			if (!word_value(in, at, word, &value)) {
				at++;
				continue;
			}
		} else {
			at++;
			continue;
		}
		buf_bytes(out, bytes_first(bytes_from(in, copied),
					   value.from - copied));
		buf_text(out, value.bare ? "\"" : "");
		redact_value(bytes_first(bytes_from(in, value.from),
					  value.to - value.from), out);
		buf_text(out, value.bare ? "\"" : "");
		at = copied = value.to;
		if (word < at)
			word = at;
		count++;
	}
	buf_bytes(out, bytes_from(in, copied));
	return count;
}

static struct bytes
string_bytes(json_t *string)
{
	return bytes_make(json_string_value(string),
			  json_string_length(string));
}

static void
set_string(json_t *string, struct buf *text)
{
	/* Cutting at ASCII only keeps UTF-8 whole; anything else was a bug. */
	if (text->failed ||
	    json_string_setn(string, buf_cstr(text), text->size) != 0)
		json_string_set(string, "[redacted]");
}

static size_t
redact_string(json_t *string, bool secret)
{
	struct bytes in = string_bytes(string);
	struct buf out;
	size_t count = 1;

	if (in.size == 0 || bytes_starts_with(in, MARK))
		return 0;
	buf_init(&out, TEXT_LIMIT);
	if (secret)
		redact_value(in, &out);
	else
		count = redact_text(in, &out);
	if (count)
		set_string(string, &out);
	buf_free(&out);
	return count;
}

static size_t redact_any(json_t *value, bool secret, bool in_array);

static size_t
redact_array(json_t *array, bool secret, bool row)
{
	size_t count = 0, i;
	json_t *item;

	json_array_foreach(array, i, item) {
		count += redact_any(item, secret, true);
		if (row && json_is_string(item) &&
		    redact_is_secret_name(string_bytes(item)))
			secret = true;
	}
	return count;
}

static size_t
redact_any(json_t *value, bool secret, bool in_array)
{
	size_t count = 0;
	const char *key;
	json_t *member;

	if (json_is_string(value))
		return redact_string(value, secret);
	if (json_is_array(value))
		return redact_array(value, secret, in_array);
	json_object_foreach(value, key, member)
		count += redact_any(member,
				    redact_is_secret_name(bytes_of(key)),
				    false);
	return count;
}

size_t
redact_json(json_t *value)
{
	return redact_any(value, false, false);
}

int
redact_check_reveal(const struct tool_config *config, bool reveal,
		    struct error *e)
{
	if (!reveal || config->allow_reveal)
		return 0;
	return error_set(e, ERR_DENIED,
			 "this server shows no secrets: reveal needs it to be "
			 "started with --allow-reveal");
}

int
redact_result(const struct tool_config *config, bool reveal, json_t *result,
	      struct error *e)
{
	int rc = redact_check_reveal(config, reveal, e);
	size_t count;

	if (rc < 0 || reveal)
		return rc;
	count = redact_json(result);
	if (count)
		json_object_set_new(result, "redacted",
				    json_integer((json_int_t)count));
	return 0;
}
