/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/nats_line.h"

#include "base/text.h"

#define PAYLOAD_MAX (64u << 20)
#define WORDS 5

static const struct {
	const char *name;
	enum side side;
	bool both;
	uint8_t least, most; /* words behind it; 0 and 0: any text */
} verbs[] = {
	[NATS_INFO] = { "INFO", SIDE_SERVER, false, 0, 0 },
	[NATS_CONNECT] = { "CONNECT", SIDE_CLIENT, false, 0, 0 },
	[NATS_PUB] = { "PUB", SIDE_CLIENT, false, 2, 3 },
	[NATS_HPUB] = { "HPUB", SIDE_CLIENT, false, 3, 4 },
	[NATS_SUB] = { "SUB", SIDE_CLIENT, false, 2, 3 },
	[NATS_UNSUB] = { "UNSUB", SIDE_CLIENT, false, 1, 2 },
	[NATS_MSG] = { "MSG", SIDE_SERVER, false, 3, 4 },
	[NATS_HMSG] = { "HMSG", SIDE_SERVER, false, 4, 5 },
	[NATS_PING] = { "PING", SIDE_CLIENT, true, 0, 0 },
	[NATS_PONG] = { "PONG", SIDE_CLIENT, true, 0, 0 },
	[NATS_OK] = { "+OK", SIDE_SERVER, false, 0, 0 },
	[NATS_ERR] = { "-ERR", SIDE_SERVER, false, 0, 0 },
};

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct bytes
next_word(struct bytes *rest)
{
	size_t at = 0, end;
	struct bytes word;

	while (at < rest->size && is_blank(rest->data[at]))
		at++;
	end = at;
	while (end < rest->size && !is_blank(rest->data[end]))
		end++;
	word = bytes_make(rest->data + at, end - at);
	*rest = bytes_from(*rest, end);
	return word;
}

/* Which verb it is, or may become (MAYBE). */
static enum verdict
find_verb(struct bytes in, enum side side, bool cut, enum nats_verb *verb)
{
	enum verdict verdict = VERDICT_NO;

	for (unsigned i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		struct bytes name = bytes_of(verbs[i].name);

		if (verbs[i].side != side && !verbs[i].both)
			continue;
		if (bytes_equal_nocase(in, name)) {
			*verb = (enum nats_verb)i;
			return VERDICT_YES;
		}
		if (cut && bytes_equal_nocase(in, bytes_first(name, in.size)))
			verdict = VERDICT_MAYBE;
	}
	return verdict;
}

/* Tokens apart by dots. */
static bool
is_subject(struct bytes in)
{
	bool dot = true;

	for (size_t i = 0; i < in.size; i++) {
		if (in.data[i] <= ' ' || in.data[i] == 0x7f ||
		    (dot && in.data[i] == '.'))
			return false;
		dot = in.data[i] == '.';
	}
	return in.size && !dot;
}

static bool
read_size(struct bytes word, uint32_t *size)
{
	uint64_t value;

	if (!text_u64(word, &value) || value > PAYLOAD_MAX)
		return false;
	*size = (uint32_t)value;
	return true;
}

/* PUB subject [reply] size; HPUB with two sizes; MSG and HMSG have the
 * subscription behind the subject. */
static bool
read_message(struct nats_line *line, const struct bytes *words, size_t count)
{
	bool headers = line->verb == NATS_HPUB || line->verb == NATS_HMSG;
	bool message = line->verb == NATS_MSG || line->verb == NATS_HMSG;
	size_t fixed = 2u + headers + message;

	line->subject = words[0];
	if (message)
		line->sid = words[1];
	if (count > fixed)
		line->reply = words[1 + message];
	if (!is_subject(line->subject) ||
	    (line->reply.size && !is_subject(line->reply)) ||
	    !read_size(words[count - 1], &line->total))
		return false;
	return !headers || (read_size(words[count - 2], &line->headers) &&
			    line->headers <= line->total);
}

static bool
read_words(struct nats_line *line, struct bytes rest)
{
	struct bytes words[WORDS];
	size_t count = 0, most = verbs[line->verb].most;

	if (!most) {
		line->text = bytes_trim(rest);
		return (line->verb != NATS_INFO && line->verb != NATS_CONNECT) ||
		       (line->text.size && line->text.data[0] == '{');
	}
	for (;;) {
		struct bytes word = next_word(&rest);

		if (!word.size)
			break;
		if (count == most)
			return false;
		words[count++] = word;
	}
	if (count < verbs[line->verb].least)
		return false;
	if (nats_has_message(line))
		return read_message(line, words, count);
	line->sid = words[line->verb == NATS_SUB ? count - 1 : 0];
	if (line->verb == NATS_SUB) {
		line->subject = words[0];
		if (count == 3)
			line->queue = words[1];
		return is_subject(line->subject);
	}
	if (count == 2)
		line->max = words[1];
	return true;
}

enum verdict
nats_line_read(struct bytes in, enum side side, struct nats_line *out)
{
	const uint8_t *end = in.size ? memchr(in.data, '\n', in.size) : NULL;
	struct bytes text = in, verb;
	enum verdict verdict;

	*out = (struct nats_line){ .size = 0 };
	if (end) {
		text.size = (size_t)(end - in.data);
		out->size = text.size + 1;
		if (text.size && text.data[text.size - 1] == '\r')
			text.size--;
	}
	if (!in.size || text.size > NATS_LINE)
		return in.size ? VERDICT_NO : VERDICT_MAYBE;
	if (is_blank(in.data[0]))
		return VERDICT_NO;
	verb = next_word(&text);
	/* "PONG\r" before its end */
	if (!end && verb.size && verb.data[verb.size - 1] == '\r')
		verb.size--;
	verdict = find_verb(verb, side, !end && !text.size, &out->verb);
	if (verdict != VERDICT_YES)
		return verdict;
	if (!end)
		return VERDICT_MAYBE;
	return read_words(out, text) ? VERDICT_YES : VERDICT_NO;
}

/* INFO and CONNECT, by what only they have; they may be long. */
static enum verdict
probe_start(struct bytes in, enum side side)
{
	static const char *const starts[] = { "CONNECT {\"", "INFO {\"" };
	static const char *const member[] = { "\"verbose\"", "\"server_id\"" };
	const char *start = starts[side];
	size_t size = strlen(member[side]);

	if (!bytes_starts_with(in, start))
		return in.size < strlen(start) &&
				       memcmp(in.data, start, in.size) == 0
			       ? VERDICT_MAYBE
			       : VERDICT_NO;
	for (size_t at = strlen(start) - 2; at + size <= in.size; at++)
		if (memcmp(in.data + at, member[side], size) == 0)
			return VERDICT_YES;
	return memchr(in.data, '\n', in.size) ? VERDICT_NO : VERDICT_MAYBE;
}

/* Lines without a message as only NATS has them, as far as can be seen: POP3,
 * IRC and Redis have words behind theirs. */
static bool
is_typical(const struct nats_line *line)
{
	if (line->verb == NATS_ERR)
		return bytes_starts_with(line->text, "'");
	if (line->verb == NATS_INFO || line->verb == NATS_CONNECT)
		return false;
	return !line->text.size;
}

enum verdict
nats_line_probe(struct bytes in, enum side side)
{
	struct nats_line line;
	enum verdict verdict;
	struct bytes rest;

	if (!in.size)
		return VERDICT_MAYBE;
	verdict = probe_start(in, side);
	if (verdict != VERDICT_NO)
		return verdict;
	verdict = nats_line_read(in, side, &line);
	if (verdict != VERDICT_YES)
		return verdict;
	/* Others have PING, too. */
	if (!nats_has_message(&line))
		return is_typical(&line) ? VERDICT_MAYBE : VERDICT_NO;
	rest = bytes_from(in, line.size);
	if (in.data[line.size - 2] != '\r')
		return VERDICT_NO;
	if (rest.size < line.total + 2u)
		return VERDICT_MAYBE;
	rest = bytes_from(rest, line.total);
	return rest.data[0] == '\r' && rest.data[1] == '\n' ? VERDICT_YES
							      : VERDICT_NO;
}
