/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/packet_filter.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/text.h"
#include "capture/packet_peek.h"

#define LAYERS_MAX 4

/* Addresses whose first `bits` bits are these. */
struct prefix {
	uint8_t address[16];
	unsigned bits;
};

/* One end and the other, the lower one first: both directions look alike. */
struct conversation_key {
	uint8_t low_ip[16], high_ip[16];
	uint16_t low_port, high_port;
	uint32_t protocol;
};

struct conversation {
	struct conversation_key key;
	int64_t from_ns, to_ns;
};

struct packet_filter {
	struct prefix *prefixes;
	size_t prefix_count;
	uint16_t *ports;
	size_t port_count;
	struct conversation *conversations; /* sorted by key */
	size_t conversation_count;
	/* The same without ports and sorted, for fragments. */
	struct conversation *hosts;
};

static void
conversation_key_set(struct conversation_key *key, const uint8_t a[static 16],
		     uint16_t a_port, const uint8_t b[static 16],
		     uint16_t b_port)
{
	int order = memcmp(a, b, 16);
	bool swap = order > 0 || (order == 0 && a_port > b_port);

	memcpy(key->low_ip, swap ? b : a, 16);
	memcpy(key->high_ip, swap ? a : b, 16);
	key->low_port = swap ? b_port : a_port;
	key->high_port = swap ? a_port : b_port;
}

static int
conversation_compare(const void *a, const void *b)
{
	const struct conversation *left = a, *right = b;

	return memcmp(&left->key, &right->key, sizeof(left->key));
}

static bool
prefix_parse(const char *text, struct prefix *prefix)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const char *slash = strchr(text, '/');
	size_t size = slash ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];
	uint64_t bits;
	unsigned most = 128;

	if (size >= sizeof(address))
		return false;
	memcpy(address, text, size);
	address[size] = '\0';
	if (inet_pton(AF_INET, address, prefix->address + 12) == 1) {
		memcpy(prefix->address, mapped, sizeof(mapped));
		most = 32;
	} else if (inet_pton(AF_INET6, address, prefix->address) != 1) {
		return false;
	}
	prefix->bits = 128;
	if (!slash)
		return true;
	if (!text_u64(bytes_of(slash + 1), &bits) || bits > most)
		return false;
	prefix->bits = (unsigned)bits + 128 - most;
	return true;
}

static bool
prefix_matches(const struct prefix *prefix, const uint8_t address[static 16])
{
	unsigned whole = prefix->bits / 8, rest = prefix->bits % 8;

	if (memcmp(prefix->address, address, whole) != 0)
		return false;
	return rest == 0 ||
	       (prefix->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

static int
packet_filter_addresses(struct packet_filter *f,
			const struct packet_filter_lists *lists,
			struct error *e)
{
	size_t count = lists->address_count;

	f->prefixes = alloc_zero(count + 1, sizeof(*f->prefixes));
	for (size_t i = 0; i < count; i++) {
		char *shown;

		if (prefix_parse(lists->addresses[i], &f->prefixes[i]))
			continue;
		shown = text_printable(bytes_of(lists->addresses[i]), 60);
		error_set(e, ERR_INVALID,
			  "\"%s\" is not an address: say 10.0.0.1, "
			  "10.0.0.0/8 or 2001:db8::/32",
			  shown);
		free(shown);
		return ERR_INVALID;
	}
	f->prefix_count = count;
	return 0;
}

static void
packet_filter_conversations(struct packet_filter *f,
			    const struct packet_filter_lists *lists)
{
	size_t count = lists->conversation_count;

	f->conversations = alloc_zero(count + 1, sizeof(*f->conversations));
	f->hosts = alloc_zero(count + 1, sizeof(*f->hosts));
	f->conversation_count = count;
	for (size_t i = 0; i < count; i++) {
		const struct export_conversation *from =
			&lists->conversations[i];
		struct conversation *c = &f->conversations[i];

		c->from_ns = from->from_ns;
		c->to_ns = from->to_ns;
		c->key.protocol = from->ip_protocol;
		f->hosts[i] = *c;
		conversation_key_set(&c->key, from->client_ip,
				     from->client_port, from->server_ip,
				     from->server_port);
		conversation_key_set(&f->hosts[i].key, from->client_ip, 0,
				     from->server_ip, 0);
	}
	qsort(f->conversations, count, sizeof(*f->conversations),
	      conversation_compare);
	qsort(f->hosts, count, sizeof(*f->hosts), conversation_compare);
}

struct packet_filter *
packet_filter_new(const struct packet_filter_lists *lists, struct error *e)
{
	struct packet_filter *f = alloc_zero(1, sizeof(*f));

	if (packet_filter_addresses(f, lists, e) < 0) {
		packet_filter_free(f);
		return NULL;
	}
	f->port_count = lists->port_count;
	f->ports = alloc_zero(f->port_count + 1, sizeof(*f->ports));
	for (size_t i = 0; i < f->port_count; i++)
		f->ports[i] = lists->ports[i];
	packet_filter_conversations(f, lists);
	return f;
}

void
packet_filter_free(struct packet_filter *f)
{
	if (!f)
		return;
	free(f->prefixes);
	free(f->ports);
	free(f->conversations);
	free(f->hosts);
	free(f);
}

bool
packet_filter_is_open(const struct packet_filter *f)
{
	return f->prefix_count == 0 && f->port_count == 0 &&
	       f->conversation_count == 0;
}

struct packet_window
packet_filter_window(const struct packet_filter *f)
{
	struct packet_window window = { INT64_MIN, INT64_MAX };

	for (size_t i = 0; i < f->conversation_count; i++) {
		const struct conversation *c = &f->conversations[i];

		if (i == 0 || c->from_ns < window.from_ns)
			window.from_ns = c->from_ns;
		if (i == 0 || c->to_ns >= window.to_ns)
			window.to_ns =
				c->to_ns < INT64_MAX ? c->to_ns + 1 : INT64_MAX;
	}
	return window;
}

static bool
packet_filter_address(const struct packet_filter *f,
		      const struct packet_layer *layer)
{
	for (size_t i = 0; i < f->prefix_count; i++)
		if (prefix_matches(&f->prefixes[i], layer->source) ||
		    prefix_matches(&f->prefixes[i], layer->target))
			return true;
	return f->prefix_count == 0;
}

/* True for a fragment that cannot tell its ports as well. */
static bool
packet_filter_port(const struct packet_filter *f,
		   const struct packet_layer *layer)
{
	for (size_t i = 0; i < f->port_count; i++)
		if (f->ports[i] == layer->source_port ||
		    f->ports[i] == layer->target_port)
			return true;
	return f->port_count == 0 || layer->is_fragment;
}

/* True when one of the sorted `list` has this key, at this time. */
static bool
conversation_find(const struct conversation *list, size_t count,
		  const struct conversation *wanted, int64_t time_ns)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (conversation_compare(&list[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < count && conversation_compare(&list[low], wanted) == 0;
	     low++)
		if (time_ns >= list[low].from_ns && time_ns <= list[low].to_ns)
			return true;
	return false;
}

static bool
packet_filter_conversation(const struct packet_filter *f,
			   const struct packet_layer *layer, int64_t time_ns)
{
	struct conversation wanted = { .from_ns = 0 };

	if (f->conversation_count == 0)
		return true;
	wanted.key.protocol = layer->protocol;
	conversation_key_set(&wanted.key, layer->source, layer->source_port,
			     layer->target, layer->target_port);
	return conversation_find(layer->is_fragment ? f->hosts
						    : f->conversations,
				 f->conversation_count, &wanted, time_ns);
}

bool
packet_filter_matches(const struct packet_filter *f,
		      const struct packet_record *packet)
{
	struct packet_layer layer;
	struct bytes in;
	uint16_t type;

	if (packet_filter_is_open(f))
		return true;
	type = packet_peek_link(packet->link_type,
				bytes_make(packet->data, packet->captured),
				&in);
	for (int i = 0; i < LAYERS_MAX && type != 0; i++) {
		if (!packet_peek_layer(in, type, &layer))
			return false;
		if (packet_filter_address(f, &layer) &&
		    packet_filter_port(f, &layer) &&
		    packet_filter_conversation(f, &layer, packet->time_ns))
			return true;
		in = layer.inner;
		type = layer.inner_type;
	}
	return false;
}
