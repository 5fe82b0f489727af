/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MongoDB's wire protocol: OP_MSG, OP_QUERY and OP_REPLY, the older operations,
 * and all of them compressed.  See mongodb.md.
 */
#include <stdio.h>

#include "base/reader.h"
#include "dissect/content.h"
#include "dissect/proto/bson.h"
#include "dissect/proto/snappy.h"
#include "dissect/proto/sql_text.h"
#include "dissect/registry.h"

#define HEADER 16
#define MESSAGE_MAX (48u << 20)
/* A longer message is passed by the stream, and only its beginning read. */
#define HELD (128u << 10)
#define PIECE 4096
/* So much of one that is compressed. */
#define COMPRESSED_PIECE (96u << 10)
#define REPLY_HEAD 20 /* flags, cursor, from where, how many */
/* Room, without which a decoder does not see that it is at the end. */
#define PLAIN_EXTRA 64
#define PLAIN_MAX (1u << 20)
#define SUMMARY 1024 /* before it is cut */
#define NAME_MAX_SIZE 128
#define NAMESPACE_MAX 255
#define SEQUENCES_MAX 16 /* of a message; no command has more than two */

enum operation {
	OP_REPLY = 1,
	OP_UPDATE = 2001,
	OP_INSERT = 2002,
	OP_QUERY = 2004,
	OP_GET_MORE = 2005,
	OP_DELETE = 2006,
	OP_KILL_CURSORS = 2007,
	OP_COMPRESSED = 2012,
	OP_MSG = 2013,
};

/* In the greeting and its answer: the first step of SASL. */
#define SPECULATIVE "speculativeAuthenticate"

#define REPLY_CURSOR_NOT_FOUND 1u
#define MSG_CHECKSUM 1u
#define MSG_MORE_TO_COME 2u
#define MSG_EXHAUST (1u << 16)

struct header {
	uint32_t size, id, answers, operation;
};

struct mongodb_conn {
	uint64_t skip[2];    /* bytes of a long message to pass, by side */
	bool skipped[2];
	bool streamed;       /* answers to `answer` follow without requests */
	uint32_t answer;
};

/* What is being read. */
struct message {
	struct sink *sink;
	enum side side;
	uint32_t operation;  /* what is in it, when it is compressed */
	bool more_to_come;
};

static struct header
read_header(struct reader *r)
{
	struct header header = { .size = reader_le32(r) };

	header.id = reader_le32(r);
	header.answers = reader_le32(r);
	header.operation = reader_le32(r);
	return header;
}

/* Detection. */

static bool
is_operation(uint32_t operation, enum side side)
{
	switch (operation) {
	case OP_MSG:
	case OP_COMPRESSED:
		return true;
	case OP_REPLY:
		return side == SIDE_SERVER;
	case OP_UPDATE:
	case OP_INSERT:
	case OP_QUERY:
	case OP_GET_MORE:
	case OP_DELETE:
	case OP_KILL_CURSORS:
		return side == SIDE_CLIENT;
	default:
		return false;
	}
}

/* Flags, and a section that begins with a document of that size. */
static enum verdict
is_msg(struct bytes in, uint32_t room)
{
	struct reader r = reader_make(in);
	uint32_t flags = reader_le32(&r), size;
	uint8_t kind = reader_u8(&r);

	size = reader_le32(&r);
	if (in.size < 9)
		return VERDICT_MAYBE;
	return !(flags & ~(MSG_CHECKSUM | MSG_MORE_TO_COME | MSG_EXHAUST)) &&
			       kind <= 1 && size >= 5 && size <= room
		       ? VERDICT_YES
		       : VERDICT_NO;
}

static enum verdict
is_compressed(struct bytes in)
{
	struct reader r = reader_make(in);
	uint32_t operation = reader_le32(&r), size = reader_le32(&r);
	uint8_t codec = reader_u8(&r);

	if (in.size < 9)
		return VERDICT_MAYBE;
	return operation != OP_COMPRESSED &&
			       (is_operation(operation, SIDE_CLIENT) ||
				is_operation(operation, SIDE_SERVER)) &&
			       size <= MESSAGE_MAX && codec <= 3
		       ? VERDICT_YES
		       : VERDICT_NO;
}

/* What is no document follows the number, or name. */
static enum verdict
is_old(uint32_t operation, struct bytes in, uint32_t room)
{
	struct reader r = reader_make(in);
	uint32_t flags = reader_le32(&r), count, size;

	if (in.size < 4)
		return VERDICT_MAYBE;
	if (operation == OP_QUERY)
		return in.size < 5 ? VERDICT_MAYBE
		       : !(flags & 0xffffff01) && in.data[4] > ' '
			       ? VERDICT_YES
			       : VERDICT_NO;
	if (operation != OP_REPLY)
		return flags <= 1 ? VERDICT_YES : VERDICT_NO;
	reader_skip(&r, 8 + 4);
	count = reader_le32(&r);
	size = reader_le32(&r);
	if (flags > 15 || room < REPLY_HEAD)
		return VERDICT_NO;
	if (in.size < REPLY_HEAD + (count ? 4 : 0))
		return VERDICT_MAYBE;
	return (count ? size >= 5 && size <= room - REPLY_HEAD
		      : room == REPLY_HEAD)
		       ? VERDICT_YES
		       : VERDICT_NO;
}

/* Whether a message that `side` may send begins here. */
static enum verdict
is_message(enum side side, struct bytes in)
{
	struct reader r = reader_make(in);
	struct header header = read_header(&r);
	struct bytes rest = bytes_from(in, HEADER);

	if (in.size >= 4 &&
	    (header.size < HEADER + 5 || header.size > MESSAGE_MAX))
		return VERDICT_NO;
	if (in.size >= 12 && side == SIDE_CLIENT && header.answers)
		return VERDICT_NO;
	if (in.size < HEADER)
		return VERDICT_MAYBE;
	if (!is_operation(header.operation, side))
		return VERDICT_NO;
	if (header.operation == OP_MSG)
		return is_msg(rest, header.size - HEADER);
	if (header.operation == OP_COMPRESSED)
		return is_compressed(rest);
	return is_old(header.operation, rest, header.size - HEADER);
}

/* An answer: the first request of some drivers has the number 0, but what
 * answers nothing is too little to tell the protocol by. */
static enum verdict
probe_server(struct bytes in)
{
	struct reader r = reader_make(in);

	return in.size >= 12 && !read_header(&r).answers
		       ? VERDICT_NO
		       : is_message(SIDE_SERVER, in);
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	(void)transport;
	return client.size ? is_message(SIDE_CLIENT, client)
			   : probe_server(server);
}

/* Texts. */

/* The element of that name; false when there is none. */
static bool
find(struct bytes document, const char *name, struct bson_element *element)
{
	struct bytes at = bson_inside(document);

	while (bson_next(&at, element))
		if (bytes_equal(element->name, bytes_of(name)))
			return true;
	*element = (struct bson_element){ .type = 0 };
	return false;
}

static struct bytes
text_of(struct bytes document, const char *name)
{
	struct bson_element element;

	return find(document, name, &element) ? bson_text(&element)
					      : bytes_make(NULL, 0);
}

static uint32_t
count_of(struct bytes document)
{
	struct bytes at = bson_inside(document);
	struct bson_element element;
	uint32_t count = 0;

	while (bson_next(&at, &element))
		count++;
	return count;
}

static void
put_document(struct bytes document, struct sink *sink)
{
	struct json_writer w;

	json_writer_init(&w, sink, false);
	if (!bson_json(document, SPECULATIVE, &w))
		sink_incomplete(sink);
	json_writer_flush(&w);
	sink_body(sink, bytes_of("\n"));
}

/* Commands whose contents prove who somebody is. */
static bool
is_secret(struct bytes command)
{
	static const char *const names[] = { "saslStart", "saslContinue",
					     "authenticate", "getnonce" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (bytes_equal(command, bytes_of(names[i])))
			return true;
	return false;
}

/* Those with a password, which is redacted in a body. */
static bool
has_password(struct bytes command)
{
	return bytes_equal(command, bytes_of("createUser")) ||
	       bytes_equal(command, bytes_of("updateUser"));
}

/* Requests. */

static void
summarise(struct bytes command, struct bytes database, struct bytes path,
	  struct bytes document, struct sink *sink)
{
	char summary[SQL_SUMMARY_SIZE];
	struct json_writer w;
	struct buf text;
	size_t size;

	buf_init(&text, SUMMARY);
	buf_bytes(&text, command);
	buf_text(&text, database.size ? " " : "");
	buf_bytes(&text, database);
	buf_text(&text, path.size ? "." : "");
	buf_bytes(&text, path);
	buf_text(&text, " ");
	if (!is_secret(command) && !has_password(command)) {
		json_writer_to(&w, &text);
		if (document.size)
			bson_json(document, SPECULATIVE, &w);
		json_writer_flush(&w);
	}
	size = sql_text_summary(buf_view(&text), summary);
	sink_field(sink, FIELD_SUMMARY, bytes_make(summary, size));
	buf_free(&text);
}

/* "nodejs 6.9.0" of the greeting. */
static void
say_driver(struct bytes document, struct sink *sink)
{
	struct bson_element client, driver;
	struct bytes name, version;
	char text[NAME_MAX_SIZE];
	int size;

	if (!find(document, "client", &client) ||
	    !find(client.value, "driver", &driver))
		return;
	name = bytes_first(text_of(driver.value, "name"), 60);
	version = bytes_first(text_of(driver.value, "version"), 60);
	if (!name.size || !version.size)
		return;
	size = snprintf(text, sizeof(text), "%.*s %.*s", (int)name.size,
			(const char *)name.data, (int)version.size,
			(const char *)version.data);
	sink_field(sink, FIELD_USER_AGENT, bytes_make(text, (size_t)size));
}

/* A command: its first element names it, and what it is about. */
static void
command(struct bytes document, struct bytes database, struct sink *sink)
{
	struct bytes at = bson_inside(document), name, path;
	struct bson_element first;

	if (!bson_next(&at, &first))
		return;
	name = bytes_first(first.name, NAME_MAX_SIZE);
	if (!database.size)
		database = text_of(document, "$db");
	path = bson_text(&first);
	if (!path.size)
		path = text_of(document, "collection");
	path = bytes_first(path, NAMESPACE_MAX);
	database = bytes_first(database, NAMESPACE_MAX);
	sink_field(sink, FIELD_METHOD, name);
	sink_field(sink, FIELD_HOST, database);
	sink_field(sink, FIELD_PATH, path);
	say_driver(document, sink);
	summarise(name, database, path, document, sink);
	if (!is_secret(name))
		put_document(document, sink);
}

/* "database.collection" */
static void
full_name(struct bytes name, struct bytes *database, struct bytes *path)
{
	const uint8_t *dot = name.size ? memchr(name.data, '.', name.size)
				       : NULL;
	size_t size = dot ? (size_t)(dot - name.data) : name.size;

	*database = bytes_first(bytes_first(name, size), NAMESPACE_MAX);
	*path = bytes_first(bytes_from(name, size + 1), NAMESPACE_MAX);
}

static void
old_request(uint32_t operation, struct bytes in, struct sink *sink)
{
	static const char *const names[] = { "update", "insert", "", "query",
					     "getMore", "delete",
					     "killCursors" };
	struct bytes name = bytes_of(names[operation - OP_UPDATE]);
	struct bytes database, path, rest;
	struct reader r = reader_make(in);
	size_t size;

	reader_skip(&r, 4); /* flags, or unused */
	full_name(operation == OP_KILL_CURSORS ? bytes_make(NULL, 0)
					       : reader_text(&r),
		  &database, &path);
	if (operation == OP_QUERY)
		reader_skip(&r, 8); /* how many to pass over, and to return */
	else if (operation == OP_UPDATE || operation == OP_DELETE)
		reader_skip(&r, 4);
	rest = bytes_make(r.at, reader_left(&r));
	if (operation == OP_QUERY && bytes_equal(path, bytes_of("$cmd"))) {
		command(rest, database, sink);
		return;
	}
	sink_field(sink, FIELD_METHOD, name);
	sink_field(sink, FIELD_HOST, database);
	sink_field(sink, FIELD_PATH, path);
	if (operation != OP_QUERY && operation != OP_GET_MORE)
		sink_flags(sink, MESSAGE_NO_RESPONSE);
	if (operation == OP_GET_MORE || operation == OP_KILL_CURSORS)
		rest = bytes_make(NULL, 0);
	summarise(name, database, path, rest, sink);
	while ((size = bson_size(rest))) {
		put_document(bytes_first(rest, size), sink);
		rest = bytes_from(rest, size);
	}
}

/* Answers. */

static void
say_number(const char *name, int64_t value, struct sink *sink)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	sink_header(sink, bytes_of(name), bytes_of(text));
}

static void
say_element(const char *name, struct bytes document, const char *element,
	    struct sink *sink)
{
	struct bson_element found;

	if (find(document, element, &found))
		say_number(name, bson_integer(&found), sink);
}

static void
fail(struct bytes report, const char *message, struct sink *sink)
{
	struct bson_element code;
	struct bytes name = text_of(report, "codeName");

	sink_flags(sink, MESSAGE_IS_ERROR);
	sink_field(sink, FIELD_ERROR, text_of(report, message));
	if (find(report, "code", &code))
		sink_status(sink, (int32_t)bson_integer(&code));
	sink_field(sink, FIELD_STATUS_TEXT,
		   name.size ? name : bytes_of("ERROR"));
}

static void
documents(struct bytes cursor, const char *batch, struct sink *sink)
{
	struct bson_element found;

	if (find(cursor, batch, &found))
		say_number("documents", count_of(found.value), sink);
}

/* Whether it failed, and why. */
static void
say_outcome(struct bytes document, struct sink *sink)
{
	struct bson_element found;
	struct bytes at;

	sink_status(sink, 0);
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of("OK"));
	if (find(document, "ok", &found) && !(bson_number(&found) > 0)) {
		fail(document, "errmsg", sink);
	} else if (find(document, "writeErrors", &found)) {
		at = bson_inside(found.value);
		if (bson_next(&at, &found))
			fail(found.value, "errmsg", sink);
	} else if (find(document, "writeConcernError", &found)) {
		fail(found.value, "errmsg", sink);
	} else if (find(document, "$err", &found)) {
		fail(document, "$err", sink);
	}
}

static void
answer(struct bytes document, struct sink *sink)
{
	struct bson_element found;

	say_outcome(document, sink);
	say_element("n", document, "n", sink);
	say_element("modified", document, "nModified", sink);
	if (find(document, "cursor", &found)) {
		documents(found.value, "firstBatch", sink);
		documents(found.value, "nextBatch", sink);
		say_element("cursor", found.value, "id", sink);
	}
	/* Steps of SASL are known by it when what they answer is not. */
	if (!is_secret(sink_request_method(sink)) &&
	    !find(document, "conversationId", &found))
		put_document(document, sink);
}

static void
old_answer(struct bytes in, struct sink *sink)
{
	struct reader r = reader_make(in);
	uint32_t flags = reader_le32(&r);
	struct bytes rest = bytes_from(in, REPLY_HEAD);
	size_t size;
	bool first = true;

	sink_field(sink, FIELD_STATUS_TEXT, bytes_of("OK"));
	while ((size = bson_size(rest))) {
		if (first)
			answer(bytes_first(rest, size), sink);
		else
			put_document(bytes_first(rest, size), sink);
		first = false;
		rest = bytes_from(rest, size);
	}
	if (flags & REPLY_CURSOR_NOT_FOUND) {
		sink_flags(sink, MESSAGE_IS_ERROR);
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of("ERROR"));
		sink_field(sink, FIELD_ERROR, bytes_of("cursor not found"));
	}
}

/* Sections: a document, or a sequence of them under a name. */
static void
sequence(struct reader *r, struct sink *sink)
{
	uint32_t size = reader_le32(r);
	struct reader in = reader_make(
		reader_take(r, size >= 4 ? size - 4 : SIZE_MAX));
	struct bytes name = reader_text(&in), rest;
	char text[NAME_MAX_SIZE];
	uint32_t count = 0;
	size_t one;

	rest = bytes_make(in.at, reader_left(&in));
	while ((one = bson_size(rest))) {
		put_document(bytes_first(rest, one), sink);
		rest = bytes_from(rest, one);
		count++;
	}
	snprintf(text, sizeof(text), "%.*s", (int)bytes_first(name, 64).size,
		 name.size ? (const char *)name.data : "");
	if (name.size)
		say_number(text, count, sink);
	if (in.failed || rest.size)
		sink_incomplete(sink);
}

/* The document of a command, or of an answer; false when it is malformed. */
static bool
section(struct message *m, struct reader *r)
{
	struct bytes rest = bytes_make(r->at, reader_left(r));
	struct bytes document = bytes_first(rest, bson_size(rest));

	if (!document.size)
		return false;
	if (m->side == SIDE_CLIENT)
		command(document, bytes_make(NULL, 0), m->sink);
	else
		answer(document, m->sink);
	reader_skip(r, document.size);
	return true;
}

/* One document, and sequences.  More would cost much for the few bytes that it
 * takes when it is compressed. */
static void
sections(struct message *m, struct bytes in)
{
	struct reader r = reader_make(in);
	uint32_t flags = reader_le32(&r);
	size_t end = flags & MSG_CHECKSUM ? 4 : 0;
	bool sound = true, found = false;
	unsigned sequences = 0;

	m->more_to_come = flags & MSG_MORE_TO_COME;
	if (m->more_to_come && m->side == SIDE_CLIENT)
		sink_flags(m->sink, MESSAGE_NO_RESPONSE);
	while (sound && reader_left(&r) > end) {
		uint8_t kind = reader_u8(&r);

		if (kind == 1 && sequences++ < SEQUENCES_MAX) {
			sequence(&r, m->sink);
			continue;
		}
		sound = kind == 0 && !found && section(m, &r);
		found = true;
	}
	if (!sound || !found || r.failed)
		sink_incomplete(m->sink);
}

/* Messages. */

static void
contents(struct message *m, struct bytes in)
{
	if (m->operation == OP_MSG)
		sections(m, in);
	else if (m->operation == OP_REPLY)
		old_answer(in, m->sink);
	else
		old_request(m->operation, in, m->sink);
}

/* Of a long one only the beginning is here: what names it, and of an answer that
 * it is no error. */
static void
long_contents(struct message *m, struct bytes in)
{
	struct bytes at = bytes_from(in, 4 + 1 + 4);
	struct bson_element first;
	struct reader r = reader_make(in);

	if (m->operation != OP_MSG || in.size < 5 || in.data[4])
		return;
	m->more_to_come = reader_le32(&r) & MSG_MORE_TO_COME;
	if (m->side == SIDE_SERVER) {
		/* That is not here as a whole. */
		if (bytes_starts_with(at, "\3cursor")) {
			sink_status(m->sink, 0);
			sink_field(m->sink, FIELD_STATUS_TEXT, bytes_of("OK"));
		}
		return;
	}
	if (m->more_to_come)
		sink_flags(m->sink, MESSAGE_NO_RESPONSE);
	if (!bson_next(&at, &first))
		return;
	sink_field(m->sink, FIELD_METHOD,
		   bytes_first(first.name, NAME_MAX_SIZE));
	sink_field(m->sink, FIELD_PATH,
		   bytes_first(bson_text(&first), NAMESPACE_MAX));
}

/* Up to `size` bytes. */
static bool
decompress(uint8_t codec, struct bytes in, uint32_t size, struct buf *out)
{
	uint32_t ratio = in.size ? size / (uint32_t)in.size + 1 : 1;

	switch (codec) {
	case 0:
		buf_bytes(out, in);
		return !out->failed;
	case 1:
		return snappy_block(in, out);
	case 2:
		return content_decode_once(ENCODING_DEFLATE, in, ratio, out);
	case 3:
		return content_decode_once(ENCODING_ZSTD, in, ratio, out);
	default:
		return false;
	}
}

static void
compressed(struct message *m, struct bytes in, bool is_long)
{
	static const char *const names[] = { "none", "snappy", "zlib", "zstd" };
	struct reader r = reader_make(in);
	uint32_t operation = reader_le32(&r), size = reader_le32(&r);
	uint8_t codec = reader_u8(&r);
	struct buf plain;
	bool whole;

	sink_header(m->sink, bytes_of("compression"),
		    bytes_of(names[codec & 3]));
	if (!is_operation(operation, m->side) || operation == OP_COMPRESSED) {
		sink_incomplete(m->sink);
		return;
	}
	m->operation = operation;
	buf_init(&plain, (size < PLAIN_MAX ? size : PLAIN_MAX) + PLAIN_EXTRA);
	whole = decompress(codec, bytes_make(r.at, reader_left(&r)),
			   (uint32_t)plain.limit, &plain) &&
		plain.size == size;
	if (whole && !is_long)
		contents(m, buf_view(&plain));
	else
		long_contents(m, buf_view(&plain));
	if (!whole && !is_long)
		sink_incomplete(m->sink);
	buf_free(&plain);
}

static void
begin(struct mongodb_conn *conn, enum side side, const struct header *header,
      struct sink *sink)
{
	if (side == SIDE_SERVER && conn->streamed &&
	    header->answers == conn->answer) {
		sink_begin_alone(sink);
		sink_field(sink, FIELD_METHOD, bytes_of("streamed answer"));
		return;
	}
	sink_begin(sink);
	sink_id(sink, side == SIDE_CLIENT ? header->id : header->answers);
}

static struct step
message(struct mongodb_conn *conn, enum side side, struct bytes in,
	struct sink *sink)
{
	struct reader r = reader_make(in);
	struct header header = read_header(&r);
	bool is_long = header.size > HELD;
	bool is_compressed = header.operation == OP_COMPRESSED;
	size_t wanted = !is_long	? header.size
			: is_compressed ? COMPRESSED_PIECE
					: PIECE;
	struct message m = { .sink = sink, .side = side,
			     .operation = header.operation };
	struct bytes rest;

	if (in.size < wanted)
		return step_more(wanted);
	rest = bytes_from(bytes_first(in, wanted), HEADER);
	begin(conn, side, &header, sink);
	if (is_compressed)
		compressed(&m, rest, is_long);
	else if (is_long)
		long_contents(&m, rest);
	else
		contents(&m, rest);
	if (side == SIDE_SERVER) {
		conn->streamed = m.more_to_come;
		conn->answer = header.id;
	}
	if (is_long) {
		conn->skip[side] = header.size - HEADER;
		return step_done(HEADER);
	}
	sink_end(sink, header.size);
	return step_done(header.size);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct mongodb_conn *conn = state;

	if (conn->skip[side]) {
		uint64_t size = conn->skip[side];

		conn->skip[side] = 0;
		conn->skipped[side] = true;
		return step_skip(size);
	}
	if (conn->skipped[side]) {
		conn->skipped[side] = false;
		sink_end(sink, 0);
	}
	if (in.size < HEADER)
		return step_more(HEADER);
	return is_message(side, in) == VERDICT_NO
		       ? step_bad()
		       : message(conn, side, in, sink);
}

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct mongodb_conn *conn = state;

	(void)pending;
	(void)missing;
	(void)sink;
	conn->skip[side] = 0;
	conn->skipped[side] = false;
	return false;
}

static const uint16_t ports[] = { 27017, 27018, 27019, 0 };

const struct dissector dissector_mongodb = {
	.name = "mongodb",
	.title = "MongoDB",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_BY_ID,
	.conn_size = sizeof(struct mongodb_conn),
	.strict = true,
	.probe = probe,
	.feed = feed,
	.gap = gap,
};
