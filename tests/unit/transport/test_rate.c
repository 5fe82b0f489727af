/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/transport/rate.h"

static unsigned
taken(struct rate *r, const char *client, unsigned tries, int64_t now_ns)
{
	unsigned n = 0;

	while (tries--)
		n += rate_take(r, bytes_of(client), now_ns);
	return n;
}

static void
a_second_holds_so_many(void **state)
{
	struct rate *r = alloc_zero(1, sizeof(*r));
	int64_t now = 5 * CLOCK_NS_PER_S;

	(void)state;
	rate_init(r, 10);
	assert_int_equal(taken(r, "a", 50, now), 10);
	now += CLOCK_NS_PER_S / 2;
	assert_int_equal(taken(r, "a", 50, now), 5);
	now += 3600 * CLOCK_NS_PER_S;
	assert_int_equal(taken(r, "a", 50, now), 10);
	free(r);
}

static void
without_a_rate_there_is_no_limit(void **state)
{
	struct rate *r = alloc_zero(1, sizeof(*r));

	(void)state;
	rate_init(r, 0);
	assert_int_equal(taken(r, "a", 1000, CLOCK_NS_PER_S), 1000);
	free(r);
}

static void
clients_do_not_take_from_each_other(void **state)
{
	struct rate *r = alloc_zero(1, sizeof(*r));
	unsigned free_ones = 0;

	(void)state;
	rate_init(r, 1);
	assert_int_equal(taken(r, "greedy", 100, CLOCK_NS_PER_S), 1);
	for (char name = 'a'; name <= 'z'; name++)
		free_ones += taken(r, (char[]){ name, '\0' }, 1,
				   CLOCK_NS_PER_S);
	assert_true(free_ones >= 20); /* some may share a place by chance */
	free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_holds_so_many),
		cmocka_unit_test(without_a_rate_there_is_no_limit),
		cmocka_unit_test(clients_do_not_take_from_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
