/* SPDX-License-Identifier: Apache-2.0 */
/* The streams of HTTP/3 that are no calls: control, QPACK, pushes (RFC 9114
 * §6.2, RFC 9204 §4.2). */
#include <inttypes.h>
#include <stdio.h>

#include "dissect/proto/http3.h"
#include "dissect/proto/quic_packet.h"

#define SETTING_TABLE 1

enum { TYPE_CONTROL, TYPE_PUSH, TYPE_ENCODER };
enum { FRAME_SETTINGS = 4, FRAME_GOAWAY = 7 };

const char *
http3_error_name(uint64_t code, char text[32])
{
	/* From 0x100 on (RFC 9114 §8.1), and from 0x200 on (RFC 9204 §6). */
	static const char *const names[] = {
		"H3_NO_ERROR",
		"H3_GENERAL_PROTOCOL_ERROR",
		"H3_INTERNAL_ERROR",
		"H3_STREAM_CREATION_ERROR",
		"H3_CLOSED_CRITICAL_STREAM",
		"H3_FRAME_UNEXPECTED",
		"H3_FRAME_ERROR",
		"H3_EXCESSIVE_LOAD",
		"H3_ID_ERROR",
		"H3_SETTINGS_ERROR",
		"H3_MISSING_SETTINGS",
		"H3_REQUEST_REJECTED",
		"H3_REQUEST_CANCELLED",
		"H3_REQUEST_INCOMPLETE",
		"H3_MESSAGE_ERROR",
		"H3_CONNECT_ERROR",
		"H3_VERSION_FALLBACK",
	};
	static const char *const qpack[] = {
		"QPACK_DECOMPRESSION_FAILED",
		"QPACK_ENCODER_STREAM_ERROR",
		"QPACK_DECODER_STREAM_ERROR",
	};

	if (code >= 0x100 && code < 0x100 + sizeof(names) / sizeof(*names))
		return names[code - 0x100];
	if (code >= 0x200 && code < 0x200 + sizeof(qpack) / sizeof(*qpack))
		return qpack[code - 0x200];
	snprintf(text, 32, "error 0x%" PRIx64, code);
	return text;
}

/* Tables. */

void
http3_lose_table(struct http3 *h, enum side side)
{
	struct http3_table *table = &h->tables[side];

	http3_qpack_free(table->live);
	table->live = NULL;
	table->lost = true;
	h->woken[side] = true;
}

void
http3_settle_memory(struct http3 *h, struct sink *sink)
{
	if (h->memory > h->charged && !sink_keep(sink, h->memory - h->charged)) {
		http3_lose_table(h, SIDE_CLIENT);
		http3_lose_table(h, SIDE_SERVER);
		http3_qpack_free(h->plain);
		h->plain = NULL;
	}
	if (h->memory < h->charged)
		sink_give_back(sink, h->charged - h->memory);
	h->charged = h->memory;
}

/* The other side may use a table of this capacity. */
static void
allow(struct http3_feed *f, uint64_t capacity)
{
	struct http3 *h = f->http;
	enum side other = side_other(f->side);
	struct http3_table *table = &h->tables[other];

	if (table->known || table->lost)
		return;
	table->known = true;
	if (capacity > HTTP3_TABLE_LIMIT)
		http3_lose_table(h, other);
	else
		table->live = http3_qpack_new(capacity, &h->memory);
	h->woken[other] = true;
}

static void
settings(struct http3_feed *f, struct bytes payload)
{
	struct reader r = reader_make(payload);
	uint64_t capacity = 0;

	while (reader_left(&r)) {
		uint64_t id = quic_number(&r), value = quic_number(&r);

		if (id == SETTING_TABLE && !r.failed)
			capacity = value;
	}
	allow(f, capacity);
}

void
http3_control(struct http3_feed *f, uint64_t type, struct bytes payload)
{
	struct reader r = reader_make(payload);
	uint64_t id;

	if (type == FRAME_SETTINGS) {
		settings(f, payload);
	} else if (type == FRAME_GOAWAY && f->side == SIDE_SERVER) {
		id = quic_number(&r);
		if (!r.failed && id < f->http->refused)
			f->http->refused = id;
	}
}

size_t
http3_instruct(struct http3_feed *f, struct bytes in)
{
	struct http3 *h = f->http;
	struct http3_table *table = &h->tables[f->side];

	if (f->force && !table->known && !table->lost)
		http3_lose_table(h, f->side);
	if (table->lost)
		return in.size;
	if (!table->known) {
		f->stream->halves[f->side].waits = true;
		return 0;
	}
	if (!http3_qpack_instruct(table->live, in))
		http3_lose_table(h, f->side);
	h->woken[f->side] = true;
	return in.size;
}

/* Kinds of streams. */

struct http3_push *
http3_find_push(struct http3 *h, uint64_t id)
{
	unsigned kept = h->pushed < HTTP3_PUSHES ? h->pushed : HTTP3_PUSHES;
	struct http3_push *push;

	for (unsigned i = 0; i < kept; i++)
		if (h->pushes[i].id == id)
			return &h->pushes[i];
	push = &h->pushes[h->pushed++ % HTTP3_PUSHES];
	*push = (struct http3_push){ .id = id, .channel = ++*h->channels };
	return push;
}

static void
set_kind(struct http3_feed *f, uint64_t type)
{
	struct http3_stream *stream = f->stream;
	struct http3 *h = f->http;

	stream->kind = HTTP3_OTHER;
	if (type == TYPE_CONTROL && !h->control[f->side]) {
		stream->kind = HTTP3_CONTROL;
		h->control[f->side] = true;
	} else if (type == TYPE_ENCODER && !h->tables[f->side].seen) {
		stream->kind = HTTP3_ENCODER;
		h->tables[f->side].seen = true;
	} else if (type == TYPE_PUSH && f->side == SIDE_SERVER) {
		stream->kind = HTTP3_NEW_PUSH;
	}
}

static void
set_push(struct http3_feed *f, uint64_t id)
{
	const struct http3_push *push = http3_find_push(f->http, id);
	struct http3_half *request = &f->stream->halves[SIDE_CLIENT];

	f->stream->kind = HTTP3_PUSH;
	f->stream->channel = push->channel;
	request->begun = request->ended = push->promised;
}

size_t
http3_read_kind(struct http3_feed *f, struct bytes in)
{
	struct reader r = reader_make(in);
	uint64_t value = quic_number(&r);

	if (r.failed)
		return 0;
	if (f->stream->kind == HTTP3_NEW)
		set_kind(f, value);
	else
		set_push(f, value);
	return (size_t)(r.at - in.data);
}

void
http3_lose(struct http3_feed *f)
{
	enum http3_kind kind = f->stream->kind;
	struct http3 *h = f->http;
	enum side other = side_other(f->side);

	f->stream->kind = HTTP3_OTHER;
	/* A stream whose type is missing may be any that was not seen. */
	if (kind == HTTP3_ENCODER ||
	    (kind == HTTP3_NEW && !h->tables[f->side].seen))
		http3_lose_table(h, f->side);
	if ((kind == HTTP3_CONTROL ||
	     (kind == HTTP3_NEW && !h->control[f->side])) &&
	    !h->tables[other].known)
		http3_lose_table(h, other);
}
