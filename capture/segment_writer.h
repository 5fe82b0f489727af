/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the segments of a capture.
 *
 * A segment is one little-endian pcapng section in independent zstd frames of
 * at most 1 MiB uncompressed, each of which begins at a block (a block larger
 * than that is spread over several).  It declares every interface the capture
 * has seen so far, so that interface ids mean the same in all segments, and
 * stands alone for tshark.  All times are nanoseconds.
 *
 * A segment is sealed by fsync, SHA-256, mode 0444 and then its index entry,
 * which also has a check of each frame (capture/frame_checks.h); without the
 * entry it does not exist.
 */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "capture/segment_index.h"

#define SEGMENT_BYTES_DEFAULT ((uint64_t)64 << 20)
#define SEGMENT_NS_DEFAULT (60 * INT64_C(1000000000))
#define SEGMENT_LEVEL_DEFAULT 2

struct segment_settings {
	const char *directory;  /* exists; copied */
	uint64_t segment_bytes; /* 0: 64 MiB, uncompressed */
	int64_t segment_ns;     /* 0: 60 s */
	int compression_level;  /* of zstd; 0: 2 */
	uint32_t first_number;  /* of the first segment; 0: 1 */
};

struct segment_packet {
	int64_t time_ns;
	const uint8_t *data;
	uint32_t captured;
	uint32_t length;
	uint32_t interface;   /* as segment_writer_interface returned */
	uint64_t drops;       /* packets lost just before this one */
	struct bytes options; /* little endian, without the end marker */
};

struct segment_writer;

/* A writer that has no segment open yet; free with segment_writer_free. */
struct segment_writer *segment_writer_new(
	const struct segment_settings *settings);

/* Drops what is not sealed. */
void segment_writer_free(struct segment_writer *w);

/* What follows is another stream: not in time order with what came before. */
int segment_writer_stream(struct segment_writer *w, uint32_t stream,
			  struct error *e);

/* Options (encoded, without end marker) for the section headers from the next
 * segment on; at most 64 KiB are kept. */
void segment_writer_section(struct segment_writer *w, struct bytes options);

/* Further members for the index entries of the segments sealed from now on
 * ("losses"); NULL: none.  Takes a reference of its own. */
void segment_writer_annotate(struct segment_writer *w, json_t *members);

/*
 * Declares an interface; `options` as in segment_packet, without if_tsresol.
 * `*id` is valid for the whole capture.  ERR_LIMIT past 65,536 interfaces or
 * 16 MiB of descriptions.
 */
int segment_writer_interface(struct segment_writer *w, uint16_t link_type,
			     uint32_t snaplen, struct bytes options,
			     uint32_t *id, struct error *e);

/* ERR_LIMIT, as segment_writer_block, when a block gets over PCAPNG_BLOCK_MAX
 * (the writer can go on without it). */
int segment_writer_packet(struct segment_writer *w,
			  const struct segment_packet *packet,
			  struct error *e);

/* Any other block, its body ready as it shall stand in the file.  `drops` are
 * packets that it reports lost (interface statistics). */
int segment_writer_block(struct segment_writer *w, uint32_t type,
			 struct bytes body, uint64_t drops, struct error *e);

/* Seals the last segment. */
int segment_writer_finish(struct segment_writer *w, struct error *e);

/* Sums over all sealed segments, and how many there are. */
const struct segment_index *segment_writer_total(
	const struct segment_writer *w);
uint32_t segment_writer_count(const struct segment_writer *w);
