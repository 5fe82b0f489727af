/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>

#include "dissect/store/histogram.h"

static int
compare(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void
quantiles_are_within_a_hundredth_of_the_sorted_values(void **state)
{
	static const double shares[] = { 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1 };
	static int64_t values[50000];
	const size_t count = sizeof(values) / sizeof(*values);
	struct histogram h = { 0 };
	uint64_t seed = 7;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		double u;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		u = (double)(seed >> 11) / 9007199254740992.0;
		/* From 2 microseconds to 20 minutes, even by magnitude. */
		values[i] = (int64_t)(2e3 * pow(6e8, u));
		(void)histogram_add(&h, values[i]);
	}
	qsort(values, count, sizeof(*values), compare);
	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
		size_t rank = (size_t)ceil(shares[i] * (double)count);
		double wanted = (double)values[rank - 1];
		double got = histogram_quantile(&h, shares[i]);

		if (fabs(got - wanted) > wanted / 100)
			fail_msg("%f: %f is not %f", shares[i], got, wanted);
	}
	assert_int_equal(h.max, values[count - 1]);
	histogram_free(&h);
}

static void
extremes_are_counted_too(void **state)
{
	static const int64_t values[] = { INT64_MIN, -1, 0, 1, 999, 1000, 1024,
					  INT64_MAX };
	struct histogram h = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		(void)histogram_add(&h, values[i]);
	assert_int_equal(h.count, 8);
	assert_true(h.max == INT64_MAX);
	assert_true(histogram_quantile(&h, 0) < 1000);
	assert_true(histogram_quantile(&h, 0.5) < 1000);
	histogram_free(&h);
	assert_int_equal(h.count, 0);
}

static void
merging_is_adding_all(void **state)
{
	struct histogram a = { 0 }, b = { 0 }, all = { 0 };

	(void)state;
	for (int64_t i = 1; i <= 1000; i++) {
		(void)histogram_add(i % 3 ? &a : &b, i * 10000);
		(void)histogram_add(&all, i * 10000);
	}
	histogram_merge(&a, &b);
	assert_int_equal(a.count, all.count);
	assert_int_equal(a.max, all.max);
	for (int i = 1; i <= 100; i++)
		assert_true(histogram_quantile(&a, i / 100.0) ==
			    histogram_quantile(&all, i / 100.0));
	histogram_free(&a);
	histogram_free(&b);
	histogram_free(&all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			quantiles_are_within_a_hundredth_of_the_sorted_values),
		cmocka_unit_test(extremes_are_counted_too),
		cmocka_unit_test(merging_is_adding_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
