/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 without its preface: in the middle of a connection, or behind a hole.
 * A frame's head is 9 bytes, most of which are nearly fixed for its type; what
 * is inside counts as evidence where it has a form of its own.
 */
#include "dissect/proto/http2_frame.h"

/* The default of SETTINGS_MAX_FRAME_SIZE: rarely changed. */
#define USUAL_LENGTH 16384
#define USUAL_STREAMS (1u << 28)
#define EVIDENCE_ENOUGH 4

/* An integer of HPACK (RFC 7541 §5.1) with a prefix of `bits`; false when it
 * is cut or absurd. */
static bool
hpack_integer(struct bytes *in, unsigned bits, uint32_t *value)
{
	uint32_t mask = (1u << bits) - 1;

	if (!in->size)
		return false;
	*value = in->data[0] & mask;
	*in = bytes_from(*in, 1);
	if (*value < mask)
		return true;
	for (unsigned shift = 0; shift < 21; shift += 7) {
		uint8_t byte;

		if (!in->size)
			return false;
		byte = in->data[0];
		*in = bytes_from(*in, 1);
		*value += (uint32_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

static bool
hpack_string(struct bytes *in)
{
	uint32_t size;

	if (!hpack_integer(in, 7, &size) || size > in->size)
		return false;
	*in = bytes_from(*in, size);
	return true;
}

/* One field or size update; `*index` is that of its name, 0 for none. */
static bool
hpack_field(struct bytes *in, uint32_t *index)
{
	uint8_t first = in->data[0];
	unsigned bits = first & 0x40 ? 6 : 4;

	if (first & 0x80)
		return hpack_integer(in, 7, index) && *index > 0 &&
		       *index < 4096;
	if ((first & 0xe0) == 0x20) {
		*index = 0;
		return hpack_integer(in, 5, index) && *index <= 1u << 20;
	}
	if (!hpack_integer(in, bits, index) || *index >= 4096)
		return false;
	return (*index || hpack_string(in)) && hpack_string(in);
}

/* :method of a request, :status of a response; the table's own entries. */
static bool
is_start_field(uint32_t index, bool client)
{
	return client ? index >= 1 && index <= 7 : index >= 8 && index <= 14;
}

/* Evidence in a header block that may be cut; -1: it is none. */
static int
judge_block(struct bytes block, bool whole, bool client)
{
	uint32_t index;
	int fields = 0, known = 0;

	while (block.size) {
		bool update = (block.data[0] & 0xe0) == 0x20;

		if (!hpack_field(&block, &index))
			return whole ? -1 : known ? 1 : 0;
		if (fields == 0 && !update && is_start_field(index, client))
			known = 1;
		fields += !update;
	}
	if (!fields)
		return whole ? -1 : 0;
	return known ? 3 : fields > 1 ? 2 : 1;
}

static int
judge_settings(struct bytes payload)
{
	for (; payload.size >= 6; payload = bytes_from(payload, 6)) {
		unsigned id = (unsigned)payload.data[0] << 8 | payload.data[1];

		if (id == 0 || (id > 16 && id < 0xf000))
			return -1;
	}
	return 3;
}

/* A message of gRPC that fills the frame. */
static bool
is_grpc(struct bytes payload)
{
	return payload.size >= 5 && payload.data[0] <= 1 &&
	       http2_u32(payload.data + 1) == payload.size - 5;
}

static int
judge_headers(const struct http2_frame *f, struct bytes payload, bool client)
{
	bool whole = payload.size == f->length;
	struct bytes block;

	if (f->flags & ~0x2d)
		return -1;
	if (!http2_frame_block(f, payload, &block))
		return whole ? -1 : 0;
	if (!whole && f->flags & HTTP2_PADDED)
		return 0;
	return judge_block(block, whole && f->flags & HTTP2_END_HEADERS,
			   client);
}

/* Evidence in one frame, whose payload may be cut; -1: it is none. */
static int
judge(const struct http2_frame *f, struct bytes payload, bool client)
{
	bool whole = payload.size == f->length;

	if (f->length > USUAL_LENGTH || f->stream > USUAL_STREAMS ||
	    (client && f->stream % 2 == 0 && f->stream &&
	     f->type <= HTTP2_HEADERS))
		return -1;
	switch (f->type) {
	case HTTP2_DATA:
		if (f->flags & ~0x09)
			return -1;
		return whole ? 1 + (is_grpc(payload) ? 2 : 0) : 0;
	case HTTP2_HEADERS:
		return judge_headers(f, payload, client);
	case HTTP2_SETTINGS:
		if (f->flags > 1 || f->length > 96)
			return -1;
		return !whole ? 0 : f->length ? judge_settings(payload) : 2;
	case HTTP2_PING:
		return f->flags > 1 ? -1 : whole ? 3 : 0;
	case HTTP2_WINDOW_UPDATE:
		if (f->flags || (whole && !http2_u32(payload.data)))
			return -1;
		return whole ? 3 : 0;
	case HTTP2_RST_STREAM:
		if (f->flags || (whole && http2_u32(payload.data) > 13))
			return -1;
		return whole ? 3 : 0;
	case HTTP2_GOAWAY:
		if (f->flags ||
		    (whole && http2_u32(payload.data + 4) > 13))
			return -1;
		return whole ? 3 : 0;
	case HTTP2_PUSH_PROMISE:
		return client || f->flags & ~0x0c ? -1 : whole ? 1 : 0;
	case HTTP2_PRIORITY:
		return f->flags ? -1 : whole ? 2 : 0;
	default:
		return -1; /* nothing begins with CONTINUATION */
	}
}

enum verdict
http2_probe_frames(struct bytes in, bool client)
{
	int evidence = 0;

	while (in.size >= HTTP2_FRAME_HEAD && evidence < EVIDENCE_ENOUGH) {
		struct http2_frame f;
		struct bytes payload;
		int found;

		if (!http2_frame_read(in, &f))
			return VERDICT_NO;
		payload = bytes_first(bytes_from(in, HTTP2_FRAME_HEAD),
				      f.length);
		found = judge(&f, payload, client);
		if (found < 0)
			return VERDICT_NO;
		evidence += found;
		in = bytes_from(in, HTTP2_FRAME_HEAD + payload.size);
		if (payload.size < f.length)
			break;
		evidence += in.size == 0;
	}
	if (evidence >= EVIDENCE_ENOUGH)
		return VERDICT_YES;
	/* The beginning of a frame's head: a length that is usual, a type. */
	if ((in.size > 0 && in.data[0] != 0) ||
	    (in.size > 3 && in.size < HTTP2_FRAME_HEAD &&
	     in.data[3] >= HTTP2_TYPES))
		return VERDICT_NO;
	return VERDICT_MAYBE;
}
