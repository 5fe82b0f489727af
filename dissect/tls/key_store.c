/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/tls/key_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"

/* A handshake derives its secrets at most so long after its first packet was
 * captured (docs/tls-keys.md), and clocks differ by so much. */
#define DERIVED_WITHIN_NS (60 * CLOCK_NS_PER_S)
#define CLOCKS_DIFFER_NS  CLOCK_NS_PER_S
/* Secrets that are looked at for one question. */
#define LOOK_LIMIT 4096

/* One secret; `next` and the like are numbers counted from 1, 0 is none. */
struct key_entry {
	uint8_t label, size;
	uint16_t local_port, remote_port;
	uint32_t next;        /* older, same random or same port */
	uint32_t next_remote; /* older, same remote port */
	int64_t time_ns;
	uint8_t local[16], remote[16];
	uint8_t value[SECRET_SIZE_MAX];
};

/* The newest entry of a port, at our end and at the other. */
struct key_ports {
	uint32_t local[UINT16_MAX + 1];
	uint32_t remote[UINT16_MAX + 1];
};

struct key_store {
	struct map *by_random;     /* the newest entry of a random */
	struct key_ports *by_port; /* those without; NULL: there are none */
	struct key_entry *entries;
	uint32_t count, capacity, limit;
};

struct key_store *
key_store_new(uint32_t limit)
{
	struct key_store *k = alloc_zero(1, sizeof(*k));

	k->limit = limit;
	k->by_random = map_new(SECRET_RANDOM_SIZE, sizeof(uint32_t), limit);
	return k;
}

void
key_store_free(struct key_store *k)
{
	if (!k)
		return;
	if (k->entries)
		explicit_bzero(k->entries, k->capacity * sizeof(*k->entries));
	free(k->entries);
	free(k->by_port);
	map_free(k->by_random);
	free(k);
}

/* Grows by hand, so that no secret stays behind in memory given back. */
static void
grow(struct key_store *k)
{
	uint32_t capacity = k->capacity ? k->capacity * 2 : 64;
	struct key_entry *entries = alloc_zero(capacity, sizeof(*entries));

	if (k->entries) {
		memcpy(entries, k->entries, k->count * sizeof(*entries));
		explicit_bzero(k->entries, k->capacity * sizeof(*entries));
	}
	free(k->entries);
	k->entries = entries;
	k->capacity = capacity;
}

/* The same secret is there already, behind `first`. */
static bool
is_known(const struct key_store *k, uint32_t first, const struct secret *s)
{
	for (uint32_t i = first, seen = 0; i && seen < KEY_CANDIDATES; seen++) {
		const struct key_entry *entry = &k->entries[i - 1];

		if (entry->label == s->label && entry->size == s->size &&
		    memcmp(entry->value, s->value, s->size) == 0)
			return true;
		i = entry->next;
	}
	return false;
}

static void
link_entry(struct key_store *k, struct key_entry *entry,
	   const struct secret *s, uint32_t *first)
{
	uint32_t number = k->count;

	if (first) {
		entry->next = *first;
		*first = number;
		return;
	}
	if (!k->by_port)
		k->by_port = alloc_zero(1, sizeof(*k->by_port));
	entry->next = k->by_port->local[s->local_port];
	k->by_port->local[s->local_port] = number;
	entry->next_remote = k->by_port->remote[s->remote_port];
	k->by_port->remote[s->remote_port] = number;
}

bool
key_store_add(struct key_store *k, const struct secret *s)
{
	uint32_t *first = NULL;
	struct key_entry *entry;

	if (s->size > SECRET_SIZE_MAX)
		return true; /* no secret of ours */
	if (k->count == k->limit)
		return false;
	if (s->has_random) {
		first = map_put(k->by_random, s->random, NULL);
		if (!first || is_known(k, *first, s))
			return first != NULL;
	}
	if (k->count == k->capacity)
		grow(k);
	entry = &k->entries[k->count++];
	entry->label = s->label;
	entry->size = s->size;
	entry->time_ns = s->time_ns;
	entry->local_port = s->local_port;
	entry->remote_port = s->remote_port;
	memcpy(entry->local, s->local, sizeof(entry->local));
	memcpy(entry->remote, s->remote, sizeof(entry->remote));
	memcpy(entry->value, s->value, s->size);
	link_entry(k, entry, s, first);
	return true;
}

static bool
is_end(const struct endpoint *end, const uint8_t ip[16], uint16_t port)
{
	return end->port == port && memcmp(end->ip, ip, sizeof(end->ip)) == 0;
}

/* How well it fits, by what it says of its socket; 0: not at all. */
static unsigned
fitness(const struct key_entry *entry, const struct key_query *query)
{
	const struct endpoint *c = &query->client, *s = &query->server;

	if (entry->time_ns < query->time_ns - CLOCKS_DIFFER_NS ||
	    entry->time_ns > query->time_ns + DERIVED_WITHIN_NS)
		return 0;
	if ((is_end(c, entry->local, entry->local_port) &&
	     is_end(s, entry->remote, entry->remote_port)) ||
	    (is_end(s, entry->local, entry->local_port) &&
	     is_end(c, entry->remote, entry->remote_port)))
		return 4;
	if ((c->port == entry->local_port && s->port == entry->remote_port) ||
	    (s->port == entry->local_port && c->port == entry->remote_port))
		return 3;
	return c->port == entry->local_port || c->port == entry->remote_port
		       ? 2
		       : 1;
}

/* Candidates in order of fitness; of the same, what is told first. */
struct ranking {
	unsigned fitness[KEY_CANDIDATES];
	size_t count;
};

static void
rank(struct ranking *ranking, unsigned fit, struct bytes value,
     struct bytes found[KEY_CANDIDATES])
{
	size_t at = ranking->count;

	while (at && ranking->fitness[at - 1] < fit)
		at--;
	if (at == KEY_CANDIDATES)
		return;
	if (ranking->count < KEY_CANDIDATES)
		ranking->count++;
	for (size_t i = ranking->count - 1; i > at; i--) {
		ranking->fitness[i] = ranking->fitness[i - 1];
		found[i] = found[i - 1];
	}
	ranking->fitness[at] = fit;
	found[at] = value;
}

/* Those of a chain without random that fit. */
static void
rank_chain(const struct key_store *k, const struct key_query *query,
	   uint32_t first, bool remote, struct ranking *ranking,
	   struct bytes found[KEY_CANDIDATES])
{
	uint32_t i = first;

	for (unsigned seen = 0; i && seen < LOOK_LIMIT; seen++) {
		const struct key_entry *entry = &k->entries[i - 1];
		unsigned fit = 0;

		if (entry->label == query->label)
			fit = fitness(entry, query);
		if (fit)
			rank(ranking, fit,
			     bytes_make(entry->value, entry->size), found);
		i = remote ? entry->next_remote : entry->next;
	}
}

size_t
key_store_find(const struct key_store *k, const struct key_query *query,
	       struct bytes found[KEY_CANDIDATES])
{
	const uint32_t *first = map_get(k->by_random, query->random);
	struct ranking ranking = { .count = 0 };
	uint32_t i = first ? *first : 0;

	while (i && ranking.count < KEY_CANDIDATES) {
		const struct key_entry *entry = &k->entries[i - 1];

		if (entry->label == query->label)
			rank(&ranking, 5,
			     bytes_make(entry->value, entry->size), found);
		i = entry->next;
	}
	if (ranking.count || !k->by_port)
		return ranking.count;
	rank_chain(k, query, k->by_port->local[query->client.port], false,
		   &ranking, found);
	rank_chain(k, query, k->by_port->remote[query->client.port], true,
		   &ranking, found);
	if (!ranking.count)
		rank_chain(k, query, k->by_port->local[0], false, &ranking,
			   found);
	return ranking.count;
}
