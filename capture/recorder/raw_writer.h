/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The open raw segment: bytes of a source go to disk in whole pages, straight
 * from its memory (O_DIRECT) where the file system allows that.  Less than a
 * page at either end is kept here until its page is full or the next flush.
 *
 * What a flush has committed is on disk before the header says so; a reader
 * that stops at the header's committed length never sees a torn record.
 *
 * Waiting for the disk is left to a thread of the writer's, or packets would
 * be lost whenever a file system takes its time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/recorder/raw_header.h"

struct raw_writer;

/* What a raw segment begins with. */
struct raw_stream {
	uint32_t format;     /* enum raw_format */
	uint32_t clock_kind; /* enum raw_clock */
	uint64_t position;   /* of the next byte in the source's stream */
};

/* Creates `path` (it must not exist) and writes the header.  NOSPACE, EXISTS,
 * DENIED, IO. */
int raw_writer_open(const char *path, const struct raw_stream *stream,
		    const struct clock_map *clock, struct raw_writer **out,
		    struct error *e);

/* Nothing was appended yet, and the stream begins at `position` instead of
 * where it was opened for: says so in the header. */
int raw_writer_begin(struct raw_writer *w, uint64_t position,
		     const struct clock_map *clock, struct error *e);

/*
 * Appends whole records or blocks.  `data` must be congruent to the stream's
 * position modulo the page size.  What the page it lies in has of the segment
 * before it is to be there still.
 * All or nothing: after an error (NOSPACE, IO) what was there before stands.
 */
int raw_writer_append(struct raw_writer *w, const uint8_t *data, size_t size,
		      struct error *e);

/* Writes all that was appended and begins to commit it, with the clock map as
 * it is now, unless the flush before has not ended yet.  Returns what went
 * wrong since the last call. */
int raw_writer_flush(struct raw_writer *w, const struct clock_map *clock,
		     struct error *e);

/* Waits until the flush that was begun has ended. */
void raw_writer_wait(struct raw_writer *w);

/* Begins the last flush, after which nothing may be done but to ask whether it
 * has ended.  Does not wait. */
void raw_writer_end(struct raw_writer *w, const struct clock_map *clock);

/* True once that has ended: the writer is gone, and `*status` and `e` say how
 * it went.  With `wait` it is always true. */
bool raw_writer_ended(struct raw_writer *w, bool wait, int *status,
		      struct error *e);

/* Both at once, waiting. */
int raw_writer_close(struct raw_writer *w, const struct clock_map *clock,
		     struct error *e);

/* Bytes appended; bytes committed so far; the next byte's position in the stream. */
uint64_t raw_writer_size(const struct raw_writer *w);
uint64_t raw_writer_committed(const struct raw_writer *w);
uint64_t raw_writer_position(const struct raw_writer *w);

/* False where O_DIRECT was refused. */
bool raw_writer_direct(const struct raw_writer *w);
