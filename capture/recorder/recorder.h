/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One recording: takes spans from a source, keeps them in raw segments, has
 * those sealed, stays within its quota, survives a full disk, and counts what
 * was lost.  A thread of its own takes the packets (drain.h); everything else
 * happens in the calls of one other thread, the program's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "capture/source/source.h"

struct recorder;

struct recorder_settings {
	const char *home;        /* strings are copied */
	const char *name;        /* of the capture; continued when it exists */
	const char *node;
	const char *program;     /* path of aftertap-capture, to seal with */
	uint64_t quota;          /* bytes on disk; 0: none */
	uint64_t segment_bytes;  /* 0: 64 MiB */
	int64_t segment_ns;      /* 0: 60 s */
	int64_t flush_ns;        /* 0: 1 s */
	json_t *options;         /* as the user gave them, for capture.json */
	/* Something a person should read; may be NULL. */
	void (*event)(void *context, enum log_level level, const char *text);
	/* A raw segment was closed; what ended before `keep_from_ns` (UTC) is
	 * of no unsealed packet.  May be NULL. */
	void (*closed)(void *context, int64_t keep_from_ns);
	void *context;
};

#define RECORDER_SEGMENT_BYTES ((uint64_t)64 << 20)
#define RECORDER_SEGMENT_NS    (60 * INT64_C(1000000000))
#define RECORDER_FLUSH_NS      INT64_C(1000000000)

/*
 * Opens the capture's directory and takes its lock; what a recorder before
 * left unsealed is queued.  BUSY while another records to it, EXISTS when the
 * name is that of an import, INVALID (name), IO, NOSPACE.
 */
int recorder_open(const struct recorder_settings *settings,
		  struct recorder **out, struct error *e);

/* The capture's directory; borrowed. */
const char *recorder_directory(const struct recorder *r);

/* From now on packets of `source` (the caller's, until recorder_detach) are
 * recorded.  `about` is added to the capture's description (taken). */
int recorder_attach(struct recorder *r, struct source *source, json_t *about,
		    struct error *e);

/* Readable when recorder_tick has something to do at once; -1. */
int recorder_descriptor(const struct recorder *r);

/* Waits until all that the source has now is taken. */
void recorder_settle(struct recorder *r);

/* The source has come to its end. */
bool recorder_is_over(const struct recorder *r);

/* A segment was closed whose last bytes are not on disk yet. */
bool recorder_is_closing(const struct recorder *r);

/* Packets of plaintext (capture/keys/plaintext_packet.h) for the open segment,
 * which is opened when there is none. */
void recorder_take_plain(struct recorder *r, struct bytes records);

/* What the drain and time bring: the next segment, rotation, sealing, quota, a
 * disk that has room again.  To be called once a second at least. */
void recorder_tick(struct recorder *r);

/* The wall clock was set (or a second has passed). */
void recorder_clock(struct recorder *r);

/* Takes all that is there and closes the open segment.  The number of the
 * newest segment closed so far; 0: there is none. */
uint32_t recorder_rotate(struct recorder *r);

/* True when segment `number` and all before it are sealed. */
bool recorder_is_sealed(const struct recorder *r, uint32_t number);

/* Readable when the process that seals has ended; -1. */
int recorder_seal_descriptor(const struct recorder *r);

/* Totals for a status line. */
struct recorder_counts {
	struct source_counts source;
	uint64_t lost_disk;      /* packets lost by a full or broken disk */
	uint64_t lost_quota;     /* and removed before they could be sealed */
	uint64_t written_bytes;  /* raw, since attach */
	uint64_t disk_bytes;     /* the capture takes */
	uint64_t quota;
	size_t waiting;          /* raw segments to be sealed */
	unsigned seal_failures;  /* in a row */
	bool disk_full;
	bool direct;             /* O_DIRECT in use */
};

/* What they are now; asks the source. */
void recorder_counts(struct recorder *r, struct recorder_counts *counts);

/* The oldest packet that is kept, once older ones were removed for the quota;
 * INT64_MIN: none was. */
int64_t recorder_kept_from(const struct recorder *r);

/* As get_capture_status shows it; new reference. */
json_t *recorder_status(struct recorder *r);

/* No more packets: closes the open segment and detaches from the source. */
void recorder_detach(struct recorder *r);

/* Writes the last state: "stopped", or "failed" with `why`; a new capture that
 * never came to record is removed again. */
void recorder_end(struct recorder *r, const char *why);

/* Frees it, and its lock, after detaching; NULL is allowed. */
void recorder_close(struct recorder *r);
