/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/packet_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/sandbox.h"
#include "scratch.h"

/* Segments in memory, and how often each was opened. */
struct memory {
	struct buf files[4];
	int opened[4];
};

static void
put_head(struct buf *out, const uint16_t *link_types, size_t count)
{
	struct buf body;

	buf_init(&body, 100);
	buf_le32(&body, 0x1a2b3c4d);
	buf_le32(&body, 1);
	buf_le64(&body, UINT64_MAX);
	scratch_block(out, 0x0a0d0d0a, buf_view(&body));
	for (size_t i = 0; i < count; i++) {
		buf_reset(&body);
		buf_le32(&body, link_types[i]);
		buf_le32(&body, 0);
		buf_le32(&body, 0x00010009); /* if_tsresol, one byte */
		buf_le32(&body, 9);
		scratch_block(out, 1, buf_view(&body));
	}
	buf_free(&body);
}

/* A packet whose bytes are its time. */
static void
put_packet(struct buf *out, uint32_t interface, int64_t ns, uint32_t size)
{
	struct buf body;

	buf_init(&body, size + 100);
	buf_le32(&body, interface);
	buf_le32(&body, (uint32_t)(ns >> 32));
	buf_le32(&body, (uint32_t)ns);
	buf_le32(&body, size);
	buf_le32(&body, size + 10);
	for (uint32_t i = 0; i < size; i += 4)
		buf_le32(&body, (uint32_t)ns);
	scratch_block(out, 6, buf_view(&body));
	buf_free(&body);
}

/* A packet without bytes that has one option, and a comment before it. */
static void
put_option(struct buf *out, int64_t ns, uint16_t code, struct bytes value)
{
	struct buf body;

	buf_init(&body, 100);
	buf_le32(&body, 0);
	buf_le32(&body, (uint32_t)(ns >> 32));
	buf_le32(&body, (uint32_t)ns);
	buf_le32(&body, 0);
	buf_le32(&body, 0);
	buf_le32(&body, 0x00030001); /* opt_comment, 3 bytes */
	buf_le32(&body, 0x00636261);
	buf_le16(&body, code);
	buf_le16(&body, (uint16_t)value.size);
	buf_bytes(&body, value);
	while (body.size % 4)
		buf_u8(&body, 0);
	buf_le32(&body, 0);
	scratch_block(out, 6, buf_view(&body));
	buf_free(&body);
}

static int
memory_open(void *context, uint32_t index)
{
	struct memory *m = context;
	int fd = memfd_create("segment", 0);

	m->opened[index]++;
	assert_int_equal(
		file_write_all(fd, m->files[index].data, m->files[index].size),
		0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static struct memory *
memory_new(void)
{
	struct memory *m = alloc_zero(1, sizeof(*m));

	for (int i = 0; i < 4; i++)
		buf_init(&m->files[i], 64u << 20);
	return m;
}

static void
memory_free(struct memory *m)
{
	for (int i = 0; i < 4; i++)
		buf_free(&m->files[i]);
	free(m);
}

/* The two lowest bits of epb_flags (draft-ietf-opsawg-pcapng section 4.3.1):
 * 0 not known, 1 in, 2 out; 3 is none of them. */
static void
directions(void **state)
{
	static const uint16_t ethernet[] = { 1 };
	static const struct {
		uint16_t code, size;
		uint8_t flags[5];
		enum packet_direction expected;
	} cases[] = {
		{ 2, 4, { 1 }, PACKET_INBOUND },
		{ 2, 4, { 2 }, PACKET_OUTBOUND },
		{ 2, 4, { 0 }, PACKET_DIRECTION_UNKNOWN },
		{ 2, 4, { 3 }, PACKET_DIRECTION_UNKNOWN },
		{ 2, 4, { 0xfd, 0xff, 0xff, 0xff }, PACKET_INBOUND },
		{ 2, 4, { 0, 1, 2, 1 }, PACKET_DIRECTION_UNKNOWN },
		{ 2, 2, { 1 }, PACKET_DIRECTION_UNKNOWN },
		{ 2, 5, { 1 }, PACKET_DIRECTION_UNKNOWN },
		{ 2, 0, { 0 }, PACKET_DIRECTION_UNKNOWN },
		{ 4, 4, { 1 }, PACKET_DIRECTION_UNKNOWN }, /* epb_dropcount */
	};
	const size_t count = sizeof(cases) / sizeof(*cases);
	struct packet_segment segment = { .last_ns = 100 };
	struct memory *m = memory_new();
	struct packet_reader *r;
	struct packet_record packet;

	(void)state;
	put_head(&m->files[0], ethernet, 1);
	for (size_t i = 0; i < count; i++)
		put_option(&m->files[0], (int64_t)i, cases[i].code,
			   bytes_make(cases[i].flags, cases[i].size));
	put_packet(&m->files[0], 0, 50, 8);
	r = packet_reader_new(&segment, 1,
			      (struct packet_window){ INT64_MIN, INT64_MAX },
			      (struct packet_segment_source){ m, memory_open });
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(packet_reader_next(r, &packet), 1);
		if (packet.direction != cases[i].expected)
			fail_msg("case %zu: %d", i, packet.direction);
	}
	assert_int_equal(packet_reader_next(r, &packet), 1);
	assert_int_equal(packet.direction, PACKET_DIRECTION_UNKNOWN);
	assert_int_equal(packet_reader_next(r, &packet), 0);
	packet_reader_free(r);
	memory_free(m);
}

static void
three_streams_are_merged_and_equal_times_keep_their_order(void **state)
{
	static const uint16_t ethernet[] = { 1 };
	struct packet_segment segments[] = {
		{ .stream = 5, .first_ns = 1, .last_ns = 7 },
		{ .stream = 9, .first_ns = 2, .last_ns = 8 },
		{ .stream = 7, .first_ns = 2, .last_ns = 9 },
	};
	static const int64_t times[3][3] = { { 1, 4, 7 },
					     { 2, 5, 8 },
					     { 2, 4, 9 } };
	static const int expected[][2] = { { 1, 0 }, { 2, 2 }, { 2, 1 },
					   { 4, 0 }, { 4, 2 }, { 5, 1 },
					   { 7, 0 }, { 8, 1 }, { 9, 2 } };
	struct memory *m = memory_new();
	struct packet_reader *r;
	struct packet_record packet;

	(void)state;
	for (int i = 0; i < 3; i++) {
		put_head(&m->files[i], ethernet, 1);
		for (int k = 0; k < 3; k++)
			put_packet(&m->files[i], 0, times[i][k], 8);
	}
	r = packet_reader_new(segments, 3,
			      (struct packet_window){ INT64_MIN, INT64_MAX },
			      (struct packet_segment_source){ m, memory_open });
	for (int i = 0; i < 9; i++) {
		assert_int_equal(packet_reader_next(r, &packet), 1);
		assert_int_equal(packet.time_ns, expected[i][0]);
		assert_int_equal(packet.segment, expected[i][1]);
		assert_int_equal(packet.data[0], expected[i][0]);
		assert_int_equal(packet.captured, 8);
		assert_int_equal(packet.length, 18);
		assert_int_equal(packet.link_type, 1);
	}
	assert_int_equal(packet_reader_next(r, &packet), 0);
	assert_int_equal(packet_reader_next(r, &packet), 0);
	packet_reader_free(r);
	memory_free(m);
}

static void
interfaces_keep_their_number_from_segment_to_segment(void **state)
{
	static const uint16_t types[] = { 12, 1, 113 };
	struct packet_segment segments[] = {
		{ .stream = 1, .first_ns = 1, .last_ns = 2 },
		{ .stream = 1, .first_ns = 3, .last_ns = 5 },
		{ .stream = 2, .first_ns = 9, .last_ns = 9 },
	};
	/* time, interface, link type; 12 is an old number of 101 */
	static const uint32_t expected[][3] = { { 1, 0, 101 }, { 2, 1, 1 },
						{ 3, 0, 101 }, { 4, 1, 1 },
						{ 5, 2, 113 }, { 9, 3, 101 } };
	struct memory *m = memory_new();
	struct packet_reader *r;
	struct packet_record packet;

	(void)state;
	put_head(&m->files[0], types, 2);
	put_packet(&m->files[0], 0, 1, 4);
	put_packet(&m->files[0], 1, 2, 4);
	put_head(&m->files[1], types, 3);
	put_packet(&m->files[1], 0, 3, 4);
	put_packet(&m->files[1], 1, 4, 4);
	put_packet(&m->files[1], 2, 5, 4);
	put_head(&m->files[2], types, 1);
	put_packet(&m->files[2], 0, 9, 4);
	r = packet_reader_new(segments, 3,
			      (struct packet_window){ INT64_MIN, INT64_MAX },
			      (struct packet_segment_source){ m, memory_open });
	for (int i = 0; i < 6; i++) {
		assert_int_equal(packet_reader_next(r, &packet), 1);
		assert_int_equal(packet.time_ns, expected[i][0]);
		assert_int_equal(packet.interface, expected[i][1]);
		assert_int_equal(packet.link_type, expected[i][2]);
	}
	packet_reader_free(r);
	memory_free(m);
}

static void
segments_outside_the_window_are_not_opened(void **state)
{
	static const uint16_t ethernet[] = { 1 };
	struct packet_segment segments[3];
	struct memory *m = memory_new();
	struct packet_reader *r;
	struct packet_record packet;

	(void)state;
	for (int i = 0; i < 3; i++) {
		put_head(&m->files[i], ethernet, 1);
		for (int k = 0; k < 10; k++)
			put_packet(&m->files[i], 0, i * 10 + k, 4);
		segments[i] = (struct packet_segment){
			.first_ns = i * 10,
			.last_ns = i * 10 + 9,
			.stored_bytes = m->files[i].size,
		};
	}
	r = packet_reader_new(segments, 3, (struct packet_window){ 13, 20 },
			      (struct packet_segment_source){ m, memory_open });
	for (int i = 13; i < 20; i++) {
		assert_int_equal(packet_reader_next(r, &packet), 1);
		assert_int_equal(packet.time_ns, i);
	}
	assert_int_equal(packet_reader_next(r, &packet), 0);
	assert_int_equal(m->opened[0], 0);
	assert_int_equal(m->opened[1], 1);
	assert_int_equal(m->opened[2], 0);
	assert_int_equal(packet_reader_stats(r).packets, 7);
	assert_int_equal(packet_reader_stats(r).packets_outside, 3);
	assert_int_equal(packet_reader_stats(r).bytes_total, m->files[1].size);
	assert_int_equal(packet_reader_stats(r).bytes_read, m->files[1].size);
	packet_reader_free(r);
	memory_free(m);
}

static void
a_damaged_segment_gives_its_beginning_and_the_next_goes_on(void **state)
{
	static const uint16_t ethernet[] = { 1 };
	struct packet_segment segments[] = {
		{ .stream = 1, .first_ns = 0, .last_ns = 9 },
		{ .stream = 1, .first_ns = 10, .last_ns = 19 },
	};
	struct memory *m = memory_new();
	struct packet_reader *r;
	struct packet_record packet;

	(void)state;
	for (int i = 0; i < 2; i++) {
		put_head(&m->files[i], ethernet, 1);
		for (int k = 0; k < 10; k++)
			put_packet(&m->files[i], 0, i * 10 + k, 4);
	}
	/* The sixth packet's block claims to be larger than the file. */
	m->files[0].data[28 + 28 + 5 * 36 + 4] = 0xf0;
	m->files[0].data[28 + 28 + 5 * 36 + 5] = 0xff;
	r = packet_reader_new(segments, 2,
			      (struct packet_window){ INT64_MIN, INT64_MAX },
			      (struct packet_segment_source){ m, memory_open });
	for (int i = 0; i < 15; i++) {
		assert_int_equal(packet_reader_next(r, &packet), 1);
		assert_int_equal(packet.time_ns, i < 5 ? i : i + 5);
	}
	assert_int_equal(packet_reader_next(r, &packet), 0);
	assert_int_equal(packet_reader_stats(r).damaged_segments, 1);
	packet_reader_free(r);
	memory_free(m);
}

/* Compresses a file in frames of `size` bytes, wherever they cut. */
static void
compress_in_frames(struct buf *file, size_t size)
{
	struct buf packed;

	buf_init(&packed, 64u << 20);
	for (size_t at = 0; at < file->size; at += size) {
		size_t part = file->size - at < size ? file->size - at : size;
		uint8_t *to = buf_reserve(&packed, ZSTD_compressBound(part));

		packed.size += ZSTD_compress(to, ZSTD_compressBound(part),
					     file->data + at, part, 1);
	}
	buf_free(file);
	*file = packed;
}

static void
blocks_that_cross_frames_are_read_whole(void **state)
{
	static const uint16_t ethernet[] = { 1 };
	static const size_t frames[] = { 100, 777, 1000000, (1 << 20) + 7,
					 5 << 20 };
	struct packet_segment segment = { .last_ns = 10000 };

	(void)state;
	for (size_t f = 0; f < sizeof(frames) / sizeof(frames[0]); f++) {
		struct memory *m = memory_new();
		struct packet_reader *r;
		struct packet_record packet;
		uint64_t offset = 28 + 28;

		put_head(&m->files[0], ethernet, 1);
		for (uint32_t i = 1; i < 40; i++) /* up to 3 MiB in one block */
			put_packet(&m->files[0], 0, i,
				   i == 20 ? 3u << 20 : i * 400);
		compress_in_frames(&m->files[0], frames[f]);
		r = packet_reader_new(
			&segment, 1,
			(struct packet_window){ INT64_MIN, INT64_MAX },
			(struct packet_segment_source){ m, memory_open });
		for (uint32_t i = 1; i < 40; i++) {
			assert_int_equal(packet_reader_next(r, &packet), 1);
			assert_int_equal(packet.time_ns, i);
			assert_int_equal(packet.offset, offset);
			assert_int_equal(packet.data[packet.captured - 4], i);
			offset += 32 + packet.captured;
		}
		assert_int_equal(packet_reader_next(r, &packet), 0);
		assert_int_equal(packet_reader_stats(r).damaged_segments, 0);
		packet_reader_free(r);
		memory_free(m);
	}
}

static int
refuse_open(void *context, uint32_t index)
{
	(void)context;
	(void)index;
	return ERR_DENIED;
}

static void
a_segment_that_cannot_be_opened_is_an_error(void **state)
{
	struct packet_segment segment = { .last_ns = 1 };
	struct packet_record packet;
	struct packet_reader *r = packet_reader_new(
		&segment, 1, (struct packet_window){ INT64_MIN, INT64_MAX },
		(struct packet_segment_source){ NULL, refuse_open });

	(void)state;
	assert_int_equal(packet_reader_next(r, &packet), ERR_DENIED);
	packet_reader_free(r);
	r = packet_reader_new(NULL, 0, (struct packet_window){ 0, 1 },
			      (struct packet_segment_source){ NULL, NULL });
	assert_int_equal(packet_reader_next(r, &packet), 0);
	packet_reader_free(r);
}

static int
give_descriptor(void *context, uint32_t index)
{
	const int *descriptors = context;

	return descriptors[index];
}

/* In a child that can do nothing but read; exits with the packets. */
static void
count_in_sandbox(const struct packet_segment *segments, int *descriptors)
{
	const struct sandbox_limits limits = { .cpu_seconds = 20 };
	struct packet_record packet;
	struct packet_reader *r;
	int count = 0;

	if (sandbox_enter(SANDBOX_PARSER, &limits, NULL) < 0)
		_exit(255);
	r = packet_reader_new(
		segments, 2, (struct packet_window){ INT64_MIN, INT64_MAX },
		(struct packet_segment_source){ descriptors, give_descriptor });
	while (packet_reader_next(r, &packet) > 0)
		count++;
	packet_reader_free(r);
	_exit(count);
}

static void
reading_works_inside_the_sandbox(void **state)
{
	static const uint16_t ethernet[] = { 1 };
	static const struct packet_segment segments[] = {
		{ .stream = 1, .last_ns = 1000 },
		{ .stream = 2 },
	};
	struct memory *m = memory_new();
	int descriptors[2], status;
	pid_t pid;

	(void)state;
	put_head(&m->files[0], ethernet, 1);
	put_head(&m->files[1], ethernet, 1);
	for (uint32_t i = 0; i < 50; i++) {
		put_packet(&m->files[0], 0, i, i == 20 ? 3u << 20 : 60);
		put_packet(&m->files[1], 0, i, 60);
	}
	compress_in_frames(&m->files[0], 1 << 20);
	descriptors[0] = memory_open(m, 0);
	descriptors[1] = memory_open(m, 1);
	pid = fork();
	if (pid == 0)
		count_in_sandbox(segments, descriptors);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 100);
	close(descriptors[0]);
	close(descriptors[1]);
	memory_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			three_streams_are_merged_and_equal_times_keep_their_order),
		cmocka_unit_test(
			interfaces_keep_their_number_from_segment_to_segment),
		cmocka_unit_test(directions),
		cmocka_unit_test(segments_outside_the_window_are_not_opened),
		cmocka_unit_test(
			a_damaged_segment_gives_its_beginning_and_the_next_goes_on),
		cmocka_unit_test(blocks_that_cross_frames_are_read_whole),
		cmocka_unit_test(reading_works_inside_the_sandbox),
		cmocka_unit_test(a_segment_that_cannot_be_opened_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
