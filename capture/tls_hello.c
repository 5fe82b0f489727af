/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/tls_hello.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/reader.h"
#include "capture/packet_peek.h"

#define LAYERS_MAX   4
#define PARTS_MAX    4096u
#define TCP_PROTOCOL 6

/* Record header, handshake header, version, random. */
#define HELLO_SIZE     43
#define HELLO_TYPE_AT  5
#define HELLO_MAJOR_AT 9
#define HELLO_RANDOM_AT 11

enum hello_byte {
	RECORD_HANDSHAKE = 22,
	VERSION_MAJOR = 3,
	CLIENT_HELLO = 1,
	SERVER_HELLO = 2,
};

/* One direction of a connection. */
struct hello_key {
	uint8_t source[16], target[16];
	uint16_t source_port, target_port;
};

/* The beginning of a hello whose rest is to come. */
struct hello_part {
	uint32_t next; /* sequence number of what follows */
	uint32_t size;
	uint8_t data[HELLO_SIZE];
};

struct tls_hellos {
	struct tls_hello *list;
	size_t count, capacity;
	uint64_t dropped;
	struct map *latest; /* client to server: uint32_t index of the last */
	struct map *parts;
};

/* A TCP segment. */
struct hello_segment {
	struct hello_key key;
	int64_t time_ns;
	uint32_t sequence;
	struct bytes data;
};

struct tls_hellos *
tls_hellos_new(void)
{
	struct tls_hellos *h = alloc_zero(1, sizeof(*h));

	h->latest = map_new(sizeof(struct hello_key), sizeof(uint32_t),
			    TLS_HELLOS_MAX);
	h->parts = map_new(sizeof(struct hello_key),
			   sizeof(struct hello_part), PARTS_MAX);
	return h;
}

void
tls_hellos_free(struct tls_hellos *h)
{
	if (!h)
		return;
	map_free(h->latest);
	map_free(h->parts);
	free(h->list);
	free(h);
}

/* False when this cannot become a hello. */
static bool
hello_begins(struct bytes in)
{
	return in.size > 0 && in.data[0] == RECORD_HANDSHAKE &&
	       (in.size < 2 || in.data[1] == VERSION_MAJOR) &&
	       (in.size <= HELLO_TYPE_AT ||
		in.data[HELLO_TYPE_AT] == CLIENT_HELLO ||
		in.data[HELLO_TYPE_AT] == SERVER_HELLO) &&
	       (in.size <= HELLO_MAJOR_AT ||
		in.data[HELLO_MAJOR_AT] == VERSION_MAJOR);
}

static struct hello_key
hello_key_reversed(const struct hello_key *key)
{
	struct hello_key reversed = {
		.source_port = key->target_port,
		.target_port = key->source_port,
	};

	memcpy(reversed.source, key->target, 16);
	memcpy(reversed.target, key->source, 16);
	return reversed;
}

/* The last handshake with these ends, or NULL. */
static struct tls_hello *
hello_latest(const struct tls_hellos *h, const struct hello_key *key)
{
	const uint32_t *index = map_get(h->latest, key);

	return index ? &h->list[*index] : NULL;
}

static void
hello_add_client(struct tls_hellos *h, const struct hello_segment *s,
		 const uint8_t *random)
{
	struct tls_hello *last = hello_latest(h, &s->key), *new;
	uint32_t *index;

	/* Sent again, seen twice, or after a HelloRetryRequest. */
	if (last && memcmp(last->client_random, random, 32) == 0)
		return;
	index = h->count < TLS_HELLOS_MAX ? map_put(h->latest, &s->key, NULL)
					  : NULL;
	if (!index) {
		h->dropped++;
		return;
	}
	if (last)
		last->until_ns = s->time_ns;
	*index = (uint32_t)h->count;
	if (h->count == h->capacity) {
		h->capacity = h->capacity * 2 + 64;
		h->list = alloc_resize(h->list, h->capacity,
				       sizeof(*h->list));
	}
	new = &h->list[h->count++];
	/* A full list of none was enlarged.
	 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	*new = (struct tls_hello){
		.time_ns = s->time_ns,
		.until_ns = INT64_MAX,
		.client_port = s->key.source_port,
		.server_port = s->key.target_port,
	};
	memcpy(new->client, s->key.source, 16);
	memcpy(new->server, s->key.target, 16);
	memcpy(new->client_random, random, 32);
}

static void
hello_add_server(struct tls_hellos *h, const struct hello_segment *s,
		 const uint8_t *random)
{
	struct hello_key client = hello_key_reversed(&s->key);
	struct tls_hello *hello = hello_latest(h, &client);

	if (!hello)
		return;
	memcpy(hello->server_random, random, 32);
	hello->has_server = true;
}

/* `in` begins as a hello does and is long enough. */
static void
hello_add(struct tls_hellos *h, const struct hello_segment *s,
	  const uint8_t *in)
{
	if (in[HELLO_TYPE_AT] == CLIENT_HELLO)
		hello_add_client(h, s, in + HELLO_RANDOM_AT);
	else
		hello_add_server(h, s, in + HELLO_RANDOM_AT);
}

/* Keeps the beginning of a hello. */
static void
hello_keep(struct tls_hellos *h, const struct hello_segment *s)
{
	struct hello_part *part = map_put(h->parts, &s->key, NULL);

	if (!part) { /* many have begun and not gone on: noise */
		map_free(h->parts);
		h->parts = map_new(sizeof(struct hello_key),
				   sizeof(struct hello_part), PARTS_MAX);
		part = map_put(h->parts, &s->key, NULL);
	}
	part->size = (uint32_t)s->data.size;
	part->next = s->sequence + part->size;
	memcpy(part->data, s->data.data, s->data.size);
}

/* Goes on with a hello that has begun; false when this is no part of it. */
static bool
hello_continue(struct tls_hellos *h, const struct hello_segment *s,
	       struct hello_part *part)
{
	/* Some of it may have been sent before. */
	uint32_t known = part->next - s->sequence;
	struct bytes more;

	if (known > part->size)
		return false;
	if (known >= s->data.size)
		return true; /* nothing new */
	more = bytes_first(bytes_from(s->data, known),
			   HELLO_SIZE - part->size);
	memcpy(part->data + part->size, more.data, more.size);
	part->size += (uint32_t)more.size;
	part->next += (uint32_t)more.size;
	if (!hello_begins(bytes_make(part->data, part->size))) {
		map_remove(h->parts, &s->key);
	} else if (part->size == HELLO_SIZE) {
		hello_add(h, s, part->data);
		map_remove(h->parts, &s->key);
	}
	return true;
}

static void
hello_segment(struct tls_hellos *h, const struct hello_segment *s)
{
	struct hello_part *part = map_count(h->parts) > 0
					  ? map_get(h->parts, &s->key)
					  : NULL;

	if (part && hello_continue(h, s, part))
		return;
	if (!hello_begins(s->data))
		return;
	if (s->data.size >= HELLO_SIZE)
		hello_add(h, s, s->data.data);
	else
		hello_keep(h, s);
}

/* False when the layer is no TCP segment with data. */
static bool
hello_take_segment(const struct packet_layer *layer, struct hello_segment *s)
{
	struct reader r = reader_make(layer->upper);
	size_t header;

	if (layer->protocol != TCP_PROTOCOL || !layer->has_ports)
		return false;
	reader_skip(&r, 4);
	s->sequence = reader_be32(&r);
	reader_skip(&r, 4);
	header = (reader_u8(&r) >> 4) * 4u;
	if (r.failed || header < 20 || header >= layer->upper.size)
		return false;
	s->data = bytes_from(layer->upper, header);
	memcpy(s->key.source, layer->source, 16);
	memcpy(s->key.target, layer->target, 16);
	s->key.source_port = layer->source_port;
	s->key.target_port = layer->target_port;
	return true;
}

void
tls_hellos_packet(struct tls_hellos *h, const struct packet_record *packet)
{
	struct hello_segment segment = { .time_ns = packet->time_ns };
	struct packet_layer layer;
	struct bytes in;
	uint16_t type =
		packet_peek_link(packet->link_type,
				 bytes_make(packet->data, packet->captured),
				 &in);

	for (int i = 0; i < LAYERS_MAX && type != 0; i++) {
		if (!packet_peek_layer(in, type, &layer))
			return;
		if (hello_take_segment(&layer, &segment)) {
			hello_segment(h, &segment);
			return;
		}
		in = layer.inner;
		type = layer.inner_type;
	}
}

const struct tls_hello *
tls_hellos_list(const struct tls_hellos *h, size_t *count)
{
	*count = h->count;
	return h->list;
}

uint64_t
tls_hellos_dropped(const struct tls_hellos *h)
{
	return h->dropped;
}
