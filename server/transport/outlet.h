/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing to a descriptor of any kind in the loop, without ever blocking it on
 * a pipe or a terminal: messages are collected, and outlet_flush hands them to
 * the kernel in one write.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "server/transport/descriptor.h"

/* Above the first, the reader is called slow; below the second, no more. */
#define OUTLET_HIGH ((size_t)8 << 20)
#define OUTLET_LOW ((size_t)1 << 20)
#define OUTLET_LIMIT ((size_t)256 << 20) /* above: the reader is given up */

/* `on_gone` may be called from within outlet_line, in the middle of what the
 * caller is doing; `on_slow` from there with true only. */
struct outlet {
	struct descriptor stream;
	struct buf pending; /* not yet given to the kernel */
	struct buf writing; /* being written, while `busy` */
	size_t written;     /* of `writing` */
	uv_write_t request;
	bool busy;
	bool slow;
	bool gone;          /* nobody reads any more */
	void (*on_slow)(void *context, bool slow);
	void (*on_gone)(void *context);
	void *context;
};

/* Takes `fd` over.  0 or a libuv error. */
int outlet_open(struct outlet *out, uv_loop_t *loop, uv_file fd,
		void (*on_slow)(void *context, bool slow),
		void (*on_gone)(void *context), void *context);

/* Collects a message and its newline. */
void outlet_line(struct outlet *out, struct bytes message);

/* Hands what was collected to the kernel, unless a write is under way. */
void outlet_flush(struct outlet *out);
/* Nothing is left to write, or nobody is there to read it. */
bool outlet_is_flushed(const struct outlet *out);

/* Closes; outlet_free once the loop has nothing left to run. */
void outlet_close(struct outlet *out);
void outlet_free(struct outlet *out);
