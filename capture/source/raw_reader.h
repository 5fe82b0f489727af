/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading back what a source handed out: the packets in the bytes of a raw
 * segment, in either format.  The bytes may be those of a torn or damaged
 * file: nothing in them is believed before it is checked, and reading stops
 * with a sentence where they stop making sense.
 *
 * A VLAN tag that the kernel took off is back in the frame, so that a packet
 * is what was on the wire (raw_record.h, tp_vlan_tci of linux/if_packet.h).
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "capture/source/raw_record.h"
#include "capture/source/source.h"

/* One packet; `data` is borrowed until the next call on the reader. */
struct raw_packet {
	int64_t time_ns;   /* on the source's clock (source.h, raw_clock) */
	const uint8_t *data;
	uint32_t captured; /* bytes at `data` */
	uint32_t length;   /* bytes on the wire; >= captured */
	uint64_t cookie;   /* of the socket; 0: none known */
	uint64_t cgroup;   /* of the socket; 0: none known */
	uint64_t netns;    /* cookie of the namespace; 0: unknown */
	uint32_t ifindex;  /* in that namespace */
	uint16_t protocol; /* ETH_P_* */
	uint16_t vlan_tci; /* of the tag that was put back; with vlan_proto */
	uint16_t vlan_proto;
	uint16_t gso_size; /* 0: not a super-packet, or not known (blocks) */
	uint16_t gso_segments;
	enum raw_direction direction;
	int link_type;     /* LINKTYPE_*; -1: as the source describes it */
	uint64_t offset;   /* of its record in the bytes given */
};

struct raw_reader {
	struct bytes data;
	enum raw_format format;
	size_t at;           /* next record, or next packet of a block */
	size_t block;        /* where the current block begins */
	size_t block_end;    /* behind its last used byte */
	size_t block_pages;  /* behind its last page */
	uint32_t block_left; /* packets of it not yet read */
	uint64_t block_netns;
	struct buf frame;    /* a packet with its tag put back */
	const char *problem; /* after an error; NULL before */
	int status;          /* the error, which stays */
};

/* What a source writes into the private part of a TPACKET_V3 block, which has
 * no room of its own for these. */
struct raw_block_note {
	uint32_t magic;      /* RAW_BLOCK_NOTE */
	uint32_t reserved;
	uint64_t netns;      /* of the socket; 0: unknown */
};

#define RAW_BLOCK_NOTE 0x6b6c6261u

/*
 * Begins reading `data`, borrowed until raw_reader_free.  For records it
 * begins with a record; for blocks with a block, and offsets in it are
 * multiples of the page size wherever they are in the file.
 */
void raw_reader_init(struct raw_reader *r, enum raw_format format,
		     struct bytes data);
void raw_reader_free(struct raw_reader *r);

/*
 * 1 and a packet, 0 at the end, ERR_TRUNCATED when the bytes end inside a
 * record or block, ERR_CORRUPT when what comes is none; then `r->problem` says
 * what is wrong, and every further call gives the same.
 */
int raw_reader_next(struct raw_reader *r, struct raw_packet *packet);

/* Where the record or block begins that raw_reader_next gives next, or could
 * not read: all before it is good. */
uint64_t raw_reader_offset(const struct raw_reader *r);
