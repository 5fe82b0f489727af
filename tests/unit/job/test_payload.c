/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/payload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zstd.h>

#include "base/buf.h"

#define BLOCKS_MAX 64

/* What the packer emitted, decompressed by libzstd. */
struct fixture {
	struct payload_packer *packer;
	struct coverage coverage;
	struct call_event call;
	unsigned block_count;
	struct {
		uint64_t id;
		bool bodies;
		size_t size;
		char *data;
	} blocks[BLOCKS_MAX];
};

static void
keep_block(void *context, const struct payload_block *block)
{
	struct fixture *f = context;
	unsigned i = f->block_count++;
	size_t size;

	assert_true(i < BLOCKS_MAX);
	f->blocks[i].id = block->block;
	f->blocks[i].bodies = block->bodies;
	f->blocks[i].size = block->raw_size;
	f->blocks[i].data = malloc(block->raw_size);
	size = ZSTD_decompress(f->blocks[i].data, block->raw_size,
			       block->compressed.data, block->compressed.size);
	assert_int_equal(size, block->raw_size);
}

static int
setup(void **state)
{
	struct payload_options options = {
		.block_bytes = 4096,
		.level = 1,
		.body_limit = 10000,
		.ratio_limit = 100,
		.first_block = 3,
		.block_step = 8,
		.dedup_entries = 64,
	};
	struct fixture *f = calloc(1, sizeof(*f));

	f->packer = payload_packer_new(&options, keep_block, f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	payload_packer_free(f->packer);
	for (unsigned i = 0; i < f->block_count; i++)
		free(f->blocks[i].data);
	free(f);
	return 0;
}

static void
pack(struct fixture *f, struct bytes head, struct bytes body,
     enum encoding encoding)
{
	f->call = (struct call_event){ 0 };
	f->call.response.head = head;
	f->call.response.body = body;
	f->call.response.body_wire_bytes = body.size;
	f->call.response.encoding = encoding;
	payload_packer_call(f->packer, &f->call, &f->coverage);
}

static void
assert_stored(const struct fixture *f, struct payload_ref ref, bool bodies,
	      struct bytes expected)
{
	for (unsigned i = 0; i < f->block_count; i++)
		if (f->blocks[i].id == ref.block) {
			assert_int_equal(f->blocks[i].bodies, bodies);
			assert_int_equal(ref.size, expected.size);
			assert_true(ref.offset + ref.size <= f->blocks[i].size);
			assert_memory_equal(f->blocks[i].data + ref.offset,
					    expected.data, expected.size);
			return;
		}
	fail_msg("block %llu was never emitted", (unsigned long long)ref.block);
}

static struct bytes
pattern(char *out, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245 + 12345;
		out[i] = (char)(seed >> 16);
	}
	return bytes_make(out, size);
}

static void
heads_and_bodies_come_back_from_their_blocks(void **state)
{
	struct fixture *f = *state;
	struct payload_ref head, body;

	pack(f, bytes_of("head one"), bytes_of("body one"), ENCODING_NONE);
	head = f->call.response.head_ref;
	body = f->call.response.body_ref;
	assert_int_equal(f->block_count, 0);
	payload_packer_flush(f->packer);
	assert_int_equal(f->block_count, 2);
	assert_stored(f, head, false, bytes_of("head one"));
	assert_stored(f, body, true, bytes_of("body one"));
}

static void
block_ids_keep_to_their_stride(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 5; i++) {
		pack(f, bytes_of("head"), bytes_of("body"), ENCODING_NONE);
		payload_packer_flush(f->packer);
	}
	assert_int_equal(f->block_count, 10);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(f->blocks[i].id, 3 + 8 * i);
}

static void
a_full_block_is_emitted_before_the_next_begins(void **state)
{
	struct fixture *f = *state;
	char data[3000];
	struct payload_ref first, second;

	pack(f, bytes_of(""), pattern(data, sizeof(data), 1), ENCODING_NONE);
	first = f->call.response.body_ref;
	assert_int_equal(f->block_count, 0);
	pack(f, bytes_of(""), pattern(data, sizeof(data), 2), ENCODING_NONE);
	second = f->call.response.body_ref;
	assert_int_equal(f->block_count, 1);
	payload_packer_flush(f->packer);
	assert_stored(f, first, true, pattern(data, sizeof(data), 1));
	assert_stored(f, second, true, pattern(data, sizeof(data), 2));
}

static void
a_body_above_the_block_size_gets_a_block_of_its_own(void **state)
{
	struct fixture *f = *state;
	char data[9000];

	pack(f, bytes_of(""), pattern(data, sizeof(data), 1), ENCODING_NONE);
	payload_packer_flush(f->packer);
	assert_int_equal(f->block_count, 1);
	assert_stored(f, f->call.response.body_ref, true,
		      bytes_make(data, sizeof(data)));
}

static void
the_same_body_is_stored_once(void **state)
{
	struct fixture *f = *state;
	char data[100];
	struct payload_ref first;

	pack(f, bytes_of(""), pattern(data, sizeof(data), 1), ENCODING_NONE);
	first = f->call.response.body_ref;
	pack(f, bytes_of(""), pattern(data, sizeof(data), 2), ENCODING_NONE);
	assert_int_not_equal(f->call.response.body_ref.offset, first.offset);
	pack(f, bytes_of(""), pattern(data, sizeof(data), 1), ENCODING_NONE);
	assert_int_equal(f->call.response.body_ref.block, first.block);
	assert_int_equal(f->call.response.body_ref.offset, first.offset);
	assert_int_equal(f->call.response.body_ref.size, first.size);
	payload_packer_flush(f->packer);
	assert_int_equal(f->blocks[0].size, 200);
}

static void
a_body_seen_before_stays_known_after_its_block_is_gone(void **state)
{
	struct fixture *f = *state;
	char data[100];
	struct payload_ref first;

	pack(f, bytes_of(""), pattern(data, sizeof(data), 1), ENCODING_NONE);
	first = f->call.response.body_ref;
	payload_packer_flush(f->packer);
	pack(f, bytes_of(""), pattern(data, sizeof(data), 1), ENCODING_NONE);
	payload_packer_flush(f->packer);
	assert_int_equal(f->block_count, 1);
	assert_int_equal(f->call.response.body_ref.block, first.block);
}

static void
the_same_bytes_under_another_encoding_are_another_body(void **state)
{
	struct fixture *f = *state;
	char data[100];

	pack(f, bytes_of(""), pattern(data, sizeof(data), 1), ENCODING_NONE);
	assert_int_equal(f->call.flags, 0);
	pack(f, bytes_of(""), pattern(data, sizeof(data), 1), ENCODING_GZIP);
	assert_int_equal(f->call.flags, CALL_RESPONSE_UNDECODED);
	payload_packer_flush(f->packer);
	assert_int_equal(f->blocks[0].size, 200);
}

static void
more_content_than_the_table_holds_is_stored_again_and_stays_right(void **state)
{
	struct fixture *f = *state;
	struct payload_ref refs[200];
	char data[100];

	for (int round = 0; round < 2; round++)
		for (unsigned i = 0; i < 200; i++) {
			pack(f, bytes_of(""), pattern(data, sizeof(data), i),
			     ENCODING_NONE);
			refs[i] = f->call.response.body_ref;
		}
	payload_packer_flush(f->packer);
	for (unsigned i = 0; i < 200; i++)
		assert_stored(f, refs[i], true,
			      pattern(data, sizeof(data), i));
}

static void
an_encoded_body_is_stored_decoded(void **state)
{
	/* printf 'hello, hello, hello, world\n' | gzip -n9 */
	static const uint8_t gzip_form[] = {
		0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
		0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xd7, 0x51, 0xc8,
		0x40, 0xa1, 0xca, 0xf3, 0x8b, 0x72, 0x52, 0xb8, 0x00,
		0xc3, 0x70, 0xa3, 0xc2, 0x1b, 0x00, 0x00, 0x00,
	};
	struct fixture *f = *state;

	pack(f, bytes_of(""), bytes_make(gzip_form, sizeof(gzip_form)),
	     ENCODING_GZIP);
	payload_packer_flush(f->packer);
	assert_int_equal(f->call.flags, 0);
	assert_int_equal(f->call.response.body_bytes, 27);
	assert_int_equal(f->call.response.body_wire_bytes, 35);
	assert_stored(f, f->call.response.body_ref, true,
		      bytes_of("hello, hello, hello, world\n"));
}

static void
a_body_that_cannot_be_decoded_is_kept_as_sent_and_counted(void **state)
{
	struct fixture *f = *state;
	struct bytes body = bytes_of("this is not gzip at all");

	pack(f, bytes_of(""), body, ENCODING_GZIP);
	payload_packer_flush(f->packer);
	assert_int_equal(f->call.flags, CALL_RESPONSE_UNDECODED);
	assert_int_equal(f->coverage.bodies_undecoded, 1);
	assert_int_equal(f->call.response.body_bytes, body.size);
	assert_stored(f, f->call.response.body_ref, true, body);
}

static void
a_body_above_the_limit_is_cut_marked_and_counted(void **state)
{
	struct fixture *f = *state;
	char data[12000];

	pack(f, bytes_of(""), pattern(data, sizeof(data), 1), ENCODING_NONE);
	payload_packer_flush(f->packer);
	assert_int_equal(f->call.flags, CALL_RESPONSE_TRUNCATED);
	assert_int_equal(f->coverage.bodies_truncated, 1);
	assert_int_equal(f->call.response.body_bytes, sizeof(data));
	assert_stored(f, f->call.response.body_ref, true,
		      bytes_make(data, 10000));
}

static void
no_payload_makes_no_block(void **state)
{
	struct fixture *f = *state;

	pack(f, bytes_of(""), bytes_of(""), ENCODING_GZIP);
	payload_packer_flush(f->packer);
	assert_int_equal(f->block_count, 0);
	assert_int_equal(f->call.response.body_ref.size, 0);
	assert_int_equal(f->call.flags, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(heads_and_bodies_come_back_from_their_blocks),
		TEST(block_ids_keep_to_their_stride),
		TEST(a_full_block_is_emitted_before_the_next_begins),
		TEST(a_body_above_the_block_size_gets_a_block_of_its_own),
		TEST(the_same_body_is_stored_once),
		TEST(a_body_seen_before_stays_known_after_its_block_is_gone),
		TEST(the_same_bytes_under_another_encoding_are_another_body),
		TEST(more_content_than_the_table_holds_is_stored_again_and_stays_right),
		TEST(an_encoded_body_is_stored_decoded),
		TEST(a_body_that_cannot_be_decoded_is_kept_as_sent_and_counted),
		TEST(a_body_above_the_limit_is_cut_marked_and_counted),
		TEST(no_payload_makes_no_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
