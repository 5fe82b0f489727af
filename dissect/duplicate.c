/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/duplicate.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/alloc.h"

#define PRINT_PAYLOAD    64 /* bytes of payload that must agree */
#define TCP_CHECKSUM_END 18
#define PATH_MASK UINT64_C(0xffff)

_Static_assert(sizeof(struct duplicate_set) == 64, "one line of the cache");

struct duplicates *
duplicates_new(uint64_t seed)
{
	struct duplicates *d = alloc_aligned(sizeof(*d), 64);

	d->seed = seed;
	return d;
}

void
duplicates_free(struct duplicates *d)
{
	free(d);
}

/* The bytes of the transport header and payload that must agree, without the
 * checksum; for TCP, what precedes it is in struct packet. */
static struct bytes
duplicate_content(const struct packet *p)
{
	struct bytes content;
	size_t header = (size_t)(p->payload.data - p->transport.data);

	if (p->ip_protocol == IP_PROTOCOL_TCP)
		content = bytes_from(p->transport, TCP_CHECKSUM_END);
	else
		content = p->payload;
	if (p->ip_protocol == IP_PROTOCOL_TCP)
		return bytes_first(content,
				   header - TCP_CHECKSUM_END + PRINT_PAYLOAD);
	return bytes_first(content, PRINT_PAYLOAD);
}

static uint64_t
path_digest(const struct packet *p)
{
	return p->path * UINT64_C(0x9e3779b97f4a7c15) >> 48;
}

uint64_t
duplicates_print(const struct duplicates *d, const struct packet *p,
		 uint64_t connection_hash)
{
	struct bytes content = duplicate_content(p);
	uint64_t print;
	struct {
		uint64_t connection;
		uint8_t source_ip[16];
		uint32_t length, seq, ack;
		uint16_t source_port, id, window, flags;
		uint32_t unused; /* no padding: its bytes are hashed */
	} head = {
		.connection = connection_hash,
		.length = p->payload_length,
		.id = p->ip_id,
		.source_port = p->source.port,
	};

	_Static_assert(sizeof(head) == 48, "no padding");
	memcpy(head.source_ip, p->source.ip, sizeof(head.source_ip));

	if (p->ip_protocol == IP_PROTOCOL_TCP) {
		head.seq = p->tcp.seq;
		head.ack = p->tcp.ack;
		head.flags = p->tcp.flags;
		head.window = p->tcp.window;
	}
	print = XXH3_64bits_withSeed(
		content.data, content.size,
		XXH3_64bits_withSeed(&head, sizeof(head), d->seed));
	__builtin_prefetch(&d->tags[print & (DUPLICATE_SETS - 1)], 1);
	__builtin_prefetch(&d->sets[print & (DUPLICATE_SETS - 1)], 1);
	return print;
}

static int64_t
duplicate_window(const struct packet *p, bool elsewhere)
{
	if (elsewhere)
		return DUPLICATE_ELSEWHERE_NS;
	if (p->ip_id != 0)
		return DUPLICATE_HERE_NS;
	if (p->ip_protocol == IP_PROTOCOL_TCP &&
	    (p->payload_length > 0 || (p->tcp.flags & (TCP_SYN | TCP_FIN))))
		return DUPLICATE_PLAIN_NS;
	return 0;
}

static uint16_t
tag_of(uint64_t print)
{
	return (uint16_t)(print >> 32);
}

/* The slot with this print, or NULL. */
static struct duplicate_slot *
find_slot(struct duplicates *d, size_t set, uint64_t print)
{
	for (unsigned i = 0; i < DUPLICATE_WAYS; i++) {
		struct duplicate_slot *s = &d->sets[set].slots[i];

		if (d->tags[set].tags[i] == tag_of(print) &&
		    ((s->print ^ print) & ~PATH_MASK) == 0)
			return s;
	}
	return NULL;
}

/* The slot for a new print. */
static struct duplicate_slot *
take_slot(struct duplicates *d, size_t set, uint64_t print)
{
	struct duplicate_tags *t = &d->tags[set];
	unsigned way = t->next++ % DUPLICATE_WAYS;

	t->tags[way] = tag_of(print);
	return &d->sets[set].slots[way];
}

bool
duplicates_check(struct duplicates *d, const struct packet *p, uint64_t print,
		 int64_t time_ns)
{
	size_t set = print & (DUPLICATE_SETS - 1);
	struct duplicate_slot *slot = find_slot(d, set, print);
	uint64_t seen = (print & ~PATH_MASK) | path_digest(p);

	if (slot) {
		bool earlier = time_ns < slot->time_ns;
		uint64_t apart =
			earlier ? (uint64_t)slot->time_ns - (uint64_t)time_ns
				: (uint64_t)time_ns - (uint64_t)slot->time_ns;

		if (apart <= (uint64_t)duplicate_window(p, slot->print != seen)) {
			if (earlier)
				*slot = (struct duplicate_slot){ seen,
								 time_ns };
			return true;
		}
	} else {
		slot = take_slot(d, set, print);
	}
	*slot = (struct duplicate_slot){ seen, time_ns };
	return false;
}
