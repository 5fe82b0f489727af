/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/known.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"

#define SAMPLE  32
#define STRINGS 9
/* Cookies count up from 1 and never get here. */
#define KEY_OF_INODE ((uint64_t)1 << 63)

struct socket_key {
	uint64_t key;
	uint64_t slot;
};

/* Keys of what is to be written; each once, since entries know it. */
struct dirty_list {
	void *keys;
	size_t count, capacity;
};

struct known {
	struct identity_log *log;
	size_t process_limit, socket_limit;
	struct map *processes; /* id → known_process */
	struct map *pids;      /* pid → id */
	struct map *sockets;   /* socket_key → known_socket */
	struct dirty_list dirty_processes; /* uint64_t */
	struct dirty_list dirty_sockets;   /* struct socket_key */
	uint64_t next_serial;
	size_t process_hand, socket_hand; /* where the last sample ended */
	struct known_counts counts;
};

struct known *
known_new(size_t process_limit, size_t socket_limit, struct identity_log *log,
	  uint64_t first_serial)
{
	struct known *k = alloc_zero(1, sizeof(*k));

	k->log = log;
	k->process_limit = process_limit;
	k->socket_limit = socket_limit;
	k->next_serial = first_serial;
	k->processes = map_new(sizeof(uint64_t), sizeof(struct known_process),
			       process_limit);
	k->pids = map_new(sizeof(uint32_t), sizeof(uint64_t), process_limit);
	k->sockets = map_new(sizeof(struct socket_key),
			     sizeof(struct known_socket), socket_limit);
	return k;
}

void
known_free(struct known *k)
{
	const void *key;
	void *value;
	size_t cursor = 0;

	if (!k)
		return;
	while (map_next(k->processes, &cursor, &key, &value))
		free(((struct known_process *)value)->texts);
	map_free(k->processes);
	map_free(k->pids);
	map_free(k->sockets);
	free(k->dirty_processes.keys);
	free(k->dirty_sockets.keys);
	free(k);
}

void
known_counts(const struct known *k, struct known_counts *counts)
{
	*counts = k->counts;
	counts->processes = map_count(k->processes);
	counts->sockets = map_count(k->sockets);
}

static void *
dirty_add(struct dirty_list *list, size_t size)
{
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? list->capacity * 2 : 64;
		list->keys = alloc_resize(list->keys, list->capacity, size);
	}
	return (char *)list->keys + list->count++ * size;
}

static void
process_changed(struct known *k, struct known_process *p)
{
	if (p->dirty)
		return;
	p->dirty = true;
	*(uint64_t *)dirty_add(&k->dirty_processes, sizeof(uint64_t)) =
		p->facts.id;
}

static void
socket_changed(struct known *k, struct known_socket *s,
	       struct socket_key key)
{
	if (s->dirty)
		return;
	s->dirty = true;
	*(struct socket_key *)dirty_add(&k->dirty_sockets, sizeof(key)) = key;
}

struct known_process *
known_process_by_id(const struct known *k, uint64_t id)
{
	return map_get(k->processes, &id);
}

struct known_process *
known_process_by_pid(const struct known *k, uint32_t pid)
{
	const uint64_t *id = map_get(k->pids, &pid);

	return id ? known_process_by_id(k, *id) : NULL;
}

static void
process_forget(struct known *k, uint64_t id)
{
	struct known_process *p = map_get(k->processes, &id);
	const uint64_t *current;
	uint32_t pid;

	if (!p)
		return;
	pid = p->facts.pid;
	current = map_get(k->pids, &pid);
	if (current && *current == id)
		map_remove(k->pids, &pid);
	free(p->texts);
	map_remove(k->processes, &id);
}

/* The oldest of a few goes. */
static void
make_room_process(struct known *k)
{
	const void *key;
	void *value;
	uint64_t oldest = UINT64_MAX;

	known_write(k);
	if (map_count(k->processes) < k->process_limit)
		return;
	for (int i = 0; i < SAMPLE; i++) {
		if (!map_next(k->processes, &k->process_hand, &key, &value))
			k->process_hand = 0;
		else if (*(const uint64_t *)key < oldest)
			oldest = *(const uint64_t *)key;
	}
	process_forget(k, oldest);
	k->counts.forgotten_processes++;
}

struct known_process *
known_process_add(struct known *k, uint32_t pid, uint64_t id)
{
	struct known_process *p;
	uint64_t *current;

	while (map_count(k->processes) >= k->process_limit)
		make_room_process(k);
	if (id == 0)
		id = k->next_serial++;
	p = map_put(k->processes, &id, NULL);
	*p = (struct known_process){ .facts = { .id = id, .pid = pid } };
	process_changed(k, p);
	current = map_put(k->pids, &pid, NULL);
	if (current)
		*current = id;
	return p;
}

static void
process_strings(struct identity_process *p, struct bytes *out[STRINGS])
{
	out[0] = &p->name;
	out[1] = &p->executable;
	out[2] = &p->cgroup_path;
	out[3] = &p->container;
	out[4] = &p->pod;
	out[5] = &p->pod_namespace;
	out[6] = &p->pod_uid;
	out[7] = &p->pod_container;
	out[8] = &p->kubernetes_mechanism;
}

void
known_process_set(struct known *k, struct known_process *p,
		  const struct identity_process *facts)
{
	struct identity_process copy = *facts;
	struct bytes *strings[STRINGS];
	char *texts, *at;
	size_t size = 1;

	copy.id = p->facts.id;
	copy.pid = p->facts.pid;
	process_strings(&copy, strings);
	for (size_t i = 0; i < STRINGS; i++) {
		*strings[i] = bytes_first(*strings[i], IDENTITY_STRING_MAX);
		size += strings[i]->size;
	}
	texts = alloc_zero(size, 1);
	at = texts;
	for (size_t i = 0; i < STRINGS; i++) {
		if (strings[i]->size)
			memcpy(at, strings[i]->data, strings[i]->size);
		*strings[i] = bytes_make(at, strings[i]->size);
		at += strings[i]->size;
	}
	/* The new strings may have been taken from the old ones. */
	free(p->texts);
	p->texts = texts;
	p->facts = copy;
	process_changed(k, p);
}

void
known_process_end(struct known *k, struct known_process *p, int64_t to_ns)
{
	const uint64_t *current = map_get(k->pids, &p->facts.pid);

	if (current && *current == p->facts.id)
		map_remove(k->pids, &p->facts.pid);
	p->facts.to_ns = to_ns ? to_ns : 1;
	process_changed(k, p);
}

uint64_t
known_socket_key(uint64_t cookie, uint64_t inode)
{
	return cookie ? cookie : inode | KEY_OF_INODE;
}

struct known_socket *
known_socket_get(const struct known *k, uint64_t key, uint64_t process)
{
	for (uint64_t slot = 0; slot < KNOWN_OWNERS; slot++) {
		struct socket_key place = { key, slot };
		struct known_socket *s = map_get(k->sockets, &place);

		if (s && s->facts.process == process)
			return s;
	}
	return NULL;
}

struct known_socket *
known_socket_any(const struct known *k, uint64_t key)
{
	for (uint64_t slot = 0; slot < KNOWN_OWNERS; slot++) {
		struct socket_key place = { key, slot };
		struct known_socket *s = map_get(k->sockets, &place);

		if (s && s->facts.to_ns == 0)
			return s;
	}
	return NULL;
}

static void
make_room_socket(struct known *k)
{
	const void *key;
	void *value;
	struct socket_key oldest = { 0, 0 };
	uint64_t serial = UINT64_MAX;

	known_write(k);
	if (map_count(k->sockets) < k->socket_limit)
		return;
	for (int i = 0; i < SAMPLE; i++) {
		if (!map_next(k->sockets, &k->socket_hand, &key, &value)) {
			k->socket_hand = 0;
			continue;
		}
		if (((const struct known_socket *)value)->serial < serial) {
			serial = ((const struct known_socket *)value)->serial;
			oldest = *(const struct socket_key *)key;
		}
	}
	if (map_remove(k->sockets, &oldest))
		k->counts.forgotten_sockets++;
}

struct known_socket *
known_socket_put(struct known *k, uint64_t key, uint64_t process, bool *added)
{
	struct known_socket *s = known_socket_get(k, key, process);
	struct socket_key place = { key, 0 };

	*added = false;
	if (s)
		return s;
	while (map_count(k->sockets) >= k->socket_limit)
		make_room_socket(k);
	while (place.slot < KNOWN_OWNERS && map_get(k->sockets, &place))
		place.slot++;
	if (place.slot == KNOWN_OWNERS)
		return NULL;
	s = map_put(k->sockets, &place, added);
	*s = (struct known_socket){ .serial = k->next_serial++,
				    .facts = { .process = process } };
	socket_changed(k, s, place);
	return s;
}

void
known_socket_changed(struct known *k, struct known_socket *s, uint64_t key)
{
	for (uint64_t slot = 0; slot < KNOWN_OWNERS; slot++) {
		struct socket_key place = { key, slot };

		if (map_get(k->sockets, &place) == s)
			socket_changed(k, s, place);
	}
}

void
known_socket_close(struct known *k, uint64_t key, int64_t to_ns)
{
	for (uint64_t slot = 0; slot < KNOWN_OWNERS; slot++) {
		struct socket_key place = { key, slot };
		struct known_socket *s = map_get(k->sockets, &place);

		if (!s || s->facts.to_ns)
			continue;
		s->facts.to_ns = to_ns;
		socket_changed(k, s, place);
	}
}

void
known_sockets_pass(struct known *k, uint64_t process, uint64_t next,
		   int64_t time_ns)
{
	size_t cursor = 0, count = 0;
	struct socket_key *keys =
		alloc_zero(map_count(k->sockets) + 1, sizeof(*keys));
	const void *key;
	void *value;
	bool added;

	while (map_next(k->sockets, &cursor, &key, &value)) {
		const struct known_socket *s = value;

		if (s->facts.process == process && s->facts.to_ns == 0)
			keys[count++] = *(const struct socket_key *)key;
	}
	for (size_t i = 0; i < count; i++) {
		struct known_socket *s = map_get(k->sockets, &keys[i]);
		struct identity_socket facts;

		if (!s)
			continue;
		facts = s->facts;
		s->facts.to_ns = time_ns;
		socket_changed(k, s, keys[i]);
		s = known_socket_put(k, keys[i].key, next, &added);
		if (!s)
			continue;
		s->facts = facts;
		s->facts.process = next;
		s->facts.from_ns = time_ns;
	}
	free(keys);
}

void
known_mark_stale(struct known *k)
{
	const void *key;
	void *value;
	size_t cursor = 0;

	while (map_next(k->sockets, &cursor, &key, &value))
		((struct known_socket *)value)->stale = true;
	cursor = 0;
	while (map_next(k->processes, &cursor, &key, &value))
		((struct known_process *)value)->stale = true;
}

void
known_sweep_sockets(struct known *k, int64_t now_ns)
{
	const void *key;
	void *value;
	size_t cursor = 0;

	while (map_next(k->sockets, &cursor, &key, &value)) {
		struct known_socket *s = value;

		if (!s->stale || s->facts.to_ns)
			continue;
		s->facts.to_ns = now_ns;
		socket_changed(k, s, *(const struct socket_key *)key);
	}
}

struct known_process *
known_process_next(const struct known *k, size_t *cursor)
{
	const void *key;
	void *value;

	return map_next(k->processes, cursor, &key, &value) ? value : NULL;
}

void
known_socket_restore(struct known *k, uint64_t key, uint64_t serial,
		     const struct identity_socket *facts)
{
	bool added;
	struct known_socket *s =
		known_socket_put(k, key, facts->process, &added);

	if (!s || !added)
		return;
	s->serial = serial;
	s->facts = *facts;
	s->stale = true;
}

static void
write_processes(struct known *k)
{
	const uint64_t *ids = k->dirty_processes.keys;

	for (size_t i = 0; i < k->dirty_processes.count; i++) {
		struct known_process *p = map_get(k->processes, &ids[i]);

		if (!p)
			continue;
		p->dirty = false;
		identity_log_process(k->log, &p->facts);
		k->counts.written++;
		if (p->facts.to_ns)
			process_forget(k, ids[i]);
	}
	k->dirty_processes.count = 0;
}

void
known_write(struct known *k)
{
	const struct socket_key *keys;

	write_processes(k);
	keys = k->dirty_sockets.keys;
	for (size_t i = 0; i < k->dirty_sockets.count; i++) {
		struct known_socket *s = map_get(k->sockets, &keys[i]);

		if (!s)
			continue;
		s->dirty = false;
		identity_log_socket(k->log, s->serial, &s->facts);
		k->counts.written++;
		if (s->facts.to_ns)
			map_remove(k->sockets, &keys[i]);
	}
	k->dirty_sockets.count = 0;
}
