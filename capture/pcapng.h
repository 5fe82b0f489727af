/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading pcapng (draft-ietf-opsawg-pcapng), block by block: both byte orders,
 * any number of sections, every block handed on, packets decoded on request.
 * Used for imported files and for our own segments alike.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "capture/input.h"

enum pcapng_block_type {
	PCAPNG_SECTION = 0x0a0d0d0a,
	PCAPNG_INTERFACE = 1,
	PCAPNG_PACKET_OBSOLETE = 2,
	PCAPNG_SIMPLE_PACKET = 3,
	PCAPNG_NAMES = 4,
	PCAPNG_STATISTICS = 5,
	PCAPNG_ENHANCED_PACKET = 6,
	PCAPNG_SECRETS = 10,
	PCAPNG_CUSTOM = 0xbad,
	PCAPNG_CUSTOM_PRIVATE = 0x40000bad,
};

enum pcapng_option_code {
	PCAPNG_OPTION_END = 0,
	PCAPNG_OPTION_COMMENT = 1,
	PCAPNG_SECTION_HARDWARE = 2,
	PCAPNG_SECTION_OS = 3,
	PCAPNG_SECTION_APPLICATION = 4,
	PCAPNG_INTERFACE_NAME = 2,
	PCAPNG_INTERFACE_DESCRIPTION = 3,
	PCAPNG_INTERFACE_TSRESOL = 9,
	PCAPNG_INTERFACE_FCSLEN = 13,
	PCAPNG_INTERFACE_TSOFFSET = 14,
	PCAPNG_PACKET_FLAGS = 2,
	PCAPNG_PACKET_DROPCOUNT = 4,
	PCAPNG_STATISTICS_START = 2,
	PCAPNG_STATISTICS_END = 3,
	PCAPNG_STATISTICS_IFDROP = 5,
	PCAPNG_STATISTICS_OSDROP = 7,
};

#define PCAPNG_BYTE_ORDER 0x1a2b3c4du
/* Block header, and the length repeated behind the body. */
#define PCAPNG_HEADER 8
#define PCAPNG_OVERHEAD 12
/* The most a packet may hold, and a block: some more, as what we import may
 * grow by a few options.  A larger claim is damage. */
#define PCAPNG_PACKET_MAX (16u << 20)
#define PCAPNG_BLOCK_MAX (PCAPNG_PACKET_MAX + (128u << 10))
#define PCAPNG_INTERFACES_MAX 65536u
/* An enhanced packet block without data and options. */
#define PCAPNG_EPB_FIXED 20

struct pcapng_interface {
	uint16_t link_type;
	uint8_t tsresol;   /* as the option: 6, 9, 0x80 | power of two */
	uint32_t snaplen;  /* 0: no limit */
	int64_t tsoffset;  /* seconds */
};

struct pcapng_block {
	uint32_t type;
	uint64_t offset;   /* of the block in the uncompressed stream */
	struct bytes body; /* borrowed until the next pcapng_next */
};

/* A packet of any of the three packet blocks.  Borrowed as the block is. */
struct pcapng_packet {
	int64_t time_ns;
	const uint8_t *data;
	uint32_t captured;
	uint32_t length;
	uint32_t interface;   /* index in the section */
	uint32_t drops;       /* obsolete block only; else 0 */
	bool timed;           /* false: the block has no time of its own */
	struct bytes options; /* in the section's byte order */
};

struct pcapng {
	struct input *in;
	const char *problem;  /* after ERR_CORRUPT and ERR_TRUNCATED */
	uint64_t offset;      /* of the current block */
	bool big_endian;      /* the current section */
	uint32_t section;     /* counted from 1; 0 before the first */
	uint32_t interface_count; /* in the current section */
	struct pcapng_interface *interfaces;
	uint32_t interface_capacity;
	size_t pending;       /* bytes of the current block, not yet consumed */
	int64_t last_ns;      /* of the latest packet that had a time */
};

/* True when a stream that begins so is pcapng. */
bool pcapng_detect(struct bytes start);

/* Begins reading; `in` stays the caller's. */
void pcapng_init(struct pcapng *p, struct input *in);
void pcapng_free(struct pcapng *p);

/*
 * 1 and the next block, 0 at the end, ERR_TRUNCATED when the input ends inside
 * a block, ERR_CORRUPT when what comes is not one (p->problem says why, and
 * p->offset where), ERR_IO, ERR_CANCELLED.  Section and interface blocks have
 * taken effect when they are returned.
 */
int pcapng_next(struct pcapng *p, struct pcapng_block *block);

/* True for the three block types that pcapng_packet decodes. */
static inline bool
pcapng_is_packet(uint32_t type)
{
	return type == PCAPNG_ENHANCED_PACKET ||
	       type == PCAPNG_SIMPLE_PACKET || type == PCAPNG_PACKET_OBSOLETE;
}

/* Decodes a packet block.  Returns 0 or ERR_CORRUPT (p->problem). */
int pcapng_packet(struct pcapng *p, const struct pcapng_block *block,
		  struct pcapng_packet *packet);

/*
 * Nanoseconds since 1970 of a time stamp in units of `tsresol` (the value of
 * the option) plus `tsoffset` seconds, rounded down; what does not fit is set
 * to the nearest time that does, and nothing is before 1970.
 */
int64_t pcapng_time_ns(uint64_t stamp, uint8_t tsresol, int64_t tsoffset);

struct pcapng_option {
	uint16_t code;
	struct bytes value;
};

/* Takes the next option off the front; false at the end of the list or where
 * it is malformed. */
bool pcapng_option_next(struct bytes *options, bool big_endian,
			struct pcapng_option *option);

/* Numbers in either byte order, unaligned. */
static inline uint16_t
pcapng_u16(const uint8_t *at, bool big_endian)
{
	uint16_t little = (uint16_t)(at[0] | at[1] << 8);

	return big_endian ? __builtin_bswap16(little) : little;
}

static inline uint32_t
pcapng_u32(const uint8_t *at, bool big_endian)
{
	uint32_t little = (uint32_t)at[0] | (uint32_t)at[1] << 8 |
			  (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;

	return big_endian ? __builtin_bswap32(little) : little;
}

static inline uint64_t
pcapng_u64(const uint8_t *at, bool big_endian)
{
	uint64_t first = pcapng_u32(at, big_endian);
	uint64_t second = pcapng_u32(at + 4, big_endian);

	return big_endian ? first << 32 | second : second << 32 | first;
}
