/* SPDX-License-Identifier: Apache-2.0 */
/* Plaintext beside a raw segment, written by a recorder and read back. */
#include "capture/recorder/seal_plain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "capture/source/raw_record.h"
#include "scratch.h"

/* A record of an interface: 8 + 56 + 4 bytes, padded to 72. */
static void
put(struct buf *out, uint32_t ifindex, uint32_t content)
{
	const struct raw_record record = { .time_ns = content,
					   .captured = 4,
					   .length = 4,
					   .ifindex = ifindex,
					   .kind = RAW_PACKET };

	buf_le32(out, sizeof(record) + 4);
	buf_le32(out, 0);
	buf_append(out, &record, sizeof(record));
	buf_le32(out, content);
	buf_le32(out, 0);
}

static void
expect(struct seal_plain *p, uint32_t content)
{
	uint32_t got;

	assert_true(p->has_packet);
	assert_int_equal(p->packet.captured, 4);
	memcpy(&got, p->packet.data, 4);
	assert_int_equal(got, content);
	assert_int_equal(p->packet.time_ns, content);
	seal_plain_next(p);
}

static void
packets_in_their_order(void **state)
{
	struct seal_plain p;
	struct buf out;
	char *path;

	buf_init(&out, 10000);
	put(&out, RAW_PLAINTEXT | 5, 1);
	put(&out, 5, 2); /* of no process: not plaintext */
	put(&out, RAW_PLAINTEXT | 6, 3);
	path = scratch_file(*state, "000001.plain", buf_view(&out));
	seal_plain_open(&p, path);
	for (int i = 0; i < 3; i++) {
		seal_plain_rewind(&p);
		expect(&p, 1);
		if (i == 1)
			continue; /* in the middle of it */
		expect(&p, 3);
		assert_false(p.has_packet);
	}
	seal_plain_close(&p);
	seal_plain_close(&p);
	free(path);
	buf_free(&out);
}

/* Cut off anywhere: what is whole is read, and nothing else. */
static void
a_torn_end_is_the_end(void **state)
{
	struct buf out;

	buf_init(&out, 10000);
	put(&out, RAW_PLAINTEXT | 5, 1);
	put(&out, RAW_PLAINTEXT | 5, 2);
	for (size_t size = 0; size <= out.size; size++) {
		struct seal_plain p;
		char *path = scratch_file(*state, "torn",
					  bytes_make(out.data, size));

		seal_plain_open(&p, path);
		seal_plain_rewind(&p);
		if (size >= 68) /* padding has nothing to say */
			expect(&p, 1);
		if (size >= 140)
			expect(&p, 2);
		assert_false(p.has_packet);
		seal_plain_close(&p);
		assert_int_equal(unlink(path), 0);
		free(path);
	}
	buf_free(&out);
}

static void
no_file_is_an_empty_one(void **state)
{
	struct seal_plain p;
	char *path = scratch_file(*state, "empty", bytes_make(NULL, 0));

	seal_plain_open(&p, path);
	seal_plain_rewind(&p);
	assert_false(p.has_packet);
	seal_plain_close(&p);
	assert_int_equal(unlink(path), 0);
	seal_plain_open(&p, path);
	seal_plain_rewind(&p);
	assert_false(p.has_packet);
	seal_plain_close(&p);
	assert_int_equal(mkdir(path, 0700), 0);
	seal_plain_open(&p, path);
	seal_plain_rewind(&p);
	assert_false(p.has_packet);
	seal_plain_close(&p);
	free(path);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(packets_in_their_order),
		TEST(a_torn_end_is_the_end),
		TEST(no_file_is_an_empty_one),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
