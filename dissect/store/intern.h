/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which bytes already have an id.  Keeps 64-bit keyed hashes only, not the
 * bytes: two different strings share an id once in 2^64 / n tries, and nobody
 * who does not know the key can aim at that.  Bounded: when it is full, new
 * strings get a fresh id every time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/hash.h"

struct intern_slot;

struct intern {
	struct intern_slot *slots;
	size_t mask;  /* slots - 1 */
	size_t count;
	size_t limit; /* strings remembered at most */
	uint32_t last; /* the newest id; ids count from 1 */
	struct hash_key key;
};

/* Remembers nothing yet, and at most `limit` strings. */
void intern_init(struct intern *in, size_t limit);

/* Frees the memory; the ids given out stay what they are. */
void intern_free(struct intern *in);

/* The id of `text`; `*added` when it is new and the caller must store it.
 * 0 for the empty text, and when all 2^32 ids are used up. */
uint32_t intern_id(struct intern *in, struct bytes text, bool *added);
