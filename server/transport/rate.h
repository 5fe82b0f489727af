/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often a client may ask: a token bucket for each, in a table of fixed
 * size.  Clients that share a place, by chance (the hash has a secret key),
 * share a bucket.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/hash.h"

#define RATE_PLACES 1024

struct rate {
	uint32_t per_second; /* 0: no limit */
	struct hash_key key;
	struct {
		int64_t at_ns;     /* when `left` was true */
		int64_t left_ns;   /* what is left, as time */
	} places[RATE_PLACES];
};

/* A client may ask `per_second` times a second, and that often at once. */
void rate_init(struct rate *r, uint32_t per_second);

/* False: too fast; nothing was taken. */
bool rate_take(struct rate *r, struct bytes client, int64_t now_ns);
