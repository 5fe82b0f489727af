/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/raw_reader.h"

#include <arpa/inet.h>
#include <string.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "base/clock.h"
#include "capture/link_types.h"

#define VLAN_TAG 4
/* Where the tag goes in an Ethernet frame: behind the two addresses. */
#define VLAN_OFFSET 12
/* Pages of the machines we run on; blocks lie at multiples of it. */
#define BLOCK_PAGE 4096u
/* The sender's address follows a packet's header at this alignment. */
_Static_assert(sizeof(struct tpacket3_hdr) % TPACKET_ALIGNMENT == 0,
	       "no room between header and address");
/* What a tag's kind is when an old kernel does not say. */
#define VLAN_PROTO_DEFAULT 0x8100

void
raw_reader_init(struct raw_reader *r, enum raw_format format,
		struct bytes data)
{
	memset(r, 0, sizeof *r);
	r->format = format;
	r->data = data;
	buf_init(&r->frame, RAW_PACKET_MAX + VLAN_TAG);
}

void
raw_reader_free(struct raw_reader *r)
{
	buf_free(&r->frame);
}

uint64_t
raw_reader_offset(const struct raw_reader *r)
{
	return r->block_left ? r->block : r->at;
}

static int
reader_fail(struct raw_reader *r, int status, const char *problem)
{
	r->status = status;
	r->problem = problem;
	return status;
}

/* Puts the tag back between addresses and type.  A frame cut before that
 * point keeps what there is; on the wire it was longer all the same. */
static void
reader_restore_tag(struct raw_reader *r, struct raw_packet *p)
{
	const uint8_t tag[VLAN_TAG] = {
		(uint8_t)(p->vlan_proto >> 8), (uint8_t)p->vlan_proto,
		(uint8_t)(p->vlan_tci >> 8), (uint8_t)p->vlan_tci,
	};

	if (p->length <= UINT32_MAX - VLAN_TAG)
		p->length += VLAN_TAG;
	if (p->captured < VLAN_OFFSET)
		return;
	buf_reset(&r->frame);
	buf_append(&r->frame, p->data, VLAN_OFFSET);
	buf_append(&r->frame, tag, sizeof tag);
	buf_append(&r->frame, p->data + VLAN_OFFSET,
		   p->captured - VLAN_OFFSET);
	p->data = r->frame.data;
	p->captured += VLAN_TAG;
}

static bool
record_is_possible(const struct raw_record *record, size_t room)
{
	return record->captured <= room && record->captured <= RAW_PACKET_MAX &&
	       record->captured <= record->length &&
	       record->direction <= RAW_EGRESS &&
	       record->time_ns <= INT64_MAX;
}

static void
record_packet(struct raw_reader *r, const struct raw_record *record,
	      struct raw_packet *p)
{
	*p = (struct raw_packet){
		.time_ns = (int64_t)record->time_ns,
		.data = r->data.data + r->at + RAW_RING_HEADER + sizeof *record,
		.captured = record->captured,
		.length = record->length,
		.cookie = record->cookie,
		.cgroup = record->cgroup,
		.netns = record->netns,
		.ifindex = record->ifindex,
		.protocol = record->protocol,
		.vlan_tci = record->vlan_tci,
		.vlan_proto = record->vlan_proto,
		.gso_size = record->gso_size,
		.gso_segments = record->gso_segments,
		.direction = (enum raw_direction)record->direction,
		.link_type = -1,
		.offset = r->at,
	};
	if (p->vlan_proto)
		reader_restore_tag(r, p);
}

/* The record at r->at: 1 a packet, 0 something else, or an error. */
static int
record_read(struct raw_reader *r, size_t *total, struct raw_packet *p)
{
	size_t left = r->data.size - r->at;
	const uint8_t *at = r->data.data + r->at;
	struct raw_record record;
	uint32_t word, size;

	if (left < RAW_RING_HEADER)
		return reader_fail(r, ERR_TRUNCATED,
				   "it ends inside a record's header");
	memcpy(&word, at, sizeof word);
	size = word & ~(RAW_RING_BUSY | RAW_RING_DISCARD);
	if (word & RAW_RING_BUSY)
		return reader_fail(r, ERR_CORRUPT,
				   "a record was never completed");
	if (size < sizeof record)
		return reader_fail(r, ERR_CORRUPT,
				   "there is no record where one should be");
	if (size > left - RAW_RING_HEADER)
		return reader_fail(r, ERR_TRUNCATED,
				   "it ends inside a record");
	/* The padding behind the last record need not be there. */
	*total = (RAW_RING_HEADER + (size_t)size + 7) & ~(size_t)7;
	if (*total > left)
		*total = left;
	if (word & RAW_RING_DISCARD)
		return 0;
	memcpy(&record, at + RAW_RING_HEADER, sizeof record);
	if (record.kind != RAW_PACKET)
		return 0;
	if (!record_is_possible(&record, size - sizeof record))
		return reader_fail(r, ERR_CORRUPT,
				   "a record says what cannot be");
	record_packet(r, &record, p);
	return 1;
}

static int
reader_next_record(struct raw_reader *r, struct raw_packet *p)
{
	size_t total = 0;
	int got = 0;

	while (got == 0 && r->at < r->data.size) {
		got = record_read(r, &total, p);
		if (got >= 0)
			r->at += total;
	}
	return got;
}

/* The namespace that the source noted in the block, 0 without a note. */
static uint64_t
block_netns(const struct raw_reader *r, const struct tpacket_block_desc *block)
{
	struct raw_block_note note;
	size_t used = r->block_end - r->block;

	if (block->offset_to_priv < sizeof *block ||
	    block->offset_to_priv > used ||
	    used - block->offset_to_priv < sizeof note)
		return 0;
	memcpy(&note, r->data.data + r->block + block->offset_to_priv,
	       sizeof note);
	return note.magic == RAW_BLOCK_NOTE ? note.netns : 0;
}

static int
block_open(struct raw_reader *r)
{
	size_t left = r->data.size - r->at;
	struct tpacket_block_desc block;
	const struct tpacket_hdr_v1 *header = &block.hdr.bh1;

	if (left < sizeof block)
		return reader_fail(r, ERR_TRUNCATED,
				   "it ends inside a block's header");
	memcpy(&block, r->data.data + r->at, sizeof block);
	if (block.version != TPACKET_V3 || header->blk_len < sizeof block ||
	    header->offset_to_first_pkt < sizeof block ||
	    header->offset_to_first_pkt > header->blk_len)
		return reader_fail(r, ERR_CORRUPT,
				   "there is no block where one should be");
	if (header->blk_len > left)
		return reader_fail(r, ERR_TRUNCATED, "it ends inside a block");
	r->block = r->at;
	r->block_end = r->at + header->blk_len;
	r->block_pages = r->at + (((size_t)header->blk_len + BLOCK_PAGE - 1) &
				  ~(size_t)(BLOCK_PAGE - 1));
	if (r->block_pages > r->data.size)
		r->block_pages = r->data.size;
	r->block_left = header->num_pkts;
	r->block_netns = block_netns(r, &block);
	r->at += r->block_left ? header->offset_to_first_pkt :
				 r->block_pages - r->block;
	return 0;
}

static enum raw_direction
block_direction(unsigned char packet_type)
{
	return packet_type == PACKET_OUTGOING ? RAW_EGRESS : RAW_INGRESS;
}

static void
block_packet(struct raw_reader *r, const struct tpacket3_hdr *header,
	     const struct sockaddr_ll *from, struct raw_packet *p)
{
	*p = (struct raw_packet){
		.time_ns = header->tp_sec * CLOCK_NS_PER_S + header->tp_nsec,
		.data = r->data.data + r->at + header->tp_mac,
		.captured = header->tp_snaplen,
		.length = header->tp_len,
		.netns = r->block_netns,
		.ifindex = (uint32_t)from->sll_ifindex,
		.protocol = ntohs(from->sll_protocol),
		.direction = block_direction(from->sll_pkttype),
		.link_type = link_type_of_hardware(from->sll_hatype),
		.offset = r->at,
	};
	if (!(header->tp_status & TP_STATUS_VLAN_VALID) ||
	    p->link_type != LINK_TYPE_ETHERNET)
		return;
	p->vlan_tci = (uint16_t)header->hv1.tp_vlan_tci;
	p->vlan_proto = header->tp_status & TP_STATUS_VLAN_TPID_VALID ?
				header->hv1.tp_vlan_tpid :
				VLAN_PROTO_DEFAULT;
	reader_restore_tag(r, p);
}

/* Moves behind the packet at r->at; false when its link to the next is bad. */
static bool
block_advance(struct raw_reader *r, const struct tpacket3_hdr *header)
{
	if (--r->block_left == 0) {
		r->at = r->block_pages;
		return true;
	}
	if (header->tp_next_offset < sizeof *header ||
	    header->tp_next_offset > r->block_end - r->at)
		return false;
	r->at += header->tp_next_offset;
	return true;
}

static int
reader_next_in_block(struct raw_reader *r, struct raw_packet *p)
{
	const size_t address = sizeof(struct tpacket3_hdr);
	size_t room = r->block_end - r->at;
	struct tpacket3_hdr header;
	struct sockaddr_ll from;

	if (room < address + sizeof from)
		return reader_fail(r, ERR_CORRUPT,
				   "a packet begins outside its block");
	memcpy(&header, r->data.data + r->at, sizeof header);
	memcpy(&from, r->data.data + r->at + address, sizeof from);
	if (header.tp_mac < address + sizeof from || header.tp_mac > room ||
	    header.tp_snaplen > room - header.tp_mac ||
	    header.tp_snaplen > header.tp_len ||
	    header.tp_snaplen > RAW_PACKET_MAX ||
	    header.tp_nsec >= CLOCK_NS_PER_S)
		return reader_fail(r, ERR_CORRUPT,
				   "a packet says what cannot be");
	block_packet(r, &header, &from, p);
	if (!block_advance(r, &header))
		return reader_fail(r, ERR_CORRUPT,
				   "a packet points outside its block");
	return 1;
}

static int
reader_next_block(struct raw_reader *r, struct raw_packet *p)
{
	while (r->block_left == 0) {
		if (r->at >= r->data.size)
			return 0;
		if (block_open(r) < 0)
			return r->status;
	}
	return reader_next_in_block(r, p);
}

int
raw_reader_next(struct raw_reader *r, struct raw_packet *packet)
{
	if (r->status < 0)
		return r->status;
	switch (r->format) {
	case RAW_FORMAT_RECORDS:
		return reader_next_record(r, packet);
	case RAW_FORMAT_BLOCKS:
		return reader_next_block(r, packet);
	}
	return reader_fail(r, ERR_CORRUPT, "its format is not known");
}
