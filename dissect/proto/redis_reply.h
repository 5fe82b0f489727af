/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value that a Redis server sends, read as it comes and of any size: a string
 * becomes the body as it is, an array or map becomes JSON.
 */
#pragma once

#include "dissect/proto/redis_frame.h"
#include "dissect/sink.h"

#define REDIS_DEPTH 16

enum redis_reply_state {
	REPLY_START, /* between values */
	REPLY_NEXT,  /* a value follows, of an aggregate when depth > 0 */
	REPLY_TEXT,  /* inside a string of an aggregate, `left` bytes to go */
	REPLY_CLOSE, /* at the CRLF behind it */
	REPLY_BODY,  /* before a string's `left` bytes, which are the body */
	REPLY_TAIL,  /* at the CRLF behind them */
};

struct redis_reply {
	enum redis_reply_state state;
	bool failed;       /* an error was said */
	uint8_t depth;
	uint8_t hidden;    /* depth of an attribute, which is not shown */
	uint64_t left;
	struct redis_level {
		uint32_t total, done;
		uint8_t type;
	} levels[REDIS_DEPTH];
};

/*
 * Reads on at the front of `in`, in state REPLY_NEXT or one behind it.  DONE
 * with the state REPLY_START: the value ended with the bytes taken (the caller
 * ends the message).  `first` is whether `in` is all that feed was given: only
 * then STEP_SKIP is possible.
 */
struct step redis_reply_read(struct redis_reply *reply, struct bytes in,
			     bool first, struct sink *sink);

/* Says that the message failed: "CODE text". */
void redis_reply_error(struct redis_reply *reply, struct bytes text,
		       struct sink *sink);
