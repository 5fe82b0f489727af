/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/http2_frame.h"

#include <stdio.h>

uint32_t
http2_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
}

static bool
is_allowed(const struct http2_frame *f)
{
	switch (f->type) {
	case HTTP2_DATA:
	case HTTP2_HEADERS:
	case HTTP2_CONTINUATION:
		return f->stream != 0;
	case HTTP2_PUSH_PROMISE:
		return f->stream != 0 && f->length >= 4;
	case HTTP2_PRIORITY:
		return f->stream != 0 && f->length == 5;
	case HTTP2_RST_STREAM:
		return f->stream != 0 && f->length == 4;
	case HTTP2_SETTINGS:
		return f->stream == 0 && f->length % 6 == 0 &&
		       !(f->flags & HTTP2_END_STREAM && f->length);
	case HTTP2_PING:
		return f->stream == 0 && f->length == 8;
	case HTTP2_GOAWAY:
		return f->stream == 0 && f->length >= 8;
	case HTTP2_WINDOW_UPDATE:
		return f->length == 4;
	default:
		return true;
	}
}

bool
http2_frame_read(struct bytes in, struct http2_frame *frame)
{
	const uint8_t *d = in.data;

	frame->length = (uint32_t)d[0] << 16 | (uint32_t)d[1] << 8 | d[2];
	frame->type = d[3];
	frame->flags = d[4];
	frame->stream = http2_u32(d + 5) & 0x7fffffff;
	return !(d[5] & 0x80) && is_allowed(frame);
}

bool
http2_frame_block(const struct http2_frame *frame, struct bytes payload,
		  struct bytes *block)
{
	size_t front = 0, pad = 0;

	if (frame->flags & HTTP2_PADDED) {
		if (!payload.size)
			return false;
		pad = payload.data[0];
		front = 1;
	}
	if (frame->type == HTTP2_PUSH_PROMISE)
		front += 4;
	else if (frame->flags & HTTP2_WITH_PRIORITY)
		front += 5;
	if (front + pad > payload.size)
		return false;
	*block = bytes_make(payload.data + front, payload.size - front - pad);
	return true;
}

const char *
http2_error_name(uint32_t code, char text[24])
{
	static const char *const names[] = {
		"NO_ERROR",	       "PROTOCOL_ERROR",
		"INTERNAL_ERROR",      "FLOW_CONTROL_ERROR",
		"SETTINGS_TIMEOUT",    "STREAM_CLOSED",
		"FRAME_SIZE_ERROR",    "REFUSED_STREAM",
		"CANCEL",	       "COMPRESSION_ERROR",
		"CONNECT_ERROR",       "ENHANCE_YOUR_CALM",
		"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
	};

	if (code < sizeof(names) / sizeof(*names))
		return names[code];
	snprintf(text, 24, "error %lu", (unsigned long)code);
	return text;
}
