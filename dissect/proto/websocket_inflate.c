/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/websocket_inflate.h"

#include <stdlib.h>

#include <zlib.h>

#include "base/alloc.h"
#include "dissect/sink_inner.h"

#define RAW_WINDOW (-15)
#define WINDOW_SIZE (32u << 10)
#define PIECE (8u << 10)
/* A message may be this large, or this much larger than it was on the wire. */
#define SIZE_FLOOR (64u << 20)
#define RATIO_LIMIT 200

struct websocket_inflate {
	z_stream z;
	uint64_t in, out; /* bytes of the message */
};

struct websocket_inflate *
websocket_inflate_new(void)
{
	struct websocket_inflate *x = alloc_zero(1, sizeof(*x));

	if (inflateInit2(&x->z, RAW_WINDOW) == Z_OK)
		return x;
	free(x);
	return NULL;
}

void
websocket_inflate_free(struct websocket_inflate *x)
{
	if (!x)
		return;
	inflateEnd(&x->z);
	free(x);
}

void
websocket_inflate_begin(struct websocket_inflate *x, bool forget)
{
	x->in = x->out = 0;
	if (forget)
		inflateReset(&x->z);
}

uint64_t
websocket_inflate_size(const struct websocket_inflate *x)
{
	return x->out;
}

void
websocket_give(const struct websocket_output *out, struct bytes plain)
{
	if (out->inside)
		sink_inner_data(out->sink, plain, out->offset, out->end);
	else
		sink_body(out->sink, plain);
}

/* A sender may end its stream (RFC 7692 §7.2.3.5); the window goes on. */
static bool
go_on(z_stream *z)
{
	uint8_t *window = alloc_zero(1, WINDOW_SIZE);
	unsigned size = 0;
	bool good = inflateGetDictionary(z, window, &size) == Z_OK &&
		    inflateReset(z) == Z_OK &&
		    (!size || inflateSetDictionary(z, window, size) == Z_OK);

	free(window);
	return good;
}

bool
websocket_inflate_data(struct websocket_inflate *x, struct bytes in,
		       const struct websocket_output *output)
{
	z_stream *z = &x->z;
	uint8_t out[PIECE];

	x->in += in.size;
	z->next_in = (z_const Bytef *)(uintptr_t)in.data;
	z->avail_in = (uInt)in.size;
	do {
		int code;

		z->next_out = out;
		z->avail_out = sizeof(out);
		code = inflate(z, Z_SYNC_FLUSH);
		if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
			return false;
		x->out += sizeof(out) - z->avail_out;
		websocket_give(output,
			       bytes_make(out, sizeof(out) - z->avail_out));
		if (x->out > SIZE_FLOOR && x->out / RATIO_LIMIT > x->in)
			return false;
		if (code == Z_STREAM_END && !go_on(z))
			return false;
		if (code == Z_BUF_ERROR)
			break;
	} while (z->avail_in || !z->avail_out);
	return true;
}

bool
websocket_inflate_end(struct websocket_inflate *x,
		      const struct websocket_output *out)
{
	/* What every message leaves out of its end (RFC 7692 §7.2.1). */
	static const uint8_t tail[] = { 0, 0, 0xff, 0xff };

	return websocket_inflate_data(x, bytes_make(tail, sizeof(tail)), out);
}
