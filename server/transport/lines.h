/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting a byte stream into lines (MCP basic/transports#stdio: one message a
 * line).  A line over the limit is reported once and skipped to its newline,
 * without being kept.  A carriage return before the newline is dropped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"

struct lines {
	struct buf partial; /* a line whose end has not come yet */
	size_t limit;       /* bytes of a line */
	bool skipping;      /* inside a line that was refused */
	void (*line)(void *context, struct bytes line);
	void (*oversize)(void *context);
	void *context;
};

/*
 * Nothing fed yet.  `line` gets each line without its end, valid during the
 * call; `oversize` is called once for each line of more than `limit` bytes.
 */
void lines_init(struct lines *l, size_t limit,
		void (*line)(void *context, struct bytes line),
		void (*oversize)(void *context), void *context);
/* Frees what is kept of an unfinished line, not `l` itself. */
void lines_free(struct lines *l);

/* Takes any number of bytes; calls back for every line that ends in them. */
void lines_feed(struct lines *l, struct bytes in);

/* The input has ended: what is left is a line. */
void lines_end(struct lines *l);
