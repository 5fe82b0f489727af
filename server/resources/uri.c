/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resources/uri.h"

#include <string.h>

#include "base/text.h"

#define SCHEME "aftertap://"
#define MAX_PARTS 5

struct parts {
	struct bytes part[MAX_PARTS];
	size_t count;
};

static bool
split(const char *text, struct parts *p)
{
	p->count = 0;
	for (;;) {
		size_t size = strcspn(text, "/");

		if (size == 0 || p->count == MAX_PARTS)
			return false;
		p->part[p->count++] = bytes_make(text, size);
		if (text[size] == '\0')
			return true;
		text += size + 1;
	}
}

static bool
is(struct bytes part, const char *word)
{
	return bytes_equal(part, bytes_of(word));
}

static bool
take_name(struct bytes part, char name[URI_NAME])
{
	if (part.size >= URI_NAME)
		return false;
	memcpy(name, part.data, part.size);
	name[part.size] = '\0';
	return text_is_name(name);
}

static bool
parse_list(const struct parts *p, struct uri *uri)
{
	static const char *const words[] = {
		[URI_DATABASES] = "databases",
		[URI_CAPTURES] = "captures",
		[URI_SCHEMA] = "schema",
		[URI_FILTER] = "filter",
	};

	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (is(p->part[0], words[i])) {
			uri->kind = (enum uri_kind)i;
			return true;
		}
	}
	return false;
}

static bool
parse_call(const struct parts *p, struct uri *uri)
{
	if (!is(p->part[2], "calls") || !text_i64(p->part[3], &uri->id) ||
	    uri->id < 0)
		return false;
	if (p->count == 4)
		uri->kind = URI_CALL;
	else if (is(p->part[4], "request-body"))
		uri->kind = URI_REQUEST_BODY;
	else if (is(p->part[4], "response-body"))
		uri->kind = URI_RESPONSE_BODY;
	else
		return false;
	return true;
}

bool
uri_parse(const char *text, struct uri *uri)
{
	struct parts p;

	*uri = (struct uri){ 0 };
	if (strncmp(text, SCHEME, strlen(SCHEME)) != 0 ||
	    !split(text + strlen(SCHEME), &p))
		return false;
	if (p.count == 1)
		return parse_list(&p, uri);
	if (p.count == 2 && is(p.part[0], "snapshots")) {
		uri->kind = URI_SNAPSHOT;
		return take_name(p.part[1], uri->snapshot);
	}
	if (!take_name(p.part[0], uri->snapshot) ||
	    !take_name(p.part[1], uri->dissection))
		return false;
	uri->kind = URI_DISSECTION;
	return p.count == 2 || (p.count >= 4 && parse_call(&p, uri));
}
