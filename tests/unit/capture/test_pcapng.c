/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/pcapng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

/* A reader over bytes in memory. */
struct fixture {
	int fd;
	struct input in;
	struct pcapng p;
};

static void
fixture_open(struct fixture *f, struct bytes data)
{
	f->fd = memfd_create("test", 0);
	assert_int_equal(file_write_all(f->fd, data.data, data.size), 0);
	assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
	assert_int_equal(input_open(&f->in, f->fd, NULL), 0);
	pcapng_init(&f->p, &f->in);
}

static void
fixture_close(struct fixture *f)
{
	pcapng_free(&f->p);
	input_close(&f->in);
	close(f->fd);
}

static void
put_section(struct buf *out)
{
	buf_le32(out, 0x0a0d0d0a);
	buf_le32(out, 28);
	buf_le32(out, 0x1a2b3c4d);
	buf_le32(out, 1);
	buf_le64(out, UINT64_MAX);
	buf_le32(out, 28);
}

static void
put_interface(struct buf *out, uint16_t link_type)
{
	buf_le32(out, 1);
	buf_le32(out, 20);
	buf_le16(out, link_type);
	buf_le16(out, 0);
	buf_le32(out, 0);
	buf_le32(out, 20);
}

/* An enhanced packet of four bytes, with lengths as given. */
static void
put_packet(struct buf *out, uint32_t size, uint32_t captured,
	   uint32_t interface)
{
	buf_le32(out, 6);
	buf_le32(out, size);
	buf_le32(out, interface);
	buf_le32(out, 0x000603f4);
	buf_le32(out, 0x1d3a4a38);
	buf_le32(out, captured);
	buf_le32(out, 60);
	buf_le32(out, 0x44332211);
	buf_le32(out, size);
}

static void
times_of_every_resolution_become_nanoseconds(void **state)
{
	(void)state;
	/* tsresol, stamp, offset, expected: by hand */
	assert_int_equal(pcapng_time_ns(5, 0, 0), 5000000000);
	assert_int_equal(pcapng_time_ns(1500, 3, 0), 1500000000);
	assert_int_equal(pcapng_time_ns(1700000000123456, 6, 0),
			 1700000000123456000);
	assert_int_equal(pcapng_time_ns(1700000000123456789, 9, 0),
			 1700000000123456789);
	assert_int_equal(pcapng_time_ns(1999, 12, 0), 1);
	assert_int_equal(pcapng_time_ns(3, 0x80 | 1, 0), 1500000000);
	assert_int_equal(pcapng_time_ns(1024 + 512, 0x80 | 10, 0), 1500000000);
	assert_int_equal(pcapng_time_ns(UINT64_MAX, 0x80 | 63, 0), 1999999999);
	assert_int_equal(pcapng_time_ns(7, 9, 1600000000), 1600000000000000007);
	assert_int_equal(pcapng_time_ns(5, 0, -2), 3000000000);
}

static void
times_that_do_not_fit_are_the_nearest_that_do(void **state)
{
	(void)state;
	assert_int_equal(pcapng_time_ns(UINT64_MAX, 0, 0), INT64_MAX - 1);
	assert_int_equal(pcapng_time_ns(UINT64_MAX, 9, 0), INT64_MAX - 1);
	assert_int_equal(pcapng_time_ns(UINT64_MAX, 0, INT64_MAX),
			 INT64_MAX - 1);
	assert_int_equal(pcapng_time_ns(5, 6, INT64_MIN), 0);
	assert_int_equal(pcapng_time_ns(UINT64_MAX, 127, 0), 0);
	assert_int_equal(pcapng_time_ns(UINT64_MAX, 0xff, 3), 3000000000);
}

static void
options_end_where_they_are_malformed(void **state)
{
	static const uint8_t raw[] = { 1, 0, 2, 0, 'h', 'i', 0, 0, /* comment */
				       2, 0, 9, 0, 'x' }; /* too long */
	struct bytes options = bytes_make(raw, sizeof(raw));
	struct pcapng_option option;

	(void)state;
	assert_true(pcapng_option_next(&options, false, &option));
	assert_int_equal(option.code, PCAPNG_OPTION_COMMENT);
	assert_true(bytes_equal(option.value, bytes_of("hi")));
	assert_false(pcapng_option_next(&options, false, &option));
}

static void
a_packet_is_decoded_with_its_time_and_lengths(void **state)
{
	struct fixture f;
	struct buf file;
	struct pcapng_block block;
	struct pcapng_packet packet;

	(void)state;
	buf_init(&file, 4096);
	put_section(&file);
	put_interface(&file, 101);
	put_packet(&file, 36, 4, 0);
	fixture_open(&f, buf_view(&file));
	for (int i = 0; i < 3; i++)
		assert_int_equal(pcapng_next(&f.p, &block), 1);
	assert_int_equal(block.offset, 48);
	assert_int_equal(pcapng_packet(&f.p, &block, &packet), 0);
	/* 0x000603f4_1d3a4a38 microseconds */
	assert_int_equal(packet.time_ns, INT64_C(0x000603f41d3a4a38) * 1000);
	assert_int_equal(packet.captured, 4);
	assert_int_equal(packet.length, 60);
	assert_int_equal(packet.data[0], 0x11);
	assert_int_equal(f.p.interfaces[packet.interface].link_type, 101);
	assert_int_equal(pcapng_next(&f.p, &block), 0);
	fixture_close(&f);
	buf_free(&file);
}

/* What reading a file ends with, after as many packets as can be had. */
static int
read_all(struct bytes data, int *packets)
{
	struct fixture f;
	struct pcapng_block block;
	struct pcapng_packet packet;
	int status;

	*packets = 0;
	fixture_open(&f, data);
	while ((status = pcapng_next(&f.p, &block)) > 0) {
		if (!pcapng_is_packet(block.type))
			continue;
		status = pcapng_packet(&f.p, &block, &packet);
		if (status < 0)
			break;
		++*packets;
	}
	fixture_close(&f);
	return status;
}

static void
lies_about_lengths_end_the_file_after_the_last_whole_packet(void **state)
{
	static const struct {
		uint32_t size, captured, interface;
	} lies[] = {
		{ 0, 4, 0 },           { 8, 4, 0 },
		{ 35, 4, 0 },          { 40, 4, 0 },
		{ 0xfffffffc, 4, 0 },  { 36, 5, 0 },
		{ 36, 0xffffffff, 0 }, { 36, 4, 1 },
		{ 36, 4, 0xffffffff },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct buf file;
		int packets, status;

		buf_init(&file, 4096);
		put_section(&file);
		put_interface(&file, 1);
		put_packet(&file, 36, 4, 0);
		put_packet(&file, lies[i].size, lies[i].captured,
			   lies[i].interface);
		put_packet(&file, 36, 4, 0);
		status = read_all(buf_view(&file), &packets);
		assert_int_equal(status, ERR_CORRUPT);
		assert_int_equal(packets, 1);
		buf_free(&file);
	}
}

static void
every_cut_is_seen_and_loses_only_what_is_cut(void **state)
{
	struct buf file;
	int packets;

	(void)state;
	buf_init(&file, 4096);
	put_section(&file);
	put_interface(&file, 1);
	put_packet(&file, 36, 4, 0);
	put_packet(&file, 36, 4, 0);
	for (size_t cut = 28; cut <= file.size; cut++) {
		int status = read_all(bytes_make(file.data, cut), &packets);
		bool whole = cut == 28 || cut == 48 || cut == 84 || cut == 120;

		assert_int_equal(status, whole ? 0 : ERR_TRUNCATED);
		assert_int_equal(packets, cut >= 120 ? 2 : cut >= 84);
	}
	buf_free(&file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_of_every_resolution_become_nanoseconds),
		cmocka_unit_test(times_that_do_not_fit_are_the_nearest_that_do),
		cmocka_unit_test(options_end_where_they_are_malformed),
		cmocka_unit_test(a_packet_is_decoded_with_its_time_and_lengths),
		cmocka_unit_test(
			lies_about_lengths_end_the_file_after_the_last_whole_packet),
		cmocka_unit_test(every_cut_is_seen_and_loses_only_what_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
