/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets in, events out: decode, defragment, recognise duplicates, find the
 * connection, reassemble, hand to the stream.  One engine is one shard: it
 * keeps the connections with hash % shard_count == shard_index and only
 * decodes the rest.  Single-threaded, no I/O, bounded memory.
 */
#pragma once

#include "capture/packet_reader.h"
#include "capture/secrets.h"
#include "dissect/engine_filter.h"
#include "dissect/event.h"
#include "dissect/stream.h"

struct engine_options {
	struct stream_options stream;
	struct engine_filter filter;
	uint32_t shard_index, shard_count;  /* connection ids are
					     * n * shard_count + shard_index */
	uint32_t connection_limit;          /* tracked at once */
	uint64_t reassembly_limit;          /* bytes waiting for holes, in total */
	uint32_t reassembly_connection_limit; /* and per connection */
	uint64_t body_memory_limit;         /* stream_context.buffered_limit */
	uint64_t identity_limit;            /* bytes of processes and sockets */
	uint32_t secret_limit;              /* secrets of TLS */
};

/* The values that aftertap-dissect uses unless told otherwise. */
struct engine_options engine_defaults(void);

struct engine;

/* Options are copied, the filter's lists borrowed.  engine_free (NULL is
 * allowed) emits nothing. */
struct engine *engine_new(const struct engine_options *options,
			  struct event_sink events);
void engine_free(struct engine *e);

/* Packets will come of interface `number` of this stream, in this network
 * namespace (inode; 0: not known). */
void engine_interface(struct engine *e, uint32_t number, uint32_t stream,
		      uint64_t netns);

/* Packets of that interface form connections of their own, whatever their
 * addresses and ports: it is a process's plaintext of TLS. */
void engine_interface_apart(struct engine *e, uint32_t number);

/* The body of a custom block of this stream: who was there, or anything. */
void engine_custom_block(struct engine *e, uint32_t stream, struct bytes body);

/* A secret with which TLS was encrypted; best before the packets that are. */
void engine_secret(struct engine *e, const struct secret *secret);

/* The next packet, in the order of capture; `data` is not kept. */
void engine_packet(struct engine *e, const struct packet_record *packet);

/* The capture ended: flush holes, end every connection, emit what is open. */
void engine_finish(struct engine *e);

/* Valid at any time; final after engine_finish. */
const struct coverage *engine_coverage(const struct engine *e);
