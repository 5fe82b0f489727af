/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/http_line.h"

#include "base/word.h"

/* The one that a name of that size can be. */
static enum http_meaning
meaning_of_size(size_t size)
{
	switch (size) {
	case 4:
		return HTTP_HOST;
	case 7:
		return HTTP_UPGRADE;
	case 10:
		return HTTP_USER_AGENT;
	case 12:
		return HTTP_CONTENT_TYPE;
	case 14:
		return HTTP_CONTENT_LENGTH;
	case 16:
		return HTTP_CONTENT_ENCODING;
	case 17:
		return HTTP_TRANSFER_ENCODING;
	case 22:
		return HTTP_WEBSOCKET_PROTOCOL;
	case 24:
		return HTTP_WEBSOCKET_EXTENSIONS;
	default:
		return HTTP_NOTHING;
	}
}

enum http_meaning
http_meaning(struct bytes name)
{
	static const char *const names[] = {
		[HTTP_HOST] = "host",
		[HTTP_UPGRADE] = "upgrade",
		[HTTP_USER_AGENT] = "user-agent",
		[HTTP_CONTENT_TYPE] = "content-type",
		[HTTP_CONTENT_LENGTH] = "content-length",
		[HTTP_CONTENT_ENCODING] = "content-encoding",
		[HTTP_TRANSFER_ENCODING] = "transfer-encoding",
		[HTTP_WEBSOCKET_PROTOCOL] = "sec-websocket-protocol",
		[HTTP_WEBSOCKET_EXTENSIONS] = "sec-websocket-extensions",
	};
	enum http_meaning meaning = meaning_of_size(name.size);

	/* Most names of that size differ in their first letter. */
	if (meaning == HTTP_NOTHING ||
	    (name.data[0] | 0x20) != names[meaning][0] ||
	    !bytes_equal_nocase(name, bytes_of(names[meaning])))
		return HTTP_NOTHING;
	return meaning;
}

/* tchar of RFC 9110 §5.6.2, a bit each. */
static bool
is_token(uint8_t c)
{
	static const uint64_t bits[4] = { 0x03ff6cfa00000000u,
					  0x57ffffffc7fffffeu };

	return bits[c >> 6] >> (c & 63) & 1;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* Eight bytes none of which is below ' ' (but 0x80 and above are fine) or
 * DEL.  A borrow may refuse a good one behind a bad one, never the reverse. */
static bool
is_text(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t rubout = word ^ ones * 0x7f;

	return !(((word - ones * ' ') & ~word) & ones * 0x80) &&
	       !(((rubout - ones) & ~rubout) & ones * 0x80);
}

static const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);

static uint8_t
hash_of_name(struct bytes name, struct bytes line)
{
	uint64_t word = word_at(line.data);

	if (name.size < WORD)
		word &= (UINT64_C(1) << 8 * name.size) - 1;
	return (uint8_t)((word ^ name.size) * odd >> 56);
}

/* Lines that differ in but the end or the middle are told apart. */
static uint64_t
hash_of_line(struct bytes line)
{
	uint64_t first = word_at(line.data);
	uint64_t middle = word_at(line.data + line.size / 2 - WORD / 2);
	uint64_t last = word_at(line.data + line.size - WORD);

	return (((first ^ line.size) * odd ^ middle) * odd ^ last) * odd;
}

/* The plain line at the front; its size, or 0 for any other. */
static size_t
plain_line(struct bytes in, struct header_pair *header)
{
	const uint8_t *at = in.data, *end;
	size_t colon = 0, text;

	while (colon < in.size && is_token(at[colon]))
		colon++;
	if (!colon || colon == in.size || at[colon] != ':')
		return 0;
	end = memchr(at + colon, '\n', in.size - colon);
	if (!end || end[-1] != '\r' || end + 1 == at + in.size ||
	    is_blank(end[1]))
		return 0;
	text = (size_t)(end - 1 - at);
	if (text < WORD || !is_text(word_at(at + text - WORD)))
		return 0;
	for (size_t i = colon; i + WORD < text; i += WORD)
		if (!is_text(word_at(at + i)))
			return 0;
	header->name = bytes_make(at, colon);
	header->value = bytes_trim(bytes_make(at + colon + 1,
					      text - colon - 1));
	return text + 2;
}

/* headers[count] is one of that meaning. */
static void
add_line(struct http_lines *out, enum http_meaning meaning)
{
	out->meaningful |= (uint64_t)(meaning != HTTP_NOTHING) << out->count;
	out->meanings[out->count++] = (uint8_t)meaning;
}

static void
remember(struct http_known_line *line, struct bytes text,
	 const struct header_pair *header, enum http_meaning meaning)
{
	line->size = (uint8_t)text.size;
	line->name_size = (uint8_t)header->name.size;
	line->value_at = (uint8_t)(header->value.data - text.data);
	line->value_size = (uint8_t)header->value.size;
	line->meaning = (uint8_t)meaning;
	memcpy(line->text, text.data, text.size);
}

/* Notes that a line came behind what is at `place`; the place of the line. */
static uint8_t
learn(struct http_known *known, uint8_t place, struct bytes text,
      const struct header_pair *header, enum http_meaning meaning)
{
	uint64_t hash = hash_of_line(text);
	uint8_t index = (uint8_t)(hash >> 56);
	uint16_t *seen = &known->seen[hash >> 46 & (HTTP_SEEN_LINES - 1)];
	struct http_known_line *line = &known->lines[index];

	if (*seen != (uint16_t)(hash >> 30) || text.size > HTTP_KNOWN_SIZE) {
		*seen = (uint16_t)(hash >> 30);
		return hash_of_name(header->name, text);
	}
	if (line->size != text.size ||
	    memcmp(line->text, text.data, text.size) != 0)
		remember(line, text, header, meaning);
	known->behind[place] = index;
	return index;
}

static bool
is_expected(const struct http_known_line *line, struct bytes in)
{
	return line->size && line->size < in.size &&
	       memcmp(line->text, in.data, line->size) == 0 &&
	       !is_blank(in.data[line->size]);
}

void
http_lines_read(struct http_known *known, struct bytes in,
		struct http_lines *out)
{
	struct bytes rest = in;
	uint8_t place = 0;

	out->count = 0;
	out->meaningful = 0;
	while (out->count < HTTP_LINES) {
		struct header_pair *header = &out->headers[out->count];
		uint8_t expected = known->behind[place];
		const struct http_known_line *line = &known->lines[expected];
		enum http_meaning meaning = (enum http_meaning)line->meaning;
		size_t size = line->size;

		if (is_expected(line, rest)) {
			header->name = bytes_make(rest.data, line->name_size);
			header->value = bytes_make(rest.data + line->value_at,
						   line->value_size);
			place = expected;
		} else if ((size = plain_line(rest, header)) != 0) {
			meaning = http_meaning(header->name);
			place = learn(known, place, bytes_first(rest, size),
				      header, meaning);
		} else {
			break;
		}
		add_line(out, meaning);
		rest = bytes_from(rest, size);
	}
	out->ended = rest.size >= 2 && rest.data[0] == '\r' &&
		     rest.data[1] == '\n';
	out->size = in.size - rest.size + (out->ended ? 2 : 0);
}
