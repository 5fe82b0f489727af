/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/export_who.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/map.h"
#include "capture/identity/identity_block.h"
#include "capture/packet_peek.h"

/* About what one socket or connection takes with its map's room. */
#define SOCKET_BYTES     256
#define PROCESS_BYTES    128 /* beside its text */
#define CONNECTION_BYTES 64
/* Different sockets at one place; more are somebody's trick. */
#define CHAIN_LIMIT 1024
#define LAYERS_MAX  4
/* A socket that was closed this long before may go to make room. */
#define OLD_NS    (60 * CLOCK_NS_PER_S)
#define BODY_MAX  ((size_t)64 << 10)
#define NO_SOCKET UINT32_MAX

struct held_socket {
	struct identity_socket socket;
	/* Not by namespace: a packet that was seen on a bridge or a veth of the
	 * node is for a listener in some other one.  So listeners of the same
	 * port elsewhere come along; who reads the export tells them apart by
	 * their netns. */
	struct identity_place place;
	uint32_t stream;
	uint32_t next; /* at the same place */
	bool written;  /* as it is now */
	bool began;    /* written, as it is or as it was */
};

struct process_key {
	uint64_t id, stream;
};

struct held_process {
	uint8_t *body; /* owned, as it is written */
	uint32_t size;
	bool written;
	uint64_t number; /* in the export */
};

struct export_who {
	struct export_who_options options;
	struct map *places; /* struct identity_place to its newest socket */
	struct map *seen;   /* places of packets that were written; no value
			     * of interest */
	struct map *processes;
	struct held_socket *sockets;
	uint32_t count, capacity, limit;
	uint32_t compact_at; /* try to make room when so many */
	size_t process_bytes;
	uint64_t numbers; /* given to processes */
	uint64_t left_out;
	int64_t now_ns; /* of the packet written last */
	struct buf body;
};

/* ---- life ---- */

static struct map *
new_seen(const struct export_who *w)
{
	return map_new(sizeof(struct identity_place), sizeof(uint8_t),
		       w->options.memory_limit / 4 / CONNECTION_BYTES + 8);
}

struct export_who *
export_who_new(const struct export_who_options *options)
{
	struct export_who *w = alloc_zero(1, sizeof(*w));

	w->options = *options;
	w->limit = (uint32_t)(options->memory_limit / 2 / SOCKET_BYTES) + 1;
	w->compact_at = w->limit;
	w->places = map_new(sizeof(struct identity_place), sizeof(uint32_t),
			    w->limit);
	w->seen = new_seen(w);
	w->processes =
		map_new(sizeof(struct process_key), sizeof(struct held_process),
			options->memory_limit / 4 / PROCESS_BYTES + 1);
	buf_init(&w->body, BODY_MAX);
	return w;
}

void
export_who_free(struct export_who *w)
{
	const void *key;
	void *value;
	size_t cursor = 0;

	if (!w)
		return;
	while (map_next(w->processes, &cursor, &key, &value))
		free(((struct held_process *)value)->body);
	map_free(w->places);
	map_free(w->seen);
	map_free(w->processes);
	free(w->sockets);
	buf_free(&w->body);
	free(w);
}

uint64_t
export_who_left_out(const struct export_who *w)
{
	return w->left_out;
}

/* ---- writing ---- */

static void
write_body(struct export_who *w, struct bytes body)
{
	struct pcapng_block block = { .type = PCAPNG_CUSTOM, .body = body };

	export_file_block(w->options.file, &block, false);
}

/* A block's body ends at a multiple of four bytes. */
static void
pad_body(struct buf *body)
{
	while (body->size % 4 != 0)
		buf_u8(body, 0);
}

static void
write_process(struct export_who *w, struct held_process *p)
{
	write_body(w, bytes_make(p->body, p->size));
	p->written = true;
}

/* Writes a socket after its process; nothing while that is not known. */
static void
write_socket(struct export_who *w, struct held_socket *s)
{
	struct process_key key = { s->socket.process, s->stream };
	struct held_process *p = map_get(w->processes, &key);
	struct identity_socket out = s->socket;

	if (!p)
		return;
	if (!p->written)
		write_process(w, p);
	out.process = p->number;
	buf_reset(&w->body);
	identity_encode_socket(&w->body, &out);
	pad_body(&w->body);
	write_body(w, buf_view(&w->body));
	s->written = s->began = true;
}

/* ---- processes ---- */

static void
keep_process(struct export_who *w, uint32_t stream, struct identity_process *in)
{
	struct process_key key = { in->id, stream };
	struct held_process *p = map_get(w->processes, &key);
	uint64_t number = p ? p->number : w->numbers + 1;

	in->id = number;
	buf_reset(&w->body);
	identity_encode_process(&w->body, in);
	pad_body(&w->body);
	if (p && bytes_equal(bytes_make(p->body, p->size), buf_view(&w->body)))
		return;
	if (w->process_bytes + w->body.size <= w->options.memory_limit / 4)
		p = map_put(w->processes, &key, NULL);
	else
		p = NULL;
	if (!p) {
		w->left_out++;
		return;
	}
	if (number > w->numbers)
		w->numbers = number;
	w->process_bytes += w->body.size;
	w->process_bytes -= p->size;
	free(p->body);
	p->body = alloc_zero(1, w->body.size);
	memcpy(p->body, w->body.data, w->body.size);
	p->size = (uint32_t)w->body.size;
	p->number = number;
	if (w->options.all || p->written)
		write_process(w, p);
}

/* ---- sockets ---- */

static bool
same_socket(const struct held_socket *a, const struct held_socket *b)
{
	return a->stream == b->stream &&
	       a->socket.process == b->socket.process &&
	       a->socket.cookie == b->socket.cookie &&
	       a->socket.netns == b->socket.netns &&
	       (a->socket.cookie != 0 ||
		a->socket.from_ns == b->socket.from_ns);
}

/* The rest of what a block says of the same socket at the same place. */
static bool
socket_unchanged(const struct identity_socket *a,
		 const struct identity_socket *b)
{
	return a->thread == b->thread && a->from_ns == b->from_ns &&
	       a->to_ns == b->to_ns && a->mechanism == b->mechanism &&
	       a->listening == b->listening &&
	       a->netns_cookie == b->netns_cookie;
}

/* Puts socket `index` before the others of its place. */
static void
link_socket(struct export_who *w, uint32_t index)
{
	struct held_socket *s = &w->sockets[index];
	bool added;
	/* There are at most as many places as sockets. */
	uint32_t *head = map_put(w->places, &s->place, &added);

	s->next = added ? NO_SOCKET : *head;
	*head = index;
}

/* Forgets sockets that no later packet can need. */
static void
make_room(struct export_who *w)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < w->count; i++)
		(void)map_remove(w->places, &w->sockets[i].place);
	for (uint32_t i = 0; i < w->count; i++) {
		int64_t to_ns = w->sockets[i].socket.to_ns;

		if (to_ns != 0 && to_ns < w->now_ns - OLD_NS)
			continue;
		w->sockets[kept] = w->sockets[i];
		link_socket(w, kept++);
	}
	w->count = kept;
}

/* Room for one more; tried again only when much may have changed. */
static bool
has_room(struct export_who *w)
{
	if (w->count < w->limit)
		return true;
	if (w->compact_at > w->limit) {
		w->compact_at--;
		return false;
	}
	make_room(w);
	if (w->count > w->limit / 4 * 3)
		w->compact_at = w->limit + w->limit / 4;
	return w->count < w->limit;
}

/* The same socket at its place or NULL; `*chain`: how many others there. */
static struct held_socket *
find_same(struct export_who *w, const struct held_socket *s, unsigned *chain)
{
	const uint32_t *head = map_get(w->places, &s->place);

	*chain = 0;
	for (uint32_t i = head ? *head : NO_SOCKET; i != NO_SOCKET;
	     i = w->sockets[i].next) {
		if (same_socket(&w->sockets[i], s))
			return &w->sockets[i];
		++*chain;
	}
	return NULL;
}

/* Holds a socket, or NULL when there is no room. */
static struct held_socket *
add_socket(struct export_who *w, const struct held_socket *s, unsigned chain)
{
	if (chain >= CHAIN_LIMIT || !has_room(w))
		return NULL;
	if (w->count == w->capacity) {
		w->capacity = w->capacity * 2 + 64;
		w->sockets = alloc_resize(w->sockets, w->capacity,
					  sizeof(*w->sockets));
	}
	w->sockets[w->count] = *s;
	link_socket(w, w->count);
	return &w->sockets[w->count++];
}

static bool
is_wanted(const struct export_who *w, const struct held_socket *s)
{
	return w->options.all || s->began || map_get(w->seen, &s->place);
}

static void
keep_socket(struct export_who *w, uint32_t stream,
	    const struct identity_socket *in)
{
	struct held_socket s = { .socket = *in,
				 .place = identity_place_of(in),
				 .stream = stream };
	unsigned chain;
	struct held_socket *held = find_same(w, &s, &chain);

	if (held && socket_unchanged(&held->socket, in))
		return;
	if (held) { /* the newest block knows best */
		held->socket = *in;
		held->written = false;
	} else {
		held = add_socket(w, &s, chain);
	}
	if (!held) /* what is wanted now need not be held */
		held = &s;
	if (is_wanted(w, held))
		write_socket(w, held);
	if (held == &s && !s.written)
		w->left_out++;
}

void
export_who_block(struct export_who *w, uint32_t stream, struct bytes body)
{
	struct identity_block block;

	if (!identity_decode(body, &block))
		return;
	if (block.kind == IDENTITY_PROCESS)
		keep_process(w, stream, &block.process);
	else
		keep_socket(w, stream, &block.socket);
}

/* ---- packets ---- */

/* Remembers a place for blocks to come; false when it was known.  When there
 * are too many, all are forgotten: their packets say it again. */
static bool
see_place(struct export_who *w, const struct identity_place *place)
{
	bool added;

	if (!map_put(w->seen, place, &added)) {
		map_free(w->seen);
		w->seen = new_seen(w);
		(void)map_put(w->seen, place, &added);
	}
	return added;
}

static void
want_place(struct export_who *w, const struct identity_place *place)
{
	const uint32_t *head;

	(void)see_place(w, place);
	head = map_get(w->places, place);
	for (uint32_t i = head ? *head : NO_SOCKET; i != NO_SOCKET;
	     i = w->sockets[i].next)
		if (!w->sockets[i].written)
			write_socket(w, &w->sockets[i]);
}

/* All sockets that can be the end `place`.local of a connection. */
static void
want_end(struct export_who *w, struct identity_place place)
{
	want_place(w, &place);
	memset(place.remote, 0, sizeof(place.remote));
	place.remote_port = 0;
	want_place(w, &place);
	memset(place.local, 0, sizeof(place.local));
	want_place(w, &place);
}

static void
want_layer(struct export_who *w, const struct packet_layer *layer)
{
	struct identity_place place = { .local_port = layer->source_port,
					.remote_port = layer->target_port,
					.ip_protocol = layer->protocol };
	struct identity_place back = { .local_port = layer->target_port,
				       .remote_port = layer->source_port,
				       .ip_protocol = layer->protocol };

	memcpy(place.local, layer->source, sizeof(place.local));
	memcpy(place.remote, layer->target, sizeof(place.remote));
	memcpy(back.local, layer->target, sizeof(back.local));
	memcpy(back.remote, layer->source, sizeof(back.remote));
	if (!see_place(w, &place))
		return;
	want_end(w, place);
	want_end(w, back);
}

void
export_who_packet(struct export_who *w, const struct packet_record *packet)
{
	struct packet_layer layer;
	struct bytes in;
	uint16_t type;

	w->now_ns = packet->time_ns;
	if (w->options.all)
		return;
	type = packet_peek_link(packet->link_type,
				bytes_make(packet->data, packet->captured),
				&in);
	for (int i = 0; i < LAYERS_MAX && type != 0; i++) {
		if (!packet_peek_layer(in, type, &layer))
			return;
		if (layer.has_ports)
			want_layer(w, &layer);
		in = layer.inner;
		type = layer.inner_type;
	}
}

void
export_who_finish(struct export_who *w)
{
	for (uint32_t i = 0; i < w->count; i++)
		if (!w->sockets[i].written && is_wanted(w, &w->sockets[i]))
			write_socket(w, &w->sockets[i]);
}
