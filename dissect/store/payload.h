/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads and bodies out of their blocks.  A block is decompressed once and
 * kept while there is room.  What the file says is not believed: sizes are
 * capped before memory is asked for, and a block that is not exactly what its
 * row says is ERR_CORRUPT.
 */
#pragma once

#include <sqlite3.h>

#include "base/err.h"
#include "dissect/store/payload_refs.h"

struct payload_cache;

/* Where blocks come from. */
struct payload_source {
	void *context;
	/* 1 with a block as its row has it, borrowed until `done`; 0: there is
	 * none; or an error. */
	int (*fetch)(void *context, int64_t block, int64_t *raw_size,
		     struct bytes *data, struct error *e);
	void (*done)(void *context);
};

/* Reads from the table blocks of `db`, which must live longer. */
int payload_cache_new(sqlite3 *db, struct payload_cache **out,
		      struct error *e);
/* Reads from a source, and keeps about `bytes` of it. */
struct payload_cache *payload_cache_from(struct payload_source source,
					 size_t bytes);
void payload_cache_free(struct payload_cache *cache);

/*
 * The bytes of one part of a call's payload column, borrowed until the next
 * call; empty when there are none, or when a running dissection has not
 * written their block yet.
 */
int payload_read(struct payload_cache *cache, struct bytes refs,
		 enum payload_part part, struct bytes *out, struct error *e);

/* The next name and value of a head; false at its end. */
struct payload_pair {
	struct bytes name, value;
};
bool payload_next_pair(struct bytes *head, struct payload_pair *pair);
