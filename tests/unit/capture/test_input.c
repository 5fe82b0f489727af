/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

#define SIZE ((size_t)3 << 20)

/* Compressible bytes that do not repeat. */
static uint8_t *
make_plain(void)
{
	uint8_t *plain = alloc_zero(1, SIZE);
	uint32_t state = 1;

	for (size_t i = 0; i < SIZE; i++) {
		state = state * 1103515245 + 12345;
		plain[i] = (uint8_t)("etaoin shrdlu"[(state >> 16) % 13]);
	}
	return plain;
}

static void
put_gzip(struct buf *out, const uint8_t *data, size_t size)
{
	z_stream z = { .next_in = (z_const Bytef *)(uintptr_t)data,
		       .avail_in = (uInt)size };

	deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
	z.next_out = buf_reserve(out, size + 1000);
	z.avail_out = (uInt)(size + 1000);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->size += z.total_out;
	deflateEnd(&z);
}

static void
put_zstd_frame(struct buf *out, const uint8_t *data, size_t size, int sized)
{
	uint8_t *to = buf_reserve(out, ZSTD_compressBound(size));
	ZSTD_CCtx *zstd = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, sized);
	out->size +=
		ZSTD_compress2(zstd, to, ZSTD_compressBound(size), data, size);
	ZSTD_freeCCtx(zstd);
}

static void
put_zstd(struct buf *out, const uint8_t *data, size_t size)
{
	put_zstd_frame(out, data, size, 1);
}

static void
put_lz4(struct buf *out, const uint8_t *data, size_t size)
{
	/* With a checksum, as the programs write it. */
	const LZ4F_preferences_t preferences = {
		.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled,
		/* A block is given whole or not at all. */
		.frameInfo.blockSizeID = LZ4F_max64KB,
	};
	size_t bound = LZ4F_compressFrameBound(size, &preferences);
	uint8_t *to = buf_reserve(out, bound);

	out->size += LZ4F_compressFrame(to, bound, data, size, &preferences);
}

static void
put_plain(struct buf *out, const uint8_t *data, size_t size)
{
	buf_append(out, data, size);
}

static const struct {
	enum compression kind;
	void (*put)(struct buf *out, const uint8_t *data, size_t size);
} packings[] = {
	{ COMPRESSION_NONE, put_plain },
	{ COMPRESSION_GZIP, put_gzip },
	{ COMPRESSION_ZSTD, put_zstd },
	{ COMPRESSION_LZ4, put_lz4 },
};

static int
memory_file(struct bytes data)
{
	int fd = memfd_create("test", 0);

	assert_int_equal(file_write_all(fd, data.data, data.size), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Reads everything in steps of changing size and compares the first `sure`
 * bytes; returns how many came and why it ended. */
static size_t
read_sure(struct bytes stored, const uint8_t *plain, size_t sure, int *status)
{
	static const size_t steps[] = { 1, 70000, 16, 1500, 65536 };
	struct input in;
	int fd = memory_file(stored);
	size_t done = 0;

	assert_int_equal(input_open(&in, fd, NULL), 0);
	for (size_t i = 0;; i++) {
		size_t step = steps[i % 5];

		if (!input_need(&in, step))
			step = input_available(&in);
		assert_int_equal(input_offset(&in), done);
		if (step > 0 && done + step <= sure)
			assert_memory_equal(in.at, plain + done, step);
		input_consume(&in, step);
		done += step;
		if (step == 0)
			break;
	}
	*status = in.status;
	input_close(&in);
	close(fd);
	return done;
}

static size_t
read_and_compare(struct bytes stored, const uint8_t *plain, int *status)
{
	return read_sure(stored, plain, SIZE, status);
}

static void
every_packing_with_several_members_gives_all_bytes(void **state)
{
	uint8_t *plain = make_plain();

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct buf stored;
		int status;

		buf_init(&stored, SIZE * 3);
		packings[i].put(&stored, plain, 1000);
		packings[i].put(&stored, plain + 1000, SIZE - 1000);
		assert_int_equal(compression_detect(buf_view(&stored)),
				 packings[i].kind);
		assert_int_equal(
			read_and_compare(buf_view(&stored), plain, &status),
			SIZE);
		assert_int_equal(status, 0);
		buf_free(&stored);
	}
	free(plain);
}

/* Frames that fit into the buffer and that do not, empty ones, ones that do
 * not tell their size, and skippable ones between them. */
static void
frames_of_any_size_give_all_bytes(void **state)
{
	static const size_t sizes[] = { 1 << 20, 0,    1, 7,	   131072, 131073,
					5000,	 1 << 18, 3, 1048577, 100, 1 << 21 };
	static const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 5, 0, 0,
					     0,	   1,	 2,    3,    4, 5 };
	uint8_t *plain = make_plain();
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 30; round++) {
		struct buf stored;
		size_t at = 0;
		int status;

		buf_init(&stored, SIZE * 2);
		put_zstd(&stored, plain, 0);
		while (at < SIZE) {
			size_t size;

			seed = seed * 1103515245 + 12345;
			size = sizes[(seed >> 16) % 12];
			size = size < SIZE - at ? size : SIZE - at;
			put_zstd_frame(&stored, plain + at, size,
				       seed >> 24 & 1);
			if (seed >> 25 & 1)
				buf_append(&stored, skippable,
					   sizeof(skippable));
			at += size;
		}
		assert_int_equal(
			read_and_compare(buf_view(&stored), plain, &status),
			SIZE);
		assert_int_equal(status, 0);
		buf_free(&stored);
	}
	free(plain);
}

/* As segments are: whole packets in frames that fill the buffer. */
static void
frames_that_fit_come_block_by_block(void **state)
{
	uint8_t *plain = make_plain();
	struct buf stored;
	struct input in;
	size_t done = 0;
	int fd;

	(void)state;
	buf_init(&stored, SIZE * 2);
	for (size_t i = 0; i < SIZE; i += 1 << 20)
		put_zstd(&stored, plain + i, 1 << 20);
	fd = memory_file(buf_view(&stored));
	assert_int_equal(input_open(&in, fd, NULL), 0);
	for (; input_need(&in, 4096); done += 4096) {
		assert_true(input_available(&in) <= ZSTD_BLOCKSIZE_MAX);
		assert_memory_equal(in.at, plain + done, 4096);
		input_consume(&in, 4096);
	}
	assert_int_equal(done, SIZE);
	assert_int_equal(in.status, 0);
	input_close(&in);
	close(fd);
	buf_free(&stored);
	free(plain);
}

static void
a_cut_gives_what_is_before_it_and_is_seen(void **state)
{
	uint8_t *plain = make_plain();

	(void)state;
	for (size_t i = 1; i < 4; i++) {
		struct buf stored;
		int status;
		size_t got;

		buf_init(&stored, SIZE * 2);
		packings[i].put(&stored, plain, SIZE);
		got = read_and_compare(bytes_make(stored.data, stored.size / 2),
				       plain, &status);
		assert_int_equal(status, ERR_TRUNCATED);
		assert_in_range(got, SIZE / 4, SIZE * 3 / 4);
		buf_free(&stored);
	}
	free(plain);
}

static void
damage_gives_what_is_before_it_and_is_seen(void **state)
{
	uint8_t *plain = make_plain();

	(void)state;
	for (size_t i = 1; i < 4; i++) {
		struct buf stored;
		int status;

		buf_init(&stored, SIZE * 2);
		/* One frame that has room in the buffer. */
		packings[i].put(&stored, plain, 900000);
		memset(stored.data + stored.size - 2000, 0xff, 1000);
		assert_true(read_sure(buf_view(&stored), plain, 400000,
				      &status) > 400000);
		assert_int_equal(status, ERR_CORRUPT);
		buf_free(&stored);
	}
	free(plain);
}

static void
garbage_behind_gzip_is_ignored(void **state)
{
	uint8_t *plain = make_plain();
	struct buf stored;
	int status;

	(void)state;
	buf_init(&stored, SIZE);
	put_gzip(&stored, plain, 5000);
	buf_le64(&stored, 0);
	assert_int_equal(read_and_compare(buf_view(&stored), plain, &status),
			 5000);
	assert_int_equal(status, 0);
	buf_free(&stored);
	free(plain);
}

static void
an_empty_file_ends_at_once(void **state)
{
	int status;

	(void)state;
	assert_int_equal(read_and_compare(bytes_make("", 0), NULL, &status), 0);
	assert_int_equal(status, 0);
}

static void
waiting_on_a_pipe_can_be_cancelled(void **state)
{
	atomic_bool cancelled = true;
	struct input in;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(input_open(&in, ends[0], &cancelled), ERR_CANCELLED);
	assert_false(input_need(&in, 1));
	input_close(&in);
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_packing_with_several_members_gives_all_bytes),
		cmocka_unit_test(frames_of_any_size_give_all_bytes),
		cmocka_unit_test(frames_that_fit_come_block_by_block),
		cmocka_unit_test(a_cut_gives_what_is_before_it_and_is_seen),
		cmocka_unit_test(damage_gives_what_is_before_it_and_is_seen),
		cmocka_unit_test(garbage_behind_gzip_is_ignored),
		cmocka_unit_test(an_empty_file_ends_at_once),
		cmocka_unit_test(waiting_on_a_pipe_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
