/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/http_head.h"

#include <llhttp.h>

#include "base/text.h"

#define METHOD_LIMIT 32
#define START_LINE_LIMIT (16u << 10)

/* The start line. */

/* tchar of RFC 9110 §5.6.2, as far as methods use it. */
static bool
is_method_char(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
	       c == '!' || c == '+' || c == '$';
}

/* "HTTP/1.x" at the front; MAYBE when it is only a beginning of that. */
static enum verdict
version_at(struct bytes in)
{
	static const char text[] = "HTTP/1.";
	size_t size = in.size < 7 ? in.size : 7;

	if (size && memcmp(in.data, text, size) != 0)
		return VERDICT_NO;
	if (in.size < 8)
		return VERDICT_MAYBE;
	return in.data[7] >= '0' && in.data[7] <= '9' ? VERDICT_YES
						      : VERDICT_NO;
}

static enum verdict
status_line(struct bytes in, bool whole, struct http_start *start)
{
	enum verdict verdict = version_at(in);
	const uint8_t *d = in.data;

	if (verdict == VERDICT_YES && in.size > 8 && d[8] != ' ')
		return VERDICT_NO;
	for (size_t i = 9; i < 12 && i < in.size; i++)
		if (d[i] < '0' || d[i] > '9')
			return VERDICT_NO;
	if (in.size > 12 && d[12] != ' ' && d[12] != '\r')
		return VERDICT_NO;
	if (verdict != VERDICT_YES)
		return whole ? VERDICT_NO : verdict;
	if (in.size < 12)
		return whole ? VERDICT_NO : VERDICT_MAYBE;
	if (!whole)
		return VERDICT_MAYBE;
	start->version = bytes_make(d + 5, 3);
	start->status = (d[9] - '0') * 100 + (d[10] - '0') * 10 + d[11] - '0';
	start->reason = bytes_trim(bytes_from(in, 12));
	return start->status >= 100 ? VERDICT_YES : VERDICT_NO;
}

static enum verdict
request_line(struct bytes in, bool whole, struct http_start *start)
{
	struct bytes rest;
	size_t method = 0, end;

	while (method < in.size && is_method_char(in.data[method]))
		method++;
	if (method > METHOD_LIMIT || (method == 0 && in.size))
		return VERDICT_NO;
	if (method == in.size)
		return whole ? VERDICT_NO : VERDICT_MAYBE;
	if (in.data[method] != ' ')
		return VERDICT_NO;
	if (in.size > method + 1 && (in.data[method + 1] <= ' ' ||
				     in.data[method + 1] == 0x7f))
		return VERDICT_NO;
	if (!whole)
		return VERDICT_MAYBE;
	rest = bytes_from(in, method); /* " / HTTP/1.1" */
	if (rest.size < 11 && (rest.size != 9 || method < 3))
		return VERDICT_NO;
	end = rest.size - 9;
	if (rest.data[end] != ' ' ||
	    version_at(bytes_from(rest, end + 1)) != VERDICT_YES)
		return VERDICT_NO;
	start->method = bytes_make(in.data, method);
	start->target = bytes_trim(bytes_first(rest, end));
	start->version = bytes_make(rest.data + end + 6, 3);
	start->status = -1;
	return VERDICT_YES;
}

enum verdict
http_start_line(struct bytes in, bool request, struct http_start *start)
{
	const uint8_t *newline;
	struct bytes line;

	line = in;
	while (line.size && (line.data[0] == '\r' || line.data[0] == '\n'))
		line = bytes_from(line, 1);
	newline = line.size ? memchr(line.data, '\n', line.size) : NULL;

	if (newline) {
		start->size = (size_t)(newline - in.data) + 1;
		line.size = (size_t)(newline - line.data);
		while (line.size && (line.data[line.size - 1] == '\r' ||
				     line.data[line.size - 1] == ' '))
			line.size--;
	} else if (line.size > START_LINE_LIMIT) {
		return VERDICT_NO;
	}
	return request ? request_line(line, newline, start)
		       : status_line(line, newline, start);
}

/* Headers that mean something here. */

static bool
is(struct bytes name, const char *text)
{
	return bytes_equal_nocase(name, bytes_of(text));
}

void
http_content_type(struct bytes value, struct sink *sink)
{
	static const char events[] = "text/event-stream";

	sink_field(sink, FIELD_CONTENT_TYPE, value);
	if (is(bytes_first(value, sizeof(events) - 1), events))
		sink_timed(sink);
}

/* Takes the next element of a comma-separated list (RFC 9110 §5.6.1). */
static bool
next_element(struct bytes *list, struct bytes *element)
{
	while (list->size) {
		const uint8_t *comma = memchr(list->data, ',', list->size);
		size_t size = comma ? (size_t)(comma - list->data) : list->size;

		*element = bytes_trim(bytes_first(*list, size));
		*list = bytes_from(*list, size + (comma != NULL));
		if (element->size)
			return true;
	}
	return false;
}

static void
note_length(struct http_framing *f, struct bytes value)
{
	struct bytes element;
	bool any = false;

	while (next_element(&value, &element)) {
		uint64_t length;

		any = true;
		if (!text_u64(element, &length) ||
		    length > (uint64_t)INT64_MAX ||
		    (f->has_length && length != f->length)) {
			f->bad_length = true;
			return;
		}
		f->has_length = true;
		f->length = length;
	}
	if (!any)
		f->bad_length = true;
}

enum encoding
http_encoding(struct bytes coding)
{
	static const struct {
		const char *name;
		enum encoding encoding;
	} codings[] = {
		{ "gzip", ENCODING_GZIP },	{ "x-gzip", ENCODING_GZIP },
		{ "deflate", ENCODING_DEFLATE }, { "br", ENCODING_BROTLI },
		{ "zstd", ENCODING_ZSTD },	{ "identity", ENCODING_NONE },
	};

	for (size_t i = 0; i < sizeof(codings) / sizeof(*codings); i++)
		if (is(coding, codings[i].name))
			return codings[i].encoding;
	return ENCODING_UNKNOWN;
}

static void
note_coding(struct http_framing *f, struct bytes coding, struct sink *sink)
{
	enum encoding encoding = http_encoding(coding);

	if (encoding == ENCODING_NONE)
		return;
	/* Two codings on top of each other are not undone. */
	f->encoding = f->has_encoding ? ENCODING_UNKNOWN : encoding;
	f->has_encoding = true;
	sink_encoding(sink, f->encoding);
}

static void
note_encoding(struct http_framing *f, struct bytes value, struct sink *sink)
{
	struct bytes element;

	while (next_element(&value, &element))
		note_coding(f, element, sink);
}

static void
note_transfer(struct http_framing *f, struct bytes value, struct sink *sink)
{
	struct bytes element;

	f->has_transfer = true;
	while (next_element(&value, &element)) {
		f->chunked = is(element, "chunked");
		if (!f->chunked)
			note_coding(f, element, sink);
	}
}

static void
note_header(struct http_framing *f, enum http_meaning meaning,
	    struct bytes value, struct sink *sink)
{
	switch (meaning) {
	case HTTP_NOTHING:
		break;
	case HTTP_HOST:
		if (!f->has_host)
			sink_field(sink, FIELD_HOST, value);
		f->has_host = true;
		break;
	case HTTP_UPGRADE:
		f->upgrade = value;
		break;
	case HTTP_USER_AGENT:
		sink_field(sink, FIELD_USER_AGENT, value);
		break;
	case HTTP_CONTENT_TYPE:
		http_content_type(value, sink);
		break;
	case HTTP_CONTENT_LENGTH:
		note_length(f, value);
		break;
	case HTTP_CONTENT_ENCODING:
		note_encoding(f, value, sink);
		break;
	case HTTP_TRANSFER_ENCODING:
		note_transfer(f, value, sink);
		break;
	case HTTP_WEBSOCKET_PROTOCOL:
		f->subprotocol = value;
		break;
	case HTTP_WEBSOCKET_EXTENSIONS:
		f->extensions = value;
		break;
	}
}

void
http_lines_take(const struct http_lines *lines, struct http_framing *framing,
		struct sink *sink)
{
	uint64_t left = framing ? lines->meaningful : 0;

	sink_headers(sink, lines->headers, lines->count);
	for (; left; left &= left - 1) {
		int i = __builtin_ctzll(left);

		note_header(framing, (enum http_meaning)lines->meanings[i],
			    lines->headers[i].value, sink);
	}
}

/* The header section, through llhttp. */

struct section {
	struct sink *sink;
	struct http_framing *framing;
	struct bytes name, value; /* of the field being read */
};

static void
field_done(struct section *s)
{
	struct bytes value = bytes_trim(s->value);

	if (!s->name.size)
		return;
	sink_header(s->sink, s->name, value);
	if (s->framing)
		note_header(s->framing, http_meaning(s->name), value, s->sink);
	s->name = bytes_make(NULL, 0);
	s->value = bytes_make(NULL, 0);
}

static int
on_name(llhttp_t *parser, const char *at, size_t size)
{
	struct section *s = parser->data;

	field_done(s);
	s->name = bytes_make(at, size);
	return 0;
}

static int
on_value(llhttp_t *parser, const char *at, size_t size)
{
	struct section *s = parser->data;
	const uint8_t *end = (const uint8_t *)at + size;

	if (!s->value.data)
		s->value.data = (const uint8_t *)at;
	s->value.size = (size_t)(end - s->value.data); /* folds included */
	return 0;
}

static int
on_complete(llhttp_t *parser)
{
	field_done(parser->data);
	return HPE_PAUSED;
}

/* Takes the plain lines at the front; what is left. */
static struct bytes
plain_lines(struct bytes in, struct section *s)
{
	struct http_lines lines;

	do {
		http_lines_read(sink_shared(s->sink), in, &lines);
		http_lines_take(&lines, s->framing, s->sink);
		in = bytes_from(in, lines.size);
	} while (lines.count == HTTP_LINES && !lines.ended);
	return in;
}

/* A line that llhttp refuses: as it is, told apart by its colon. */
static void
odd_line(struct section *s, struct bytes line)
{
	const uint8_t *colon;

	while (line.size && (line.data[line.size - 1] == '\r' ||
			     line.data[line.size - 1] == '\n'))
		line.size--;
	if (!line.size)
		return;
	colon = memchr(line.data, ':', line.size);
	if (colon) {
		s->name = bytes_trim(bytes_first(
			line, (size_t)(colon - line.data)));
		s->value = bytes_from(line, (size_t)(colon - line.data) + 1);
	}
	if (colon && s->name.size)
		field_done(s);
	else
		sink_header(s->sink, bytes_make(NULL, 0), line);
	s->name = s->value = bytes_make(NULL, 0);
}

/* The line of `lines` that holds `at`. */
static struct bytes
line_of(struct bytes lines, const uint8_t *at)
{
	const uint8_t *end = lines.data + lines.size, *begin;
	const uint8_t *newline;

	if (at < lines.data || at >= end)
		at = lines.data;
	begin = at;
	while (begin > lines.data && begin[-1] != '\n')
		begin--;
	newline = memchr(at, '\n', (size_t)(end - at));
	return bytes_make(begin,
			  (size_t)((newline ? newline + 1 : end) - begin));
}

void
http_fields(struct bytes lines, struct http_framing *framing, struct sink *sink)
{
	/* llhttp wants a start line; ours was read by http_start_line. */
	static const char start[] = "GET / HTTP/1.1\r\n";
	static const llhttp_settings_t settings = {
		.on_header_field = on_name,
		.on_header_value = on_value,
		.on_headers_complete = on_complete,
	};
	struct section s = { .sink = sink, .framing = framing };

	lines = plain_lines(lines, &s);
	while (lines.size) {
		const uint8_t *position;
		struct bytes line;
		llhttp_t parser;

		llhttp_init(&parser, HTTP_REQUEST, &settings);
		llhttp_set_lenient_headers(&parser, 1);
		llhttp_set_lenient_chunked_length(&parser, 1);
		llhttp_set_lenient_transfer_encoding(&parser, 1);
		parser.data = &s;
		llhttp_execute(&parser, start, sizeof(start) - 1);
		if (llhttp_execute(&parser, (const char *)lines.data,
				   lines.size) == HPE_OK)
			break;
		position = (const uint8_t *)llhttp_get_error_pos(&parser);
		if (llhttp_get_errno(&parser) == HPE_PAUSED)
			break;
		line = line_of(lines, position);
		if (s.name.data && s.name.data < line.data)
			field_done(&s);
		odd_line(&s, line);
		lines = bytes_from(lines, (size_t)(line.data - lines.data) +
						  line.size);
	}
	field_done(&s);
}

size_t
http_section_size(struct bytes in, uint32_t *scanned)
{
	size_t line = *scanned;
	const uint8_t *newline;

	while (line < in.size &&
	       (newline = memchr(in.data + line, '\n', in.size - line))) {
		size_t size = (size_t)(newline - in.data) - line;

		if (size == 0 || (size == 1 && in.data[line] == '\r'))
			return line + size + 1;
		line += size + 1;
	}
	*scanned = (uint32_t)line;
	return 0;
}
