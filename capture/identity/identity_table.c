/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/identity_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "capture/identity/identity_log.h"
#include "capture/identity/identity_wanted.h"
#include "capture/pcapng.h"

#define PROCESSES_MAX ((size_t)1 << 20)
#define SOCKETS_MAX   ((size_t)4 << 20)
#define BLOCK_MAX     ((size_t)64 << 10)
#define PROTOCOL_TCP  6

typedef int socket_order(const void *, const void *);

/* Pointers into the map of sockets, in an order. */
struct socket_index {
	const struct identity_socket **at;
	size_t count;
};

struct identity_table {
	struct arena strings;
	struct map *processes; /* id → identity_process */
	struct map *sockets;   /* serial → identity_socket */
	struct socket_index by_cookie; /* those that have one */
	struct socket_index by_ends;   /* those that have both ends */
	struct socket_index by_local;  /* those that stand in for others */
	bool damaged;
};

static const uint8_t any_address[16];

static bool
socket_stands_in(const struct identity_socket *s)
{
	return s->listening || (s->remote_port == 0 && s->local_port != 0 &&
				s->ip_protocol != PROTOCOL_TCP);
}

static int
order_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int
order_cookie(const void *left, const void *right)
{
	const struct identity_socket *a =
		*(const struct identity_socket *const *)left;
	const struct identity_socket *b =
		*(const struct identity_socket *const *)right;

	return order_numbers(a->cookie, b->cookie);
}

static int
order_local(const void *left, const void *right)
{
	const struct identity_socket *a =
		*(const struct identity_socket *const *)left;
	const struct identity_socket *b =
		*(const struct identity_socket *const *)right;
	int order = order_numbers(a->ip_protocol, b->ip_protocol);

	return order ? order : order_numbers(a->local_port, b->local_port);
}

static int
order_ends(const void *left, const void *right)
{
	const struct identity_socket *a =
		*(const struct identity_socket *const *)left;
	const struct identity_socket *b =
		*(const struct identity_socket *const *)right;
	int order = order_local(left, right);

	if (order == 0)
		order = order_numbers(a->remote_port, b->remote_port);
	if (order == 0)
		order = memcmp(a->local, b->local, sizeof(a->local));
	return order ? order
		     : memcmp(a->remote, b->remote, sizeof(a->remote));
}

/* The first entry that equals `like`, and how many there are. */
static size_t
index_find(const struct socket_index *index, socket_order *order,
	   const struct identity_socket *like, size_t *count)
{
	size_t low = 0, high = index->count, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (order(&index->at[middle], &like) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < index->count; end++)
		if (order(&index->at[end], &like) != 0)
			break;
	*count = end - low;
	return low;
}

/* How far the life of an entry is from a time; 0: within. */
static uint64_t
socket_distance(const struct identity_socket *s, int64_t time_ns)
{
	if (time_ns < s->from_ns)
		return (uint64_t)s->from_ns - (uint64_t)time_ns;
	if (s->to_ns && time_ns > s->to_ns)
		return (uint64_t)time_ns - (uint64_t)s->to_ns;
	return 0;
}

/* The nearer in time; of two that lived then, the younger. */
static const struct identity_socket *
socket_nearer(const struct identity_socket *a, const struct identity_socket *b,
	      int64_t time_ns)
{
	uint64_t left, right;

	if (!a || !b)
		return a ? a : b;
	left = socket_distance(a, time_ns);
	right = socket_distance(b, time_ns);
	if (left != right)
		return left < right ? a : b;
	return b->from_ns >= a->from_ns ? b : a;
}

static bool
same_namespace(const struct identity_socket *s, const struct identity_end *end)
{
	return s->netns_cookie == 0 || end->netns == 0 ||
	       s->netns_cookie == end->netns;
}

static bool
is_loopback(const uint8_t address[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t one[16] = { [15] = 1 };

	if (memcmp(address, mapped, sizeof(mapped)) == 0)
		return address[12] == 127;
	return memcmp(address, one, sizeof(one)) == 0;
}

static const struct identity_socket *
find_cookie(const struct identity_table *t, int64_t time_ns,
	    const struct identity_end *end)
{
	struct identity_socket like = { .cookie = end->cookie };
	const struct identity_socket *best = NULL;
	size_t count, at;

	if (end->cookie == 0)
		return NULL;
	at = index_find(&t->by_cookie, order_cookie, &like, &count);
	for (size_t i = at; i < at + count; i++)
		best = socket_nearer(best, t->by_cookie.at[i], time_ns);
	return best;
}

static const struct identity_socket *
find_ends(const struct identity_table *t, int64_t time_ns,
	  const struct identity_end *end)
{
	struct identity_socket like = { .ip_protocol = end->ip_protocol,
					.local_port = end->local_port,
					.remote_port = end->remote_port };
	const struct identity_socket *best = NULL, *elsewhere = NULL;
	size_t count, at;

	memcpy(like.local, end->local, sizeof(like.local));
	memcpy(like.remote, end->remote, sizeof(like.remote));
	at = index_find(&t->by_ends, order_ends, &like, &count);
	for (size_t i = at; i < at + count; i++) {
		const struct identity_socket *s = t->by_ends.at[i];

		if (same_namespace(s, end))
			best = socket_nearer(best, s, time_ns);
		else
			elsewhere = socket_nearer(elsewhere, s, time_ns);
	}
	/* A packet seen on its way, outside the namespace of its socket. */
	if (!best && !is_loopback(end->local))
		best = elsewhere;
	return best;
}

/* The listener, bound to the very address rather than to any. */
static const struct identity_socket *
find_listener(const struct identity_table *t, int64_t time_ns,
	      const struct identity_end *end)
{
	struct identity_socket like = { .ip_protocol = end->ip_protocol,
					.local_port = end->local_port };
	const struct identity_socket *exact = NULL, *any = NULL;
	size_t count, at;

	at = index_find(&t->by_local, order_local, &like, &count);
	for (size_t i = at; i < at + count; i++) {
		const struct identity_socket *s = t->by_local.at[i];

		if (!same_namespace(s, end))
			continue;
		if (memcmp(s->local, end->local, sizeof(s->local)) == 0)
			exact = socket_nearer(exact, s, time_ns);
		else if (memcmp(s->local, any_address, sizeof(s->local)) == 0)
			any = socket_nearer(any, s, time_ns);
	}
	return exact ? exact : any;
}

static size_t
find_oriented(const struct identity_table *t, int64_t time_ns,
	      const struct identity_end *end,
	      const struct identity_socket **found)
{
	const struct identity_socket *own = find_cookie(t, time_ns, end);
	const struct identity_socket *ends = NULL;
	size_t count = 0;

	if (!own || own->listening)
		ends = find_ends(t, time_ns, end);
	if (ends)
		found[count++] = ends;
	if (own)
		found[count++] = own;
	if (count == 0) {
		own = find_listener(t, time_ns, end);
		if (own)
			found[count++] = own;
	}
	return count;
}

size_t
identity_table_find(const struct identity_table *t, int64_t time_ns,
		    const struct identity_end *end,
		    const struct identity_socket *found[2])
{
	const struct identity_socket *other[2];
	struct identity_end turned = *end;
	size_t count = find_oriented(t, time_ns, end, found);

	if (!end->either || count == 2)
		return count;
	memcpy(turned.local, end->remote, sizeof(turned.local));
	memcpy(turned.remote, end->local, sizeof(turned.remote));
	turned.local_port = end->remote_port;
	turned.remote_port = end->local_port;
	/* On one node both ends may be ours. */
	if (count == 0)
		return find_oriented(t, time_ns, &turned, found);
	if (find_oriented(t, time_ns, &turned, other) > 0)
		found[count++] = other[0];
	return count;
}

const struct identity_process *
identity_table_process(const struct identity_table *t, uint64_t id)
{
	return map_get(t->processes, &id);
}

static struct bytes
table_keep(struct identity_table *t, struct bytes in)
{
	return bytes_make(arena_string(&t->strings, in), in.size);
}

static void
table_add_process(struct identity_table *t, const struct identity_process *in)
{
	struct identity_process *p = map_put(t->processes, &in->id, NULL);
	struct bytes *strings[9];

	if (!p)
		return;
	*p = *in;
	strings[0] = &p->name;
	strings[1] = &p->executable;
	strings[2] = &p->cgroup_path;
	strings[3] = &p->container;
	strings[4] = &p->pod;
	strings[5] = &p->pod_namespace;
	strings[6] = &p->pod_uid;
	strings[7] = &p->pod_container;
	strings[8] = &p->kubernetes_mechanism;
	for (size_t i = 0; i < 9; i++)
		*strings[i] = table_keep(t, *strings[i]);
}

static void
table_add(void *context, const struct identity_log_entry *entry)
{
	struct identity_table *t = context;
	struct identity_socket *s;

	if (!entry->block)
		return;
	if (entry->block->kind == IDENTITY_PROCESS) {
		table_add_process(t, &entry->block->process);
		return;
	}
	s = map_put(t->sockets, &entry->serial, NULL);
	if (s)
		*s = entry->block->socket;
}

static bool
socket_has_cookie(const struct identity_socket *s)
{
	return s->cookie != 0;
}

static bool
socket_has_ends(const struct identity_socket *s)
{
	return s->local_port != 0 && s->remote_port != 0;
}

static void
index_build(const struct identity_table *t, struct socket_index *index,
	    bool (*belongs)(const struct identity_socket *),
	    socket_order *order)
{
	const void *key;
	void *value;
	size_t cursor = 0;

	index->at = alloc_zero(map_count(t->sockets) + 1, sizeof(*index->at));
	while (map_next(t->sockets, &cursor, &key, &value))
		if (belongs(value))
			index->at[index->count++] = value;
	qsort(index->at, index->count, sizeof(*index->at), order);
}

int
identity_table_load(const char *log_path, struct identity_table **table,
		    struct error *e)
{
	struct identity_table *t = alloc_zero(1, sizeof(*t));
	int rc;

	arena_init(&t->strings, (size_t)IDENTITY_LOG_MAX);
	t->processes = map_new(sizeof(uint64_t),
			       sizeof(struct identity_process), PROCESSES_MAX);
	t->sockets = map_new(sizeof(uint64_t), sizeof(struct identity_socket),
			     SOCKETS_MAX);
	rc = identity_log_read(log_path, table_add, t, NULL, &t->damaged, e);
	if (rc < 0 && rc != ERR_NOTFOUND) {
		identity_table_free(t);
		return rc;
	}
	index_build(t, &t->by_cookie, socket_has_cookie, order_cookie);
	index_build(t, &t->by_ends, socket_has_ends, order_ends);
	index_build(t, &t->by_local, socket_stands_in, order_local);
	*table = t;
	return 0;
}

void
identity_table_free(struct identity_table *t)
{
	if (!t)
		return;
	free(t->by_cookie.at);
	free(t->by_ends.at);
	free(t->by_local.at);
	map_free(t->processes);
	map_free(t->sockets);
	arena_free(&t->strings);
	free(t);
}

void
identity_table_counts(const struct identity_table *t,
		      struct identity_table_counts *counts)
{
	*counts = (struct identity_table_counts){
		.processes = map_count(t->processes),
		.sockets = map_count(t->sockets),
		.damaged = t->damaged,
	};
}

void
identity_table_namespaces(const struct identity_table *t,
			  void (*each)(void *context, uint64_t cookie,
				       uint64_t inode),
			  void *context)
{
	const void *key;
	void *value;
	size_t cursor = 0;

	while (map_next(t->sockets, &cursor, &key, &value)) {
		const struct identity_socket *socket = value;

		if (socket->netns && socket->netns_cookie)
			each(context, socket->netns_cookie, socket->netns);
	}
}

/* What is to be written: sockets by their place in the table. */
struct selection {
	const struct identity_table *table;
	struct map *sockets;   /* const identity_socket * → identity_socket */
	struct map *processes; /* id → nothing */
	struct identity_table_counts counts;
};

static struct identity_socket *
select_socket(struct selection *s, const struct identity_socket *socket)
{
	bool added;
	struct identity_socket *copy = map_put(s->sockets, &socket, &added);

	if (added)
		*copy = *socket;
	if (identity_table_process(s->table, socket->process))
		(void)map_put(s->processes, &socket->process, NULL);
	return copy;
}

/* A connection that was seen beginning only has the ends of its packets. */
static void
select_complete(struct identity_socket *copy, const struct identity_end *end)
{
	if (copy->ip_protocol != PROTOCOL_TCP || copy->listening ||
	    end->either || socket_has_ends(copy))
		return;
	memcpy(copy->local, end->local, sizeof(copy->local));
	memcpy(copy->remote, end->remote, sizeof(copy->remote));
	copy->local_port = end->local_port;
	copy->remote_port = end->remote_port;
}

static void
select_end(struct selection *s, const struct identity_end *end,
	   const struct identity_span *span)
{
	const int64_t times[2] = { span->first_ns, span->last_ns };
	const struct identity_socket *found[2];
	size_t count = 0;

	for (size_t k = 0; k < 2; k++) {
		count = identity_table_find(s->table, times[k], end, found);
		for (size_t i = 0; i < count; i++)
			select_complete(select_socket(s, found[i]), end);
	}
	s->counts.ends++;
	s->counts.unknown += count == 0;
}

static void
select_range(struct selection *s, struct identity_span range)
{
	const void *key;
	void *value;
	size_t cursor = 0;

	while (map_next(s->table->sockets, &cursor, &key, &value)) {
		const struct identity_socket *socket = value;

		if (socket->from_ns <= range.last_ns &&
		    (socket->to_ns == 0 || socket->to_ns >= range.first_ns))
			(void)select_socket(s, socket);
	}
}

static int
write_block(struct segment_writer *w, struct buf *body, struct error *e)
{
	int rc = body->failed ? ERR_INTERNAL
			      : segment_writer_block(w, PCAPNG_CUSTOM,
						     buf_view(body), 0, e);

	buf_reset(body);
	return rc;
}

static int
write_selection(struct selection *s, struct segment_writer *w,
		struct error *e)
{
	const void *key;
	void *value;
	size_t cursor = 0;
	struct buf body;
	int rc = 0;

	buf_init(&body, BLOCK_MAX);
	while (rc == 0 && map_next(s->processes, &cursor, &key, &value)) {
		identity_encode_process(
			&body, identity_table_process(
				       s->table, *(const uint64_t *)key));
		rc = write_block(w, &body, e);
		s->counts.processes += rc == 0;
	}
	cursor = 0;
	while (rc == 0 && map_next(s->sockets, &cursor, &key, &value)) {
		identity_encode_socket(&body, value);
		rc = write_block(w, &body, e);
		s->counts.sockets += rc == 0;
	}
	buf_free(&body);
	return rc;
}

int
identity_table_write(const struct identity_table *t,
		     const struct identity_wanted *wanted,
		     struct segment_writer *w,
		     struct identity_table_counts *counts, struct error *e)
{
	struct selection s = { .table = t };
	struct identity_end end;
	struct identity_span span;
	size_t cursor = 0;
	int rc;

	s.sockets = map_new(sizeof(struct identity_socket *),
			    sizeof(struct identity_socket), SOCKETS_MAX);
	s.processes = map_new(sizeof(uint64_t), 0, PROCESSES_MAX);
	s.counts.damaged = t->damaged;
	while (identity_wanted_next(wanted, &cursor, &end, &span))
		select_end(&s, &end, &span);
	if (identity_wanted_overflowed(wanted))
		select_range(&s, identity_wanted_range(wanted));
	rc = write_selection(&s, w, e);
	if (counts)
		*counts = s.counts;
	map_free(s.sockets);
	map_free(s.processes);
	return rc;
}
