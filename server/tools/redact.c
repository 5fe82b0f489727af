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
#define MARK "[redacted "

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

/* The end of a string opened by the quote of `size` bytes before `at`. */
static size_t
string_end(struct bytes in, size_t at, size_t size)
{
	struct bytes quote = bytes_make(in.data + at - size, size);

	while (at < in.size) {
		if (bytes_equal(bytes_first(bytes_from(in, at), size), quote))
			return at;
		/* An escaped character, unless the quote is escaped itself. */
		at += in.data[at] == '\\' && size == 1 ? 2 : 1;
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

/* "name" : "value" | 'value' | number */
static bool
json_value(struct bytes in, size_t at, struct assignment *a)
{
	size_t quote;

	at = skip_blanks(in, at);
	if (at >= in.size || in.data[at] != ':')
		return false;
	at++;
	while (at < in.size && isspace(in.data[at]))
		at++;
	quote = quote_at(in, at);
	a->from = at + quote;
	if (quote)
		a->to = string_end(in, a->from, quote);
	else if (at < in.size && (isdigit(in.data[at]) || in.data[at] == '-'))
		a->to = word_end(in, at, ",}]");
	else
		return false; /* true, null, an object */
	a->bare = quote == 0;
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
			if (!redact_is_secret_name(bytes_first(
				    bytes_from(in, at), word - at)) ||
			    !find_value(in, at, word, &value)) {
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
