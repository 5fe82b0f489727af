/* SPDX-License-Identifier: Apache-2.0 */
/* The native protocol of Apache Cassandra, versions 3 to 5.  See cql.md. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/text.h"
#include "dissect/proto/cql_parts.h"
#include "dissect/registry.h"

/* Envelopes that are waited for as a whole; of longer ones that much is. */
#define HELD (128u << 10)
#define INFLATED_LIMIT (1u << 20)
/* Channels: those of streams are behind this one, which is of events. */
#define CHANNEL_EVENT 1
#define CHANNEL_STREAM 2
/* Text of a statement that is looked at to know one. */
#define TEXT_LOOKED 64

/* Detection. */

/* Whether a statement's text begins here. */
static enum verdict
is_statement(struct bytes in, uint32_t length)
{
	struct reader r = reader_make(in);
	uint32_t size = reader_be32(&r);
	struct bytes text;
	unsigned words = 0;

	if (r.failed)
		return VERDICT_MAYBE;
	if (!size || size > length - 4)
		return VERDICT_NO;
	text = bytes_first(bytes_from(in, 4),
			   size < TEXT_LOOKED ? size : TEXT_LOOKED);
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < ' ' && text.data[i] != '\n' &&
		    text.data[i] != '\t' && text.data[i] != '\r')
			return VERDICT_NO;
		words += text.data[i] == ' ' || text.data[i] == '\n';
	}
	if (text.size < size && text.size < TEXT_LOOKED)
		return VERDICT_MAYBE;
	return words && ((text.data[0] | 0x20) >= 'a' &&
			 (text.data[0] | 0x20) <= 'z')
		       ? VERDICT_YES
		       : VERDICT_NO;
}

static enum verdict
is_startup(struct bytes in)
{
	static const char name[] = "CQL_VERSION";
	struct reader r = reader_make(in);
	unsigned count = reader_be16(&r);

	if (!r.failed && (!count || count > 32))
		return VERDICT_NO;
	while (count-- && !r.failed) {
		struct bytes key = cql_string(&r);

		if (!r.failed && bytes_equal(key, bytes_of(name)))
			return VERDICT_YES;
		cql_string(&r);
	}
	return r.failed && in.size < 1024 ? VERDICT_MAYBE : VERDICT_NO;
}

static enum verdict
is_request(struct bytes in, bool known)
{
	struct cql_head head;
	enum verdict verdict = cql_head_read(in, SIDE_CLIENT, &head);
	struct bytes body = bytes_from(in, CQL_ENVELOPE_HEAD);

	if (verdict != VERDICT_YES || known)
		return verdict;
	switch (head.opcode) {
	case CQL_STARTUP:
		return head.flags & ~CQL_BETA ? VERDICT_NO : is_startup(body);
	case CQL_OPTIONS: /* its answer says more */
		return head.length || head.flags & ~CQL_BETA ? VERDICT_NO
							      : VERDICT_MAYBE;
	case CQL_QUERY:
	case CQL_PREPARE:
		if (head.flags & (CQL_COMPRESSED | CQL_PAYLOAD) ||
		    head.length < 8)
			return VERDICT_NO;
		return is_statement(body, head.length);
	default:
		return VERDICT_NO;
	}
}

static enum verdict
is_response(struct bytes in, bool known)
{
	struct cql_head head;
	enum verdict verdict = cql_head_read(in, SIDE_SERVER, &head);
	struct reader r = reader_make(bytes_from(in, CQL_ENVELOPE_HEAD));
	uint32_t kind;

	if (verdict != VERDICT_YES || known)
		return verdict;
	if (head.flags & ~CQL_BETA)
		return VERDICT_NO;
	kind = reader_be32(&r);
	if (head.opcode == CQL_SUPPORTED) {
		r = reader_make(bytes_from(in, CQL_ENVELOPE_HEAD));
		reader_be16(&r);
		kind = (uint32_t)cql_string(&r).size;
		return r.failed		       ? VERDICT_MAYBE
		       : kind > 2 && kind < 40 ? VERDICT_YES
					       : VERDICT_NO;
	}
	if (head.opcode != CQL_RESULT || head.length < 4)
		return VERDICT_NO;
	if (r.failed)
		return VERDICT_MAYBE;
	return (kind == 1 && head.length == 4) ||
			       (kind > 1 && kind < 6 && head.length > 8)
		       ? VERDICT_YES
		       : VERDICT_NO;
}

/* A segment from the middle: what is in it is as it was sent. */
static enum verdict
is_segment(struct bytes in, bool known)
{
	struct cql_segment segment;
	enum verdict verdict = cql_segment_read(in, &segment);

	if (verdict != VERDICT_YES || known)
		return verdict;
	if (in.size < segment.size)
		return VERDICT_MAYBE;
	return cql_segment_is_right(&segment, in) ? VERDICT_YES : VERDICT_NO;
}

static enum verdict
is_begin(enum side side, struct bytes in, bool known)
{
	enum verdict segment = is_segment(in, known), verdict;

	/* Its checksum says more than the numbers of a head. */
	if (segment == VERDICT_YES)
		return segment;
	verdict = side == SIDE_CLIENT ? is_request(in, known)
				      : is_response(in, known);
	return verdict == VERDICT_NO ? segment : verdict;
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	enum verdict verdict = VERDICT_NO;

	(void)transport;
	if (client.size)
		verdict = is_begin(SIDE_CLIENT, client, false);
	if (verdict != VERDICT_YES && server.size &&
	    (verdict == VERDICT_MAYBE || !client.size))
		verdict = is_begin(SIDE_SERVER, server, false);
	return verdict;
}

static enum verdict
resync(enum side side, struct bytes in)
{
	return is_begin(side, in, true);
}

/* Messages. */

static struct cql_frame
frame_of(struct cql_conn *conn, enum side side, struct sink *sink)
{
	return (struct cql_frame){ .conn = conn, .side = side, .sink = sink };
}

static uint64_t
channel_of(const struct cql_head *head)
{
	return head->opcode == CQL_EVENT || head->stream < 0
		       ? CHANNEL_EVENT
		       : CHANNEL_STREAM + (uint64_t)(uint16_t)head->stream;
}

/* Whether a response is one that a request can have (protocol v4 §4.1). */
static bool
is_answer(unsigned request, unsigned response)
{
	if (response == CQL_ERROR)
		return true;
	switch (request) {
	case CQL_STARTUP:
		return response == CQL_READY || response == CQL_AUTHENTICATE;
	case CQL_OPTIONS:
		return response == CQL_SUPPORTED;
	case CQL_REGISTER:
		return response == CQL_READY;
	case CQL_AUTH_RESPONSE:
		return response == CQL_AUTH_CHALLENGE ||
		       response == CQL_AUTH_SUCCESS;
	default:
		return response == CQL_RESULT;
	}
}

/* Whether what waits is another request, or may be since both its beginning
 * and the answer to the one before are missing. */
static bool
is_stale(const struct cql_frame *f, const struct cql_asked *asked)
{
	return !is_answer(asked->opcode, f->head.opcode) ||
	       (asked->holes[0] != f->conn->sides[0].holes &&
		asked->holes[1] != f->conn->sides[1].holes);
}

/* What is asked, before more is known of it. */
static const char *
method_of(unsigned opcode)
{
	static const char *const names[] = {
		[CQL_STARTUP] = "STARTUP",   [CQL_OPTIONS] = "OPTIONS",
		[CQL_QUERY] = "QUERY",	     [CQL_PREPARE] = "PREPARE",
		[CQL_EXECUTE] = "EXECUTE",   [CQL_REGISTER] = "REGISTER",
		[CQL_BATCH] = "BATCH",	     [CQL_AUTH_RESPONSE] = "AUTH_RESPONSE",
	};

	return names[opcode];
}

/* Opens the message of an envelope of `size` bytes. */
static void
begin_message(struct cql_frame *f, size_t size)
{
	struct cql_conn *conn = f->conn;
	uint64_t id = channel_of(&f->head);
	char version[4];

	snprintf(version, sizeof(version), "%u", f->head.version);
	conn->version = f->head.version;
	f->asked = sink_channel(f->sink, id, f->side, false);
	if (f->asked && (f->side == SIDE_CLIENT || id == CHANNEL_EVENT ||
			 sink_is_open(f->sink) || is_stale(f, f->asked))) {
		sink_channel_close(f->sink, false);
		f->asked = NULL;
	}
	if (!f->asked) {
		f->asked = sink_channel(f->sink, id, f->side, true);
		*f->asked = (struct cql_asked){
			.opcode = f->side == SIDE_CLIENT ? f->head.opcode : 0,
			.holes = { conn->sides[0].holes, conn->sides[1].holes },
		};
	}
	if (id == CHANNEL_EVENT && f->side == SIDE_SERVER)
		sink_begin_alone(f->sink);
	else
		sink_begin(f->sink);
	sink_wire(f->sink, size);
	if (f->side == SIDE_CLIENT)
		sink_field(f->sink, FIELD_METHOD,
			   bytes_of(method_of(f->head.opcode)));
	sink_field(f->sink, FIELD_VERSION, bytes_of(version));
	sink_field(f->sink, FIELD_HOST, bytes_make(conn->host, conn->host_size));
	sink_field(f->sink, FIELD_USER_AGENT,
		   bytes_make(conn->agent, conn->agent_size));
	if (f->head.flags & CQL_TRACING && f->side == SIDE_CLIENT)
		cql_say_text(f->sink, "tracing", bytes_of("true"));
}

/* Says the body of the open message, as far as it is there. */
static void
say_message(struct cql_frame *f, struct bytes body)
{
	bool compressed = f->head.flags & CQL_COMPRESSED &&
			  f->head.version < 5;
	struct buf out;

	buf_init(&out, INFLATED_LIMIT);
	if (compressed) {
		if (f->cut || !cql_inflate_body((enum cql_codec)f->conn->codec,
						body, &out)) {
			sink_incomplete(f->sink);
			buf_free(&out);
			return;
		}
		body = buf_view(&out);
		cql_say_text(f->sink, "compression",
			     bytes_of(f->conn->codec == CQL_CODEC_SNAPPY
					      ? "snappy"
				      : f->conn->codec == CQL_CODEC_LZ4
					      ? "lz4"
					      : "yes"));
	}
	f->in = reader_make(body);
	if (f->side == SIDE_CLIENT)
		cql_say_request(f);
	else
		cql_say_response(f);
	if (f->in.failed && f->cut)
		sink_truncated(f->sink);
	else if (f->in.failed)
		sink_incomplete(f->sink);
	buf_free(&out);
}

static void
end_message(struct cql_frame *f, size_t consumed)
{
	sink_end(f->sink, consumed);
	if (f->side == SIDE_SERVER)
		sink_channel_close(f->sink, false);
}

/* Selects the message that is open in a channel; false when there is none. */
static bool
select_message(struct cql_frame *f, uint64_t channel)
{
	f->asked = sink_channel(f->sink, channel, f->side, false);
	return f->asked && sink_is_open(f->sink);
}

static void
take_envelope(struct cql_frame *f, struct bytes body, size_t consumed)
{
	begin_message(f, CQL_ENVELOPE_HEAD + (size_t)f->head.length);
	say_message(f, body);
	end_message(f, consumed);
}

/* Segments. */

static void
drop_held(struct cql_side *s, struct sink *sink)
{
	sink_give_back(sink, s->held_room);
	free(s->held);
	s->held = NULL;
	s->held_size = s->held_room = 0;
	s->held_left = 0;
}

/* Nothing more comes of an envelope whose segments have begun. */
static void
cut_held(struct cql_frame *f)
{
	struct cql_side *s = &f->conn->sides[f->side];

	if (s->held_left && select_message(f, s->channel)) {
		sink_incomplete(f->sink);
		end_message(f, 0);
	}
	drop_held(s, f->sink);
}

/* The beginning of an envelope that goes on in the segments behind. */
static void
begin_held(struct cql_frame *f)
{
	struct cql_side *s = &f->conn->sides[f->side];
	size_t room = f->head.length < HELD ? f->head.length : HELD;

	begin_message(f, CQL_ENVELOPE_HEAD + (size_t)f->head.length);
	s->head = f->head;
	s->channel = channel_of(&f->head);
	s->held_left = f->head.length;
	if (room && sink_keep(f->sink, room)) {
		s->held = alloc_resize(NULL, room, 1);
		s->held_room = room;
	}
}

static void
hold(struct cql_frame *f, struct bytes in, size_t consumed)
{
	struct cql_side *s = &f->conn->sides[f->side];
	size_t size = in.size < s->held_left ? in.size : s->held_left;
	size_t kept = s->held_room - s->held_size;

	kept = kept < size ? kept : size;
	if (kept)
		memcpy(s->held + s->held_size, in.data, kept);
	s->held_size += kept;
	s->held_left -= (uint32_t)size;
	if (s->held_left)
		return;
	f->head = s->head;
	f->cut = s->held_size < f->head.length;
	if (select_message(f, s->channel)) {
		say_message(f, bytes_make(s->held, s->held_size));
		end_message(f, consumed);
	}
	drop_held(s, f->sink);
}

/* The envelopes of a segment; all have its place, the first its size. */
static bool
take_payload(struct cql_frame *f, struct bytes in, bool whole, size_t consumed)
{
	struct cql_side *s = &f->conn->sides[f->side];

	if (s->held_left && !whole) {
		hold(f, in, consumed);
		return true;
	}
	cut_held(f);
	while (in.size) {
		if (cql_head_read(in, f->side, &f->head) != VERDICT_YES)
			return false;
		in = bytes_from(in, CQL_ENVELOPE_HEAD);
		if (!whole) {
			begin_held(f);
			hold(f, in, consumed);
			return true;
		}
		if (f->head.length > in.size)
			return false;
		take_envelope(f, bytes_first(in, f->head.length), consumed);
		in = bytes_from(in, f->head.length);
	}
	return true;
}

static struct step
take_segment(struct cql_frame *f, const struct cql_segment *segment,
	     struct bytes in)
{
	struct bytes payload = bytes_make(in.data + segment->head,
					  segment->payload);
	struct buf out;
	bool good;

	if (!cql_segment_is_right(segment, in))
		return step_bad();
	buf_init(&out, INFLATED_LIMIT);
	good = !segment->inflated ||
	       cql_inflate_segment(payload, segment->inflated, &out);
	if (segment->inflated)
		payload = buf_view(&out);
	good = good && take_payload(f, payload, segment->whole, segment->size);
	buf_free(&out);
	return good ? step_done(segment->size) : step_bad();
}

/* Envelopes. */

/* Of an envelope that is not held, behind what was. */
static struct step
pass_rest(struct cql_frame *f, struct bytes in)
{
	struct cql_side *s = &f->conn->sides[f->side];
	size_t size = in.size < s->left ? in.size : s->left;

	if (!size)
		return step_more(1);
	s->left -= (uint32_t)size;
	if (!s->left && select_message(f, s->channel))
		end_message(f, size);
	return step_done(size);
}

static struct step
start(struct cql_frame *f, struct bytes in)
{
	struct cql_side *s = &f->conn->sides[f->side];
	uint8_t version = f->conn->version;
	struct cql_segment segment = { .size = 0 };
	enum verdict verdict = VERDICT_NO;
	size_t size;

	if (!version || version == 5)
		verdict = cql_segment_read(in, &segment);
	if (verdict == VERDICT_NO) {
		segment.size = 0;
		verdict = cql_head_read(in, f->side, &f->head);
	}
	if (verdict != VERDICT_YES)
		return verdict == VERDICT_NO ? step_bad()
					     : step_more(in.size + 1);
	if (segment.size)
		return in.size < segment.size ? step_more(segment.size)
					      : take_segment(f, &segment, in);
	cut_held(f);
	size = CQL_ENVELOPE_HEAD + (size_t)f->head.length;
	if (size <= HELD) {
		if (in.size < size)
			return step_more(size);
		take_envelope(f, bytes_from(bytes_first(in, size),
					    CQL_ENVELOPE_HEAD), size);
		return step_done(size);
	}
	if (in.size < HELD)
		return step_more(HELD);
	f->cut = true;
	begin_message(f, size);
	say_message(f, bytes_from(bytes_first(in, HELD), CQL_ENVELOPE_HEAD));
	s->channel = channel_of(&f->head);
	s->left = (uint32_t)(size - HELD);
	return step_done(HELD);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct cql_conn *conn = state;
	struct cql_frame f = frame_of(conn, side, sink);

	/* Until here more may have been lost than was told. */
	conn->sides[side].holes += conn->sides[side].lost;
	conn->sides[side].lost = false;
	return conn->sides[side].left ? pass_rest(&f, in) : start(&f, in);
}

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct cql_conn *conn = state;
	struct cql_side *s = &conn->sides[side];
	struct cql_frame f = frame_of(conn, side, sink);
	uint64_t size = pending.size + missing;

	if (s->left && missing && size <= s->left) {
		s->left -= (uint32_t)size;
		if (select_message(&f, s->channel)) {
			sink_incomplete(sink);
			if (!s->left)
				end_message(&f, (size_t)size);
		}
		return true;
	}
	if (s->left && select_message(&f, s->channel)) {
		sink_incomplete(sink);
		end_message(&f, 0);
	}
	s->left = 0;
	s->holes++;
	s->lost = true;
	cut_held(&f);
	return false;
}

static void
release(void *state, struct sink *sink)
{
	struct cql_conn *conn = state;

	(void)sink;
	statements_free(&conn->statements);
	free(conn->sides[0].held);
	free(conn->sides[1].held);
}

static const uint16_t ports[] = { 9042, 9142, 0 };

const struct dissector dissector_cql = {
	.name = "cql",
	.title = "Cassandra CQL",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_BY_CHANNEL,
	.conn_size = sizeof(struct cql_conn),
	.channel_size = sizeof(struct cql_asked),
	.strict = true,
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
	.release = release,
};
