/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the parts of a recording only. */
#pragma once

#include "capture/losses.h"
#include "capture/recorder/drain.h"
#include "capture/recorder/inventory.h"
#include "capture/recorder/raw_writer.h"
#include "capture/recorder/recorder.h"
#include "capture/recorder/seal_pace.h"
#include "capture/recorder/sealer.h"

enum recorder_disk {
	DISK_GOOD,
	DISK_FULL,
	DISK_BROKEN,
};

/* A raw segment whose last bytes are on their way to the disk. */
struct recorder_closing {
	struct raw_writer *writer;
	uint32_t number;
	int64_t opened_utc;
};

/* More than these at once, and the recorder waits for the disk. */
#define CLOSING_MAX 8

struct recorder {
	struct recorder_settings settings;
	char *home, *name, *node, *program, *directory;
	int lock;
	json_t *capture; /* capture.json */
	bool changed;    /* it is to be written */
	bool fresh;      /* it was not there before, and nothing was recorded */
	int64_t saved_ns;
	int64_t alive_ns; /* UTC, of the recorder before; 0: none */

	struct source *source;
	struct clock_map clock;
	struct source_counts counts;      /* as last looked at */
	struct source_counts opened;      /* when the raw segment was opened */
	struct losses losses;             /* of the open segment, or the next */
	struct losses total;              /* of the capture */
	json_t *steps;                    /* of the clock, of that segment */
	json_t *told_interfaces;          /* what was told of each already */
	int64_t looked_ns;                /* UTC, when counts were */
	int64_t look_ns;                  /* monotonic, when they were due */
	uint64_t look_written;            /* written_bytes then */
	int64_t interfaces_ns;            /* and interfaces */

	struct drain *drain;       /* while there is a source */
	struct drain_segment open; /* as far as is known here */
	int64_t turned_ns;         /* monotonic, when the drain last took all */
	bool own;                  /* it is not the drain's, and has no packets */
	uint32_t newest;           /* segment that was closed */
	bool over;                 /* nothing more comes */
	int plain;                 /* descriptor of its plaintext, or -1 */
	uint64_t plain_bytes;      /* in there */
	struct recorder_closing closing[CLOSING_MAX]; /* those before it */
	size_t closing_count;
	int64_t sidecar_ns;
	enum recorder_disk disk;
	int64_t disk_since_ns; /* UTC */
	int64_t disk_retry_ns; /* monotonic */
	uint64_t lost_disk, lost_quota;
	uint64_t written_bytes;
	bool direct;

	struct inventory *inventory;
	uint32_t next_number;
	struct sealer sealer;
	struct seal_pace pace;
	int64_t seal_retry_ns;
	uint32_t awaited; /* somebody waits for this segment */
	unsigned seal_failures;
	struct sealer discard; /* of a segment that there is no room for */
	bool discard_sealed;   /* and that is sealed already */
	int64_t quota_ns;
	uint64_t quota_written; /* written_bytes then */
	uint64_t disk_bytes;
	bool quota_short; /* said already */
	struct segment_index evicted;
	uint64_t evicted_segments;
	int64_t beat_ns;
};

/* Tells the program. */
void recorder_event(struct recorder *r, enum log_level level,
		    const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Adds to the losses of the open segment and of the capture. */
void recorder_lose(struct recorder *r, const struct loss *loss);

/* The open raw segment (recorder_raw.c).  Hears what the drain has to say and
 * gives it the segment it wants. */
void recorder_serve(struct recorder *r);
/* Has the drain carry out an order, and serves it meanwhile. */
void recorder_order(struct recorder *r, enum drain_order order);
void recorder_close_segment(struct recorder *r);
/* Opens one when none is; false when that fails, which is said. */
bool recorder_have_segment(struct recorder *r);
void recorder_reap(struct recorder *r, bool wait);
/* What its time brings: to be told of, or to end. */
void recorder_age(struct recorder *r, int64_t now_ns);
/* The drain has ended: takes back what it did not need. */
void recorder_end_drain(struct recorder *r);
void recorder_disk_look(struct recorder *r, int64_t now_ns);
void recorder_write_losses(struct recorder *r);
void recorder_write_sidecar(struct recorder *r, bool closed);

/* Ends the file of plaintext (recorder_plain.c). */
void recorder_close_plain(struct recorder *r);

/* What the source counted since last time becomes losses. */
void recorder_look(struct recorder *r);

/* Sealing and quota (recorder_keep.c). */
void recorder_seal(struct recorder *r, int64_t now_ns);
/* Tells of segments that cannot be read any more. */
void recorder_look_sealed(struct recorder *r);
void recorder_keep_quota(struct recorder *r, int64_t now_ns);
void recorder_finish_quota(struct recorder *r);
void recorder_load_evicted(struct recorder *r);

/* capture.json (recorder_state.c). */
int recorder_load_state(struct recorder *r, struct error *e);
/* Nobody recorded since the recorder before was last alive until now. */
void recorder_note_gap(struct recorder *r);
int recorder_save_state(struct recorder *r, const char *state,
			struct error *e);
json_t *recorder_describe(struct recorder *r);
