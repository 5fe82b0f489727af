/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading packets back: from one pcap/pcapng stream, or from all segments of
 * a snapshot merged by time.  This is the only part of capture/ that dissect/
 * may include.
 */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* Seen from the interface (epb_flags, draft-ietf-opsawg-pcapng section 4.3). */
enum packet_direction {
	PACKET_DIRECTION_UNKNOWN,
	PACKET_INBOUND,
	PACKET_OUTBOUND,
};

/* One recorded packet.  `data` is borrowed until the next call on the reader. */
struct packet_record {
	int64_t time_ns;
	const uint8_t *data;
	uint32_t captured;    /* bytes at `data` */
	uint32_t length;      /* bytes on the wire; >= captured */
	uint32_t interface;   /* unique within the reader: capture × interface */
	uint16_t link_type;   /* LINKTYPE_* */
	uint8_t direction;    /* enum packet_direction */
	uint32_t segment;     /* index into the snapshot's manifest */
	uint64_t offset;      /* of the block, in the uncompressed segment */
};

struct packet_reader;

/* Where segment files come from, so that a sandboxed reader can be handed open
 * descriptors one by one instead of opening paths. */
struct packet_segment_source {
	void *context;
	/*
	 * Opens segment `index` of the manifest for reading; the reader closes
	 * it.  Returns a descriptor or a negative error.
	 */
	int (*open)(void *context, uint32_t index);
};

/* What the reader must know of one segment (from the manifest). */
struct packet_segment {
	uint32_t stream;      /* capture × node: segments of one stream are in order */
	int64_t first_ns;
	int64_t last_ns;
	uint64_t stored_bytes; /* size of the file */
	/* Of its first frames (capture/frame_checks.h); borrowed, outlive the
	 * reader.  Those without one are verified by zstd's checksum. */
	const uint32_t *frame_checks;
	uint32_t frame_check_count;
};

struct packet_window {
	int64_t from_ns; /* inclusive */
	int64_t to_ns;   /* exclusive; INT64_MAX: no end */
};

struct packet_reader_stats {
	uint64_t packets;        /* handed out */
	uint64_t packets_outside; /* read, but outside the window */
	uint64_t bytes_read;     /* of stored segments, for progress */
	uint64_t bytes_total;    /* of all segments that overlap the window */
	uint64_t damaged_segments; /* ended early; what came before was used */
};

/*
 * A reader over `count` segments (copied), giving packets of all streams in
 * time order (within one stream, in file order) that lie in the window.
 * Segments whose [first_ns, last_ns] misses the window are not opened.
 */
struct packet_reader *packet_reader_new(const struct packet_segment *segments,
					uint32_t count,
					struct packet_window window,
					struct packet_segment_source source);

/* Closes what is open.  NULL is allowed. */
void packet_reader_free(struct packet_reader *r);

/* 1 and a packet, 0 at the end, or a negative error (a damaged segment is not
 * one: it is counted, and the next segment is read). */
int packet_reader_next(struct packet_reader *r, struct packet_record *packet);

/* The counts so far, at any time. */
struct packet_reader_stats packet_reader_stats(const struct packet_reader *r);
