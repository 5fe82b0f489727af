/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of WebSocket (RFC 6455 §5.2). */
#pragma once

#include "dissect/sink.h"

/* The first byte. */
#define WEBSOCKET_FINAL 0x80u
#define WEBSOCKET_COMPRESSED 0x40u /* RSV1, RFC 7692 §6 */
#define WEBSOCKET_RESERVED 0x70u
/* The longest payload of a control frame (§5.5). */
#define WEBSOCKET_CONTROL_MAX 125

enum websocket_opcode {
	WEBSOCKET_CONTINUATION,
	WEBSOCKET_TEXT,
	WEBSOCKET_BINARY,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING,
	WEBSOCKET_PONG,
};

struct websocket_frame {
	uint64_t size;    /* of the payload, in bytes */
	size_t head;      /* bytes before it */
	uint8_t opcode;   /* enum websocket_opcode */
	uint8_t reserved; /* RSV bits, in WEBSOCKET_RESERVED */
	bool final;
	bool masked;
	uint8_t mask[4];
};

/*
 * The head of the frame of `side` at the front.  YES: whole; MAYBE: `*needed`
 * bytes are needed to go on; NO: there is none (RFC 6455 §5: a client masks, a
 * server does not, sizes are written as short as they can be, a control
 * frame is short and in one piece).
 */
enum verdict websocket_frame_read(struct bytes in, enum side side,
				  struct websocket_frame *frame,
				  size_t *needed);

static inline bool
websocket_is_control(const struct websocket_frame *frame)
{
	return frame->opcode >= WEBSOCKET_CLOSE;
}

/* Copies payload bytes, of which the first is number `offset`, without the
 * mask. */
void websocket_unmask(const struct websocket_frame *frame, uint64_t offset,
		      struct bytes in, uint8_t *out);

/* "text", "close" …; never NULL for a frame that was read. */
const char *websocket_opcode_name(uint8_t opcode);

/* What a close code means (§7.4.1 and the registry of IANA), NULL when it is of
 * an application or unknown; whether it reports a failure. */
const char *websocket_close_name(unsigned code);
bool websocket_close_is_error(unsigned code);

/*
 * Whether the bytes begin with frames of `side`.  Nothing is `known` of the
 * connection: only a message of text that reads as text is beyond doubt.  Else
 * a frame or two that fit each other are enough.
 */
enum verdict websocket_judge(struct bytes in, enum side side, bool known);
