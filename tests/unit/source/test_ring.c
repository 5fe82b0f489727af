/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/source/raw_record.h"

#define BYTES 65536u

static struct ring ring;

static int
setup(void **state)
{
	(void)state;
	return ring_create(&ring, BYTES, NULL);
}

static int
teardown(void **state)
{
	(void)state;
	ring_close(&ring);
	return 0;
}

static uint8_t *
put(uint32_t size, uint8_t fill)
{
	uint8_t *record = ring_reserve(&ring, size);

	if (record)
		memset(record, fill, size);
	return record;
}

static void
test_span_ends_at_busy_record(void **state)
{
	uint8_t *first = put(100, 1), *second = put(20, 2), *third = put(8, 3);
	struct source_span span;

	(void)state;
	assert_false(ring_peek(&ring, &span));
	ring_commit(&ring, second);
	assert_false(ring_peek(&ring, &span));
	ring_commit(&ring, first);
	assert_true(ring_peek(&ring, &span));
	/* 8 + 100 and 8 + 20, each to a multiple of 8. */
	assert_int_equal(span.size, 112 + 32);
	assert_int_equal(span.position, 0);
	assert_int_equal(span.data[8], 1);
	ring_commit(&ring, third);
	assert_true(ring_peek(&ring, &span));
	assert_int_equal(span.size, 112 + 32 + 16);
	ring_release(&ring, 112);
	assert_true(ring_peek(&ring, &span));
	assert_int_equal(span.position, 112);
	assert_int_equal(span.size, 48);
	assert_int_equal((uintptr_t)span.data % 4096, 112);
}

static void
test_discarded_is_part_of_span(void **state)
{
	uint8_t *first = put(64, 1), *second = put(64, 2);
	struct source_span span;
	uint32_t header = 64 | RAW_RING_DISCARD;

	(void)state;
	memcpy(first - RAW_RING_HEADER, &header, sizeof header);
	ring_commit(&ring, second);
	assert_true(ring_peek(&ring, &span));
	assert_int_equal(span.size, 2 * 72);
}

static void
say_complete(uint64_t position)
{
	memcpy(ring.producer + ring.complete, &position, sizeof position);
}

/* What the kernel says is complete is; what follows is looked at. */
static void
test_kernel_knows_what_is_complete(void **state)
{
	uint8_t *first = put(64, 1), *second = put(64, 2), *third = put(64, 3);
	struct source_span span;

	(void)state;
	ring.complete = 8;
	ring_commit(&ring, second);
	say_complete(0);
	assert_false(ring_peek(&ring, &span));
	/* The first is said to be: its header is not read at all. */
	say_complete(72);
	assert_true(ring_peek(&ring, &span));
	assert_int_equal(span.size, 2 * 72);
	ring_release(&ring, span.size);
	/* What is behind where we are already says nothing. */
	assert_false(ring_peek(&ring, &span));
	ring_commit(&ring, third);
	assert_true(ring_peek(&ring, &span));
	assert_int_equal(span.position, 2 * 72);
	assert_int_equal(span.size, 72);
	ring_commit(&ring, first);
}

/* Round and round: every byte comes out once, in order, in one piece. */
static void
test_wrap(void **state)
{
	uint64_t position = 0;
	struct source_span span;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		uint32_t size = 1000 + i % 777;
		uint8_t *record = put(size, (uint8_t)i);

		assert_non_null(record);
		ring_commit(&ring, record);
		assert_true(ring_peek(&ring, &span));
		assert_int_equal(span.position, position);
		assert_int_equal(span.size, (8 + size + 7) / 8 * 8);
		assert_int_equal((uintptr_t)span.data % 4096,
				 span.position % 4096);
		for (uint32_t k = 0; k < size; k++)
			assert_int_equal(span.data[8 + k], (uint8_t)i);
		ring_release(&ring, span.size);
		position += span.size;
		assert_false(ring_peek(&ring, &span));
	}
	assert_true(position > 10 * BYTES);
}

/* The start of the page in which the next record begins is left alone. */
static void
test_writers_get_whole_pages(void **state)
{
	uint8_t *record;
	struct source_span span;
	uint64_t total = 0;

	(void)state;
	record = put(5000, 7);
	ring_commit(&ring, record);
	assert_true(ring_peek(&ring, &span));
	ring_release(&ring, span.size);
	while ((record = put(1016, 9))) {
		ring_commit(&ring, record);
		total += 1024;
	}
	/* 5008 bytes were given back, one page of them to the writers. */
	assert_true(5008 + total + 1024 > BYTES + 4096);
	assert_true(5008 + total <= BYTES + 4096);
	assert_true(ring_peek(&ring, &span));
	assert_int_equal(span.position, 5008);
	assert_int_equal(span.size, total);
	assert_int_equal(span.data[-1], 7);
	assert_int_equal(span.data[-900], 7);
}

static void
test_sizes(void **state)
{
	size_t bytes = 0;

	(void)state;
	assert_int_equal(ring_size(0, &bytes, NULL), 0);
	assert_int_equal(bytes, 64u << 20);
	assert_int_equal(ring_size(3u << 20, &bytes, NULL), ERR_INVALID);
	assert_int_equal(ring_size(4096, &bytes, NULL), ERR_INVALID);
	assert_int_equal(ring_size(UINT64_C(1) << 40, &bytes, NULL),
			 ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_span_ends_at_busy_record,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_discarded_is_part_of_span,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_kernel_knows_what_is_complete, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_writers_get_whole_pages,
						setup, teardown),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
