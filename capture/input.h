/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a capture file from a descriptor, decompressed on the way when
 * they are gzip, zstd or lz4.  Consumers look at the next bytes in place and
 * step over them; nothing is copied but the rest at the end of the buffer.
 * After input_open only read(2) and memory are needed, so that it works inside
 * the sandbox.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "capture/decompress.h"

/* The most that input_need can be asked for. */
#define INPUT_NEED_MAX (17u << 20)

struct input {
	const uint8_t *at;    /* the next bytes … */
	const uint8_t *end;   /* … up to here are in memory */
	int status;           /* why it ended early: 0, or a negative error */
	enum compression compression;
	uint64_t stored;      /* bytes read from the descriptor */

	/* private */
	int fd;
	bool ended;
	const atomic_bool *cancelled;
	uint8_t *buffer;
	size_t capacity;
	uint64_t buffer_offset; /* of buffer[0] in the uncompressed stream */
	struct decompressor *decompressor;
	uint8_t *raw;
	size_t raw_at, raw_end;
};

/*
 * Begins reading `fd`, which stays the caller's.  With `cancelled` (may be
 * NULL) waiting for a pipe is given up once it is true.  Fails with ERR_IO or
 * ERR_CANCELLED only; free with input_close in any case.
 */
int input_open(struct input *in, int fd, const atomic_bool *cancelled);
void input_close(struct input *in);

/* What the stream's first frames must be like (decompressor_expect), before
 * anything is read from it; means nothing where it is not packed with zstd. */
void input_expect_frames(struct input *in, const uint32_t *checks,
			 uint32_t count);

/* Reads on until `size` bytes are in memory; false when the stream ends before
 * that (in->status says whether it should not have). */
bool input_fill(struct input *in, size_t size);

/* True when the next `size` bytes are at in->at. */
static inline bool
input_need(struct input *in, size_t size)
{
	return (size_t)(in->end - in->at) >= size || input_fill(in, size);
}

static inline size_t
input_available(const struct input *in)
{
	return (size_t)(in->end - in->at);
}

/* Steps over bytes that input_need has confirmed. */
static inline void
input_consume(struct input *in, size_t size)
{
	in->at += size;
}

/* Position of in->at in the uncompressed stream. */
static inline uint64_t
input_offset(const struct input *in)
{
	return in->buffer_offset + (uint64_t)(in->at - in->buffer);
}

/* A sentence part for a status that is not 0: "the gzip data is damaged". */
const char *input_problem(const struct input *in);
