/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading side of a BPF_MAP_TYPE_RINGBUF, without a copy and without a
 * call per record, and the same ring in ordinary memory for sources that have
 * no kernel behind them.
 *
 * Memory (kernel/bpf/ringbuf.c): a page with the position up to which the
 * reader has given back, a page with the one up to which writers have
 * reserved, then the data, mapped twice in a row so that every record is in
 * one piece.  Positions only grow; a record is complete when the busy bit of
 * its header is gone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/source/source.h"

#define RING_BYTES_DEFAULT (UINT64_C(64) << 20)
#define RING_BYTES_MIN (UINT64_C(64) << 10)
#define RING_BYTES_MAX (UINT64_C(2) << 30)

struct ring {
	uint8_t *consumer;       /* the reader's page */
	uint8_t *producer;       /* the writers' page, then the data */
	const uint8_t *data;
	size_t size;             /* a power of two */
	size_t complete;         /* kernel_ring_complete() */
	uint64_t scanned;        /* up to here records are complete */
	uint64_t taken;          /* up to here they were given back */
	uint8_t *reserved;       /* address space of a ring of our own */
};

/* ERR_INVALID unless it is a possible size; 0 gives the default. */
int ring_size(uint64_t wanted, size_t *bytes, struct error *e);

/* Maps the ring buffer map behind `map`, of `bytes` bytes; the descriptor
 * stays the caller's.  Free with ring_close in any case. */
int ring_map(struct ring *r, int map, size_t bytes, struct error *e);

/* A ring of our own, to be written with ring_reserve and ring_commit. */
int ring_create(struct ring *r, size_t bytes, struct error *e);

/* Unmaps; a ring of zeroes is allowed. */
void ring_close(struct ring *r);

/*
 * Everything that is complete and not given back: true and one span.  It ends
 * before the first record that is still being written.
 */
bool ring_peek(struct ring *r, struct source_span *span);

/* Bytes that writers have reserved and that were not given back. */
uint64_t ring_waiting(const struct ring *r);

/*
 * Gives back the first `size` bytes of the span.  Writers get whole pages
 * only: the beginning of a page whose rest is still to come stays readable,
 * because it will be written to disk with that rest.
 */
void ring_release(struct ring *r, size_t size);

/*
 * Room for a record of `size` bytes in a ring of our own, NULL when there is
 * none; complete once ring_commit is called.  One at a time.
 */
uint8_t *ring_reserve(struct ring *r, uint32_t size);
void ring_commit(struct ring *r, uint8_t *record);
