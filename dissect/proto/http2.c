/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 (RFC 9113).  A stream of it is a channel; DATA is passed by the stream
 * of bytes, all other frames are read when they are whole.  See http2.md.
 */
#include <stdio.h>

#include "dissect/proto/grpc.h"
#include "dissect/proto/http2_frame.h"
#include "dissect/proto/http2_head.h"
#include "dissect/registry.h"

enum http2_state {
	HTTP2_START,   /* the preface, or a frame */
	HTTP2_FRAME,
	HTTP2_BODY,    /* `left` bytes of DATA, then `pad` */
	HTTP2_BODY_END,
};

/* The header block being read. */
struct http2_block {
	uint32_t stream;    /* whose message it belongs to; 0: none is open */
	enum side role;
	bool end_stream;
	bool emit;
	bool trailers;
	struct http_fields fields;
};

struct http2_side {
	enum http2_state state;
	bool broken;        /* header blocks before this place are missing */
	struct http2_head *head;
	struct http2_block block;
	uint32_t stream, left;
	uint8_t pad;
	bool end_stream;
	uint32_t highest;   /* stream that this side opened */
};

struct http2_conn {
	struct http2_side sides[2];
	bool whole;          /* seen from its preface on */
	bool doubt;          /* requests may be in a hole: the next is above it */
	uint32_t doubt_low, doubt_high; /* streams that were opened in one */
	size_t memory;
};

/* What a channel knows of its two messages, by role. */
struct http2_stream {
	bool begun[2], ended[2];
	bool grpc;
	int32_t status, grpc_status;
};

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	static const char preface[] = HTTP2_PREFACE;
	size_t size = client.size < HTTP2_PREFACE_SIZE ? client.size
						       : HTTP2_PREFACE_SIZE;
	enum verdict verdict = VERDICT_NO;

	(void)transport;
	if (size && memcmp(client.data, preface, size) == 0)
		return size < HTTP2_PREFACE_SIZE ? VERDICT_MAYBE : VERDICT_YES;
	if (client.size)
		verdict = http2_probe_frames(client, true);
	else if (server.size)
		verdict = http2_probe_frames(server, false);
	return verdict;
}

/* Streams and their messages. */

/* Whether a stream that has no channel may have been opened unseen; otherwise
 * it is over, and what still comes of it is nothing. */
static bool
may_be_unseen(const struct http2_conn *conn, uint32_t stream)
{
	const struct http2_side *opener =
		&conn->sides[stream % 2 ? SIDE_CLIENT : SIDE_SERVER];

	if (stream > opener->highest)
		return true;
	return stream % 2 && stream > conn->doubt_low &&
	       stream < conn->doubt_high;
}

static void
note_opened(struct http2_conn *conn, enum side side, uint32_t stream)
{
	struct http2_side *opener = &conn->sides[side];

	if (side == SIDE_CLIENT && conn->doubt) {
		conn->doubt = false;
		conn->doubt_high = stream;
	}
	if (stream > opener->highest)
		opener->highest = stream;
}

/* Selects the message of `role`, begun when it is not; NULL when what comes is
 * of no message. */
static struct http2_stream *
open_message(struct http2_conn *conn, uint32_t stream, enum side role,
	     struct sink *sink)
{
	struct http2_stream *st = sink_channel(
		sink, stream, role, may_be_unseen(conn, stream));

	if (!st || st->ended[role]) {
		sink_channel(sink, 0, role, false);
		return NULL;
	}
	if (!st->begun[role]) {
		st->begun[role] = true;
		st->status = st->grpc_status = -1;
		sink_begin(sink);
		sink_field(sink, FIELD_VERSION, bytes_of("2"));
		if (st->grpc)
			sink_protocol(sink, "grpc");
	}
	/* It is over when the side that began it, by a promise, is. */
	return sink_is_open(sink) ? st : NULL;
}

/* The selected message ends; its channel as well when nothing more is to
 * come. */
static void
end_message(struct http2_conn *conn, struct http2_stream *st, enum side role,
	    size_t consumed, struct sink *sink)
{
	bool whole = conn->whole && !conn->sides[SIDE_CLIENT].broken;

	if (role == SIDE_SERVER && st->grpc)
		grpc_end(st->grpc_status, st->status, sink);
	st->ended[role] = true;
	sink_end(sink, consumed);
	if (role == SIDE_CLIENT ? st->ended[SIDE_SERVER]
				: st->ended[SIDE_CLIENT] || !whole)
		sink_channel_close(sink, false);
}

/* Header blocks. */

static struct http2_head *
head_of(struct http2_conn *conn, struct http2_side *side)
{
	if (!side->head)
		side->head = http2_head_new(side->broken || !conn->whole,
					    &conn->memory);
	return side->head;
}

static void
forget_head(struct http2_side *side)
{
	http2_head_free(side->head);
	side->head = NULL;
	side->broken = true;
}

/* The block is whole: what it means for its message. */
static void
finish_block(struct http2_conn *conn, struct http2_block *b, size_t consumed,
	     struct sink *sink)
{
	struct http2_stream *st = sink_channel(sink, b->stream, b->role, false);
	bool informational = b->fields.status >= 100 && b->fields.status < 200;

	b->stream = 0;
	if (!st || !b->emit || !sink_is_open(sink))
		return;
	if (b->fields.status >= 0)
		st->status = b->fields.status;
	if (b->fields.grpc_status >= 0)
		st->grpc_status = b->fields.grpc_status;
	if (b->fields.grpc_status >= 0 && b->role == SIDE_SERVER && !st->grpc) {
		st->grpc = true;
		grpc_response(sink);
	}
	if (b->fields.grpc)
		st->grpc = true;
	if (informational && b->role == SIDE_SERVER && !b->end_stream) {
		st->begun[SIDE_SERVER] = false;
		sink_flags(sink, MESSAGE_INFORMATIONAL);
		sink_end(sink, consumed);
		return;
	}
	if (st->grpc && !b->trailers && b->role == SIDE_CLIENT)
		grpc_request(sink);
	if (st->grpc && !b->trailers && b->role == SIDE_SERVER)
		grpc_response(sink);
	if (b->end_stream)
		end_message(conn, st, b->role, consumed, sink);
}

/* A fragment of the open block, in a frame of `frame_size` bytes. */
static void
feed_block(struct http2_conn *conn, enum side which, struct bytes fragment,
	   bool last, size_t frame_size, struct sink *sink)
{
	struct http2_side *side = &conn->sides[which];
	struct http2_block *b = &side->block;

	if (b->emit)
		sink_channel(sink, b->stream, b->role, false);
	b->emit = b->emit && sink_is_open(sink);
	if (b->emit)
		sink_wire(sink, frame_size);
	if (!http2_head_decode(head_of(conn, side), fragment, last, b->emit,
			       &b->fields, sink)) {
		forget_head(side);
		if (b->emit)
			sink_incomplete(sink);
	}
	sink_memory(sink, conn->memory);
	if (last)
		finish_block(conn, b, frame_size, sink);
}

/* HEADERS and PUSH_PROMISE, whole in `in`. */
static void
begin_block(struct http2_conn *conn, enum side which,
	    const struct http2_frame *f, struct bytes in, struct sink *sink)
{
	struct http2_block *b = &conn->sides[which].block;
	struct bytes payload = bytes_from(in, HTTP2_FRAME_HEAD);
	struct bytes block = bytes_make(NULL, 0);
	bool promise = f->type == HTTP2_PUSH_PROMISE;
	const uint8_t *at = payload.data;

	*b = (struct http2_block){
		.stream = f->stream,
		.role = promise ? SIDE_CLIENT : which,
		.end_stream = promise || f->flags & HTTP2_END_STREAM,
		.fields = { .status = -1, .grpc_status = -1 },
	};
	http2_frame_block(f, payload, &block);
	if (promise) {
		at += f->flags & HTTP2_PADDED ? 1 : 0;
		b->stream = http2_u32(at) & 0x7fffffff;
	}
	if (b->stream) {
		struct http2_stream *st =
			sink_channel(sink, b->stream, b->role, false);

		b->trailers = st && st->begun[b->role];
		b->emit = open_message(conn, b->stream, b->role, sink) != NULL;
	}
	if (promise)
		note_opened(conn, SIDE_SERVER, b->stream);
	else if (which == SIDE_CLIENT)
		note_opened(conn, SIDE_CLIENT, b->stream);
	feed_block(conn, which, block, f->flags & HTTP2_END_HEADERS,
		   HTTP2_FRAME_HEAD + f->length, sink);
}

static struct step
feed_headers(struct http2_conn *conn, enum side which,
	     const struct http2_frame *f, struct bytes in, struct sink *sink)
{
	struct http2_block *b = &conn->sides[which].block;
	size_t size = HTTP2_FRAME_HEAD + f->length;

	if (in.size < size)
		return step_more(size);
	in = bytes_first(in, size);
	if (f->type != HTTP2_CONTINUATION)
		begin_block(conn, which, f, in, sink);
	else if (b->stream)
		feed_block(conn, which, bytes_from(in, HTTP2_FRAME_HEAD),
			   f->flags & HTTP2_END_HEADERS, size, sink);
	else
		forget_head(&conn->sides[which]);
	return step_done(size);
}

/* DATA. */

static struct step
feed_data_head(struct http2_conn *conn, enum side which,
	       const struct http2_frame *f, struct bytes in, struct sink *sink)
{
	struct http2_side *side = &conn->sides[which];
	size_t size = HTTP2_FRAME_HEAD + (f->flags & HTTP2_PADDED ? 1 : 0);
	struct http2_stream *st;
	bool headless;

	if (in.size < size)
		return step_more(size);
	side->pad = f->flags & HTTP2_PADDED ? in.data[HTTP2_FRAME_HEAD] : 0;
	if (f->length < size - HTTP2_FRAME_HEAD + side->pad)
		return step_bad();
	side->left = f->length - (uint32_t)(size - HTTP2_FRAME_HEAD) -
		     side->pad;
	side->stream = f->stream;
	side->end_stream = f->flags & HTTP2_END_STREAM;
	st = sink_channel(sink, f->stream, which, false);
	headless = !st || !st->begun[which];
	st = open_message(conn, f->stream, which, sink);
	sink_wire(sink, HTTP2_FRAME_HEAD + f->length);
	if (st && headless)
		sink_incomplete(sink);
	if (!st)
		side->end_stream = false;
	else if (which == SIDE_CLIENT && f->stream > side->highest)
		note_opened(conn, SIDE_CLIENT, f->stream);
	if (side->left) {
		side->state = HTTP2_BODY;
	} else if (side->end_stream && !side->pad) {
		end_message(conn, st, which, size, sink);
	} else {
		side->state = HTTP2_BODY_END;
	}
	return step_done(size);
}

static struct step
feed_body(struct http2_conn *conn, enum side which, struct sink *sink)
{
	struct http2_side *side = &conn->sides[which];

	sink_channel(sink, side->stream, which, false);
	side->state = HTTP2_BODY_END;
	return step_skip(side->left);
}

/* Frames that end streams. */

static void
reset_stream(uint32_t stream, enum side which, uint32_t code, struct sink *sink)
{
	struct http2_stream *st = sink_channel(sink, stream, which, false);
	char name[24], text[80];

	if (!st)
		return;
	snprintf(text, sizeof(text), "stream reset by the %s: %s",
		 which == SIDE_CLIENT ? "client" : "server",
		 http2_error_name(code, name));
	/* A server that needs no more of the request says so after its
	 * response (RFC 9113 §8.1). */
	if (!st->ended[SIDE_SERVER])
		sink_fail(sink, bytes_of(text));
	sink_channel_close(sink, true);
}

/* What the peer says it has not looked at and will not. */
static void
go_away(enum side which, uint32_t last, uint32_t code, struct sink *sink)
{
	char name[24], text[80];

	snprintf(text, sizeof(text), "not processed, the %s goes away: %s",
		 which == SIDE_CLIENT ? "client" : "server",
		 http2_error_name(code, name));
	for (uint64_t id = sink_channel_next(sink, 0), next; id; id = next) {
		next = sink_channel_next(sink, id);
		if (id <= last || (id % 2 == 0) != (which == SIDE_CLIENT))
			continue;
		sink_channel(sink, id, which, false);
		sink_fail(sink, bytes_of(text));
		sink_channel_close(sink, true);
	}
}

static struct step
feed_control(enum side which, const struct http2_frame *f, struct bytes in,
	     struct sink *sink)
{
	size_t size = HTTP2_FRAME_HEAD + f->length;
	const uint8_t *payload = in.data + HTTP2_FRAME_HEAD;

	if (in.size < size)
		return step_more(size);
	if (f->type == HTTP2_RST_STREAM)
		reset_stream(f->stream, which, http2_u32(payload), sink);
	else if (f->type == HTTP2_GOAWAY)
		go_away(which, http2_u32(payload) & 0x7fffffff,
			http2_u32(payload + 4), sink);
	return step_done(size);
}

/* A frame of a type that nobody knows may be of any length. */
static struct step
feed_extension(struct http2_side *side, const struct http2_frame *f)
{
	side->stream = 0;
	side->pad = 0;
	side->end_stream = false;
	side->left = f->length;
	if (f->length)
		side->state = HTTP2_BODY;
	return step_done(HTTP2_FRAME_HEAD);
}

static struct step
feed_frame(struct http2_conn *conn, enum side which, struct bytes in,
	   struct sink *sink)
{
	struct http2_side *side = &conn->sides[which];
	struct http2_frame f;

	if (in.size < HTTP2_FRAME_HEAD)
		return step_more(HTTP2_FRAME_HEAD);
	if (!http2_frame_read(in, &f) ||
	    (which == SIDE_CLIENT && f.type == HTTP2_PUSH_PROMISE))
		return step_bad();
	if (side->block.stream && f.type != HTTP2_CONTINUATION)
		return step_bad(); /* RFC 9113 §6.10 */
	switch (f.type) {
	case HTTP2_DATA:
		return feed_data_head(conn, which, &f, in, sink);
	case HTTP2_HEADERS:
	case HTTP2_PUSH_PROMISE:
	case HTTP2_CONTINUATION:
		return feed_headers(conn, which, &f, in, sink);
	case HTTP2_PRIORITY:
	case HTTP2_RST_STREAM:
	case HTTP2_SETTINGS:
	case HTTP2_PING:
	case HTTP2_GOAWAY:
	case HTTP2_WINDOW_UPDATE:
		return feed_control(which, &f, in, sink);
	default:
		return feed_extension(side, &f);
	}
}

/* Behind the bytes of a DATA frame: its padding is of no message. */
static struct step
feed_body_end(struct http2_conn *conn, enum side which, struct bytes in,
	      struct sink *sink)
{
	struct http2_side *side = &conn->sides[which];
	struct http2_stream *st = sink_channel(sink, side->stream, which,
					       false);

	side->state = HTTP2_FRAME;
	if (side->end_stream && st && sink_is_open(sink))
		end_message(conn, st, which, 0, sink);
	sink_channel(sink, 0, which, false);
	if (side->pad)
		return step_skip(side->pad);
	return feed_frame(conn, which, in, sink);
}

static struct step
feed_start(struct http2_conn *conn, enum side which, struct bytes in,
	   struct sink *sink)
{
	static const char preface[] = HTTP2_PREFACE;
	size_t size = in.size < HTTP2_PREFACE_SIZE ? in.size
						   : HTTP2_PREFACE_SIZE;

	if (which == SIDE_CLIENT && memcmp(in.data, preface, size) == 0) {
		if (size < HTTP2_PREFACE_SIZE)
			return step_more(HTTP2_PREFACE_SIZE);
		conn->whole = true;
		conn->doubt = false;
		conn->doubt_low = conn->doubt_high = 0;
		conn->sides[which].state = HTTP2_FRAME;
		return step_done(size);
	}
	if (which == SIDE_CLIENT)
		conn->doubt = true;
	conn->sides[which].state = HTTP2_FRAME;
	return feed_frame(conn, which, in, sink);
}

static struct step
feed(void *state, enum side which, struct bytes in, struct sink *sink)
{
	struct http2_conn *conn = state;

	switch (conn->sides[which].state) {
	case HTTP2_START:
		return in.size ? feed_start(conn, which, in, sink)
			       : step_more(1);
	case HTTP2_FRAME:
		return feed_frame(conn, which, in, sink);
	case HTTP2_BODY:
		return feed_body(conn, which, sink);
	case HTTP2_BODY_END:
		return feed_body_end(conn, which, in, sink);
	}
	return step_bad();
}

/* A hole that ends within a frame whose head is known: what of the frame is
 * behind it is passed over. */
static bool
skip_frame(struct http2_conn *conn, enum side which, struct bytes pending,
	   uint64_t missing, struct sink *sink)
{
	struct http2_side *side = &conn->sides[which];
	struct http2_frame f;
	uint64_t seen = pending.size + missing;

	if (!missing || pending.size < HTTP2_FRAME_HEAD ||
	    side->state > HTTP2_FRAME || !http2_frame_read(pending, &f) ||
	    f.type == HTTP2_DATA || seen > HTTP2_FRAME_HEAD + f.length)
		return false;
	side->state = HTTP2_FRAME;
	if (f.type == HTTP2_HEADERS) {
		struct http2_stream *st =
			open_message(conn, f.stream, which, sink);

		if (st)
			sink_incomplete(sink);
		if (st && which == SIDE_CLIENT)
			note_opened(conn, SIDE_CLIENT, f.stream);
		if (st && f.flags & HTTP2_END_STREAM)
			end_message(conn, st, which, 0, sink);
	}
	sink_channel(sink, 0, which, false);
	side->stream = 0;
	side->end_stream = false;
	side->pad = 0;
	side->left = (uint32_t)(HTTP2_FRAME_HEAD + f.length - seen);
	if (side->left)
		side->state = HTTP2_BODY;
	return true;
}

static bool
gap(void *state, enum side which, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct http2_conn *conn = state;
	struct http2_side *side = &conn->sides[which];

	forget_head(side);
	sink_memory(sink, conn->memory);
	side->block = (struct http2_block){ .stream = 0 };
	if (skip_frame(conn, which, pending, missing, sink))
		return true;
	side->state = HTTP2_FRAME;
	side->end_stream = false;
	if (which == SIDE_CLIENT && !conn->doubt) {
		conn->doubt = true;
		if (!conn->doubt_high)
			conn->doubt_low = side->highest;
		conn->doubt_high = UINT32_MAX;
	}
	return false;
}

/* Behind an Upgrade the request of HTTP/1.1 is that of stream 1, and is
 * complete (RFC 7540 §3.2). */
static void
upgraded(void *state, struct bytes settings, struct sink *sink)
{
	struct http2_conn *conn = state;
	struct http2_stream *st;

	(void)settings; /* table sizes are told again in the blocks */
	st = sink_channel(sink, 1, SIDE_CLIENT, true);
	st->begun[SIDE_CLIENT] = st->ended[SIDE_CLIENT] = true;
	conn->sides[SIDE_CLIENT].highest = 1;
	sink_channel(sink, 0, SIDE_CLIENT, false);
}

static void
release(void *state, struct sink *sink)
{
	struct http2_conn *conn = state;

	(void)sink;
	http2_head_free(conn->sides[SIDE_CLIENT].head);
	http2_head_free(conn->sides[SIDE_SERVER].head);
}

static const uint16_t ports[] = { 8080, 50051, 0 };

const struct dissector dissector_http2 = {
	.name = "http2",
	.title = "HTTP/2",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_BY_CHANNEL,
	.conn_size = sizeof(struct http2_conn),
	.channel_size = sizeof(struct http2_stream),
	.strict = true,
	.calls = "http",
	.probe = probe,
	.feed = feed,
	.gap = gap,
	.upgraded = upgraded,
	.release = release,
};
