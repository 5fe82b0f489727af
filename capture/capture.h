/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Captures: ordered sets of sealed segments, and how a file becomes one.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

struct import_progress {
	uint64_t bytes_read;    /* of the input as stored */
	uint64_t bytes_total;   /* 0: not known (stdin) */
	uint64_t packets;
	uint32_t segments;
	const char *file;       /* the one being read */
};

struct import_request {
	const char *name;          /* NULL: from the first file's name */
	const char *const *files;  /* "-" is standard input */
	size_t file_count;
	const char *node;          /* NULL: this host's name */
	const char *key_log;       /* of TLS, kept as the capture's secrets;
				    * NULL: none */
	uint64_t segment_bytes;    /* 0: 64 MiB, uncompressed */
	int64_t segment_ns;        /* 0: 60 s, of packet time */
	int compression_level;     /* 0: default */
	const atomic_bool *cancelled; /* polled; may be NULL */
	void (*progress)(void *context, const struct import_progress *p);
	void *progress_context;
};

/*
 * Imports and returns the capture as capture_load shows it, with a
 * "warnings" array for damage that was passed over ("file.pcap ends inside a
 * packet at byte 1234; the 99 packets before it were kept").  The capture
 * appears when it is complete.  Errors: EXISTS, NOTFOUND, CORRUPT (not a
 * capture file at all), UNSUPPORTED (link type, named), NOSPACE, CANCELLED;
 * nothing is left behind.
 */
int capture_import(const char *home, const struct import_request *request,
		   json_t **capture, struct error *e);

/*
 * {"format":1,"name","node","kind":"import"|"live","source":[files],"created",
 *  "first","last","packets","bytes","stored_bytes","drops","segments":N,
 *  "link_types":["ethernet"…],"truncated_packets","state":"ready"|"importing"|
 *  "failed","progress":0..100,"warnings":[…]}
 * A live one further has "state":"recording"|"starting"|"stopped"|"failed",
 * "error", "unsealed":{"segments","bytes"}, "losses" (capture/losses.h),
 * "lost_packets", "evicted":{"segments","packets","bytes","until"}, "recorder"
 * (how it is recorded) and "options" (as asked for).
 */
int capture_load(const char *home, const char *name, json_t **capture,
		 struct error *e);
int capture_list(const char *home, json_t **list, struct error *e);

/* Index entries of the sealed segments, oldest first, as in a manifest. */
int capture_segments(const char *home, const char *name, json_t **segments,
		     struct error *e);

/* Removes a capture; snapshots made from it keep their hard links.  BUSY while
 * it is imported or recorded. */
int capture_delete(const char *home, const char *name, struct error *e);
