/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a sandboxed parser gets at segments: it asks the writer for one by
 * number, and receives an open descriptor over a socket (SCM_RIGHTS).  Every
 * parser gets descriptors of its own, so offsets are independent.
 *
 * The parser asks for the next segment of a stream when it opens the one
 * before, so that the answer is there when it is needed.
 */
#pragma once

#include "capture/packet_reader.h"

/* A connected pair: [0] for the writer (non-blocking), [1] for the parser. */
int segment_channel_pair(int fds[2], struct error *e);

/* The parser's end. */
struct segment_channel;

/* Takes over `fd`; the segments are borrowed and must outlive the channel. */
struct segment_channel *
segment_channel_new(int fd, const struct packet_segment *segments,
		    uint32_t count, struct packet_window window);
void segment_channel_free(struct segment_channel *c);

/* A source whose `open` waits for the writer's answer. */
struct packet_segment_source
segment_channel_source(struct segment_channel *c);

/*
 * The writer's end: answers what is waiting on `fd`.  Returns the number of
 * requests answered, ERR_EMPTY at the end (the parser closed its side), or
 * ERR_CORRUPT when the parser asks for what it must not: an unknown number,
 * or more than it takes out.  A segment that cannot be opened is answered with
 * no descriptor, and damage for the reader to count.
 */
int segment_channel_serve(int fd, char *const *paths, uint32_t count);
