/* SPDX-License-Identifier: Apache-2.0 */
/* The encoded forms were made by gzip(1), zstd(1), Python's zlib and node's
 * brotli. */
#include "dissect/content.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#define PLAIN "hello, hello, hello, world\n"

static const uint8_t gzip_form[] = {
	0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x48,
	0xcd, 0xc9, 0xc9, 0xd7, 0x51, 0xc8, 0x40, 0xa1, 0xca, 0xf3, 0x8b, 0x72,
	0x52, 0xb8, 0x00, 0xc3, 0x70, 0xa3, 0xc2, 0x1b, 0x00, 0x00, 0x00,
};
static const uint8_t zlib_form[] = {
	0x78, 0xda, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xd7, 0x51, 0xc8, 0x40, 0xa1,
	0xca, 0xf3, 0x8b, 0x72, 0x52, 0xb8, 0x00, 0x85, 0xe3, 0x09, 0x53,
};
static const uint8_t raw_form[] = {
	0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xd7, 0x51, 0xc8, 0x40, 0xa1, 0xca, 0xf3,
	0x8b, 0x72, 0x52, 0xb8, 0x00,
};
static const uint8_t zstd_form[] = {
	0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x1b, 0x9d, 0x00, 0x00, 0x68, 0x68, 0x65,
	0x6c, 0x6c, 0x6f, 0x2c, 0x20, 0x77, 0x6f, 0x72, 0x6c, 0x64, 0x0a, 0x01,
	0x00, 0x92, 0x8b, 0x11, 0x8a, 0x96, 0xf4, 0x0b,
};
static const uint8_t brotli_form[] = {
	0x1b, 0x1a, 0x00, 0xf8, 0x8d, 0x94, 0x6e, 0xde, 0x44, 0x09,
	0x52, 0x86, 0xd6, 0x0a, 0x2c, 0x6c, 0x6f, 0x72, 0x10, 0x45,
	0xe4, 0xa9, 0x04, 0x50, 0x38, 0x57, 0x8b, 0x01,
};

struct fixture {
	struct content_decoder *decoder;
	struct buf out;
	uint64_t size;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->decoder = content_decoder_new();
	buf_init(&f->out, 1 << 20);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	content_decoder_free(f->decoder);
	buf_free(&f->out);
	free(f);
	return 0;
}

static enum content_result
decode(struct fixture *f, enum encoding encoding, const void *data, size_t size)
{
	buf_reset(&f->out);
	return content_decode(f->decoder, encoding, bytes_make(data, size), 200,
			      &f->out, &f->size);
}

static void
assert_plain(const struct fixture *f)
{
	assert_int_equal(f->size, sizeof(PLAIN) - 1);
	assert_int_equal(f->out.size, sizeof(PLAIN) - 1);
	assert_memory_equal(f->out.data, PLAIN, sizeof(PLAIN) - 1);
}

static void
every_encoding_is_undone(void **state)
{
	static const struct {
		enum encoding encoding;
		const void *data;
		size_t size;
	} forms[] = {
		{ ENCODING_NONE, PLAIN, sizeof(PLAIN) - 1 },
		{ ENCODING_GZIP, gzip_form, sizeof(gzip_form) },
		{ ENCODING_DEFLATE, zlib_form, sizeof(zlib_form) },
		{ ENCODING_DEFLATE, raw_form, sizeof(raw_form) },
		{ ENCODING_BROTLI, brotli_form, sizeof(brotli_form) },
		{ ENCODING_ZSTD, zstd_form, sizeof(zstd_form) },
	};

	for (int round = 0; round < 2; round++) /* contexts are reused */
		for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
			assert_int_equal(decode(*state, forms[i].encoding,
						forms[i].data, forms[i].size),
					 CONTENT_WHOLE);
			assert_plain(*state);
		}
}

static void
every_prefix_of_every_encoding_is_cut_or_bad(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum encoding encoding;
		const uint8_t *data;
		size_t size;
	} forms[] = {
		{ ENCODING_GZIP, gzip_form, sizeof(gzip_form) },
		{ ENCODING_DEFLATE, zlib_form, sizeof(zlib_form) },
		{ ENCODING_BROTLI, brotli_form, sizeof(brotli_form) },
		{ ENCODING_ZSTD, zstd_form, sizeof(zstd_form) },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		for (size_t size = 1; size < forms[i].size; size++) {
			assert_int_not_equal(decode(f, forms[i].encoding,
						    forms[i].data, size),
					     CONTENT_WHOLE);
			assert_true(f->out.size < sizeof(PLAIN));
			assert_memory_equal(f->out.data, PLAIN, f->out.size);
		}
}

static void
gzip_members_follow_one_another(void **state)
{
	struct fixture *f = *state;
	uint8_t two[2 * sizeof(gzip_form)];

	memcpy(two, gzip_form, sizeof(gzip_form));
	memcpy(two + sizeof(gzip_form), gzip_form, sizeof(gzip_form));
	assert_int_equal(decode(f, ENCODING_GZIP, two, sizeof(two)),
			 CONTENT_WHOLE);
	assert_int_equal(f->out.size, 2 * (sizeof(PLAIN) - 1));
	assert_memory_equal(f->out.data + sizeof(PLAIN) - 1, PLAIN,
			    sizeof(PLAIN) - 1);
}

static void
what_is_not_encoded_as_named_is_bad_and_adds_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(decode(f, ENCODING_GZIP, PLAIN, sizeof(PLAIN)),
			 CONTENT_BAD);
	assert_int_equal(decode(f, ENCODING_ZSTD, PLAIN, sizeof(PLAIN)),
			 CONTENT_BAD);
	assert_int_equal(decode(f, ENCODING_UNKNOWN, PLAIN, sizeof(PLAIN)),
			 CONTENT_BAD);
	assert_int_equal(f->out.size, 0);
	assert_int_equal(f->size, 0);
}

/* 8 MiB of zeroes as gzip; free(3). */
static uint8_t *
make_bomb(size_t *size)
{
	size_t plain = 8 << 20;
	uint8_t *zeroes = calloc(1, plain);
	uLong bound = compressBound(plain) + 32;
	uint8_t *bomb = malloc(bound);
	z_stream z = { .next_in = zeroes, .avail_in = (uInt)plain,
		       .next_out = bomb, .avail_out = (uInt)bound };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9,
				      Z_DEFAULT_STRATEGY),
			 Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	*size = z.total_out;
	deflateEnd(&z);
	free(zeroes);
	return bomb;
}

static void
a_bomb_is_cut_at_the_ratio(void **state)
{
	struct fixture *f = *state;
	size_t size;
	uint8_t *bomb = make_bomb(&size);

	assert_in_range(size, 8000, 9000); /* deflate's best is about 1:1030 */
	buf_reset(&f->out);
	assert_int_equal(content_decode(f->decoder, ENCODING_GZIP,
					bytes_make(bomb, size), 50, &f->out,
					&f->size),
			 CONTENT_CUT);
	assert_int_equal(f->size, 50 * size);
	assert_int_equal(f->out.size, 50 * size);
	free(bomb);
}

static void
more_than_is_kept_is_counted(void **state)
{
	struct fixture *f = *state;
	size_t size;
	uint8_t *bomb = make_bomb(&size);

	buf_reset(&f->out);
	assert_int_equal(content_decode(f->decoder, ENCODING_GZIP,
					bytes_make(bomb, size), 2000, &f->out,
					&f->size),
			 CONTENT_CUT);
	assert_int_equal(f->size, 8 << 20);
	assert_int_equal(f->out.size, 1 << 20);
	free(bomb);
}

static void
counting_stops_at_sixteen_times_the_limit(void **state)
{
	struct fixture *f = *state;
	struct buf small;
	size_t size;
	uint8_t *bomb = make_bomb(&size);

	buf_init(&small, 1000);
	assert_int_equal(content_decode(f->decoder, ENCODING_GZIP,
					bytes_make(bomb, size), 2000, &small,
					&f->size),
			 CONTENT_CUT);
	assert_int_equal(f->size, 16000);
	assert_int_equal(small.size, 1000);
	buf_free(&small);
	free(bomb);
}

static void
a_short_repetitive_body_stays_whole(void **state)
{
	struct fixture *f = *state;
	/* printf 'A%.0s' $(seq 60000) | gzip -n9 has 91 bytes, 1:659. */
	uint8_t packed[256];
	uint8_t *plain = malloc(60000);
	z_stream z = { .next_in = plain, .avail_in = 60000,
		       .next_out = packed, .avail_out = sizeof(packed) };

	memset(plain, 'A', 60000);
	deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(decode(f, ENCODING_GZIP, packed, z.total_out),
			 CONTENT_WHOLE);
	assert_int_equal(f->out.size, 60000);
	deflateEnd(&z);
	free(plain);
}

static void
nothing_decodes_to_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(decode(f, ENCODING_GZIP, "", 0), CONTENT_WHOLE);
	assert_int_equal(f->out.size, 0);
}

static void
a_full_buffer_takes_no_more(void **state)
{
	struct fixture *f = *state;
	struct buf full;

	buf_init(&full, 4);
	buf_text(&full, "abcd");
	assert_int_equal(content_decode(f->decoder, ENCODING_GZIP,
					bytes_make(gzip_form,
						   sizeof(gzip_form)),
					200, &full, &f->size),
			 CONTENT_CUT);
	assert_int_equal(full.size, 4);
	assert_memory_equal(full.data, "abcd", 4);
	buf_free(&full);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_encoding_is_undone),
		TEST(every_prefix_of_every_encoding_is_cut_or_bad),
		TEST(gzip_members_follow_one_another),
		TEST(what_is_not_encoded_as_named_is_bad_and_adds_nothing),
		TEST(a_bomb_is_cut_at_the_ratio),
		TEST(more_than_is_kept_is_counted),
		TEST(counting_stops_at_sixteen_times_the_limit),
		TEST(a_short_repetitive_body_stays_whole),
		TEST(nothing_decodes_to_nothing),
		TEST(a_full_buffer_takes_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
