/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of one sealed segment: its index entry, written beside it as
 * NNNNNN.json, and the same facts summed up for a capture or a snapshot.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "base/hash.h"

#define SEGMENT_LINK_TYPES 16
#define SEGMENT_SUFFIX ".pcapng.zst"

struct segment_index {
	uint32_t number;        /* of the file, from 1 */
	uint32_t stream;        /* input file it came from; order holds within */
	int64_t first_ns;       /* earliest and latest packet, in any order */
	int64_t last_ns;
	uint64_t packets;       /* 0: first_ns and last_ns mean nothing */
	uint64_t bytes;         /* captured bytes of all packets */
	uint64_t stored_bytes;  /* size of the file */
	uint64_t uncompressed_bytes;
	uint64_t drops;         /* packets the source says it lost */
	uint64_t truncated_packets; /* shorter than they were on the wire */
	uint16_t link_types[SEGMENT_LINK_TYPES]; /* of its packets */
	uint32_t link_type_count;
	char sha256[HASH_SHA256_HEX];
};

/* Notes that packets of this link type occur. */
void segment_index_link_type(struct segment_index *index, uint16_t type);

/* Notes a packet's time, sizes and count (not its link type). */
void segment_index_packet(struct segment_index *index, int64_t time_ns,
			  uint32_t captured, uint32_t length);

/* Adds the counts, times and link types of `part`. */
void segment_index_add(struct segment_index *sum,
		       const struct segment_index *part);

/* Sets first, last, packets, bytes, stored_bytes, drops, truncated_packets
 * and link_types of an object. */
void segment_index_set_totals(json_t *object, const struct segment_index *sum);

/* The entry as in a manifest; new reference. */
json_t *segment_index_json(const struct segment_index *index);

/* Reads an entry back.  ERR_CORRUPT when it is not one, malformed frame_checks
 * included, which the structure does not hold (capture/frame_checks.h). */
int segment_index_parse(const json_t *object, struct segment_index *index);

/* "2026-11-23T14:02:11.5Z" as a JSON string; new reference. */
json_t *segment_time_json(int64_t ns);
