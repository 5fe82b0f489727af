/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/frame_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "capture/decompress.h"
#include "capture/home.h"
#include "capture/json_file.h"
#include "capture/segment_index.h"
#include "capture/snapshot.h"
#include "scratch.h"

#define FRAMES    5
#define PER_FRAME 4 /* packets */
#define PACKETS   (FRAMES * PER_FRAME)
#define DATA      160 /* bytes of a packet */

/* A small segment in frames, as it was stored, and what its frames hash to. */
struct segment {
	struct buf stored;
	size_t ends[FRAMES]; /* of its frames */
	uint32_t checks[FRAMES];
};

static void
put_head(struct buf *out)
{
	struct buf body;

	buf_init(&body, 100);
	buf_le32(&body, 0x1a2b3c4d);
	buf_le32(&body, 1);
	buf_le64(&body, UINT64_MAX);
	scratch_block(out, 0x0a0d0d0a, buf_view(&body));
	buf_reset(&body);
	buf_le32(&body, 1);
	buf_le32(&body, 0);
	scratch_block(out, 1, buf_view(&body));
	buf_free(&body);
}

/* Bytes of packet `number` that zstd finds something to do with. */
static void
packet_data(uint32_t number, uint8_t data[DATA])
{
	uint32_t state = number * 977 + 1;

	for (size_t i = 0; i < DATA; i++) {
		state = state * 1103515245 + 12345;
		data[i] = (uint8_t)("etaoin shrdlu"[(state >> 16) % 13]);
	}
}

static void
put_packet(struct buf *out, uint32_t number)
{
	uint8_t data[DATA];
	struct buf body;

	packet_data(number, data);
	buf_init(&body, DATA + 100);
	buf_le32(&body, 0);
	buf_le32(&body, 0);
	buf_le32(&body, number);
	buf_le32(&body, DATA);
	buf_le32(&body, DATA);
	buf_append(&body, data, DATA);
	scratch_block(out, 6, buf_view(&body));
	buf_free(&body);
}

static void
put_frame(struct buf *out, struct bytes plain)
{
	size_t bound = ZSTD_compressBound(plain.size);
	uint8_t *to = buf_reserve(out, bound);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	out->size += ZSTD_compress2(zstd, to, bound, plain.data, plain.size);
	ZSTD_freeCCtx(zstd);
}

static struct bytes
segment_frame(const struct segment *s, size_t i)
{
	size_t begin = i ? s->ends[i - 1] : 0;

	return bytes_make(s->stored.data + begin, s->ends[i] - begin);
}

/* What the frames hash to as they are now. */
static void
segment_hash(struct segment *s)
{
	for (size_t i = 0; i < FRAMES; i++)
		s->checks[i] = frame_check(segment_frame(s, i));
}

static void
segment_make(struct segment *s)
{
	struct buf plain;

	buf_init(&s->stored, 1u << 20);
	buf_init(&plain, 1u << 20);
	put_head(&plain);
	for (uint32_t i = 0; i < FRAMES; i++) {
		for (uint32_t k = 0; k < PER_FRAME; k++)
			put_packet(&plain, i * PER_FRAME + k);
		put_frame(&s->stored, buf_view(&plain));
		s->ends[i] = s->stored.size;
		buf_reset(&plain);
	}
	buf_free(&plain);
	segment_hash(s);
}

static int
segment_open(void *context, uint32_t index)
{
	const struct segment *s = context;
	int fd = memfd_create("segment", 0);

	assert_int_equal(index, 0);
	assert_int_equal(file_write_all(fd, s->stored.data, s->stored.size), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* What reading a segment gave. */
struct outcome {
	uint32_t good; /* packets as they were, before the first that is not */
	uint32_t all;
	bool damaged;
};

static struct outcome
segment_read(struct segment *s, uint32_t checks)
{
	struct packet_segment segment = { .last_ns = INT64_MAX,
					  .frame_checks = s->checks,
					  .frame_check_count = checks };
	struct packet_reader *r = packet_reader_new(
		&segment, 1, (struct packet_window){ INT64_MIN, INT64_MAX },
		(struct packet_segment_source){ s, segment_open });
	struct outcome o = { 0 };
	struct packet_record packet;

	while (packet_reader_next(r, &packet) > 0) {
		uint8_t data[DATA];

		packet_data(o.all, data);
		if (o.good == o.all && packet.captured == DATA &&
		    packet.time_ns == (int64_t)o.all * 1000 &&
		    memcmp(packet.data, data, DATA) == 0)
			o.good++;
		o.all++;
	}
	o.damaged = packet_reader_stats(r).damaged_segments > 0;
	packet_reader_free(r);
	return o;
}

static void
expect(struct segment *s, uint32_t checks, uint32_t good, bool damaged)
{
	struct outcome o = segment_read(s, checks);

	assert_int_equal(o.good, good);
	assert_int_equal(o.all, good);
	assert_int_equal(o.damaged, damaged);
}

static void
a_flipped_bit_is_found_wherever_it_is(void **state)
{
	struct segment s;
	size_t frame = 0, found = 0;

	(void)state;
	segment_make(&s);
	expect(&s, FRAMES, PACKETS, false);
	for (size_t i = 0; i < s.stored.size * 8; i += 3) {
		size_t at = i / 8;
		uint8_t bit = (uint8_t)(1 << i % 8);
		struct outcome with, without;

		frame += at == s.ends[frame];
		s.stored.data[at] ^= bit;
		with = segment_read(&s, FRAMES);
		without = segment_read(&s, 0);
		s.stored.data[at] ^= bit;
		assert_true(with.damaged ||
			    (with.good == PACKETS && with.all == PACKETS));
		/* The first four bytes tell that it is compressed at all. */
		if (at >= COMPRESSION_MAGIC)
			assert_in_range(with.good, frame * PER_FRAME, PACKETS);
		assert_int_equal(with.good, without.good);
		assert_int_equal(with.all, without.all);
		assert_int_equal(with.damaged, without.damaged);
		found += with.damaged;
	}
	/* Some bits mean nothing: an unused one, padding, a larger window. */
	assert_in_range(found, s.stored.size * 8 / 3 * 99 / 100,
			s.stored.size * 8 / 3 + 1);
	buf_free(&s.stored);
}

static void
zstd_does_not_verify_what_is_as_expected(void **state)
{
	struct segment s;

	(void)state;
	for (uint32_t i = 0; i < FRAMES; i++) {
		/* The checksum comes behind what it is of. */
		uint32_t before = (i + 1) * PER_FRAME;

		segment_make(&s);
		s.stored.data[s.ends[i] - 1] ^= 1; /* of its checksum */
		expect(&s, 0, before, true);
		expect(&s, FRAMES, before, true);
		segment_hash(&s);
		expect(&s, FRAMES, PACKETS, false);
		/* Those behind the list are verified. */
		expect(&s, i + 1, PACKETS, false);
		expect(&s, i, before, true);
		buf_free(&s.stored);
	}
}

static void
zstd_decides_about_what_is_not_as_expected(void **state)
{
	struct segment s;

	(void)state;
	segment_make(&s);
	s.checks[1] ^= 1;
	expect(&s, FRAMES, PACKETS, false);
	/* Nor does it disturb what the others are compared with. */
	s.stored.data[s.ends[2] - 1] ^= 1;
	expect(&s, FRAMES, 3 * PER_FRAME, true);
	segment_hash(&s);
	s.checks[1] ^= 1;
	expect(&s, FRAMES, PACKETS, false);
	buf_free(&s.stored);
}

static void
skippable_frames_are_not_counted(void **state)
{
	static const uint8_t skippable[] = { 0x5a, 0x2a, 0x4d, 0x18, 3,
					     0,    0,	 0,    1,    2, 3 };
	struct segment s, with = { 0 };

	(void)state;
	segment_make(&s);
	for (size_t i = 0; i < FRAMES; i++)
		s.stored.data[s.ends[i] - 1] ^= 1;
	segment_hash(&s);
	memcpy(with.checks, s.checks, sizeof(with.checks));
	buf_init(&with.stored, 1u << 20);
	for (size_t i = 0; i < FRAMES; i++) {
		for (size_t k = 0; k < i; k++)
			buf_append(&with.stored, skippable, sizeof(skippable));
		buf_bytes(&with.stored, segment_frame(&s, i));
	}
	expect(&with, FRAMES, PACKETS, false);
	buf_free(&s.stored);
	buf_free(&with.stored);
}

/* Decompresses the segment, of frame `slow` `step` bytes at a time. */
static int
decompress_slowly(const struct segment *s, size_t slow, size_t step)
{
	struct decompressor *d = decompressor_new(COMPRESSION_ZSTD);
	uint8_t out[FRAMES * PER_FRAME * (DATA + 64)];
	size_t written, at = 0;
	int status = 0;

	decompressor_expect(d, s->checks, FRAMES);
	for (size_t i = 0; i < FRAMES && status == 0; i++) {
		struct bytes left = segment_frame(s, i);

		while (left.size > 0 && status == 0) {
			struct bytes in = i == slow ? bytes_first(left, step)
						    : left;
			size_t given = in.size;

			status = decompressor_run(d, &in, out + at,
						  sizeof(out) - at, &written);
			at += written;
			left = bytes_from(left, given - in.size);
		}
		if (status == 0)
			assert_true(decompressor_at_boundary(d));
	}
	decompressor_free(d);
	return status;
}

static void
what_comes_in_pieces_is_verified(void **state)
{
	struct segment s;

	(void)state;
	segment_make(&s);
	s.stored.data[s.ends[2] - 1] ^= 1;
	segment_hash(&s);
	for (size_t step = 4; step < 200; step += 7) {
		for (size_t i = 0; i < FRAMES; i++)
			assert_int_equal(decompress_slowly(&s, i, step),
					 i == 2 ? ERR_CORRUPT : 0);
	}
	buf_free(&s.stored);
}

static void
entries_round_trip(void **state)
{
	struct segment_index index = { .number = 7 };
	struct frame_checks checks = { 0 }, back;
	json_t *entry;

	(void)state;
	memset(index.sha256, 'a', HASH_SHA256_HEX - 1);
	entry = segment_index_json(&index);
	/* As older versions wrote it. */
	assert_int_equal(frame_checks_get(entry, &back), 0);
	assert_int_equal(back.count, 0);
	frame_checks_set(entry, &checks);
	assert_int_equal(frame_checks_get(entry, &back), 0);
	assert_int_equal(back.count, 0);
	frame_checks_add(&checks, 0x0012abcd);
	frame_checks_add(&checks, UINT32_MAX);
	frame_checks_add(&checks, 0);
	frame_checks_set(entry, &checks);
	assert_string_equal(scratch_string(entry, "frame_checks"),
			    "0012abcdffffffff00000000");
	assert_int_equal(segment_index_parse(entry, &index), 0);
	assert_int_equal(frame_checks_get(entry, &back), 0);
	assert_int_equal(back.count, 3);
	assert_memory_equal(back.items, checks.items, 12);
	frame_checks_free(&back);
	for (uint32_t i = 0; i <= FRAME_CHECKS_MAX; i++)
		frame_checks_add(&checks, i);
	assert_int_equal(checks.count, FRAME_CHECKS_MAX);
	frame_checks_set(entry, &checks);
	assert_int_equal(segment_index_parse(entry, &index), 0);
	frame_checks_free(&checks);
	json_decref(entry);
}

/* XXH3 with an empty input and with one of its own vectors (xxhash's
 * tests/sanity_test_vectors.h: XXH3_64bits of no bytes, no seed). */
static void
the_hash_is_the_low_half_of_xxh3(void **state)
{
	(void)state;
	/* 2D06800538D394C2 */
	assert_int_equal(frame_check(bytes_make("", 0)), 0x38d394c2);
}

static json_t *
malformed(size_t i)
{
	static const char *const texts[] = { "0",	  "0012abc",
					     "0012abcg",  "0012abcd0",
					     "0012abcd ", "0x12abcd",
					     "+012abcd",  "0012abcd0012 bcd" };
	size_t count = sizeof(texts) / sizeof(*texts);
	size_t size = 8 * ((size_t)FRAME_CHECKS_MAX + 1);
	char *text;
	json_t *value;

	if (i < count)
		return json_string(texts[i]);
	if (i == count)
		return json_integer(12345678);
	if (i == count + 1)
		return json_null();
	if (i == count + 2)
		return json_pack("[s]", "0012abcd");
	if (i > count + 3)
		return NULL;
	text = alloc_zero(1, size + 1);
	memset(text, '0', size);
	value = json_string(text);
	free(text);
	return value;
}

static void
malformed_ones_are_damage(void **state)
{
	const char *home = *state;
	struct snapshot_request request = {
		.name = "s",
		.window = { INT64_MIN, INT64_MAX },
	};
	char *path = home_path(home, "snapshots", "s", "manifest.json", NULL);
	json_t *manifest, *entry, *value;
	struct segment_index index;
	struct frame_checks checks;
	struct snapshot s;

	scratch_import_packets(home, "a", 3, 0, 1000);
	assert_int_equal(snapshot_create(home, &request, &manifest, NULL), 0);
	entry = json_array_get(json_object_get(manifest, "segments"), 0);
	for (size_t i = 0; (value = malformed(i)) != NULL; i++) {
		json_object_set_new(entry, "frame_checks", value);
		assert_int_equal(frame_checks_get(entry, &checks), ERR_CORRUPT);
		assert_null(checks.items);
		assert_int_equal(segment_index_parse(entry, &index),
				 ERR_CORRUPT);
		assert_int_equal(json_file_write(path, manifest, 0444, NULL), 0);
		assert_int_equal(snapshot_open(home, "s", &s, NULL),
				 ERR_CORRUPT);
	}
	json_decref(manifest);
	free(path);
}

/* The hashes of all frames of a file. */
static void
hash_file(const char *path, struct frame_checks *checks)
{
	struct bytes left;
	struct buf file;

	buf_init(&file, 64u << 20);
	assert_int_equal(file_read(path, &file, NULL), 0);
	*checks = (struct frame_checks){ 0 };
	left = buf_view(&file);
	while (left.size > 0) {
		size_t size =
			ZSTD_findFrameCompressedSize(left.data, left.size);

		assert_false(ZSTD_isError(size));
		frame_checks_add(checks, frame_check(bytes_first(left, size)));
		left = bytes_from(left, size);
	}
	buf_free(&file);
}

static void
a_snapshot_knows_the_frames_of_its_segments(void **state)
{
	const char *home = *state;
	struct snapshot_request request = {
		.name = "s",
		.window = { INT64_MIN, INT64_MAX },
	};
	struct frame_checks expected;
	struct packet_record packet;
	struct packet_reader *r;
	struct snapshot s;
	uint32_t most = 0;

	/* 3 MB, in two segments. */
	scratch_import_packets(home, "a", 25000, 0, 4);
	assert_int_equal(snapshot_create(home, &request, NULL, NULL), 0);
	assert_int_equal(snapshot_open(home, "s", &s, NULL), 0);
	assert_int_equal(s.segment_count, 2);
	for (uint32_t i = 0; i < s.segment_count; i++) {
		hash_file(s.paths[i], &expected);
		assert_int_equal(s.segments[i].frame_check_count,
				 expected.count);
		assert_memory_equal(s.segments[i].frame_checks, expected.items,
				    expected.count * 4);
		if (expected.count > most)
			most = expected.count;
		frame_checks_free(&expected);
	}
	assert_in_range(most, 2, 3);
	r = packet_reader_new(s.segments, s.segment_count, s.window,
			      snapshot_source(&s));
	while (packet_reader_next(r, &packet) > 0)
		;
	assert_int_equal(packet_reader_stats(r).packets, 25000);
	assert_int_equal(packet_reader_stats(r).damaged_segments, 0);
	packet_reader_free(r);
	snapshot_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hash_is_the_low_half_of_xxh3),
		cmocka_unit_test(entries_round_trip),
		cmocka_unit_test(a_flipped_bit_is_found_wherever_it_is),
		cmocka_unit_test(zstd_does_not_verify_what_is_as_expected),
		cmocka_unit_test(zstd_decides_about_what_is_not_as_expected),
		cmocka_unit_test(skippable_frames_are_not_counted),
		cmocka_unit_test(what_comes_in_pieces_is_verified),
		cmocka_unit_test_setup_teardown(malformed_ones_are_damage,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(
			a_snapshot_knows_the_frames_of_its_segments,
			scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
