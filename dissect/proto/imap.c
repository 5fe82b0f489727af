/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IMAP4rev1 and rev2 (RFC 3501, 9051): a command with all that answers it is a
 * channel, by the command's tag.  See imap.md.
 */
#include "dissect/proto/imap_parts.h"

#include <ctype.h>

#include "base/text.h"
#include "dissect/registry.h"

#define TAG_SIZE 64

/* Lines. */

struct bytes
imap_tag(struct bytes *line)
{
	static const char others[] = "(){%*\"\\+";
	size_t size = 0;
	struct bytes tag;

	while (size < line->size && line->data[size] > ' ' &&
	       line->data[size] < 0x7f && !strchr(others, line->data[size]))
		size++;
	tag = bytes_first(*line, size);
	if (!size || size > TAG_SIZE || size >= line->size ||
	    line->data[size] != ' ')
		return bytes_make(NULL, 0);
	*line = bytes_from(*line, size + 1);
	return tag;
}

uint64_t
imap_channel(struct bytes tag)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < tag.size; i++)
		hash = (hash ^ tag.data[i]) * UINT64_C(0x100000001b3);
	return hash | UINT64_C(1) << 63; /* not IMAP_ALONE */
}

enum verdict
imap_piece(struct bytes in, struct bytes *piece, size_t *size, bool *last)
{
	enum verdict verdict = line_take(in, IMAP_LINE, piece, size);

	*last = verdict == VERDICT_YES;
	if (verdict != VERDICT_NO)
		return verdict;
	*size = IMAP_LINE - IMAP_TAIL;
	*piece = bytes_first(in, *size);
	return VERDICT_YES;
}

bool
imap_literal(struct bytes line, uint64_t *size, bool *waits)
{
	size_t from = line.size;
	struct bytes digits;

	*waits = false;
	if (from < 3 || line.data[from - 1] != '}')
		return false;
	while (from && line.size - from < IMAP_TAIL - 2 &&
	       line.data[from - 1] != '{')
		from--;
	if (!from || line.data[from - 1] != '{')
		return false;
	digits = bytes_make(line.data + from, line.size - from - 1);
	*waits = !digits.size || (digits.data[digits.size - 1] != '+' &&
				  digits.data[digits.size - 1] != '-');
	if (!*waits)
		digits.size--;
	return text_u64(digits, size) && *size <= INT64_MAX;
}

/* Detection. */

static bool
has_digit(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if (isdigit(in.data[i]))
			return true;
	return false;
}

/* "1:5,7:*" */
static bool
is_set(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if (!isdigit(in.data[i]) && !strchr(":,*", in.data[i]))
			return false;
	return in.size && has_digit(in);
}

static bool
is_word(struct bytes word, const char *name)
{
	return bytes_equal_nocase(word, bytes_of(name));
}

/* Whether only IMAP says this behind a tag. */
static bool
is_telling(struct bytes word, struct bytes rest)
{
	bool by_uid = is_word(word, "UID");

	if (is_word(word, "CAPABILITY") || is_word(word, "NAMESPACE") ||
	    is_word(word, "STARTTLS"))
		return true;
	if (by_uid)
		word = line_word(&rest);
	return (is_word(word, "FETCH") || is_word(word, "STORE") ||
		(by_uid && (is_word(word, "COPY") || is_word(word, "MOVE")))) &&
	       is_set(line_word(&rest)) && rest.size;
}

static bool
is_command(struct bytes line, bool *telling)
{
	struct bytes rest = line, tag = imap_tag(&rest);
	struct bytes word = line_word(&rest);
	const struct imap_command *command = tag.size ? imap_command(word)
						      : NULL;

	*telling = false;
	if (!command || !line_is_text(line) ||
	    command->bare != !bytes_trim(rest).size)
		return false;
	*telling = has_digit(tag) && is_telling(word, rest);
	return true;
}

bool
imap_may_be_tagged(struct bytes in)
{
	struct bytes rest = in;

	if (in.size && in.data[in.size - 1] == '\r')
		in.size--;
	if (!in.size || !line_is_text(in))
		return false;
	return imap_tag(&rest).size || (in.size < TAG_SIZE &&
					!memchr(in.data, ' ', in.size));
}

enum verdict
imap_command_here(struct bytes in, bool *telling)
{
	struct bytes line;
	size_t size;
	enum verdict verdict = line_take(in, IMAP_LINE, &line, &size);

	*telling = false;
	if (verdict == VERDICT_YES)
		return is_command(line, telling) ? VERDICT_YES : VERDICT_NO;
	return verdict == VERDICT_MAYBE && imap_may_be_tagged(in) ? VERDICT_MAYBE
							     : VERDICT_NO;
}

/* A command of the client and a response to it, or one that says enough. */
static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	enum verdict asked = VERDICT_MAYBE, answered = VERDICT_MAYBE;
	bool asks = false, answers = false;

	(void)transport;
	if (client.size)
		asked = imap_command_here(client, &asks);
	if (server.size)
		answered = imap_response_here(server, &answers);
	if (asked == VERDICT_NO || answered == VERDICT_NO)
		return VERDICT_NO;
	return asks || answers ||
			       (asked == VERDICT_YES && answered == VERDICT_YES)
		       ? VERDICT_YES
		       : VERDICT_MAYBE;
}

static enum verdict
resync(enum side side, struct bytes in)
{
	struct bytes line;
	bool telling;
	size_t size;

	if (side == SIDE_SERVER)
		return imap_response_here(in, &telling);
	if (line_take(in, IMAP_LINE, &line, &size) == VERDICT_YES &&
	    is_word(line, "DONE"))
		return VERDICT_YES;
	return imap_command_here(in, &telling);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	return side == SIDE_CLIENT ? imap_request(state, in, sink)
				   : imap_response(state, in, sink);
}

/* Holes; those in literals are bridged by the stream. */
static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct imap_conn *conn = state;

	(void)pending;
	(void)missing;
	(void)sink;
	if (side == SIDE_CLIENT) {
		conn->announced = false;
		conn->passing = 0;
		if (conn->place == IMAP_INSIDE)
			conn->place = IMAP_START;
		return false;
	}
	conn->greeted = true;
	conn->inside = conn->given = false;
	conn->passing_given = 0;
	conn->holes++;
	conn->broken = true;
	return false;
}

static void
finish(void *state, enum side side, struct bytes pending, bool clean,
       struct sink *sink)
{
	struct imap_conn *conn = state;

	(void)pending;
	if (side == SIDE_CLIENT && clean &&
	    (conn->place == IMAP_PROOF || conn->place == IMAP_IDLING))
		imap_end_request(conn, 0, sink);
}

static const uint16_t ports[] = { 143, 0 };

const struct dissector dissector_imap = {
	.name = "imap",
	.title = "IMAP",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_BY_CHANNEL,
	.conn_size = sizeof(struct imap_conn),
	.channel_size = sizeof(struct imap_exchange),
	.strict = true,
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
	.finish = finish,
};
