/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Percentiles of durations in bounded memory: log-linear buckets as in
 * HdrHistogram, 64 to each power of two, so that a percentile is off by at
 * most 1/128 of its value.  One microsecond is the finest, an hour and ten
 * minutes the largest that is told apart.  A power of two nobody falls into
 * costs a pointer.
 */
#pragma once

#include <stdint.h>
#include <stddef.h>

#define HISTOGRAM_POWERS 33
#define HISTOGRAM_STEPS 64

struct histogram {
	uint64_t count;
	int64_t max;
	double sum;
	uint32_t *powers[HISTOGRAM_POWERS];
};

/* Adds a duration of `ns`; returns the bytes of memory this took (0 mostly). */
size_t histogram_add(struct histogram *h, int64_t ns);

/* Asks for the memory that adding `ns` will touch, so that it is there a few
 * hundred nanoseconds later. */
void histogram_prefetch(const struct histogram *h, int64_t ns);

/* Adds all of `from`. */
void histogram_merge(struct histogram *h, const struct histogram *from);

/* The duration in ns that a share (0 to 1) of all do not exceed. */
double histogram_quantile(const struct histogram *h, double share);

/* Frees the memory; the histogram is empty afterwards. */
void histogram_free(struct histogram *h);
