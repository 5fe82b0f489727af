/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of HTTP/2 (RFC 9113 §4.1, §6). */
#pragma once

#include "dissect/dissector.h"

#define HTTP2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define HTTP2_PREFACE_SIZE 24
#define HTTP2_FRAME_HEAD 9

enum http2_type {
	HTTP2_DATA,
	HTTP2_HEADERS,
	HTTP2_PRIORITY,
	HTTP2_RST_STREAM,
	HTTP2_SETTINGS,
	HTTP2_PUSH_PROMISE,
	HTTP2_PING,
	HTTP2_GOAWAY,
	HTTP2_WINDOW_UPDATE,
	HTTP2_CONTINUATION,
	HTTP2_TYPES /* what is beyond is an extension, and passed over */
};

enum http2_flag {
	HTTP2_END_STREAM = 0x01, /* DATA, HEADERS; ACK of SETTINGS and PING */
	HTTP2_END_HEADERS = 0x04,
	HTTP2_PADDED = 0x08,
	HTTP2_WITH_PRIORITY = 0x20,
};

struct http2_frame {
	uint32_t length; /* behind the 9 bytes of the head */
	uint8_t type, flags;
	uint32_t stream;
};

/* Reads the head of a frame; `in` has at least HTTP2_FRAME_HEAD bytes.  False:
 * RFC 9113 forbids it (stream, length or reserved bit for the type). */
bool http2_frame_read(struct bytes in, struct http2_frame *frame);

/*
 * Takes padding and priority off the payload of a whole HEADERS or PUSH_PROMISE
 * frame; false when they do not fit.
 */
bool http2_frame_block(const struct http2_frame *frame, struct bytes payload,
		       struct bytes *block);

/* The name of an error code (RFC 9113 §7), "error 77" for one that is not
 * there; `text` is where that is written. */
const char *http2_error_name(uint32_t code, char text[24]);

/* As dissector.probe for bytes that begin at a frame: whether they are frames
 * beyond doubt. */
enum verdict http2_probe_frames(struct bytes in, bool client);

/* Four bytes in network order. */
uint32_t http2_u32(const uint8_t *at);
