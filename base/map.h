/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open-addressing hash map from short byte keys to fixed-size values, bounded
 * in entries and seeded with a secret key.  Keys of one map all have the same
 * size (a struct without padding), values are stored inline.
 *
 * Pointers to values stay valid until the next map_put or map_remove; they
 * are aligned to 8 bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map;

/* A map of at most `limit` entries.  Owned by the caller; free with map_free. */
struct map *map_new(size_t key_size, size_t value_size, size_t limit);
void map_free(struct map *m);

/* Entries in the map. */
size_t map_count(const struct map *m);

/* The value of `key`, or NULL. */
void *map_get(const struct map *m, const void *key);

/*
 * The value of `key`, inserted as zeroes when it was absent (`*added` says
 * which; `added` may be NULL).  NULL when the map is full.
 */
void *map_put(struct map *m, const void *key, bool *added);

/* True when the key was there. */
bool map_remove(struct map *m, const void *key);

/*
 * Visits every entry in unspecified order: start with `*cursor` 0; returns
 * false at the end.  Inserting or removing while iterating is not allowed.
 */
bool map_next(const struct map *m, size_t *cursor, const void **key,
	      void **value);
