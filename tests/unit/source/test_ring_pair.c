/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/ring_pair.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "capture/source/raw_record.h"

#define BYTES 65536u
#define RECORD 1000u
#define RECORD_TOTAL 1008u

static struct ring_pair pair;
static struct packet_ring_choice choice;
/* The time that the reader is told. */
static int64_t now_ns;

static int
setup(void **state)
{
	(void)state;
	memset(&pair, 0, sizeof(pair));
	choice.far = 0;
	now_ns = 5 * CLOCK_NS_PER_S;
	if (ring_create(&pair.near, BYTES, NULL) < 0 ||
	    ring_create(&pair.far, 4 * BYTES, NULL) < 0)
		return -1;
	pair.choice = &choice;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	ring_close(&pair.near);
	ring_close(&pair.far);
	return 0;
}

static void
put(struct ring *ring, uint8_t fill)
{
	uint8_t *record = ring_reserve(ring, RECORD);

	assert_non_null(record);
	memset(record, fill, RECORD);
	ring_commit(ring, record);
}

/* As the programs do it; the ring that it went into. */
static struct ring *
write_one(uint8_t fill)
{
	uint8_t *record = choice.far ? NULL : ring_reserve(&pair.near, RECORD);

	if (!record) {
		choice.far = 1;
		put(&pair.far, fill);
		return &pair.far;
	}
	memset(record, fill, RECORD);
	ring_commit(&pair.near, record);
	return &pair.near;
}

/* Takes the next span: what its records are filled with goes on from `first`;
 * how many there were. */
static unsigned
take(unsigned first)
{
	struct source_span span;
	unsigned count = 0;

	if (!ring_pair_peek(&pair, now_ns, &span))
		return 0;
	for (; count < span.size / RECORD_TOTAL; count++)
		assert_int_equal(span.data[count * RECORD_TOTAL +
					   RAW_RING_HEADER],
				 (uint8_t)(first + count));
	assert_int_equal(span.size, count * RECORD_TOTAL);
	ring_pair_release(&pair, span.size);
	return count;
}

static void
test_order_across_rings(void **state)
{
	unsigned written = 0, taken;

	(void)state;
	while (write_one((uint8_t)written) == &pair.near)
		written++;
	written++;
	write_one((uint8_t)written++);
	/* 65 of 1008 bytes fit into 64 KiB; what was first comes first. */
	taken = take(0);
	assert_int_equal(taken, 65);
	taken += take(taken);
	assert_int_equal(taken, 67);
	assert_int_equal(take(taken), 0);
	/* There is room in the small one again, which is not gone back to. */
	assert_ptr_equal(write_one((uint8_t)written), &pair.far);
}

static void *
commit_later(void *record)
{
	const struct timespec pause = { .tv_nsec = CLOCK_NS_PER_MS };

	nanosleep(&pause, NULL);
	ring_commit(&pair.near, record);
	return NULL;
}

/* A writer that is at it still in the ring that was left: its record and those
 * behind it are older than what is in the other one. */
static void
test_waits_for_a_writer(void **state)
{
	uint8_t *record;
	pthread_t writer;

	(void)state;
	put(&pair.near, 0);
	record = ring_reserve(&pair.near, RECORD);
	assert_non_null(record);
	memset(record, 1, RECORD);
	put(&pair.near, 2);
	choice.far = 1;
	put(&pair.far, 3);
	assert_int_equal(take(0), 1);
	assert_int_equal(pthread_create(&writer, NULL, commit_later, record),
			 0);
	assert_int_equal(take(1), 2);
	assert_int_equal(take(3), 1);
	assert_int_equal(pthread_join(writer, NULL), 0);
	/* Not for ever. */
	record = ring_reserve(&pair.near, RECORD);
	assert_non_null(record);
	memset(record, 5, RECORD);
	put(&pair.far, 4);
	assert_int_equal(take(4), 1);
	ring_commit(&pair.near, record);
	assert_int_equal(take(5), 1);
	assert_int_equal(take(0), 0);
}

static void
test_positions_never_meet(void **state)
{
	struct source_span near, far;

	(void)state;
	put(&pair.near, 1);
	put(&pair.far, 2);
	choice.far = 1;
	assert_true(ring_pair_peek(&pair, now_ns, &near));
	ring_pair_release(&pair, near.size);
	assert_true(ring_pair_peek(&pair, now_ns, &far));
	/* Neither the same nor one behind the other, and the same in a page. */
	assert_true(far.position > near.position + (UINT64_C(1) << 40));
	assert_int_equal(far.position % 4096, near.position % 4096);
}

static void
test_return_when_it_would_do(void **state)
{
	(void)state;
	choice.far = 1;
	put(&pair.far, 0);
	assert_int_equal(take(0), 1);
	now_ns += 9 * CLOCK_NS_PER_S;
	/* More than half the small ring waits: it would not do. */
	for (unsigned i = 0; i < 40; i++)
		put(&pair.far, (uint8_t)i);
	assert_int_equal(take(0), 40);
	now_ns += 9 * CLOCK_NS_PER_S;
	put(&pair.far, 0);
	assert_int_equal(take(0), 1);
	assert_int_equal(choice.far, 1);
	now_ns += CLOCK_NS_PER_S;
	put(&pair.far, 7);
	assert_int_equal(take(7), 1);
	assert_int_equal(choice.far, 0);
	/* A writer that had chosen before that: not left behind. */
	put(&pair.near, 9);
	put(&pair.far, 8);
	assert_int_equal(take(8), 1);
	assert_int_equal(take(9), 1);
	assert_int_equal(take(0), 0);
	/* The ten seconds begin anew when it is needed again. */
	choice.far = 1;
	now_ns += 60 * CLOCK_NS_PER_S;
	assert_int_equal(take(0), 0);
	assert_int_equal(choice.far, 1);
}

static void
test_only_one(void **state)
{
	(void)state;
	pair.choice = NULL;
	pair.reading = &pair.far;
	put(&pair.near, 1);
	put(&pair.far, 2);
	assert_int_equal(take(2), 1);
	assert_int_equal(take(0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order_across_rings, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_waits_for_a_writer, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_positions_never_meet,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_return_when_it_would_do,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_one, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
