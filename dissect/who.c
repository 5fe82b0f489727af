/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/who.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "dissect/connection.h"

/* About what one socket takes: entry, key, and the map's room. */
#define SOCKET_BYTES 160
#define PROCESS_BYTES 128 /* beside its text */
/* Different sockets at one place; more are somebody's trick. */
#define CHAIN_LIMIT 1024
#define ADDRESS_LIMIT 65536
/* A socket that was closed this long before may go to make room. */
#define OLD_NS CONNECTION_STREAM_NS
#define NO_SOCKET UINT32_MAX
#define SEVERAL_REALMS UINT32_MAX

struct who_socket {
	uint64_t cookie, process;
	int64_t from_ns, to_ns;
	uint32_t stream, thread, realm;
	uint32_t next; /* at the same place */
	struct identity_place place;
	uint8_t mechanism;
	bool used;
};

struct who_process_key {
	uint64_t id;
	uint64_t stream;
};

/* A process as its newest block has it. */
struct who_process {
	uint8_t *body; /* owned */
	uint32_t size;
	bool given, changed; /* since it was given */
};

struct who {
	struct who_options options;
	struct map *places;    /* struct identity_place to index of the newest */
	struct who_socket *sockets;
	uint32_t count, capacity, limit;
	uint32_t compact_at;   /* try to make room when so many */
	struct map *processes;
	struct map *addresses; /* local ones to their realm */
	size_t process_bytes;
	uint64_t left_out;
};

struct who *
who_new(const struct who_options *options)
{
	struct who *w = alloc_zero(1, sizeof(*w));

	w->options = *options;
	w->limit = (uint32_t)(options->memory_limit / 2 / SOCKET_BYTES) + 1;
	w->compact_at = w->limit;
	w->places = map_new(sizeof(struct identity_place), sizeof(uint32_t),
			    w->limit);
	w->processes = map_new(sizeof(struct who_process_key),
			       sizeof(struct who_process),
			       options->memory_limit / 2 / PROCESS_BYTES + 1);
	w->addresses = map_new(16, sizeof(uint32_t), ADDRESS_LIMIT);
	return w;
}

void
who_free(struct who *w)
{
	const void *key;
	void *value;
	size_t cursor = 0;

	if (!w)
		return;
	while (map_next(w->processes, &cursor, &key, &value))
		free(((struct who_process *)value)->body);
	map_free(w->places);
	map_free(w->processes);
	map_free(w->addresses);
	free(w->sockets);
	free(w);
}

uint32_t
who_realm(uint32_t stream, uint64_t netns)
{
	uint32_t realm = (uint32_t)netns ^ stream * 0x9e3779b1u;

	if (netns == 0)
		return 0;
	return realm == 0 || realm == SEVERAL_REALMS ? 1 : realm;
}

uint64_t
who_left_out(const struct who *w)
{
	return w->left_out;
}

/* ---- what the blocks say ---- */

static void
add_process(struct who *w, uint32_t stream, uint64_t id, struct bytes body)
{
	struct who_process_key key = { id, stream };
	struct who_process *p = map_get(w->processes, &key);

	if (p && bytes_equal(bytes_make(p->body, p->size), body))
		return;
	if (w->process_bytes + body.size > w->options.memory_limit / 2) {
		w->left_out++;
		return;
	}
	if (!p)
		p = map_put(w->processes, &key, NULL);
	if (!p) {
		w->left_out++;
		return;
	}
	w->process_bytes += body.size;
	w->process_bytes -= p->size;
	free(p->body);
	p->body = alloc_zero(1, body.size);
	memcpy(p->body, body.data, body.size);
	p->size = (uint32_t)body.size;
	p->changed = p->given;
}

/* Whether connections that this socket can be an end of come here. */
static bool
in_shard(const struct who *w, const struct identity_place *place,
	 uint32_t realm)
{
	struct endpoint local = { .port = place->local_port };
	struct endpoint remote = { .port = place->remote_port };
	struct connection_key key;
	bool low;

	if (place->remote_port == 0)
		return true;
	if (realm == 0 && (connection_is_loopback(place->local) ||
			   connection_is_loopback(place->remote)))
		return true;
	memcpy(local.ip, place->local, 16);
	memcpy(remote.ip, place->remote, 16);
	key = connection_key(&local, &remote, (uint8_t)place->ip_protocol,
			     realm, &low);
	return connection_shard(&key, w->options.shard_count) ==
	       w->options.shard_index;
}

/* Remembers in which namespace an address is local. */
static void
learn_address(struct who *w, const struct identity_place *place, uint32_t realm)
{
	static const uint8_t any[16];
	uint32_t *known;
	bool added;

	if (realm == 0 || memcmp(place->local, any, 16) == 0 ||
	    connection_is_loopback(place->local))
		return;
	known = map_put(w->addresses, place->local, &added);
	if (!known)
		return;
	if (added)
		*known = realm;
	else if (*known != realm)
		*known = SEVERAL_REALMS;
}

static bool
same_socket(const struct who_socket *a, const struct who_socket *b)
{
	return a->stream == b->stream && a->process == b->process &&
	       a->cookie == b->cookie && a->realm == b->realm &&
	       (a->cookie != 0 || a->from_ns == b->from_ns);
}

/* Puts socket `index` before the others of its place. */
static bool
link_socket(struct who *w, uint32_t index)
{
	struct who_socket *s = &w->sockets[index];
	bool added;
	uint32_t *head = map_put(w->places, &s->place, &added);

	if (!head)
		return false;
	s->next = added ? NO_SOCKET : *head;
	*head = index;
	return true;
}

/* Forgets sockets whose connections must have ended. */
static void
make_room(struct who *w, int64_t now_ns)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < w->count; i++)
		(void)map_remove(w->places, &w->sockets[i].place);
	for (uint32_t i = 0; i < w->count; i++) {
		const struct who_socket *s = &w->sockets[i];

		if (s->to_ns != 0 && (s->used || s->to_ns < now_ns - OLD_NS))
			continue;
		w->sockets[kept] = *s;
		(void)link_socket(w, kept++);
	}
	w->count = kept;
}

/* Room for one more; tried again only when much may have changed. */
static bool
has_room(struct who *w, int64_t now_ns)
{
	if (w->count < w->limit)
		return true;
	if (w->compact_at > w->limit) {
		w->compact_at--;
		return false;
	}
	make_room(w, now_ns);
	if (w->count > w->limit / 4 * 3)
		w->compact_at = w->limit + w->limit / 4;
	return w->count < w->limit;
}

/* The same socket at its place, or NULL: then `*chain` is how many others are
 * there, and `*done` one of them that is not needed any more, or NULL. */
static struct who_socket *
find_same(struct who *w, const struct who_socket *s, unsigned *chain,
	  struct who_socket **done)
{
	const uint32_t *head = map_get(w->places, &s->place);

	*chain = 0;
	*done = NULL;
	for (uint32_t i = head ? *head : NO_SOCKET; i != NO_SOCKET;
	     i = w->sockets[i].next) {
		if (same_socket(&w->sockets[i], s))
			return &w->sockets[i];
		if (w->sockets[i].used && w->sockets[i].to_ns != 0)
			*done = &w->sockets[i];
		++*chain;
	}
	return NULL;
}

static void
add_socket(struct who *w, const struct who_socket *s, int64_t now_ns)
{
	unsigned chain;
	struct who_socket *done, *same = find_same(w, s, &chain, &done);

	if (same) { /* the newest block knows best */
		same->thread = s->thread ? s->thread : same->thread;
		same->from_ns = s->from_ns;
		same->to_ns = s->to_ns;
		same->mechanism = s->mechanism;
		return;
	}
	if (chain >= CHAIN_LIMIT && done) {
		uint32_t next = done->next;

		*done = *s;
		done->next = next;
		return;
	}
	if (chain >= CHAIN_LIMIT || !has_room(w, now_ns)) {
		w->left_out++;
		return;
	}
	if (w->count == w->capacity) {
		w->capacity = w->capacity * 2 + 64;
		w->sockets = alloc_resize(w->sockets, w->capacity,
					  sizeof(*w->sockets));
	}
	w->sockets[w->count] = *s;
	if (link_socket(w, w->count))
		w->count++;
	else
		w->left_out++;
}

void
who_block(struct who *w, uint32_t stream, struct bytes body, int64_t now_ns)
{
	struct identity_block block;
	const struct identity_socket *in = &block.socket;
	struct who_socket s;

	if (!identity_decode(body, &block))
		return;
	if (block.kind == IDENTITY_PROCESS) {
		add_process(w, stream, block.process.id, body);
		return;
	}
	s = (struct who_socket){
		.cookie = in->cookie,
		.process = in->process,
		.from_ns = in->from_ns,
		.to_ns = in->to_ns,
		.stream = stream,
		.thread = in->thread,
		.realm = who_realm(stream, in->netns),
		.place = identity_place_of(in),
		.mechanism = in->mechanism,
	};
	learn_address(w, &s.place, s.realm);
	if (in_shard(w, &s.place, s.realm))
		add_socket(w, &s, now_ns);
}

/* ---- who it was ---- */

/* How far from the connection's start the socket's was; -1: another time. */
static int64_t
time_apart(const struct who_socket *s, const struct who_query *q)
{
	if (s->from_ns > 0 && s->from_ns - WHO_LATE_NS > q->last_ns)
		return -1;
	if (s->to_ns > 0 && s->to_ns < q->first_ns - WHO_EARLY_NS)
		return -1;
	if (s->from_ns <= 0)
		return INT64_MAX;
	return s->from_ns > q->first_ns ? s->from_ns - q->first_ns
					: q->first_ns - s->from_ns;
}

/* The socket at a place that fits best in time. */
static struct who_socket *
best_at(struct who *w, const struct identity_place *place,
	const struct who_query *q,
	bool (*fits)(const struct who_socket *, const struct who_query *))
{
	const uint32_t *head = map_get(w->places, place);
	struct who_socket *best = NULL;
	int64_t best_apart = 0;

	for (uint32_t i = head ? *head : NO_SOCKET; i != NO_SOCKET;
	     i = w->sockets[i].next) {
		struct who_socket *s = &w->sockets[i];
		int64_t apart = fits(s, q) ? time_apart(s, q) : -1;

		if (apart >= 0 && (!best || apart < best_apart)) {
			best = s;
			best_apart = apart;
		}
	}
	return best;
}

/* Loopback addresses are everywhere; others in one namespace only. */
static bool
fits_exactly(const struct who_socket *s, const struct who_query *q)
{
	return !connection_is_loopback(q->local.ip) || s->realm == 0 ||
	       q->realm == 0 || s->realm == q->realm;
}

static bool
fits_bound(const struct who_socket *s, const struct who_query *q)
{
	return q->realm != 0 && (s->realm == 0 || s->realm == q->realm);
}

/* A socket that is bound to the end's own address needs no namespace. */
static struct who_socket *
find_bound(struct who *w, const struct who_query *q)
{
	struct identity_place place = { .local_port = q->local.port,
				   .ip_protocol = q->ip_protocol };
	const uint32_t *realm = map_get(w->addresses, q->local.ip);
	struct who_query known = *q;
	struct who_socket *s;

	memcpy(place.local, q->local.ip, 16);
	s = best_at(w, &place, q, fits_exactly);
	if (s)
		return s;
	if (known.realm == 0 && realm && *realm != SEVERAL_REALMS)
		known.realm = *realm;
	memset(place.local, 0, 16);
	return best_at(w, &place, &known, fits_bound);
}

static enum end_mechanism
mechanism_of(const struct who_socket *s, bool bound)
{
	static const enum end_mechanism names[IDENTITY_MECHANISM_COUNT] = {
		[IDENTITY_MECHANISM_UNKNOWN] = END_SOCKET,
		[IDENTITY_MECHANISM_TRACEPOINT] = END_TRACEPOINT,
		[IDENTITY_MECHANISM_ITERATOR] = END_ITERATOR,
		[IDENTITY_MECHANISM_PROC] = END_PROC,
	};

	return bound ? END_LISTENER : names[s->mechanism];
}

bool
who_find(struct who *w, const struct who_query *q, struct connection_end *end)
{
	struct identity_place place = { .local_port = q->local.port,
					.remote_port = q->remote.port,
					.ip_protocol = q->ip_protocol };
	struct who_process_key process;
	struct who_socket *s;
	bool bound = false;

	*end = (struct connection_end){ 0 };
	if (w->count == 0)
		return false;
	memcpy(place.local, q->local.ip, 16);
	memcpy(place.remote, q->remote.ip, 16);
	s = best_at(w, &place, q, fits_exactly);
	if (!s) {
		s = find_bound(w, q);
		bound = true;
	}
	if (!s)
		return false;
	process = (struct who_process_key){ s->process, s->stream };
	if (!map_get(w->processes, &process))
		return false;
	s->used |= !bound;
	*end = (struct connection_end){
		.process = s->process,
		.stream = s->stream,
		.thread = s->thread,
		.mechanism = mechanism_of(s, bound),
	};
	return true;
}

static void
give(struct who_process *p, uint32_t stream, struct process_event *process)
{
	struct identity_block block;
	/* It was decoded when it came. */
	bool whole = identity_decode(bytes_make(p->body, p->size), &block);

	process->stream = stream;
	process->process = whole ? block.process
				 : (struct identity_process){ 0 };
	p->given = true;
	p->changed = false;
}

bool
who_take_process(struct who *w, const struct connection_end *end,
		 struct process_event *process)
{
	struct who_process_key key = { end->process, end->stream };
	struct who_process *p = map_get(w->processes, &key);

	if (!p || (p->given && !p->changed))
		return false;
	give(p, end->stream, process);
	return true;
}

bool
who_next_changed(struct who *w, size_t *cursor, struct process_event *process)
{
	const void *key;
	void *value;

	while (map_next(w->processes, cursor, &key, &value)) {
		const struct who_process_key *k = key;
		struct who_process *p = value;

		if (!p->changed)
			continue;
		give(p, (uint32_t)k->stream, process);
		return true;
	}
	return false;
}
