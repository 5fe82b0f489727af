/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of the NATS client protocol
 * (https://docs.nats.io/reference/reference-protocols/nats-protocol).
 */
#pragma once

#include "dissect/dissector.h"

/* A longer line is none: INFO of a large cluster. */
#define NATS_LINE (64u << 10)

enum nats_verb {
	NATS_INFO,
	NATS_CONNECT,
	NATS_PUB,
	NATS_HPUB,
	NATS_SUB,
	NATS_UNSUB,
	NATS_MSG,
	NATS_HMSG,
	NATS_PING,
	NATS_PONG,
	NATS_OK,
	NATS_ERR,
};

struct nats_line {
	enum nats_verb verb;
	size_t size;            /* with its end */
	struct bytes text;      /* INFO, CONNECT, -ERR: what follows the verb */
	struct bytes subject;
	struct bytes reply;     /* or empty */
	struct bytes sid;       /* MSG, HMSG, SUB, UNSUB: which subscription */
	struct bytes queue;     /* SUB: the group */
	struct bytes max;       /* UNSUB: after so many */
	uint32_t headers;       /* HPUB, HMSG: bytes of headers */
	uint32_t total;         /* bytes of headers and payload */
};

/* A message follows the line. */
static inline bool
nats_has_message(const struct nats_line *line)
{
	return line->verb == NATS_PUB || line->verb == NATS_HPUB ||
	       line->verb == NATS_MSG || line->verb == NATS_HMSG;
}

/* The line at the front, which `side` may send.  MAYBE: its end is to come. */
enum verdict nats_line_read(struct bytes in, enum side side,
			    struct nats_line *out);

/* Does it begin a connection, or is it a whole message with its end? */
enum verdict nats_line_probe(struct bytes in, enum side side);
