/* SPDX-License-Identifier: Apache-2.0 */
/* Lines and commands of RESP, the protocol of Redis (RESP2 and RESP3). */
#pragma once

#include "dissect/dissector.h"

/* A line: what begins every value. */
struct redis_line {
	uint8_t type;      /* '+', '$', '*', … */
	int64_t number;    /* of $ * ! = % ~ > |: how long, -1: null */
	struct bytes text; /* of the others, borrowed */
	size_t size;       /* with its CRLF */
};

/* The line at the front of `in`; MAYBE when it is not whole. */
enum verdict redis_line(struct bytes in, struct redis_line *line);

/* Whether a length follows the type, and then as many bytes or values. */
bool redis_is_text(uint8_t type);      /* $ ! = */
bool redis_is_aggregate(uint8_t type); /* * % ~ > | */

/*
 * The string at the front of `in` when it is whole, as a server's aggregate
 * names its kind with; `*size` is what it takes with its framing.
 */
bool redis_string(struct bytes in, struct bytes *text, size_t *size);

#define REDIS_ARGUMENTS 64
/* A request up to this size is read at once, a larger one as it comes. */
#define REDIS_REQUEST_HELD (64u << 10)

/* A request: "*2 $3 GET $1 k", or one line "GET k". */
struct redis_request {
	struct bytes args[REDIS_ARGUMENTS]; /* borrowed */
	uint32_t count;    /* of args[] that are here */
	uint32_t total;    /* that the request has */
	uint32_t seen;     /* that were whole, more than count when many */
	size_t size;       /* what was read of it: all of it when whole */
	uint64_t wanted;   /* when not whole: bytes it takes to go on */
	uint64_t next;     /* size of the argument that is not, when known */
};

/*
 * The request at the front of `in`.  YES: whole; MAYBE: `seen` arguments of
 * it are here, or are those that fit in what is held; NO: it is none.
 */
enum verdict redis_request(struct bytes in, struct redis_request *request);

/* Whether `name` could be a command: letters, digits and . _ - | */
bool redis_is_name(struct bytes name);
