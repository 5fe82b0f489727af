/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets in, events out: decode, defragment, recognise duplicates, find the
 * connection, reassemble, hand to the stream.  One engine is one shard: it
 * keeps the connections with hash % shard_count == shard_index and only
 * decodes the rest.  Single-threaded, no I/O, bounded memory.
 */
#pragma once

#include "capture/packet_reader.h"
#include "dissect/event.h"
#include "dissect/stream.h"

/* Packets of these ends only; zeroed: all. */
struct engine_filter {
	uint8_t (*ips)[16];     /* either end in this list; NULL: any */
	const uint8_t *ip_bits; /* leading bits that count of each (IPv4: from
				 * 96 on); NULL: all 128 */
	size_t ip_count;
	const uint16_t *ports;  /* either end in this list; NULL: any */
	size_t port_count;
	uint8_t ip_protocol;    /* 0: any */
};

struct engine_options {
	struct stream_options stream;
	struct engine_filter filter;
	uint32_t shard_index, shard_count;  /* connection ids are
					     * n * shard_count + shard_index */
	uint32_t connection_limit;          /* tracked at once */
	uint64_t reassembly_limit;          /* bytes waiting for holes, in total */
	uint32_t reassembly_connection_limit; /* and per connection */
	uint64_t body_memory_limit;         /* stream_context.buffered_limit */
};

/* The values that aftertap-dissect uses unless told otherwise. */
struct engine_options engine_defaults(void);

struct engine;

/* Options are copied, the filter's lists borrowed.  engine_free (NULL is
 * allowed) emits nothing. */
struct engine *engine_new(const struct engine_options *options,
			  struct event_sink events);
void engine_free(struct engine *e);

/* The next packet, in the order of capture; `data` is not kept. */
void engine_packet(struct engine *e, const struct packet_record *packet);

/* The capture ended: flush holes, end every connection, emit what is open. */
void engine_finish(struct engine *e);

/* Valid at any time; final after engine_finish. */
const struct coverage *engine_coverage(const struct engine *e);
