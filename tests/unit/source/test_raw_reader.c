/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/raw_reader.h"

#include <arpa/inet.h>
#include <net/if_arp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <linux/if_packet.h>

#include "base/err.h"

/* Addresses, type IPv4, and what follows. */
static const uint8_t frame[] = { 2, 0, 0, 0, 0, 1, 2,   0,   0,
				 0, 0, 2, 8, 0, 1, 2,   3,   4 };
/* The same with the tag 0x8100 0x2064. */
static const uint8_t tagged[] = { 2, 0, 0,    0,    0,    1,    2, 0, 0, 0, 0,
				  2, 0x81, 0, 0x20, 0x64, 8, 0, 1, 2, 3, 4 };

/* A record as the ring of kernel/bpf/ringbuf.c holds it. */
static void
put_record(struct buf *out, uint32_t flags, const struct raw_record *record,
	   const uint8_t *data)
{
	static const uint8_t zeroes[8];

	buf_le32(out, (uint32_t)(sizeof *record + record->captured) | flags);
	buf_le32(out, 3);
	buf_append(out, record, sizeof *record);
	buf_append(out, data, record->captured);
	buf_append(out, zeroes, (8 - record->captured % 8) % 8);
}

static const struct raw_record plain = {
	.time_ns = 1234567890123, .cookie = 7, .cgroup = 25, .netns = 4,
	.captured = sizeof frame, .length = 1514, .ifindex = 2,
	.protocol = 0x0800, .direction = RAW_EGRESS, .kind = RAW_PACKET,
	.gso_size = 1448, .gso_segments = 3,
};

static void
test_records(void **state)
{
	struct raw_record tag = plain, other = plain;
	struct raw_packet p;
	struct raw_reader r;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	tag.vlan_proto = 0x8100;
	tag.vlan_tci = 0x2064;
	other.kind = 9;
	put_record(&b, 0, &plain, frame);
	put_record(&b, RAW_RING_DISCARD, &plain, frame);
	put_record(&b, 0, &other, frame);
	put_record(&b, 0, &tag, frame);
	raw_reader_init(&r, RAW_FORMAT_RECORDS, buf_view(&b));

	assert_int_equal(raw_reader_next(&r, &p), 1);
	assert_int_equal(p.time_ns, 1234567890123);
	assert_int_equal(p.captured, sizeof frame);
	assert_memory_equal(p.data, frame, sizeof frame);
	assert_int_equal(p.length, 1514);
	assert_int_equal(p.cookie, 7);
	assert_int_equal(p.cgroup, 25);
	assert_int_equal(p.netns, 4);
	assert_int_equal(p.ifindex, 2);
	assert_int_equal(p.direction, RAW_EGRESS);
	assert_int_equal(p.gso_size, 1448);
	assert_int_equal(p.offset, 0);
	/* Discarded and unknown records are passed over. */
	assert_int_equal(raw_reader_next(&r, &p), 1);
	assert_int_equal(p.captured, sizeof tagged);
	assert_memory_equal(p.data, tagged, sizeof tagged);
	assert_int_equal(p.length, 1518);
	assert_int_equal(p.vlan_tci, 0x2064);
	assert_int_equal(raw_reader_next(&r, &p), 0);
	assert_int_equal(raw_reader_offset(&r), b.size);
	assert_null(r.problem);
	raw_reader_free(&r);
	buf_free(&b);
}

static void
test_record_tag_of_cut_frame(void **state)
{
	struct raw_record cut = plain;
	struct raw_packet p;
	struct raw_reader r;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	cut.vlan_proto = 0x88a8;
	cut.captured = 11;
	put_record(&b, 0, &cut, frame);
	cut.captured = 12;
	put_record(&b, 0, &cut, frame);
	raw_reader_init(&r, RAW_FORMAT_RECORDS, buf_view(&b));
	assert_int_equal(raw_reader_next(&r, &p), 1);
	assert_int_equal(p.captured, 11);
	assert_int_equal(p.length, 1518);
	assert_int_equal(raw_reader_next(&r, &p), 1);
	assert_int_equal(p.captured, 16);
	assert_int_equal(p.data[12], 0x88);
	assert_int_equal(raw_reader_next(&r, &p), 0);
	raw_reader_free(&r);
	buf_free(&b);
}

/* One good record, then what `b` holds: the good one is read, then `status`. */
static void
expect_damage(int status, uint32_t flags, const struct raw_record *record,
	      size_t left_out)
{
	struct raw_packet p;
	struct raw_reader r;
	struct buf b;
	size_t first;

	buf_init(&b, 1 << 21);
	put_record(&b, 0, &plain, frame);
	first = b.size;
	put_record(&b, flags, record, frame);
	b.size -= left_out;
	raw_reader_init(&r, RAW_FORMAT_RECORDS, buf_view(&b));
	assert_int_equal(raw_reader_next(&r, &p), 1);
	assert_int_equal(raw_reader_next(&r, &p), status);
	if (status < 0)
		assert_non_null(r.problem);
	else
		assert_null(r.problem);
	assert_int_equal(raw_reader_next(&r, &p), status < 0 ? status : 0);
	if (status < 0)
		assert_int_equal(raw_reader_offset(&r), first);
	raw_reader_free(&r);
	buf_free(&b);
}

static void
test_record_damage(void **state)
{
	const size_t padding = (8 - sizeof frame % 8) % 8;
	struct raw_record bad = plain;

	(void)state;
	expect_damage(ERR_CORRUPT, RAW_RING_BUSY, &plain, 0);
	/* Cut in the padding: whole.  In the packet, the record, its header. */
	expect_damage(1, 0, &plain, padding);
	expect_damage(ERR_TRUNCATED, 0, &plain, padding + 1);
	expect_damage(ERR_TRUNCATED, 0, &plain, padding + sizeof frame + 10);
	expect_damage(ERR_TRUNCATED, 0, &plain, padding + sizeof frame + 57);
	bad.direction = 3;
	expect_damage(ERR_CORRUPT, 0, &bad, 0);
	bad = plain;
	bad.length = bad.captured - 1;
	expect_damage(ERR_CORRUPT, 0, &bad, 0);
	bad = plain;
	bad.time_ns = UINT64_MAX;
	expect_damage(ERR_CORRUPT, 0, &bad, 0);
}

static void
test_record_claims_more_than_it_has(void **state)
{
	struct raw_record bad = plain;
	struct raw_packet p;
	struct raw_reader r;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	put_record(&b, 0, &plain, frame);
	bad.captured = 1000;
	memcpy(b.data + RAW_RING_HEADER, &bad, sizeof bad);
	raw_reader_init(&r, RAW_FORMAT_RECORDS, buf_view(&b));
	assert_int_equal(raw_reader_next(&r, &p), ERR_CORRUPT);
	raw_reader_free(&r);
	/* Zeroes are no record. */
	memset(b.data, 0, b.size);
	raw_reader_init(&r, RAW_FORMAT_RECORDS, buf_view(&b));
	assert_int_equal(raw_reader_next(&r, &p), ERR_CORRUPT);
	raw_reader_free(&r);
	buf_free(&b);
}

/* A block of two packets as linux/if_packet.h lays it out. */
struct block {
	struct tpacket_block_desc head;
	struct raw_block_note note;
	struct {
		struct tpacket3_hdr header;
		struct sockaddr_ll from;
		uint8_t data[20];
	} packets[2];
	uint8_t rest[4096];
};

static void
make_block(struct block *b)
{
	memset(b, 0, sizeof *b);
	b->head.version = TPACKET_V3;
	b->head.offset_to_priv = offsetof(struct block, note);
	b->head.hdr.bh1.num_pkts = 2;
	b->head.hdr.bh1.offset_to_first_pkt = offsetof(struct block, packets);
	b->head.hdr.bh1.blk_len = offsetof(struct block, rest);
	b->note = (struct raw_block_note){ RAW_BLOCK_NOTE, 0, 77 };
	for (int i = 0; i < 2; i++) {
		struct tpacket3_hdr *h = &b->packets[i].header;

		h->tp_next_offset = i == 0 ? sizeof b->packets[0] : 0;
		h->tp_sec = 1700000000;
		h->tp_nsec = 999999999;
		h->tp_snaplen = sizeof frame;
		h->tp_len = 60;
		h->tp_mac = sizeof *h + sizeof(struct sockaddr_ll);
		b->packets[i].from.sll_ifindex = 3;
		b->packets[i].from.sll_hatype = ARPHRD_ETHER;
		b->packets[i].from.sll_protocol = htons(0x0800);
		memcpy(b->packets[i].data, frame, sizeof frame);
	}
	b->packets[1].header.tp_status =
		TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
	b->packets[1].header.hv1.tp_vlan_tci = 0x2064;
	b->packets[1].header.hv1.tp_vlan_tpid = 0x8100;
	b->packets[1].from.sll_pkttype = PACKET_OUTGOING;
}

static void
test_blocks(void **state)
{
	struct raw_packet p;
	struct raw_reader r;
	struct block b;
	struct buf file;

	(void)state;
	make_block(&b);
	_Static_assert(sizeof(struct tpacket3_hdr) % TPACKET_ALIGNMENT == 0,
		       "the address follows at once");
	buf_init(&file, 1 << 20);
	buf_append(&file, &b, 4096);
	buf_append(&file, &b, 4096);
	raw_reader_init(&r, RAW_FORMAT_BLOCKS, buf_view(&file));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(raw_reader_next(&r, &p), 1);
		assert_int_equal(p.time_ns, 1700000000999999999);
		assert_int_equal(p.direction, RAW_INGRESS);
		assert_int_equal(p.netns, 77);
		assert_int_equal(p.ifindex, 3);
		assert_int_equal(p.protocol, 0x0800);
		assert_int_equal(p.captured, sizeof frame);
		assert_int_equal(p.length, 60);
		assert_memory_equal(p.data, frame, sizeof frame);
		assert_int_equal(raw_reader_next(&r, &p), 1);
		assert_int_equal(p.direction, RAW_EGRESS);
		assert_int_equal(p.captured, sizeof tagged);
		assert_int_equal(p.length, 64);
		assert_memory_equal(p.data, tagged, sizeof tagged);
	}
	assert_int_equal(raw_reader_next(&r, &p), 0);
	raw_reader_free(&r);
	buf_free(&file);
}

static void
expect_bad_block(const struct block *b, size_t size, int status)
{
	struct raw_packet p;
	struct raw_reader r;
	int got;

	raw_reader_init(&r, RAW_FORMAT_BLOCKS, bytes_make(b, size));
	do {
		got = raw_reader_next(&r, &p);
	} while (got > 0);
	assert_int_equal(got, status);
	if (status < 0)
		assert_non_null(r.problem);
	raw_reader_free(&r);
}

static void
test_block_damage(void **state)
{
	struct block b;

	(void)state;
	make_block(&b);
	expect_bad_block(&b, 4096, 0);
	expect_bad_block(&b, offsetof(struct block, rest), 0);
	expect_bad_block(&b, offsetof(struct block, rest) - 1, ERR_TRUNCATED);
	expect_bad_block(&b, 20, ERR_TRUNCATED);
	b.packets[0].header.tp_next_offset = 1 << 20;
	expect_bad_block(&b, 4096, ERR_CORRUPT);
	b.packets[0].header.tp_next_offset = 0;
	expect_bad_block(&b, 4096, ERR_CORRUPT);
	make_block(&b);
	b.packets[1].header.tp_snaplen = 61;
	expect_bad_block(&b, 4096, ERR_CORRUPT);
	make_block(&b);
	b.packets[1].header.tp_mac = 4000;
	expect_bad_block(&b, 4096, ERR_CORRUPT);
	make_block(&b);
	b.head.hdr.bh1.num_pkts = 3;
	expect_bad_block(&b, 4096, ERR_CORRUPT);
	make_block(&b);
	b.head.hdr.bh1.offset_to_first_pkt = 8;
	expect_bad_block(&b, 4096, ERR_CORRUPT);
	make_block(&b);
	b.head.version = 1;
	expect_bad_block(&b, 4096, ERR_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_record_tag_of_cut_frame),
		cmocka_unit_test(test_record_damage),
		cmocka_unit_test(test_record_claims_more_than_it_has),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_block_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
