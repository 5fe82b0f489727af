/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/graphql_document.h"

#include "dissect/application/reading.h"

#define FIELDS_SHOWN 4

struct tokens {
	struct bytes in;
};

static bool
is_name(uint8_t c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

/* Blanks, commas and comments mean nothing (§2.1). */
static void
pass_ignored(struct tokens *t)
{
	size_t at = 0;

	if (bytes_starts_with(t->in, "\xef\xbb\xbf"))
		at = 3;
	while (at < t->in.size) {
		uint8_t c = t->in.data[at];

		if (c == '#')
			while (at < t->in.size && t->in.data[at] != '\n')
				at++;
		else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' ||
			 c == ',')
			at++;
		else
			break;
	}
	t->in = bytes_from(t->in, at);
}

/* Behind the string or block string at the front (§2.9.4). */
static size_t
string_size(struct bytes in)
{
	bool block = bytes_starts_with(in, "\"\"\"");
	size_t at = block ? 3 : 1;

	while (at < in.size) {
		if (in.data[at] == '\\')
			at += 2;
		else if (block ? bytes_starts_with(bytes_from(in, at), "\"\"\"")
			       : in.data[at] == '"')
			return at + (block ? 3 : 1);
		else
			at++;
	}
	return in.size;
}

/* The next token: a name or number, a string, "...", or one character; empty
 * at the end. */
static struct bytes
next_token(struct tokens *t)
{
	struct bytes token;
	size_t size = 0;

	pass_ignored(t);
	while (size < t->in.size && is_name(t->in.data[size]))
		size++;
	if (!size && t->in.size && t->in.data[0] == '"')
		size = string_size(t->in);
	if (!size && bytes_starts_with(t->in, "..."))
		size = 3;
	if (!size)
		size = 1;
	token = bytes_first(t->in, size);
	t->in = bytes_from(t->in, size);
	return token;
}

static bool
is(struct bytes token, const char *text)
{
	return bytes_equal(token, bytes_of(text));
}

static bool
is_name_token(struct bytes token)
{
	return token.size && is_name(token.data[0]) &&
	       !(token.data[0] >= '0' && token.data[0] <= '9');
}

/* Passes what a bracket encloses, which was taken. */
static void
pass_nested(struct tokens *t)
{
	size_t depth = 1;

	while (depth) {
		struct bytes token = next_token(t);

		if (!token.size)
			return;
		if (is(token, "{") || is(token, "(") || is(token, "["))
			depth++;
		else if (is(token, "}") || is(token, ")") || is(token, "]"))
			depth--;
	}
}

/* What may be between the name of an operation and its fields: variables,
 * directives, a fragment's type.  False when something else is. */
static bool
pass_to_fields(struct tokens *t)
{
	for (;;) {
		struct bytes token = next_token(t);

		if (is(token, "{"))
			return true;
		if (is(token, "("))
			pass_nested(t);
		else if (is(token, "@"))
			next_token(t);
		else
			return false;
	}
}

/* The fields behind a brace up to its end; appended when `out`. */
static bool
take_fields(struct tokens *t, struct buf *out)
{
	struct tokens ahead = *t;
	struct bytes token = next_token(&ahead);
	unsigned shown = 0;

	if (!is_name_token(token) && !is(token, "...") && token.size)
		return false;
	while ((token = next_token(t)).size && !is(token, "}")) {
		ahead = *t;
		if (is(token, "{") || is(token, "("))
			pass_nested(t);
		if (!is_name_token(token) || !out || shown == FIELDS_SHOWN ||
		    is(next_token(&ahead), ":"))
			continue; /* an alias */
		buf_text(out, shown++ ? ", " : "{");
		buf_bytes(out, token);
	}
	if (shown)
		buf_text(out, "}");
	return true;
}

static bool
is_operation(struct bytes token)
{
	return is(token, "query") || is(token, "mutation") ||
	       is(token, "subscription");
}

struct definition {
	struct bytes type, name;
	struct buf fields;
};

/* Takes a definition; false when there is none, or it is none. */
static bool
take_definition(struct tokens *t, struct definition *d)
{
	struct bytes token = next_token(t);
	struct tokens ahead;

	d->name = bytes_make(NULL, 0);
	d->type = token;
	buf_reset(&d->fields);
	if (is(token, "{")) {
		d->type = bytes_of("query");
		return take_fields(t, &d->fields);
	}
	if (!is_operation(token) && !is(token, "fragment"))
		return false;
	ahead = *t;
	token = next_token(&ahead);
	if (is_name_token(token)) {
		d->name = token;
		*t = ahead;
	}
	if (is(d->type, "fragment")) {
		next_token(t); /* on */
		next_token(t);
	}
	return pass_to_fields(t) && take_fields(t, &d->fields);
}

bool
graphql_document_operation(struct bytes document, struct bytes wanted,
			   struct buf *out)
{
	struct tokens t = { .in = document };
	struct definition d = { .type = { NULL, 0 } };
	bool found = false;

	buf_init(&d.fields, 160);
	while (!found && take_definition(&t, &d)) {
		if (is(d.type, "fragment") ||
		    (wanted.size && !bytes_equal(d.name, wanted)))
			continue;
		found = true;
		reading_put(out, d.type);
		reading_text(out, " ");
		reading_put(out, d.name.size ? d.name : buf_view(&d.fields));
	}
	buf_free(&d.fields);
	return found;
}
