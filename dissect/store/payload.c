/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/store/payload.h"

#include <stdlib.h>

#include <zstd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/reader.h"
#include "dissect/head_delta.h"

#define SLOTS 64
#define CACHE_BYTES (48u << 20)

struct slot {
	int64_t block; /* -1: free */
	uint8_t *data;
	size_t size;
	uint64_t used; /* when, by the cache's clock */
};

struct payload_cache {
	struct slot slots[SLOTS];
	size_t bytes, limit;
	uint64_t clock;
	struct buf head; /* scratch: one, put together */
	struct payload_source source;
	sqlite3_stmt *select; /* NULL: the source is another */
};

static int
fetch_row(void *context, int64_t block, int64_t *raw_size, struct bytes *data,
	  struct error *e)
{
	struct payload_cache *cache = context;
	sqlite3_stmt *s = cache->select;
	int rc;

	sqlite3_bind_int64(s, 1, block);
	rc = sqlite3_step(s);
	if (rc == SQLITE_DONE)
		return 0;
	if (rc == SQLITE_INTERRUPT)
		return error_set(e, ERR_CANCELLED, "interrupted");
	if (rc != SQLITE_ROW)
		return error_set(e, ERR_CORRUPT,
				 "payload block %lld cannot be read",
				 (long long)block);
	*raw_size = sqlite3_column_int64(s, 0);
	data->data = sqlite3_column_blob(s, 1);
	data->size = (size_t)sqlite3_column_bytes(s, 1);
	return 1;
}

static void
row_done(void *context)
{
	struct payload_cache *cache = context;

	sqlite3_reset(cache->select);
}

struct payload_cache *
payload_cache_from(struct payload_source source, size_t bytes)
{
	struct payload_cache *cache = alloc_zero(1, sizeof(*cache));

	for (int i = 0; i < SLOTS; i++)
		cache->slots[i].block = -1;
	buf_init(&cache->head, PAYLOAD_BLOCK_LIMIT);
	cache->source = source;
	cache->limit = bytes;
	return cache;
}

int
payload_cache_new(sqlite3 *db, struct payload_cache **out, struct error *e)
{
	struct payload_source source = { NULL, fetch_row, row_done };
	struct payload_cache *cache = payload_cache_from(source, CACHE_BYTES);

	cache->source.context = cache;
	if (sqlite3_prepare_v3(db, "SELECT raw_size, data FROM blocks "
				   "WHERE id = ?", -1,
			       SQLITE_PREPARE_PERSISTENT, &cache->select,
			       NULL) != SQLITE_OK) {
		payload_cache_free(cache);
		return error_set(e, ERR_CORRUPT, "not a dissection: %s",
				 sqlite3_errmsg(db));
	}
	*out = cache;
	return 0;
}

void
payload_cache_free(struct payload_cache *cache)
{
	if (!cache)
		return;
	for (int i = 0; i < SLOTS; i++)
		free(cache->slots[i].data);
	sqlite3_finalize(cache->select);
	buf_free(&cache->head);
	free(cache);
}

static void
evict(struct payload_cache *cache, struct slot *slot)
{
	cache->bytes -= slot->size;
	free(slot->data);
	*slot = (struct slot){ .block = -1 };
}

/* A free slot, with room for `size` bytes more: the longest unused go. */
static struct slot *
make_room(struct payload_cache *cache, size_t size)
{
	for (;;) {
		struct slot *oldest = NULL, *empty = NULL;

		for (int i = 0; i < SLOTS; i++) {
			struct slot *s = &cache->slots[i];

			if (s->block < 0)
				empty = s;
			else if (!oldest || s->used < oldest->used)
				oldest = s;
		}
		if (empty && (!oldest || cache->bytes + size <= cache->limit))
			return empty;
		evict(cache, oldest);
	}
}

static int
decompress(struct payload_cache *cache, int64_t block, int64_t raw_size,
	   struct bytes data, struct slot **out, struct error *e)
{
	struct slot *slot;

	if (raw_size <= 0 || raw_size > PAYLOAD_BLOCK_LIMIT || !data.data)
		return error_set(e, ERR_CORRUPT, "payload block %lld is damaged",
				 (long long)block);
	slot = make_room(cache, (size_t)raw_size);
	slot->data = alloc_zero((size_t)raw_size, 1);
	slot->size = (size_t)raw_size;
	slot->block = block;
	cache->bytes += slot->size;
	if (ZSTD_decompress(slot->data, slot->size, data.data, data.size) !=
	    slot->size) {
		evict(cache, slot);
		return error_set(e, ERR_CORRUPT, "payload block %lld is damaged",
				 (long long)block);
	}
	*out = slot;
	return 0;
}

/* The slot with the block; NULL when there is no such block. */
static int
load(struct payload_cache *cache, int64_t block, struct slot **out,
     struct error *e)
{
	struct bytes data;
	int64_t raw_size;
	int code;

	*out = NULL;
	for (int i = 0; i < SLOTS; i++)
		if (cache->slots[i].block == block)
			*out = &cache->slots[i];
	if (*out)
		return 0;
	code = cache->source.fetch(cache->source.context, block, &raw_size,
				   &data, e);
	if (code == 1)
		code = decompress(cache, block, raw_size, data, out, e);
	cache->source.done(cache->source.context);
	return code;
}

int
payload_read(struct payload_cache *cache, struct bytes refs,
	     enum payload_part part, struct bytes *out, struct error *e)
{
	struct payload_ref all[PAYLOAD_PART_COUNT];
	struct slot *slot;
	int code;

	*out = bytes_make(NULL, 0);
	if (payload_refs_decode(refs, all))
		return error_set(e, ERR_CORRUPT,
				 "the payload of a call is damaged");
	if (all[part].size == 0)
		return 0;
	code = load(cache, (int64_t)all[part].block, &slot, e);
	if (code || !slot)
		return code;
	slot->used = ++cache->clock;
	if (all[part].offset > slot->size ||
	    all[part].size > slot->size - all[part].offset)
		return error_set(e, ERR_CORRUPT,
				 "the payload of a call is outside its block");
	*out = bytes_make(slot->data + all[part].offset, all[part].size);
	if (part == PAYLOAD_REQUEST_HEAD || part == PAYLOAD_RESPONSE_HEAD)
		*out = head_delta_read(bytes_make(slot->data, slot->size), *out,
				       &cache->head);
	return out->size ? 0 : error_set(e, ERR_CORRUPT,
					 "the head of a call is damaged");
}

bool
payload_next_pair(struct bytes *head, struct payload_pair *pair)
{
	struct reader r = reader_make(*head);

	if (head->size == 0)
		return false;
	pair->name = reader_string(&r);
	pair->value = reader_string(&r);
	*head = bytes_make(r.at, reader_left(&r));
	return !r.failed;
}
