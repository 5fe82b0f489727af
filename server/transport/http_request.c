/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/http_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

static struct bytes
span(const struct http_request *r, struct http_span s)
{
	return bytes_make(r->head.data + s.at, s.size);
}

/* What is before the first `c`, which is dropped; `rest` gets what follows. */
static struct bytes
cut(struct bytes in, char c, struct bytes *rest)
{
	const uint8_t *at = in.size ? memchr(in.data, c, in.size) : NULL;
	size_t size = at ? (size_t)(at - in.data) : in.size;

	*rest = bytes_from(in, at ? size + 1 : size);
	return bytes_first(in, size);
}

struct bytes
http_request_path(const struct http_request *r)
{
	struct bytes query;

	return cut(span(r, r->target), '?', &query);
}

struct bytes
http_request_query(const struct http_request *r)
{
	struct bytes query;

	cut(span(r, r->target), '?', &query);
	return query;
}

struct bytes
http_request_field(const struct http_request *r, const char *name)
{
	struct bytes wanted = bytes_of(name);

	for (size_t i = 0; i < r->field_count; i++)
		if (r->fields[i].name.size == wanted.size &&
		    bytes_equal_nocase(span(r, r->fields[i].name), wanted))
			return bytes_trim(span(r, r->fields[i].value));
	return bytes_make(NULL, 0);
}

size_t
http_request_count(const struct http_request *r, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < r->field_count; i++)
		count += bytes_equal_nocase(span(r, r->fields[i].name),
					    bytes_of(name));
	return count;
}

/* application/x-www-form-urlencoded, one piece; NULL when malformed. */
static char *
decode(struct bytes in)
{
	char *out = alloc_zero(in.size + 1, 1);
	size_t n = 0;

	for (size_t i = 0; i < in.size; i++) {
		int high, low;
		uint8_t c = in.data[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			high = i + 2 < in.size ? text_hex_digit(in.data[i + 1]) :
						     -1;
			low = high >= 0 ? text_hex_digit(in.data[i + 2]) : -1;
			c = low >= 0 ? (uint8_t)(high << 4 | low) : 0;
			i += 2;
		}
		if (c == 0) {
			free(out);
			return NULL;
		}
		out[n++] = (char)c;
	}
	return out;
}

int
http_query_next(struct bytes *query, char **name, char **value)
{
	struct bytes pair, rest;

	do {
		if (query->size == 0)
			return 0;
		pair = cut(*query, '&', query);
	} while (pair.size == 0);
	*name = decode(cut(pair, '=', &rest));
	*value = decode(rest);
	if (*name && *value)
		return 1;
	free(*name);
	free(*value);
	return -1;
}

char *
http_request_parameter(const struct http_request *r, const char *name)
{
	struct bytes query = http_request_query(r);
	char *found, *value;
	bool is_it;

	while (http_query_next(&query, &found, &value) > 0) {
		is_it = strcmp(found, name) == 0;
		free(found);
		if (is_it)
			return value;
		free(value);
	}
	return NULL;
}

/* "type/subtype" of one element, without its parameters. */
static struct bytes
media_type(struct bytes element)
{
	struct bytes parameters;

	return bytes_trim(cut(element, ';', &parameters));
}

/* Is the range one of the type, "type/ *" or "* / *" (without blanks)? */
static bool
range_covers(struct bytes range, const char *type)
{
	size_t major = (size_t)(strchr(type, '/') - type) + 1;

	if (bytes_equal_nocase(range, bytes_of(type)) ||
	    bytes_equal(range, bytes_of("*/*")))
		return true;
	return range.size == major + 1 && range.data[major] == '*' &&
	       bytes_equal_nocase(bytes_first(range, major),
				  bytes_make(type, major));
}

bool
http_request_accepts(const struct http_request *r, const char *type)
{
	struct bytes accept = http_request_field(r, "accept");

	if (!accept.data)
		return true;
	while (accept.size > 0)
		if (range_covers(media_type(cut(accept, ',', &accept)), type))
			return true;
	return false;
}

bool
http_request_prefers(const struct http_request *r, const char *type)
{
	struct bytes accept = http_request_field(r, "accept");

	while (accept.size > 0)
		if (bytes_equal_nocase(media_type(cut(accept, ',', &accept)),
				       bytes_of(type)))
			return true;
	return false;
}

bool
http_request_has_type(const struct http_request *r, const char *type)
{
	return bytes_equal_nocase(
		media_type(http_request_field(r, "content-type")),
		bytes_of(type));
}
