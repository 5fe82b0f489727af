/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that takes packets from the source to the disk and does nothing
 * else, so that the ring is emptied whatever the recorder waits for.
 *
 * There are two threads.  The drain alone looks at the source's memory (peek,
 * release, ended) and writes to the open raw segment.  The recorder's own does
 * everything else: it opens segments ahead and gives them to the drain, says
 * when one is to end, and collects those that have, with what was lost.  What
 * passes between them is behind one mutex that is never held while anything
 * is waited for.  All functions here are the recorder's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/losses.h"
#include "capture/recorder/raw_writer.h"
#include "capture/source/source.h"

struct drain;

struct drain_settings {
	struct source *source;  /* borrowed until drain_free */
	uint64_t segment_bytes; /* where a segment ends, and the next begins */
	int64_t flush_ns;
	struct clock_map clock;
};

struct drain_segment {
	struct raw_writer *writer;
	uint32_t number;    /* 0: there is none */
	int64_t opened_ns;  /* CLOCK_MONOTONIC when its first bytes came; */
	int64_t opened_utc; /* the same in UTC */
};

/* No more than the open and the given one can end before they are collected. */
#define DRAIN_ENDED_MAX 2

/* What there is to know; sums are since the report before. */
struct drain_report {
	struct drain_segment open; /* the drain's still */
	struct drain_segment ended[DRAIN_ENDED_MAX]; /* the recorder's now */
	unsigned ended_count;
	uint64_t written_bytes;
	int64_t turned_ns; /* CLOCK_MONOTONIC when it last took what there was */
	struct loss lost;   /* packets that could not be written */
	struct error error; /* why the disk takes nothing; code 0: it does */
	bool wants;         /* a segment is to be given soon */
	bool over;          /* the source has come to its end */
};

enum drain_order {
	DRAIN_ALONG, /* take what comes, as it comes */
	DRAIN_TAKE,  /* take all that is there, */
	DRAIN_END,   /* and end the segment, */
	DRAIN_STOP,  /* and the thread */
};

/* Starts the thread; it has no segment yet. */
int drain_start(const struct drain_settings *settings, struct drain **d,
		struct error *e);

/* Readable when there is something new to collect. */
int drain_descriptor(const struct drain *d);

/* What is new since last time. */
void drain_collect(struct drain *d, struct drain_report *report);

/* The segment that comes next (taken); there must be none given already. */
void drain_give(struct drain *d, const struct drain_segment *next);

/* The given one back, unless it was begun meanwhile (number 0). */
struct drain_segment drain_take_back(struct drain *d);

/* The disk takes nothing (`why` not 0): packets are counted and let go.  Or it
 * does again. */
void drain_set_disk(struct drain *d, int why);

/* What time it is, as the segments' headers say. */
void drain_set_clock(struct drain *d, const struct clock_map *clock);

/* Gives an order.  While drain_is_at_it(), what is collected must be looked
 * at: the drain may be waiting for a segment. */
void drain_order(struct drain *d, enum drain_order order);

/* An order is not carried out yet. */
bool drain_is_at_it(struct drain *d);

/* After DRAIN_STOP was carried out and all was collected; NULL is allowed. */
void drain_free(struct drain *d);
