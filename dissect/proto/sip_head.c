/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/sip_head.h"

#include <ctype.h>
#include <stdio.h>

#include "base/text.h"
#include "dissect/proto/line.h"

#define FIRST_LINE (8u << 10)
#define FIELDS_SHOWN 256
#define MEDIA_SHOWN 16
#define MEDIA_SIZE 256

static const char version[] = "SIP/2.0";

/* Detection. */

static bool
is_first_line(struct bytes line)
{
	struct bytes rest = line, method, uri;

	if (!line_is_text(line))
		return false;
	method = line_word(&rest);
	if (bytes_equal(method, bytes_of(version)))
		return line_reply_code(bytes_first(bytes_from(rest, 1), 3)) &&
		       (rest.size < 5 || rest.data[4] == ' ');
	uri = line_word(&rest);
	for (size_t i = 0; i < method.size; i++)
		if (!isalpha(method.data[i]))
			return false;
	return method.size && method.size <= 32 && uri.size > 2 &&
	       memchr(uri.data, ':', uri.size) &&
	       bytes_equal(bytes_trim(rest), bytes_of(version));
}

static bool
may_begin(struct bytes in)
{
	static const char *const methods[] = {
		"INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS",
		"PRACK", "SUBSCRIBE", "NOTIFY", "PUBLISH", "INFO", "REFER",
		"MESSAGE", "UPDATE", version, NULL
	};

	for (const char *const *m = methods; *m; m++)
		if (line_may_begin(in, *m))
			return true;
	return false;
}

enum verdict
sip_probe(struct bytes in, bool whole)
{
	struct bytes line;
	size_t size;

	switch (line_take(in, FIRST_LINE, &line, &size)) {
	case VERDICT_YES:
		return is_first_line(line) ? VERDICT_YES : VERDICT_NO;
	case VERDICT_MAYBE:
		return !whole && may_begin(in) ? VERDICT_MAYBE : VERDICT_NO;
	case VERDICT_NO:
		break;
	}
	return VERDICT_NO;
}

/* Fields. */

static const struct {
	char compact;
	const char *name;
} compact_names[] = {
	{ 'a', "Accept-Contact" }, { 'b', "Referred-By" },
	{ 'c', "Content-Type" }, { 'd', "Request-Disposition" },
	{ 'e', "Content-Encoding" }, { 'f', "From" }, { 'i', "Call-ID" },
	{ 'j', "Reject-Contact" }, { 'k', "Supported" },
	{ 'l', "Content-Length" }, { 'm', "Contact" },
	{ 'n', "Identity-Info" }, { 'o', "Event" }, { 'r', "Refer-To" },
	{ 's', "Subject" }, { 't', "To" }, { 'u', "Allow-Events" },
	{ 'v', "Via" }, { 'x', "Session-Expires" }, { 'y', "Identity" },
};

static struct bytes
long_name(struct bytes name)
{
	if (name.size != 1)
		return name;
	for (size_t i = 0; i < sizeof(compact_names) / sizeof(*compact_names);
	     i++)
		if (tolower(name.data[0]) == compact_names[i].compact)
			return bytes_of(compact_names[i].name);
	return name;
}

/* The next field, with the lines that go on with it; false at the end. */
static bool
next_field(struct bytes *fields, struct bytes *name, struct bytes *value)
{
	struct bytes all = *fields;
	const uint8_t *colon;
	size_t at = 0;

	if (!all.size || all.data[0] == '\r' || all.data[0] == '\n')
		return false;
	do {
		const uint8_t *end = memchr(all.data + at, '\n',
					    all.size - at);

		at = end ? (size_t)(end - all.data) + 1 : all.size;
	} while (at < all.size &&
		 (all.data[at] == ' ' || all.data[at] == '\t'));
	*fields = bytes_from(all, at);
	while (at && (all.data[at - 1] == '\n' || all.data[at - 1] == '\r'))
		at--;
	all = bytes_first(all, at);
	colon = at ? memchr(all.data, ':', at) : NULL;
	*name = *value = bytes_make(NULL, 0);
	if (!colon)
		return true;
	*name = long_name(bytes_trim(
		bytes_make(all.data, (size_t)(colon - all.data))));
	*value = bytes_trim(bytes_from(all, (size_t)(colon - all.data) + 1));
	return true;
}

static bool
is(struct bytes name, const char *other)
{
	return bytes_equal_nocase(name, bytes_of(other));
}

/* The parameter "branch" of the first of what Via lists. */
static struct bytes
branch_of(struct bytes via)
{
	static const char word[] = "branch=";
	size_t end = 0;

	while (end < via.size && via.data[end] != ',')
		end++;
	via = bytes_first(via, end);
	for (size_t i = 0; i + sizeof(word) <= via.size; i++) {
		size_t from = i + sizeof(word) - 1, to = from;

		if (!is(bytes_make(via.data + i, sizeof(word) - 1), word))
			continue;
		while (to < via.size && via.data[to] != ';' &&
		       via.data[to] > ' ')
			to++;
		return bytes_make(via.data + from, to - from);
	}
	return bytes_make(NULL, 0);
}

static void
read_field(struct sip_head *head, struct bytes name, struct bytes value)
{
	if (is(name, "Via") && !head->branch.size) {
		head->branch = branch_of(value);
	} else if (is(name, "Call-ID")) {
		head->call_id = value;
	} else if (is(name, "CSeq")) {
		head->sequence = line_word(&value);
		head->sequence_method = line_word(&value);
	} else if (is(name, "Content-Type")) {
		head->content_type = value;
	} else if (is(name, "Content-Length") && !head->has_length) {
		head->has_length = text_u64(value, &head->length);
	}
}

static void
first_line(struct sip_head *head, struct bytes line)
{
	struct bytes rest = line, word = line_word(&rest);

	head->response = bytes_equal(word, bytes_of(version));
	if (head->response) {
		head->status = line_reply_code(
			bytes_first(bytes_from(rest, 1), 3));
		head->reason = bytes_trim(bytes_from(rest, 4));
		return;
	}
	head->method = word;
	head->uri = line_word(&rest);
}

enum verdict
sip_head(struct bytes in, bool whole, struct sip_head *head)
{
	struct bytes line, fields, name, value;
	const uint8_t *end;
	size_t size;
	enum verdict verdict = line_take(in, FIRST_LINE, &line, &size);

	*head = (struct sip_head){ .status = 0 };
	if (verdict != VERDICT_YES)
		return whole ? VERDICT_NO : verdict;
	if (!is_first_line(line))
		return VERDICT_NO;
	/* With the end of the first line: there may be no field. */
	end = memmem(in.data + size - 2, in.size - size + 2, "\r\n\r\n", 4);
	head->size = end ? (size_t)(end - in.data) + 4 : in.size;
	if (!end && !whole)
		return in.size > SIP_HEAD ? VERDICT_NO : VERDICT_MAYBE;
	first_line(head, line);
	head->fields = bytes_from(bytes_first(in, head->size), size);
	fields = head->fields;
	while (next_field(&fields, &name, &value))
		read_field(head, name, value);
	return VERDICT_YES;
}

void
sip_say_fields(const struct sip_head *head, struct sink *sink)
{
	struct bytes fields = head->fields, name, value;

	for (int i = 0; i < FIELDS_SHOWN; i++) {
		if (!next_field(&fields, &name, &value))
			return;
		if (!name.size)
			continue;
		sink_header(sink, name, value);
		if (is(name, "User-Agent"))
			sink_field(sink, FIELD_USER_AGENT, value);
	}
	sink_truncated(sink);
}

/* FNV-1a. */
static uint64_t
add(uint64_t hash, struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		hash = (hash ^ in.data[i]) * UINT64_C(0x100000001b3);
	return (hash ^ '\n') * UINT64_C(0x100000001b3);
}

uint64_t
sip_transaction(const struct sip_head *head)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	hash = add(hash, head->branch.size ? head->branch : head->call_id);
	hash = add(hash, head->sequence);
	return add(hash, head->sequence_method);
}

struct bytes
sip_host(struct bytes uri)
{
	const uint8_t *colon = uri.size ? memchr(uri.data, ':', uri.size)
					: NULL;
	const uint8_t *at;
	size_t end = 0;

	if (!colon)
		return bytes_make(NULL, 0);
	uri = bytes_from(uri, (size_t)(colon - uri.data) + 1);
	at = uri.size ? memchr(uri.data, '@', uri.size) : NULL;
	if (at)
		uri = bytes_from(uri, (size_t)(at - uri.data) + 1);
	while (end < uri.size && !strchr(";?>", uri.data[end]))
		end++;
	return bytes_first(uri, end);
}

void
sip_say_media(struct bytes description, struct sink *sink)
{
	struct bytes line, address = bytes_make(NULL, 0);
	char text[MEDIA_SIZE];
	unsigned shown = 0;
	size_t size;

	while (shown < MEDIA_SHOWN &&
	       line_take(description, description.size + 1, &line, &size) ==
		       VERDICT_YES) {
		description = bytes_from(description, size);
		if (bytes_starts_with(line, "c=IN IP"))
			address = bytes_from(line, 9);
		if (!bytes_starts_with(line, "m="))
			continue;
		line = bytes_from(line, 2);
		/* An address of its own comes directly behind. */
		size = (size_t)snprintf(
			text, sizeof(text), "%.*s%s%.*s",
			(int)bytes_first(line, 128).size, line.data,
			address.size ? " at " : "",
			(int)bytes_first(address, 64).size,
			address.size ? (const char *)address.data : "");
		line_header("media", bytes_make(text, size), sink);
		shown++;
	}
}
