/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/connection.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/word.h"
#include "dissect/broadcast.h"

#define FIRST_BUCKETS 1024
/* Moving a connection within its list touches two others; do it at most this
 * often. */
#define TOUCH_NS 1000000000LL

_Static_assert(sizeof(struct connection_key) == 48, "no padding: hashed");
_Static_assert(sizeof(struct connection) + sizeof(struct tcp) <= 1024,
	       "the memory bound that connection.h states");

struct list {
	struct connection *oldest, *newest;
};

struct connection_table {
	struct hash_key seed;
	struct connection **buckets;
	uint32_t bucket_count; /* a power of two */
	uint32_t count, limit;
	struct list lists[CONNECTION_KINDS];
	struct list waiting;
};

struct connection_table *
connection_table_new(uint32_t limit)
{
	struct connection_table *t = alloc_zero(1, sizeof(*t));

	t->seed = hash_key_random();
	t->limit = limit ? limit : 1;
	t->bucket_count = FIRST_BUCKETS;
	t->buckets = alloc_zero(FIRST_BUCKETS, sizeof(*t->buckets));
	return t;
}

void
connection_table_free(struct connection_table *t)
{
	if (!t)
		return;
	assert(t->count == 0);
	free(t->buckets);
	free(t);
}

bool
connection_is_loopback(const uint8_t ip[16])
{
	static const uint8_t mapped[13] = { [10] = 0xff, 0xff, 127 };
	static const uint8_t v6[16] = { [15] = 1 };

	return memcmp(ip, mapped, sizeof(mapped)) == 0 ||
	       memcmp(ip, v6, sizeof(v6)) == 0;
}

/* As memcmp(3): below, equal or above. */
static int
compare_addresses(const uint8_t a[16], const uint8_t b[16])
{
	for (size_t i = 0; i < 16; i += WORD) {
		uint64_t x = be64toh(word_at(a + i)), y = be64toh(word_at(b + i));

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

struct connection_key
connection_key(const struct endpoint *source, const struct endpoint *target,
	       uint8_t ip_protocol, uint32_t realm, bool *source_is_low)
{
	int order = compare_addresses(source->ip, target->ip);
	struct connection_key key = { .ip_protocol = ip_protocol };

	if (order == 0)
		order = source->port - target->port;
	*source_is_low = order <= 0;
	key.low = order <= 0 ? *source : *target;
	key.high = order <= 0 ? *target : *source;
	if (realm && (connection_is_loopback(source->ip) ||
		      connection_is_loopback(target->ip)))
		key.realm = realm;
	return key;
}

struct connection_keys
connection_keys(const struct packet *p, uint32_t realm)
{
	struct connection_keys keys;
	struct endpoint source, target;
	bool low;

	broadcast_ends(p, &source, &target);
	keys.key = connection_key(&source, &target, p->ip_protocol, realm,
				  &keys.source_is_low);
	keys.about = keys.key;
	if (!p->quotes)
		return keys;
	keys.about = connection_key(&p->quote.source, &p->quote.target,
				    p->quote.ip_protocol, realm, &low);
	keys.key.about = connection_digest(&keys.about);
	return keys;
}

uint64_t
connection_hash(const struct connection_table *t,
		const struct connection_key *key)
{
	return hash_place(t->seed, bytes_make(key, sizeof(*key)));
}

uint32_t
connection_digest(const struct connection_key *key)
{
	return (uint32_t)XXH3_64bits(key, sizeof(*key)) | 1;
}

uint32_t
connection_shard(const struct connection_key *key, uint32_t count)
{
	if (count <= 1)
		return 0;
	return (uint32_t)(XXH3_64bits(key, sizeof(*key)) % count);
}

static struct connection **
table_bucket(const struct connection_table *t, uint64_t hash)
{
	return &t->buckets[hash & (t->bucket_count - 1)];
}

void
connection_prefetch(const struct connection_table *t, uint64_t hash)
{
	const struct connection *c = *table_bucket(t, hash);

	if (!c)
		return;
	__builtin_prefetch(&c->hash);
	__builtin_prefetch(&c->first_ns, 1);
	__builtin_prefetch(&c->wire_bytes, 1);
}

struct connection *
connection_find(const struct connection_table *t,
		const struct connection_key *key, uint64_t hash)
{
	struct connection *c = *table_bucket(t, hash);

	while (c &&
	       (c->hash != hash || memcmp(&c->key, key, sizeof(*key)) != 0))
		c = c->chain;
	return c;
}

bool
connection_table_full(const struct connection_table *t)
{
	return t->count >= t->limit;
}

static void
table_grow(struct connection_table *t)
{
	struct connection **old = t->buckets;
	uint32_t old_count = t->bucket_count;

	t->bucket_count = old_count * 2;
	t->buckets = alloc_zero(t->bucket_count, sizeof(*t->buckets));
	for (uint32_t i = 0; i < old_count; i++) {
		struct connection *next;

		for (struct connection *c = old[i]; c; c = next) {
			struct connection **bucket = table_bucket(t, c->hash);

			next = c->chain;
			c->chain = *bucket;
			*bucket = c;
		}
	}
	free(old);
}

static void
list_remove(struct list *l, struct connection *c)
{
	if (c->older)
		c->older->newer = c->newer;
	else
		l->oldest = c->newer;
	if (c->newer)
		c->newer->older = c->older;
	else
		l->newest = c->older;
}

static void
list_append(struct list *l, struct connection *c)
{
	c->older = l->newest;
	c->newer = NULL;
	if (l->newest)
		l->newest->newer = c;
	else
		l->oldest = c;
	l->newest = c;
}

struct connection *
connection_add(struct connection_table *t, const struct connection_key *key,
	       uint64_t hash, int64_t now_ns)
{
	struct connection *c = alloc_zero(1, sizeof(*c));
	struct connection **bucket;

	assert(!connection_table_full(t));
	if (t->count >= t->bucket_count)
		table_grow(t);
	bucket = table_bucket(t, hash);
	c->key = *key;
	c->hash = hash;
	c->chain = *bucket;
	*bucket = c;
	t->count++;
	c->kind = CONNECTION_DATAGRAMS;
	if (key->ip_protocol == IP_PROTOCOL_TCP) {
		c->kind = CONNECTION_UNANSWERED;
		c->tcp = alloc_zero(1, sizeof(*c->tcp));
	}
	c->active_ns = now_ns;
	list_append(&t->lists[c->kind], c);
	return c;
}

void
connection_remove(struct connection_table *t, struct connection *c)
{
	struct connection **link = table_bucket(t, c->hash);

	while (*link != c)
		link = &(*link)->chain;
	*link = c->chain;
	t->count--;
	connection_wait(t, c, false);
	list_remove(&t->lists[c->kind], c);
	free(c->tcp);
	free(c);
}

void
connection_touch(struct connection_table *t, struct connection *c,
		 enum connection_kind kind, int64_t now_ns)
{
	int64_t since = now_ns - c->active_ns;

	if (kind == c->kind && since >= 0 && since < TOUCH_NS)
		return;
	list_remove(&t->lists[c->kind], c);
	c->kind = (uint8_t)kind;
	c->active_ns = now_ns;
	list_append(&t->lists[kind], c);
}

struct connection *
connection_idle(const struct connection_table *t, int64_t now_ns)
{
	static const int64_t limits[CONNECTION_KINDS] = {
		[CONNECTION_ENDED] = CONNECTION_ENDED_NS,
		[CONNECTION_UNANSWERED] = CONNECTION_UNANSWERED_NS,
		[CONNECTION_DATAGRAMS] = CONNECTION_DATAGRAMS_NS,
		[CONNECTION_STREAM] = CONNECTION_STREAM_NS,
	};

	for (unsigned kind = 0; kind < CONNECTION_KINDS; kind++) {
		struct connection *c = t->lists[kind].oldest;

		if (c && now_ns - c->active_ns > limits[kind] + TOUCH_NS)
			return c;
	}
	return NULL;
}

struct connection *
connection_victim(const struct connection_table *t)
{
	const struct connection *datagrams, *stream;

	if (t->lists[CONNECTION_ENDED].oldest)
		return t->lists[CONNECTION_ENDED].oldest;
	if (t->lists[CONNECTION_UNANSWERED].oldest)
		return t->lists[CONNECTION_UNANSWERED].oldest;
	datagrams = t->lists[CONNECTION_DATAGRAMS].oldest;
	stream = t->lists[CONNECTION_STREAM].oldest;
	if (!datagrams || (stream && stream->active_ns < datagrams->active_ns))
		return t->lists[CONNECTION_STREAM].oldest;
	return t->lists[CONNECTION_DATAGRAMS].oldest;
}

void
connection_wait(struct connection_table *t, struct connection *c, bool waits)
{
	if (c->waits == waits)
		return;
	c->waits = waits;
	if (waits) {
		c->wait_previous = t->waiting.newest;
		c->wait_next = NULL;
		if (t->waiting.newest)
			t->waiting.newest->wait_next = c;
		else
			t->waiting.oldest = c;
		t->waiting.newest = c;
		return;
	}
	if (c->wait_previous)
		c->wait_previous->wait_next = c->wait_next;
	else
		t->waiting.oldest = c->wait_next;
	if (c->wait_next)
		c->wait_next->wait_previous = c->wait_previous;
	else
		t->waiting.newest = c->wait_previous;
}

struct connection *
connection_waiting(const struct connection_table *t)
{
	return t->waiting.oldest;
}
