/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/store/histogram.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

/* Nanoseconds that the first, linear power covers: 64 buckets of 16. */
#define FIRST_BITS 10
#define STEP_BITS 6

static unsigned
power_of(uint64_t ns)
{
	unsigned bits = 64 - (unsigned)__builtin_clzll(ns | 1);

	if (bits <= FIRST_BITS)
		return 0;
	return bits - FIRST_BITS < HISTOGRAM_POWERS
		       ? bits - FIRST_BITS : HISTOGRAM_POWERS - 1;
}

static unsigned
step_of(uint64_t ns, unsigned power)
{
	uint64_t step;

	if (power == 0)
		return (unsigned)(ns >> (FIRST_BITS - STEP_BITS));
	step = (ns >> (FIRST_BITS + power - 1 - STEP_BITS)) - HISTOGRAM_STEPS;
	return step < HISTOGRAM_STEPS ? (unsigned)step : HISTOGRAM_STEPS - 1;
}

/* The middle of a bucket. */
static double
value_of(unsigned power, unsigned step)
{
	if (power == 0)
		return ldexp(step + 0.5, FIRST_BITS - STEP_BITS);
	return ldexp(HISTOGRAM_STEPS + step + 0.5,
		     (int)(FIRST_BITS + power - 1 - STEP_BITS));
}

static size_t
ensure(struct histogram *h, unsigned power)
{
	if (h->powers[power])
		return 0;
	h->powers[power] = alloc_zero(HISTOGRAM_STEPS, sizeof(uint32_t));
	return HISTOGRAM_STEPS * sizeof(uint32_t);
}

size_t
histogram_add(struct histogram *h, int64_t ns)
{
	uint64_t value = ns > 0 ? (uint64_t)ns : 0;
	unsigned power = power_of(value);
	size_t taken = ensure(h, power);

	h->powers[power][step_of(value, power)]++;
	h->count++;
	h->sum += (double)value;
	if ((int64_t)value > h->max)
		h->max = (int64_t)value;
	return taken;
}

void
histogram_prefetch(const struct histogram *h, int64_t ns)
{
	uint64_t value = ns > 0 ? (uint64_t)ns : 0;
	unsigned power = power_of(value);

	if (h->powers[power])
		__builtin_prefetch(&h->powers[power][step_of(value, power)], 1);
}

void
histogram_merge(struct histogram *h, const struct histogram *from)
{
	for (unsigned p = 0; p < HISTOGRAM_POWERS; p++) {
		if (!from->powers[p])
			continue;
		(void)ensure(h, p);
		for (unsigned i = 0; i < HISTOGRAM_STEPS; i++)
			h->powers[p][i] += from->powers[p][i];
	}
	h->count += from->count;
	h->sum += from->sum;
	if (from->max > h->max)
		h->max = from->max;
}

double
histogram_quantile(const struct histogram *h, double share)
{
	uint64_t rank = (uint64_t)ceil(share * (double)h->count), seen = 0;

	if (rank == 0)
		rank = 1;
	for (unsigned p = 0; p < HISTOGRAM_POWERS; p++) {
		for (unsigned i = 0; h->powers[p] && i < HISTOGRAM_STEPS; i++) {
			double value;

			seen += h->powers[p][i];
			if (seen < rank)
				continue;
			value = value_of(p, i);
			return value < (double)h->max ? value : (double)h->max;
		}
	}
	return (double)h->max;
}

void
histogram_free(struct histogram *h)
{
	for (unsigned p = 0; p < HISTOGRAM_POWERS; p++)
		free(h->powers[p]);
	*h = (struct histogram){ 0 };
}
