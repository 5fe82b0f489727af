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

/* The slot of a packet in its set, or the one to give up for it. */
static struct duplicate_slot *
find_slot(struct duplicate_set *set, uint64_t print)
{
	struct duplicate_slot *oldest = set->slots;

	for (unsigned i = 0; i < DUPLICATE_WAYS; i++) {
		struct duplicate_slot *s = &set->slots[i];

		if ((s->print & ~PATH_MASK) == print)
			return s;
		if (s->time_ns < oldest->time_ns)
			oldest = s;
	}
	return oldest;
}

bool
duplicates_check(struct duplicates *d, const struct packet *p, uint64_t print,
		 int64_t time_ns)
{
	struct duplicate_set *set = &d->sets[print & (DUPLICATE_SETS - 1)];
	struct duplicate_slot *slot = find_slot(set, print & ~PATH_MASK);
	uint64_t seen = (print & ~PATH_MASK) | path_digest(p);

	if (((slot->print ^ print) & ~PATH_MASK) == 0) {
		uint64_t apart =
			time_ns >= slot->time_ns
				? (uint64_t)time_ns - (uint64_t)slot->time_ns
				: (uint64_t)slot->time_ns - (uint64_t)time_ns;

		if (apart <=
		    (uint64_t)duplicate_window(p, slot->print != seen)) {
			if (time_ns < slot->time_ns)
				*slot = (struct duplicate_slot){ seen,
								 time_ns };
			return true;
		}
	}
	*slot = (struct duplicate_slot){ seen, time_ns };
	return false;
}
