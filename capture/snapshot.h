/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: named, immutable sets of sealed segments over a time window.
 * A snapshot is made in a temporary directory and becomes visible by one
 * rename of that directory, manifest and all; it never changes afterwards.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "capture/frame_checks.h"
#include "capture/packet_reader.h"

/* What create_snapshot was asked for. */
struct snapshot_request {
	const char *name;
	const char *const *captures; /* NULL or empty: all */
	size_t capture_count;
	const char *const *nodes;    /* NULL or empty: all */
	size_t node_count;
	struct packet_window window; /* [INT64_MIN, INT64_MAX): everything */
	const char *note;            /* free text kept in the manifest, or NULL */
	const atomic_bool *cancelled; /* polled; may be NULL */
	/* Called once a segment, with what is done of 100; may be NULL. */
	void (*progress)(void *context, double percent);
	void *progress_context;
};

/*
 * Makes the snapshot and returns its manifest (new reference) in `*manifest`
 * (NULL: not wanted).  Errors: EXISTS (name taken), INVALID (name, window
 * upside down), NOTFOUND (no such capture), EMPTY (no packet in the window;
 * the text says what time is covered), NOSPACE, CANCELLED.  Nothing is left
 * behind on error.
 */
int snapshot_create(const char *home, const struct snapshot_request *request,
		    json_t **manifest, struct error *e);

/*
 * The manifest as JSON:
 * {"format":1,"name","created","from","to","first","last","note",
 *  "packets","bytes","stored_bytes","drops","duration_ms",
 *  "captures":[{"name","node","kind","source"}],
 *  "segments":[{"file","capture","node","first","last","packets","bytes",
 *               "stored_bytes","uncompressed_bytes","drops","sha256",
 *               "link_types":[…],"truncated_packets",
 *               "frame_checks" (capture/frame_checks.h)}],
 *  "losses":[…] (capture/losses.h; within the window),
 *  "missing":[{"capture","why","bytes"}] (what a running capture had not
 *  sealed and could not be got to seal),
 *  "secrets": as snapshot_secrets.h has it, absent when there are none}
 * Times are RFC 3339; first/last are those of the packets inside the window
 * as far as the index tells; "from"/"to" are what was asked for (absent when
 * open).  New reference; free with json_decref.
 */
int snapshot_load(const char *home, const char *name, json_t **manifest,
		  struct error *e);

/* All manifests, without their "segments", newest first, as a JSON array. */
int snapshot_list(const char *home, json_t **list, struct error *e);

/* Recomputes every SHA-256, of secrets too.  ERR_CORRUPT names the first file
 * that is not what the manifest says. */
int snapshot_verify(const char *home, const char *name,
		    const atomic_bool *cancelled, struct error *e);

/* Removes the snapshot with its dissections.  BUSY while a dissection runs. */
int snapshot_delete(const char *home, const char *name, struct error *e);

/* An opened snapshot, ready to be read. */
struct snapshot {
	struct packet_segment *segments;
	struct frame_checks *checks; /* one a segment, which borrows them */
	uint32_t segment_count;
	struct packet_window window;
	char *path;       /* of the snapshot */
	char **paths;     /* absolute, one a segment */
	json_t *manifest;
};

/* Loads the manifest and checks that it names files of the snapshot only.
 * NOTFOUND, CORRUPT.  `*s` is freed with snapshot_close in any case. */
int snapshot_open(const char *home, const char *name, struct snapshot *s,
		  struct error *e);

/* Frees what `*s` holds; harmless on a closed one. */
void snapshot_close(struct snapshot *s);

/* A segment source over an opened snapshot's paths. */
struct packet_segment_source snapshot_source(struct snapshot *s);
