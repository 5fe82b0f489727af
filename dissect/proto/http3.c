/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/http3.h"

#include <stdio.h>

#include "dissect/proto/quic_packet.h"

/* Frames of a control stream that are read. */
#define CONTROL_MAX 4096
/* A frame is counted as large as it says, unless that is more than anybody
 * sends: then as it comes. */
#define FRAME_COUNTED_MAX (UINT64_C(1) << 32)

enum { FRAME_DATA = 0, FRAME_HEADERS = 1, FRAME_PUSH_PROMISE = 5 };

void
http3_begin(struct http3 *h, uint64_t *channels, struct bytes label)
{
	*h = (struct http3){ .channels = channels, .refused = UINT64_MAX };
	label = bytes_first(label, sizeof(h->label));
	if (label.size)
		memcpy(h->label, label.data, label.size);
	h->label_size = label.size;
}

void
http3_end(struct http3 *h, struct sink *sink)
{
	http3_qpack_free(h->plain);
	http3_qpack_free(h->tables[SIDE_CLIENT].live);
	http3_qpack_free(h->tables[SIDE_SERVER].live);
	if (sink)
		sink_give_back(sink, h->charged);
	*h = (struct http3){ .channels = NULL };
}

void
http3_open(struct http3 *h, struct http3_stream *stream)
{
	stream->kind = HTTP3_NEW;
	if (stream->id % 4 == 0) {
		stream->kind = HTTP3_REQUEST;
		stream->channel = ++*h->channels;
	} else if (stream->id % 4 == 1) {
		stream->kind = HTTP3_OTHER; /* servers open none (§6.1) */
	}
}

static struct http3_half *
half_of(const struct http3_feed *f)
{
	return &f->stream->halves[f->side];
}

static bool
is_call(const struct http3_stream *stream)
{
	return stream->kind == HTTP3_REQUEST || stream->kind == HTTP3_PUSH;
}

/* Messages. */

static void
begin_message(struct http3_feed *f)
{
	struct http3 *h = f->http;

	sink_begin(f->sink);
	sink_protocol(f->sink, "http");
	sink_field(f->sink, FIELD_VERSION, bytes_of("3"));
	sink_field(f->sink, FIELD_TLS, bytes_make(h->label, h->label_size));
}

/* Selects the message of the side, begun when it is not; false when it is
 * over, or had to be given up. */
static bool
open_message(struct http3_feed *f)
{
	struct http3_half *half = half_of(f);
	const struct http3_half *other =
		&f->stream->halves[side_other(f->side)];

	if (half->ended)
		return false;
	if (!sink_channel(f->sink, f->stream->channel, f->side,
			  !half->begun && !other->begun)) {
		half->ended = true;
		return false;
	}
	if (!half->begun) {
		half->begun = true;
		/* Unless two streams say that they are the same push. */
		if (!sink_is_open(f->sink))
			begin_message(f);
	}
	sink_seen(f->sink);
	return sink_is_open(f->sink);
}

static void
close_channel(struct http3_feed *f, bool reset)
{
	if (sink_channel(f->sink, f->stream->channel, f->side, false))
		sink_channel_close(f->sink, reset);
	for (int side = 0; side < 2; side++)
		f->stream->halves[side].ended = true;
}

/* The side has said all of its message. */
static void
end_message(struct http3_feed *f)
{
	struct http3_half *half = half_of(f);
	const struct http3_half *other =
		&f->stream->halves[side_other(f->side)];

	if (half->begun && !half->ended && open_message(f))
		sink_end(f->sink, 0);
	half->ended = true;
	if (other->ended || (f->side == SIDE_SERVER && !other->begun))
		close_channel(f, false);
}

static void
mark_incomplete(struct http3_feed *f)
{
	if (open_message(f))
		sink_incomplete(f->sink);
}

/* Field sections. */

/* Reads a section without the dynamic table. */
static enum http3_section
read_plain(struct http3_feed *f, struct bytes section, bool emit,
	   struct http_fields *fields)
{
	struct http3 *h = f->http;

	if (!h->plain)
		h->plain = http3_qpack_new(0, &h->memory);
	return http3_qpack_read(h->plain, f->stream->id, section, emit, fields,
				f->sink);
}

static enum http3_section
read_unknown(struct http3_feed *f, struct bytes section, bool emit,
	     struct http_fields *fields)
{
	enum http3_section result = HTTP3_SECTION_BAD;
	struct buf out;

	buf_init(&out, 16 * HTTP3_SECTION_MAX);
	http3_qpack_unknown(section, &out);
	if (!out.failed)
		result = read_plain(f, buf_view(&out), emit, fields);
	buf_free(&out);
	return result;
}

static enum http3_section
read_section(struct http3_feed *f, struct bytes section, bool emit,
	     struct http_fields *fields)
{
	struct http3_table *table = &f->http->tables[f->side];
	enum http3_section result = HTTP3_SECTION_WAITS;

	half_of(f)->needs = 0;
	*fields = (struct http_fields){ .status = -1, .grpc_status = -1 };
	if (!http3_qpack_refers(section))
		return read_plain(f, section, emit, fields);
	if (table->live)
		result = http3_qpack_read(table->live, f->stream->id, section,
					  emit, fields, f->sink);
	if (table->live && result == HTTP3_SECTION_WAITS)
		half_of(f)->needs = http3_qpack_needed(table->live);
	if (table->lost || (f->force && result == HTTP3_SECTION_WAITS))
		return read_unknown(f, section, emit, fields);
	if (result == HTTP3_SECTION_BAD)
		http3_lose_table(f->http, f->side);
	return result;
}

/* HEADERS; false when it has to wait. */
static bool
take_headers(struct http3_feed *f, struct bytes section, size_t wire)
{
	struct http3_half *half = half_of(f);
	struct http_fields fields;
	bool emit = open_message(f);
	enum http3_section result = read_section(f, section, emit, &fields);

	half->waits = result == HTTP3_SECTION_WAITS;
	if (half->waits)
		return false;
	if (!emit)
		return true;
	sink_wire(f->sink, wire);
	if (result == HTTP3_SECTION_BAD)
		sink_incomplete(f->sink);
	if (f->side == SIDE_SERVER && !half->headed && fields.status >= 100 &&
	    fields.status < 200) {
		half->begun = false;
		sink_flags(f->sink, MESSAGE_INFORMATIONAL);
		sink_end(f->sink, 0);
		return true;
	}
	half->headed = true;
	return true;
}

/* PUSH_PROMISE: the request is told by the server, and is whole; false when it
 * has to wait. */
static bool
take_promise(struct http3_feed *f, struct bytes payload, size_t wire)
{
	struct reader r = reader_make(payload);
	uint64_t id = quic_number(&r);
	struct bytes section = bytes_from(payload,
					  (size_t)(r.at - payload.data));
	enum http3_section result;
	struct http_fields fields;
	struct http3_push *push;
	bool emit;

	if (f->side != SIDE_SERVER)
		return true;
	if (r.failed) {
		mark_incomplete(f);
		return true;
	}
	push = http3_find_push(f->http, id);
	emit = !push->promised &&
	       sink_channel(f->sink, push->channel, SIDE_CLIENT, true);
	if (emit && !sink_is_open(f->sink))
		begin_message(f);
	result = read_section(f, section, emit, &fields);
	half_of(f)->waits = result == HTTP3_SECTION_WAITS;
	if (half_of(f)->waits)
		return false;
	if (emit) {
		push->promised = true;
		sink_wire(f->sink, wire);
		if (result == HTTP3_SECTION_BAD)
			sink_incomplete(f->sink);
		sink_end(f->sink, 0);
	}
	return true;
}

/* Frames. */

static bool
read_head(struct bytes in, uint64_t *type, uint64_t *size, size_t *head)
{
	struct reader r = reader_make(in);

	*type = quic_number(&r);
	*size = quic_number(&r);
	if (r.failed)
		return false;
	*head = (size_t)(r.at - in.data);
	return true;
}

static size_t
pass(struct http3_feed *f, struct bytes in)
{
	struct http3_half *half = half_of(f);

	in = bytes_first(in, half->left < in.size ? (size_t)half->left
						  : in.size);
	half->left -= in.size;
	if (half->body && open_message(f)) {
		sink_wire(f->sink, half->endless ? in.size : 0);
		sink_body(f->sink, in);
	}
	return in.size;
}

static size_t
begin_frame(struct http3_feed *f, uint64_t size, size_t head, bool body)
{
	struct http3_half *half = half_of(f);

	half->left = size;
	half->endless = size > FRAME_COUNTED_MAX;
	half->body = body && is_call(f->stream);
	if (half->body && open_message(f)) {
		sink_wire(f->sink, head + (half->endless ? 0 : size));
		if (!half->headed)
			sink_incomplete(f->sink);
	}
	return head;
}

/* The frame at the front; how much of it was taken, 0: more is needed. */
static size_t
take_frame(struct http3_feed *f, struct bytes in)
{
	bool control = f->stream->kind == HTTP3_CONTROL;
	uint64_t type, size;
	size_t head, whole;
	struct bytes payload;
	bool taken = true;

	if (half_of(f)->left)
		return pass(f, in);
	if (!read_head(in, &type, &size, &head))
		return 0;
	if (control ? size > CONTROL_MAX
		    : type != FRAME_HEADERS && type != FRAME_PUSH_PROMISE)
		return begin_frame(f, size, head, type == FRAME_DATA);
	if (size > HTTP3_SECTION_MAX) {
		mark_incomplete(f);
		return begin_frame(f, size, head, false);
	}
	whole = head + (size_t)size;
	if (in.size < whole)
		return 0;
	payload = bytes_from(bytes_first(in, whole), head);
	if (control)
		http3_control(f, type, payload);
	else if (type == FRAME_HEADERS)
		taken = take_headers(f, payload, whole);
	else
		taken = take_promise(f, payload, whole);
	return taken ? whole : 0;
}

static size_t
take(struct http3_feed *f, struct bytes in)
{
	if (half_of(f)->lost)
		return in.size;
	switch (f->stream->kind) {
	case HTTP3_NEW:
	case HTTP3_NEW_PUSH:
		return http3_read_kind(f, in);
	case HTTP3_REQUEST:
	case HTTP3_PUSH:
	case HTTP3_CONTROL:
		return take_frame(f, in);
	case HTTP3_ENCODER:
		return http3_instruct(f, in);
	case HTTP3_OTHER:
		break;
	}
	return in.size;
}

static size_t
take_all(struct http3_feed *f, struct bytes in)
{
	size_t taken = 0, size;

	while (taken < in.size && (size = take(f, bytes_from(in, taken))))
		taken += size;
	return taken;
}

/* What is held. */

static void
drop_held(struct http3_half *half, struct sink *sink)
{
	if (sink)
		sink_give_back(sink, half->held.size);
	buf_free(&half->held);
}

/* Nothing more of the direction can be read. */
static void
lose(struct http3_feed *f)
{
	struct http3_half *half = half_of(f);

	drop_held(half, f->sink);
	half->waits = false;
	half->left = 0;
	if (!is_call(f->stream)) {
		http3_lose(f);
		return;
	}
	half->lost = true;
	mark_incomplete(f);
}

/* Takes what can be taken of what is held. */
static void
take_held(struct http3_feed *f)
{
	struct http3_half *half = half_of(f);
	size_t taken;

	half->waits = false;
	taken = take_all(f, buf_view(&half->held));
	if (taken == half->held.size) {
		drop_held(half, f->sink);
		return;
	}
	sink_give_back(f->sink, taken);
	buf_drop(&half->held, taken);
}

static bool
keep(struct http3_feed *f, struct bytes in)
{
	struct buf *held = &half_of(f)->held;

	if (!held->limit)
		buf_init(held, HTTP3_HELD_MAX);
	if (in.size > HTTP3_HELD_MAX - held->size ||
	    !sink_keep(f->sink, in.size))
		return false;
	buf_bytes(held, in);
	return true;
}

/* Reads what waits as far as it is known, and what can be taken behind it.
 * What is left of `in`, which came last, is returned. */
static struct bytes
wait_no_more(struct http3_feed *f, struct bytes in)
{
	struct http3_half *half = half_of(f);

	f->force = true;
	take_held(f);
	if (!half->held.size)
		in = bytes_from(in, take_all(f, in));
	f->force = false;
	return in;
}

static void
hold(struct http3_feed *f, struct bytes in)
{
	struct http3_half *half = half_of(f);
	bool kept = keep(f, in);

	if (!kept && half->waits) {
		in = wait_no_more(f, in);
		kept = !in.size || keep(f, in);
	}
	if (!kept) {
		sink_context(f->sink)->coverage->bytes_given_up += in.size;
		lose(f);
	} else if (!half->waits) {
		take_held(f);
	}
}

void
http3_data(struct http3_feed *f, struct bytes in)
{
	if (!half_of(f)->held.size)
		in = bytes_from(in, take_all(f, in));
	if (in.size)
		hold(f, in);
	http3_settle_memory(f->http, f->sink);
}

/* Whether a hole ends within a frame whose head is known: what of the frame is
 * behind it is passed over. */
static bool
bridge(struct http3_feed *f, uint64_t missing)
{
	struct http3_half *half = half_of(f);
	uint64_t left = half->left, type, size;
	bool body = half->body;
	size_t head;

	if (half->lost || !missing)
		return false;
	if (half->held.size) {
		if (!read_head(buf_view(&half->held), &type, &size, &head))
			return false;
		left = head + size - half->held.size;
		body = false;
	}
	if (missing > left)
		return false;
	drop_held(half, f->sink);
	half->left = left - missing;
	half->body = body;
	return true;
}

void
http3_gap(struct http3_feed *f, uint64_t missing)
{
	bool held = half_of(f)->held.size > 0;

	if (!is_call(f->stream)) {
		if (f->stream->kind != HTTP3_OTHER)
			lose(f);
	} else if (!bridge(f, missing)) {
		lose(f);
	} else if (held || half_of(f)->body) {
		mark_incomplete(f);
	}
	http3_settle_memory(f->http, f->sink);
}

void
http3_over(struct http3_feed *f)
{
	struct http3_half *half = half_of(f);

	half->over = true;
	if (half->waits)
		return;
	if (is_call(f->stream)) {
		if (half->held.size || half->left)
			mark_incomplete(f);
		end_message(f);
	}
	drop_held(half, f->sink);
}

void
http3_resume(struct http3_feed *f)
{
	const struct http3_qpack *live = f->http->tables[f->side].live;
	struct http3_half *half = half_of(f);

	if (!f->force && live && http3_qpack_count(live) < half->needs)
		return;
	if (half->held.size)
		take_held(f);
	half->waits &= !f->force;
	if (half->over)
		http3_over(f);
	http3_settle_memory(f->http, f->sink);
}

/* Ends. */

void
http3_fail(struct http3_feed *f, const char *text)
{
	if (sink_channel(f->sink, f->stream->channel, f->side, false))
		sink_fail(f->sink, bytes_of(text));
	close_channel(f, true);
}

void
http3_reset(struct http3_feed *f, uint64_t code)
{
	struct http3_half *half = half_of(f);
	char name[32], text[80];

	half->waits = false;
	half->over = true;
	drop_held(half, f->sink);
	if (!is_call(f->stream) || (f->side == SIDE_SERVER && half->ended))
		return;
	/* A server that needs no more of a request says so (RFC 9114 §4.1). */
	if (f->side == SIDE_CLIENT && code == HTTP3_NO_ERROR) {
		mark_incomplete(f);
		end_message(f);
		return;
	}
	/* A client that is no longer interested says so of both directions. */
	if (f->stream->halves[SIDE_SERVER].ended) {
		close_channel(f, false);
		return;
	}
	snprintf(text, sizeof(text), "stream reset by the %s: %s",
		 f->side == SIDE_CLIENT ? "client" : "server",
		 http3_error_name(code, name));
	http3_fail(f, text);
}

void
http3_close(struct http3_feed *f)
{
	if (is_call(f->stream))
		close_channel(f, false);
}

bool
http3_is_done(const struct http3_stream *stream)
{
	const struct http3_half *halves = stream->halves;

	if (stream->kind == HTTP3_REQUEST)
		return halves[SIDE_CLIENT].ended && halves[SIDE_SERVER].ended;
	if (stream->kind == HTTP3_PUSH)
		return halves[SIDE_SERVER].ended;
	return halves[SIDE_CLIENT].over || halves[SIDE_SERVER].over;
}

void
http3_forget(struct http3_stream *stream, struct sink *sink)
{
	drop_held(&stream->halves[SIDE_CLIENT], sink);
	drop_held(&stream->halves[SIDE_SERVER], sink);
}
