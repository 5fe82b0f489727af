/* SPDX-License-Identifier: Apache-2.0 */
/* When closed segments are sealed (capture/recorder/seal_pace.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "capture/recorder/seal_pace.h"

#define MIB ((uint64_t)1 << 20)

static const struct seal_backlog one = { .segments = 1,
					 .segment_bytes = 64 * MIB };

/* Ten times a second `rate` bytes, for so many seconds. */
static int64_t
record(struct seal_pace *p, uint64_t *bytes, uint64_t rate, int64_t from_ns,
       int seconds)
{
	for (int i = 0; i < 10 * seconds; i++) {
		*bytes += rate / 10;
		from_ns += CLOCK_NS_PER_S / 10;
		seal_pace_note(p, *bytes, from_ns);
	}
	return from_ns;
}

static void
test_load(void **state)
{
	struct seal_pace p = { 0 };
	int64_t now = 5000 * CLOCK_NS_PER_S;
	uint64_t bytes = 0;

	(void)state;
	seal_pace_note(&p, 0, now);
	assert_int_equal(seal_pace_ask(&p, &one), SEAL_PACE_IDLE);
	now = record(&p, &bytes, 15 * MIB, now, 3);
	assert_int_equal(seal_pace_ask(&p, &one), SEAL_PACE_IDLE);
	now = record(&p, &bytes, 250 * MIB, now, 1);
	assert_int_equal(seal_pace_ask(&p, &one), SEAL_PACE_WAIT);
	now = record(&p, &bytes, 250 * MIB, now, 3);
	assert_int_equal(seal_pace_ask(&p, &one), SEAL_PACE_WAIT);
	/* The load ends. */
	(void)record(&p, &bytes, 0, now, 2);
	assert_int_equal(seal_pace_ask(&p, &one), SEAL_PACE_IDLE);
}

/* What is certain within a second is not waited for. */
static void
test_at_once(void **state)
{
	struct seal_pace p = { 0 };

	(void)state;
	seal_pace_note(&p, 0, 50 * CLOCK_NS_PER_S);
	seal_pace_note(&p, 17 * MIB, 50 * CLOCK_NS_PER_S + 1);
	assert_int_equal(seal_pace_ask(&p, &one), SEAL_PACE_WAIT);
}

/* A recorder that idles is not asked often: a second's rate counts. */
static void
test_seldom(void **state)
{
	struct seal_pace p = { 0 };

	(void)state;
	seal_pace_note(&p, 0, 50 * CLOCK_NS_PER_S);
	seal_pace_note(&p, 30 * MIB, 60 * CLOCK_NS_PER_S);
	assert_int_equal(seal_pace_ask(&p, &one), SEAL_PACE_IDLE);
}

static void
test_bounds(void **state)
{
	struct seal_pace p = { .busy = true };
	struct seal_backlog b = one;

	(void)state;
	b.segments = 31;
	assert_int_equal(seal_pace_ask(&p, &b), SEAL_PACE_WAIT);
	b.segments = 32; /* 2 GiB */
	assert_int_equal(seal_pace_ask(&p, &b), SEAL_PACE_IDLE);
	b.segments = 64;
	assert_int_equal(seal_pace_ask(&p, &b), SEAL_PACE_HURRY);
	b.quota = 1024 * MIB; /* of which 256 are a quarter */
	b.segments = 3;
	assert_int_equal(seal_pace_ask(&p, &b), SEAL_PACE_WAIT);
	b.segments = 4;
	assert_int_equal(seal_pace_ask(&p, &b), SEAL_PACE_IDLE);
	b.segments = 8;
	assert_int_equal(seal_pace_ask(&p, &b), SEAL_PACE_HURRY);
	b.quota = 0;
	b.segment_bytes = MIB;
	b.segments = 63;
	assert_int_equal(seal_pace_ask(&p, &b), SEAL_PACE_WAIT);
	b.segments = 64;
	assert_int_equal(seal_pace_ask(&p, &b), SEAL_PACE_IDLE);
	b.segments = 128;
	assert_int_equal(seal_pace_ask(&p, &b), SEAL_PACE_HURRY);
}

static void
test_haste(void **state)
{
	struct seal_pace p = { .busy = true };
	struct seal_backlog b = one;

	(void)state;
	b.awaited = true;
	assert_int_equal(seal_pace_ask(&p, &b), SEAL_PACE_HURRY);
	b.awaited = false;
	b.short_of_disk = true;
	assert_int_equal(seal_pace_ask(&p, &b), SEAL_PACE_HURRY);
	/* Little comes, and yet it falls behind. */
	p.busy = b.short_of_disk = false;
	b.segments = 3;
	assert_int_equal(seal_pace_ask(&p, &b), SEAL_PACE_HURRY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_seldom),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_haste),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
