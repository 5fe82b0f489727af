/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secrets that a parser knows: by client random, those of key logs and
 * those that the recorder took with it; by the ends of a connection and the
 * time, those that it took without.  The latter are a guess that the first
 * record they open makes certain, or refutes.
 */
#pragma once

#include "capture/secrets.h"
#include "dissect/event.h"

/* No more secrets than these are given for one question. */
#define KEY_CANDIDATES 8

struct key_store;

/* An empty one of at most `limit` secrets; those beyond are left out.  Seeded
 * by getrandom(2).  Freed wiped; NULL is allowed. */
struct key_store *key_store_new(uint32_t limit);
void key_store_free(struct key_store *k);

/* Adds one; a later one for the same random and label is the likelier.  False
 * when there is no room. */
bool key_store_add(struct key_store *k, const struct secret *secret);

/* Which secret it is that a connection needs. */
struct key_query {
	const uint8_t *random;     /* of its ClientHello */
	enum secret_label label;
	int64_t time_ns;           /* when that was captured */
	struct endpoint client, server;
};

/* What it may be, the likeliest first; borrowed until the next is added. */
size_t key_store_find(const struct key_store *k, const struct key_query *query,
		      struct bytes found[KEY_CANDIDATES]);
